"""How far the services' workers are behind, as the broker knows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from keyturn_demo.auditor import PARTITIONS
from keyturn_demo.kafka import connected


class Backlog:
    """Compares the offsets that consumer groups committed with where the topics end."""

    def __init__(
        self, admin: AIOKafkaAdminClient, meter: AIOKafkaConsumer, groups: tuple[str, ...]
    ) -> None:
        self._admin = admin
        self._meter = meter
        self._groups = groups

    async def ends(self) -> dict[TopicPartition, int]:
        """Where each audited partition ends now."""
        ends: dict[TopicPartition, int] = await self._meter.end_offsets(PARTITIONS)
        return ends

    async def cleared(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether every group has committed everything it reads up to these ends.

        A partition of which a group has committed nothing is none that it reads, or one in which
        it has not found anything yet. While the broker is away nothing is cleared.
        """
        try:
            committed = await asyncio.gather(
                *(self._admin.list_consumer_group_offsets(group) for group in self._groups)
            )
        except KafkaError:
            return False
        return all(
            position.offset >= ends.get(partition, 0)
            for positions in committed
            for partition, position in positions.items()
        )


@asynccontextmanager
async def backlog_of(bootstrap: str, groups: tuple[str, ...]) -> AsyncIterator[Backlog]:
    """The backlog of these groups, to be asked until the end of the block."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    # The auditor's own connection is busy waiting for records, and answers in order.
    meter = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    async with AsyncExitStack() as exits:
        await connected(meter)
        exits.push_async_callback(meter.stop)
        await admin.start()
        exits.push_async_callback(admin.close)
        yield Backlog(admin, meter, groups)
