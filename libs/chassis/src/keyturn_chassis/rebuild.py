"""Rebuilds what follows from events alone: every topic from its first offset, into an empty store.

It tells nobody: what these events led to was published when they were new. Decisions are made and
timers fired as ever, and what they say is dropped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text

from keyturn_chassis import dead_letters
from keyturn_chassis.consumer import FETCH_BYTES, POLL_MILLISECONDS, Consumer, raw_record
from keyturn_chassis.kafka import client_options
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.timer_loop import TimerLoop
from keyturn_events.refusal import Refusal

Progress = Callable[[int, int], None]
"""Called after every batch with the number of records read so far, and of all that there are."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to."""

    records: int
    timers: int
    parked: int
    """How many records are parked, or wait behind one that is."""


async def rebuild(runtime: Runtime, progress: Progress) -> Rebuilt:
    """Hear everything again, up to what is on the topics by the time it is done.

    The inbox notes every event, so that a worker of the service may go on in this store from the
    offsets at which another one stopped: what it hears twice has no second effect. Raises `Refusal`
    `not-rebuildable`, `store-not-empty` and `history-incomplete`.
    """
    await _require_empty(runtime)
    consumer, timers = Consumer(runtime), TimerLoop(runtime)
    read = fired = 0
    async with _reader(runtime) as reader:
        partitions = reader.assignment()
        begin = await reader.beginning_offsets(partitions)
        require_whole_history(begin)
        end = begin
        while True:
            if await _reached(reader, end):
                latest = await reader.end_offsets(partitions)
                if latest == end:
                    break
                end = latest
                continue
            batches = await reader.getmany(timeout_ms=POLL_MILLISECONDS)
            records = [raw_record(record) for batch in batches.values() for record in batch]
            if records:
                await consumer.handle(records)
                await _say_nothing(runtime)
                read += len(records)
                progress(read, max(read, sum(end[p] - begin[p] for p in partitions)))
    while due := await timers.fire_due():
        await _say_nothing(runtime)
        fired += due
    async with runtime.database.reading() as connection:
        parked = await dead_letters.count(connection, runtime.service.name)
    return Rebuilt(read, fired, parked)


def require_whole_history(begin: Mapping[TopicPartition, int]) -> None:
    """Raise `Refusal` `history-incomplete` when a partition no longer has its first record."""
    for partition, offset in sorted(begin.items()):
        if offset > 0:
            raise Refusal(
                "history-incomplete",
                f"{partition.topic}/{partition.partition} begins at offset {offset}: what came"
                " before was removed, and nothing can be built from it. Restore a backup, and keep"
                " topics that are to be history (retention.ms=-1).",
            )


async def _require_empty(runtime: Runtime) -> None:
    service = runtime.service
    if not service.derived:
        raise Refusal(
            "not-rebuildable",
            f"What {service.name} keeps does not follow from events alone: it decides on requests"
            " too. Restore its database from a backup.",
        )
    derived = (table.name for table in service.derived)
    tables = (*derived, "inbox", "outbox", "dead_letters", "timers")
    async with runtime.database.reading() as connection:
        for table in tables:
            found = await connection.execute(
                text(f'SELECT EXISTS (SELECT 1 FROM "{table}")')  # noqa: S608 - our own names
            )
            if found.scalar_one():
                raise Refusal(
                    "store-not-empty",
                    f"There are rows in {table}. Make another database, migrate it, and name it in"
                    " KEYTURN_DATABASE_URL; this one is left as it is.",
                )


@asynccontextmanager
async def _reader(runtime: Runtime) -> AsyncIterator[AIOKafkaConsumer]:
    """A client without a group, at the first offset of every partition: it moves no offsets."""
    reader = AIOKafkaConsumer(
        **client_options(runtime.settings),
        client_id=f"{runtime.service.name}-rebuild",
        isolation_level="read_committed",
        max_poll_records=runtime.settings.batch_records,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await reader.start()
    try:
        reader.assign(
            [
                TopicPartition(topic, partition)
                for topic in runtime.service.reactions.topics
                for partition in range(topic.partitions)
            ]
        )
        await reader.seek_to_beginning()
        yield reader
    finally:
        await reader.stop()


async def _reached(reader: AIOKafkaConsumer, end: Mapping[TopicPartition, int]) -> bool:
    for partition, offset in end.items():
        if await reader.position(partition) < offset:
            return False
    return True


async def _say_nothing(runtime: Runtime) -> None:
    async with runtime.database.transaction() as connection:
        await connection.execute(text("DELETE FROM outbox"))
