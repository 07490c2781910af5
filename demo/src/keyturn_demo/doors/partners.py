"""The partner door: events on Kafka, as a partner's own system publishes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaProducer

from keyturn_demo.kafka import connected
from keyturn_events import Event, Message, Topic
from keyturn_events.partners import PARTNER_SOURCE_PREFIX

PORTAL: Final = "homeportal"
LEDGER: Final = "sales-ledger"
CONSTRUCTION: Final = "construction"


@dataclass(frozen=True, slots=True)
class PartnerRecord:
    """A record as it goes onto the topic: well-formed, or broken on purpose."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def record_of(event: Event, *, partner: str, id: str, time: datetime) -> PartnerRecord:
    """The record of a partner's event, in the way that the events package shows."""
    message = Message.of(event, id=id, source=f"{PARTNER_SOURCE_PREFIX}{partner}", time=time)
    return PartnerRecord(message.key, message.value, message.headers)


class PartnerDoor:
    """Publishes partners' records; each is on the broker when `publish` returns."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def publish(self, records: Sequence[PartnerRecord]) -> list[tuple[int, int]]:
        """Publish records, in order within each key; the partition and offset of each."""
        acknowledgements = [
            await self._producer.send(
                Topic.PARTNERS_INBOUND.value,
                key=record.key,
                value=record.value,
                headers=list(record.headers),
            )
            for record in records
        ]
        written = [await acknowledgement for acknowledgement in acknowledgements]
        return [(metadata.partition, metadata.offset) for metadata in written]


@asynccontextmanager
async def partner_door(bootstrap: str) -> AsyncIterator[PartnerDoor]:
    """The partner door, open until the end of the block."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        acks="all",
        request_timeout_ms=60_000,
    )
    await connected(producer)
    try:
        yield PartnerDoor(producer)
    finally:
        await producer.stop()
