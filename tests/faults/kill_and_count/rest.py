"""When everything is quiet: nothing is under way in any service, on any topic, on any timer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final, Self

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

import campaigns.service
import intake.service
import segmentation.service
import service_desk.service
from keyturn_demo.auditor import PARTITIONS as AUDITED
from keyturn_demo.auditor import Auditor
from keyturn_demo.kafka import connected
from keyturn_events import ALL_TOPICS
from keyturn_local.services import SERVICES

REACTIONS: Final = {
    service.name: service.reactions
    for service in (
        intake.service.service,
        segmentation.service.service,
        service_desk.service.service,
        campaigns.service.service,
    )
}
PARTITIONS: Final = [
    TopicPartition(topic.value, partition)
    for topic in ALL_TOPICS
    for partition in range(topic.partitions)
]
LOOK_SECONDS: Final = 0.1
QUIET_LOOKS: Final = 2
"""Looks in a row that must find nothing under way, and nothing new between them."""
AWAY: Final = (KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
"""What a server says, or does not say, while it is away."""

LEASED: Final = "messages being sent"
LEASE_SECONDS: Final = 3.0
"""What the five minutes are cut to for which a sender that died keeps its messages."""

_UNDER_WAY: Final = {
    # `now` is the driven time; before the first drive nothing can be due.
    "timers": "SELECT count(*) FROM timers, driven_clock WHERE due_at <= now",
}
_OWN_WORK: Final = {
    "intake": {
        "imports": "SELECT count(*) FROM imports WHERE status IN ('receiving','waiting','running')"
    },
    "campaigns": {
        "messages due": "SELECT count(*) FROM sends, driven_clock"
        " WHERE state = 'waiting' AND due_at <= now",
        LEASED: "SELECT count(*) FROM sends WHERE state = 'sending'",
    },
}
_LAPSE: Final = "UPDATE sends SET leased_until = now() WHERE state = 'sending'"


class NotAtRest(Exception):
    """Something is still under way after all patience; the message says what."""


class Rest:
    """Tells when the services have nothing left to do. An asynchronous context manager."""

    def __init__(self, admin_url: str, bootstrap: str, auditor: Auditor) -> None:
        self._server = admin_url.rpartition("/")[0]
        self._auditor = auditor
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._meter = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
        self._connections: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
        self._unpublished: dict[str, str] = {}
        self._leased_since: float | None = None

    async def __aenter__(self) -> Self:
        await connected(self._meter)
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._meter.stop()
        await self._admin.close()
        for connection in self._connections.values():
            connection.terminate()

    async def reached(self, seconds: float) -> None:
        """Wait until all is quiet. Raises `NotAtRest` when that takes too long."""
        deadline = time.monotonic() + seconds
        quiet = 0
        before: object = None
        while quiet < QUIET_LOOKS:
            under_way, ends = await self.look()
            quiet = quiet + 1 if not under_way and ends == before else 0
            before = ends
            if quiet < QUIET_LOOKS:
                if time.monotonic() > deadline:
                    listed = ", ".join(f"{what}: {left}" for what, left in under_way.items())
                    raise NotAtRest(f"after {seconds:.0f} s there is still {listed or 'movement'}")
                await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> tuple[dict[str, int], Mapping[TopicPartition, int]]:
        """What is under way now, by what it is, and where the topics end."""
        try:
            async with asyncio.timeout(10):
                under_way: dict[str, int] = {}
                for service in SERVICES:
                    under_way |= await self._within(service.name, service.database)
                if under_way:
                    return under_way, {}
                ends: dict[TopicPartition, int] = await self._meter.end_offsets(PARTITIONS)
                for service in SERVICES:
                    lag = await self._lag(service.name, ends)
                    if lag:
                        under_way[f"{service.name} lag"] = lag
                watched = {partition: ends[partition] for partition in AUDITED}
                if not await self._auditor.has_read(watched):
                    under_way["auditor"] = 1
                return under_way, ends
        except AWAY as error:
            return {f"{type(error).__name__} {error}".strip(): 1}, {}

    async def _within(self, service: str, database: str) -> dict[str, int]:
        connection = self._connections.get(service)
        if connection is None or connection.is_closed():
            connection = self._connections[service] = await asyncpg.connect(
                f"{self._server}/{database}", timeout=3, command_timeout=5
            )
        queries = {
            "outbox": await self._outbox(connection, service),
            **_UNDER_WAY,
            **_OWN_WORK.get(service, {}),
        }
        try:
            counted = {
                what: int(await connection.fetchval(query)) for what, query in queries.items()
            }
            if LEASED in counted:
                await self._let_lapse(connection, leased=counted[LEASED] > 0)
        except AWAY:
            connection.terminate()
            raise
        return {f"{service} {what}": number for what, number in counted.items() if number}

    async def _let_lapse(
        self, connection: asyncpg.Connection[asyncpg.Record], *, leased: bool
    ) -> None:
        """Let leases run out that nobody gives back; nobody has five minutes to wait for them."""
        if not leased:
            self._leased_since = None
        elif self._leased_since is None:
            self._leased_since = time.monotonic()
        elif time.monotonic() - self._leased_since > LEASE_SECONDS:
            await connection.execute(_LAPSE)
            self._leased_since = None

    async def _outbox(self, connection: asyncpg.Connection[asyncpg.Record], service: str) -> str:
        """Counts what is not published: rows without that mark, or, where none is made, all."""
        if service not in self._unpublished:
            marked = await connection.fetchval(
                "SELECT count(*) FROM information_schema.columns"
                " WHERE table_name = 'outbox' AND column_name = 'published_at'"
            )
            where = " WHERE published_at IS NULL" if marked else ""
            self._unpublished[service] = f"SELECT count(*) FROM outbox{where}"
        return self._unpublished[service]

    async def _lag(self, service: str, ends: Mapping[TopicPartition, int]) -> int:
        committed = await self._admin.list_consumer_group_offsets(service)
        read = {topic.value for topic in REACTIONS[service].topics}
        return sum(
            max(0, end - (committed[partition].offset if partition in committed else 0))
            for partition, end in ends.items()
            if partition.topic in read
        )
