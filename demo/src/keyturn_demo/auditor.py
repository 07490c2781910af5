"""The auditor: reads every topic by itself, from where they stood when the run began."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from keyturn_demo.event_log import EventLog, Seen, kept
from keyturn_demo.kafka import connected
from keyturn_events import ALL_TOPICS, Topic

POLL_MILLISECONDS: Final = 100
WAKE_SECONDS: Final = 1.0
"""How often a wait looks whether the auditor still reads."""
WATCHED: Final = tuple(
    topic
    for topic in ALL_TOPICS
    # What partners say is no fact yet, and contact details are not the auditor's to read.
    if topic not in (Topic.PARTNERS_INBOUND, Topic.INTAKE_CONTACTS)
)

PARTITIONS: Final = [
    TopicPartition(topic.value, partition)
    for topic in WATCHED
    for partition in range(topic.partitions)
]


class Auditor:
    """Collects events until cancelled; nobody's consumer group, so nobody's progress changes."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.log = EventLog()
        self._consumer = consumer
        self._changed = asyncio.Event()
        self._strings: dict[bytes, str] = {}
        self._collecting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to collect."""
        self._collecting = asyncio.create_task(self._collect())

    async def stop(self) -> None:
        """Collect no more."""
        if self._collecting is not None:
            self._collecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._collecting

    async def has_read(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether everything before these ends is in the log."""
        for partition, end in ends.items():
            if await self._consumer.position(partition) < end:
                return False
        return True

    async def _collect(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=POLL_MILLISECONDS, max_records=2_000)
            for records in batches.values():
                for record in records:
                    event = self._seen(record)
                    if event is not None:
                        self.log.add(event)
            if batches:
                self._changed.set()
                await asyncio.sleep(0)

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds of the log; False when it does not within `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not holds():
                    self._raise_if_ended()
                    self._changed.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), WAKE_SECONDS)
        return holds()

    def _raise_if_ended(self) -> None:
        """An auditor that no longer looks would find nothing lost and nothing doubled."""
        if self._collecting is None or self._collecting.done():
            raise RuntimeError("the auditor has stopped reading") from (
                self._collecting.exception() if self._collecting else None
            )

    def _seen(self, record: ConsumerRecord[bytes, bytes]) -> Seen | None:
        attributes = dict(record.headers)
        id, type_name = attributes.get("ce_id"), attributes.get("ce_type")
        if id is None or type_name is None:
            return None
        written = attributes.get("ce_recordedtime") or attributes["ce_time"]
        cause = attributes.get("ce_causationid")
        value = record.value or b"{}"
        type = self._shared(type_name)
        return Seen(
            id=self._shared(id),
            type=type,
            subject=self._shared(attributes.get("ce_subject", b"")),
            recorded=datetime.fromisoformat(written.decode()).timestamp(),
            cause=None if cause is None else self._shared(cause),
            data=kept(type, orjson.loads(value)),
            digest=hash(value),
        )

    def _shared(self, text: bytes) -> str:
        """One string for all that are equal: ids come up again as causes."""
        known = self._strings.get(text)
        if known is None:
            known = self._strings[text] = text.decode()
        return known


@asynccontextmanager
async def audit_of(bootstrap: str) -> AsyncIterator[Auditor]:
    """An auditor that collects from now on, until the end of the block."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await connected(consumer)
    try:
        consumer.assign(PARTITIONS)
        await consumer.seek_to_end(*PARTITIONS)
        for partition in PARTITIONS:
            await consumer.position(partition)
        auditor = Auditor(consumer)
        auditor.start()
        try:
            yield auditor
        finally:
            await auditor.stop()
    finally:
        await consumer.stop()
