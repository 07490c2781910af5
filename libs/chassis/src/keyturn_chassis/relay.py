"""The relay: a polling publisher that moves outbox rows to Kafka.

It selects *all* rows that are not published, never those after the last one seen: insert order is
not commit order, and a row that commits late would be lost. One relay of a service is active, held
by an advisory lock, so that the events of one key keep their order. A crash between the broker's
acknowledgement and the mark in the outbox publishes again; inboxes make that harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from keyturn_chassis import telemetry
from keyturn_chassis.database import is_transient
from keyturn_chassis.kafka import client_options
from keyturn_chassis.outbox import CHANNEL

if TYPE_CHECKING:
    from keyturn_chassis.runtime import Runtime

BATCH = 1000
"""How many rows are in flight to the broker at once, at most."""
POLL_SECONDS = 1.0
"""How long a missed notification can delay a message."""
RETRY_SECONDS = 1.0
"""Pause after the database or the broker went away."""
IDLE_SECONDS = 15
"""After which silence the server takes the lock from us; we speak every `POLL_SECONDS`."""
STOP_SECONDS = 3.0
"""How long the producer may take to end."""

_log = telemetry.get_logger(__name__)

_SELECT = """
    SELECT id, sequence, aggregatetype, aggregateid, headers, payload, created_at
    FROM outbox WHERE published_at IS NULL ORDER BY sequence LIMIT $1
"""
_MARK = "UPDATE outbox SET published_at = now() WHERE id = ANY($1::uuid[])"
_AGE = """
    SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)
    FROM outbox WHERE published_at IS NULL
"""


class Relay:
    """Publishes the outbox of one service until cancelled."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._woken = asyncio.Event()

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
        """Publish while the lock is ours; reads and marks share the lock's own connection."""
        connection = await self._runtime.database.dedicated(idle_seconds=IDLE_SECONDS)
        try:
            if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('relay'))"):
                return
            await connection.add_listener(CHANNEL, self._wake)
            async with self._producer() as producer:
                _log.info("relay_leading")
                while True:
                    self._woken.clear()
                    if await self.publish(connection, producer) < BATCH:
                        await self._wait()
        finally:
            connection.terminate()

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            **client_options(self._runtime.settings),
            client_id=f"{self._runtime.service.name}-relay",
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
        )
        try:
            await producer.start()
            yield producer
        finally:
            # It would wait for a broker that is away; what it holds is in the outbox.
            with suppress(TimeoutError):
                await asyncio.wait_for(producer.stop(), STOP_SECONDS)

    async def publish(
        self, connection: asyncpg.Connection[asyncpg.Record], producer: AIOKafkaProducer
    ) -> int:
        """Publish one batch and mark it; how many rows.

        Raises `KafkaError` when a row was not acknowledged; nothing of the batch is marked then,
        and all of it is published again.
        """
        rows: Sequence[asyncpg.Record] = await connection.fetch(_SELECT, BATCH)
        if not rows:
            telemetry.OUTBOX_AGE.set(0)
            return 0
        acknowledgements = [
            await producer.send(
                row["aggregatetype"],
                key=row["aggregateid"].encode(),
                value=None if row["payload"] is None else row["payload"].encode(),
                headers=[
                    (name, value.encode()) for name, value in orjson.loads(row["headers"]).items()
                ],
            )
            for row in rows
        ]
        await asyncio.gather(*acknowledgements)
        await connection.execute(_MARK, [row["id"] for row in rows])
        telemetry.OUTBOX_PUBLISHED.inc(len(rows))
        telemetry.OUTBOX_AGE.set(await connection.fetchval(_AGE))
        return len(rows)

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)
        except TimeoutError:
            return

    def _wake(self, *_: object) -> None:
        self._woken.set()
