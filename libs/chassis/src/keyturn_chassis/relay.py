"""The relay: a polling publisher that moves outbox rows to Kafka.

It finds *all* rows that are there, not only those after the last one seen: insert order is not
commit order, and a row that commits late would be lost. One relay of a service is active, held
by an advisory lock, so that the events of one key keep their order. A crash between the broker's
acknowledgement and the removal from the outbox publishes again; inboxes make that harmless.

A relay that lost its lock may have records on the network still. So that they cannot arrive after
newer ones, all relays of a service publish under one Kafka producer id, each with a higher epoch
than the one before; the service's database hands the epochs out. A broker refuses an epoch once
it has seen a higher one on the partition.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from sqlalchemy import BigInteger, Column, Integer, Table, Text

from keyturn_chassis import telemetry
from keyturn_chassis.clock import wall_now
from keyturn_chassis.database import chassis_metadata, is_transient
from keyturn_chassis.kafka import client_options, cluster_id
from keyturn_chassis.outbox import CHANNEL, headers_of
from keyturn_chassis.wakeup import Wakeup

if TYPE_CHECKING:
    from aiokafka.producer.message_accumulator import BatchBuilder

    from keyturn_chassis.runtime import Runtime

BATCH = 2000
"""How many rows are in flight to the broker at once, at most."""
RECORD_BATCH_BYTES = 262_144
"""How large a batch of records of one partition may grow; a quarter of what brokers take."""
POLL_SECONDS = 1.0
"""How long a missed notification, or a row that commits late, can delay a message."""
RETRY_SECONDS = 1.0
"""Pause after the database or the broker went away."""
IDLE_SECONDS = 15
"""After which silence the server takes the lock from us; we speak every `POLL_SECONDS`."""
STOP_SECONDS = 3.0
"""How long the producer may take to end."""

_log = telemetry.get_logger(__name__)

_SELECT = """
    SELECT sequence, id, aggregatetype, aggregateid, type, time, recordedtime, causationid,
        traceparent, payload, created_at
    FROM outbox WHERE sequence > $1 ORDER BY sequence LIMIT $2
"""
_REMOVE = "DELETE FROM outbox WHERE sequence = ANY($1::bigint[])"

LAST_EPOCH = 32_767
"""The protocol's highest; after it comes a new producer id."""
_NEXT_EPOCH = """
    UPDATE relay_producer SET epoch = epoch + 1 WHERE cluster = $1 AND epoch < $2
    RETURNING producer_id, epoch
"""
_NEW_PRODUCER = """
    INSERT INTO relay_producer (cluster, producer_id, epoch) VALUES ($1, $2, $3)
    ON CONFLICT (cluster)
    DO UPDATE SET producer_id = excluded.producer_id, epoch = excluded.epoch
"""

relay_producer = Table(
    "relay_producer",
    chassis_metadata,
    Column("cluster", Text, primary_key=True),
    Column("producer_id", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
)

Rows = Sequence[asyncpg.Record]

partition_of = DefaultPartitioner()
"""Where a key belongs: by the hash that every Kafka client uses."""


class Relay:
    """Publishes the outbox of one service until cancelled."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._source = runtime.service.name.encode()
        self._wakeup = Wakeup()

    async def run(self) -> None:
        """Become the active relay, publish, and begin anew whenever something goes away."""
        while True:
            try:
                await self._lead()
            except Exception as error:
                if not (is_transient(error) or isinstance(error, KafkaError)):
                    raise
                _log.warning("relay_retry", error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    async def _lead(self) -> None:
        """Publish while the lock is ours; rows are read and removed over the lock's connection."""
        connection = await self._runtime.database.dedicated(idle_seconds=IDLE_SECONDS)
        try:
            if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('relay'))"):
                return
            await connection.add_listener(CHANNEL, self._wakeup.wake)
            async with self._producer(connection) as producer:
                _log.info("relay_leading")
                await self._publish_all(connection, producer)
        finally:
            connection.terminate()

    @asynccontextmanager
    async def _producer(
        self, connection: asyncpg.Connection[asyncpg.Record]
    ) -> AsyncIterator[AIOKafkaProducer]:
        """A producer whose epoch is higher than that of every relay before."""
        producer = AIOKafkaProducer(
            **client_options(self._runtime.settings),
            client_id=f"{self._runtime.service.name}-relay",
            enable_idempotence=True,
            acks="all",
            max_batch_size=RECORD_BATCH_BYTES,
        )
        # The client offers no other way to go on with a producer id.
        identity = producer._txn_manager  # noqa: SLF001
        cluster = await cluster_id(self._runtime.settings)
        known = await connection.fetchrow(_NEXT_EPOCH, cluster, LAST_EPOCH)
        if known is not None:
            identity.set_pid_and_epoch(known["producer_id"], known["epoch"])
        try:
            await producer.start()
            if known is None:
                await identity.wait_for_pid()
                await connection.execute(
                    _NEW_PRODUCER, cluster, identity.producer_id, identity.producer_epoch
                )
            yield producer
        finally:
            # It would wait for a broker that is away; what it holds is in the outbox.
            with suppress(TimeoutError):
                await asyncio.wait_for(producer.stop(), STOP_SECONDS)

    async def _publish_all(
        self, connection: asyncpg.Connection[asyncpg.Record], producer: AIOKafkaProducer
    ) -> None:
        """Publish for ever: a backlog batch by batch, then whatever comes.

        In a backlog each batch begins where the last one ended, since those that are gone would
        have to be stepped over each time; rows that committed late are found from the start.
        """
        after, started = 0, monotonic()
        while True:
            rows = await self.publish(connection, producer, after=after)
            if len(rows) == BATCH and monotonic() - started < POLL_SECONDS:
                after = rows[-1]["sequence"]
                continue
            if after == 0 and len(rows) < BATCH:
                await self._wakeup.wait(POLL_SECONDS)
            after, started = 0, monotonic()

    async def publish(
        self,
        connection: asyncpg.Connection[asyncpg.Record],
        producer: AIOKafkaProducer,
        *,
        after: int = 0,
    ) -> Rows:
        """Publish one batch of the rows `after` that sequence number, and take it out of the table.

        Raises `KafkaError` when a row was not acknowledged; then nothing of the batch is taken out,
        and all of it is published again.
        """
        rows: Rows = await connection.fetch(_SELECT, after, BATCH)
        if after == 0:
            age = (wall_now() - rows[0]["created_at"]).total_seconds() if rows else 0
            telemetry.OUTBOX_AGE.set(age)
        if rows:
            began = time_ns()
            await _send(producer, rows, self._source)
            await connection.execute(_REMOVE, [row["sequence"] for row in rows])
            telemetry.OUTBOX_PUBLISHED.inc(len(rows))
            telemetry.published(
                ((row["aggregatetype"], row["type"], row["traceparent"]) for row in rows), began
            )
        return rows


async def _send(producer: AIOKafkaProducer, rows: Rows, source: bytes) -> None:
    """Hand rows to the broker, those of one partition in order, and wait until it has them all."""
    partitions = {
        topic: sorted(await producer.partitions_for(topic))
        for topic in {row["aggregatetype"] for row in rows}
    }
    places: dict[tuple[str, str], int] = {}
    open_batches: dict[tuple[str, int], BatchBuilder] = {}
    acknowledgements = []
    for row in rows:
        topic, subject = row["aggregatetype"], row["aggregateid"]
        key = subject.encode()
        partition = places.get((topic, subject))
        if partition is None:
            partition = places[topic, subject] = partition_of(key, partitions[topic], ())
        record = {
            "timestamp": None,
            "key": key,
            "value": None if row["payload"] is None else row["payload"].encode(),
            "headers": headers_of(row, source),
        }
        batch = open_batches.get((topic, partition))
        if batch is None:
            batch = open_batches[topic, partition] = producer.create_batch()
        if batch.append(**record) is None:
            acknowledgements.append(await _submit(producer, batch, topic, partition))
            batch = open_batches[topic, partition] = producer.create_batch()
            batch.append(**record)
    for (topic, partition), batch in open_batches.items():
        acknowledgements.append(await _submit(producer, batch, topic, partition))
    await asyncio.gather(*acknowledgements)


async def _submit(
    producer: AIOKafkaProducer, batch: BatchBuilder, topic: str, partition: int
) -> asyncio.Future[Any]:
    batch.close()
    acknowledged: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=partition)
    return acknowledged
