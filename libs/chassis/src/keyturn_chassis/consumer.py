"""The batch consumer: one poll, one transaction.

A batch of records is deduplicated by the inbox, decided in partition order, saved with set-based
statements and committed once; the offsets follow. A crash in between delivers the batch again, and
the inbox makes that harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import dead_letters, inbox, telemetry
from keyturn_chassis.clock import wall_now
from keyturn_chassis.cloudevents import decode, event_type
from keyturn_chassis.database import is_transient
from keyturn_chassis.dead_letters import Parking
from keyturn_chassis.inputs import Cause, Input, RawRecord
from keyturn_chassis.kafka import client_options
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.settle import settle
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_events import Topic
from keyturn_events.refusal import Refusal, RefusalKind

POLL_MILLISECONDS = 250
"""How long a poll waits for records; it bounds how long a graceful stop takes to begin."""
RETRY_SECONDS = (0.1, 0.5, 2.0, 5.0)
"""Pauses while the database or the broker is away; the last one repeats."""

_log = telemetry.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record on its way to its decision, or to the dead letters with the reason in `refusal`."""

    record: RawRecord
    subject: str
    source: str
    event_id: str
    type: str
    input: Input[Any] | None
    refusal: Refusal | None = None


class Consumer:
    """Reads the topics of one service's reactions, as a member of the group of that name."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._name = runtime.service.name
        self._reactions = runtime.service.reactions
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Finish the batch in hand, commit, leave the group."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until stopped, beginning anew when the broker goes away."""
        failures = 0
        while not self._stopping.is_set():
            try:
                await self._consume()
                failures = 0
            except KafkaError as error:
                _log.warning("consumer_retry", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1

    async def _consume(self) -> None:
        consumer = AIOKafkaConsumer(
            *self._reactions.topics,
            **client_options(self._runtime.settings),
            client_id=f"{self._name}-worker",
            group_id=self._name,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=self._runtime.settings.batch_records,
        )
        await consumer.start()
        try:
            while not self._stopping.is_set():
                batches = await consumer.getmany(timeout_ms=POLL_MILLISECONDS)
                records = [record for batch in batches.values() for record in batch]
                if not records:
                    continue
                await self.handle([_raw(record) for record in records])
                await _commit(consumer, batches)
                _measure_lag(consumer, batches)
        finally:
            await consumer.stop()

    async def handle(self, records: Sequence[RawRecord]) -> None:
        """Give every record its effects, or park it; returns when all of it is committed.

        While the database is away it waits and tries again: nothing is parked for that.
        """
        failures = 0
        deliveries: list[Delivery] | None = None
        while True:
            try:
                if deliveries is None:
                    deliveries = await self.deliveries(records)
                await settle(deliveries, self._transact, self._give_up)
                return
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("batch_retry", error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
            failures += 1

    async def deliveries(self, records: Sequence[RawRecord]) -> list[Delivery]:
        """What is to be done with each record that concerns us, in the same order."""
        now = wall_now()
        if self._reactions.untrusted:
            async with self._runtime.database.transaction() as connection:
                now = await self._runtime.clock.now(connection)
        deliveries = (self.delivery(record, now) for record in records)
        return [delivery for delivery in deliveries if delivery is not None]

    def delivery(self, record: RawRecord, now: datetime) -> Delivery | None:
        """What is to be done with a record; None when it does not concern us.

        `now` is the business time at which a record of an untrusted topic is received.
        """
        if record.topic in self._reactions.untrusted:
            return self._untrusted(record, now)
        type_name = event_type(record.headers)
        if type_name is not None and type_name not in self._reactions.events:
            telemetry.SKIPPED.labels("unknown-type").inc()
            return None
        subject = (record.key or b"").decode(errors="replace") or _position(record)
        try:
            if type_name is None:
                raise Refusal(
                    "not-a-cloudevent", "The header ce_type is missing.", kind=RefusalKind.INVALID
                )
            event_class, decide = self._reactions.events[type_name]
            message = decode(event_class, record.headers, record.value)
        except Refusal as refusal:
            return Delivery(
                record, subject, record.topic, _position(record), type_name or "", None, refusal
            )
        envelope = message.envelope
        cause = Cause(
            envelope.source,
            envelope.id,
            envelope.time,
            envelope.traceparent,
            envelope.recordedtime,
        )
        if envelope.recordedtime is not None:
            telemetry.EFFECT_LATENCY.labels(type_name).observe(
                max(0.0, (wall_now() - envelope.recordedtime).total_seconds())
            )
        return Delivery(
            record,
            envelope.subject,
            envelope.source,
            envelope.id,
            type_name,
            Input(message.event, cause, decide),
        )

    def _untrusted(self, record: RawRecord, now: datetime) -> Delivery:
        position = _position(record)
        cause = Cause(record.topic, position, now)
        decide = self._reactions.untrusted[Topic(record.topic)]
        return Delivery(
            record, position, record.topic, position, record.topic, Input(record, cause, decide)
        )

    async def _transact(self, deliveries: Sequence[Delivery]) -> None:
        """One transaction: inbox, decisions, state, outbox, dead letters."""
        began = perf_counter()
        async with self._runtime.database.transaction() as connection:
            await dead_letters.hold_off_replays(connection, self._name)
            pending = await self._fresh(connection, deliveries)
            parked = await dead_letters.parked_subjects(
                connection, self._name, {delivery.subject for delivery in pending}
            )
            unit = UnitOfWork(self._runtime.service, connection)
            await unit.load(
                [d.input for d in pending if d.input is not None and d.subject not in parked]
            )
            parkings = []
            for delivery in pending:
                if delivery.subject in parked:
                    parkings.append(dead_letters.behind_parked(delivery.subject, delivery.record))
                    continue
                refusal = decide(unit, delivery)
                if refusal is not None:
                    parked.add(delivery.subject)
                    parkings.append(Parking(delivery.subject, delivery.record, refusal))
            await unit.flush()
            await dead_letters.park(connection, self._name, parkings)
        telemetry.BATCH_SIZE.labels("kafka").observe(len(deliveries))
        telemetry.BATCH_SECONDS.labels("kafka").observe(perf_counter() - began)
        telemetry.SKIPPED.labels("duplicate").inc(len(deliveries) - len(pending))
        for delivery in pending:
            telemetry.CONSUMED.labels(delivery.type).inc()
        for parking in parkings:
            telemetry.PARKED_TOTAL.labels(parking.refusal.code).inc()
            _log.warning("parked", code=parking.refusal.code, topic=parking.record.topic)

    async def _fresh(
        self, connection: AsyncConnection, deliveries: Sequence[Delivery]
    ) -> list[Delivery]:
        unseen = await inbox.receive(
            connection, self._name, {(d.source, d.event_id) for d in deliveries}
        )
        pending = []
        for delivery in deliveries:
            identity = (delivery.source, delivery.event_id)
            if identity in unseen:
                unseen.remove(identity)
                pending.append(delivery)
        return pending

    async def _give_up(self, delivery: Delivery, error: Exception) -> None:
        """Park a record that the store refuses though it is alone in its transaction."""
        _log.error("store_refused", error=type(error).__name__, type=delivery.type)
        refusal = Refusal(
            "store-refused",
            f"The store refused the effects: {type(error).__name__}.",
            kind=RefusalKind.INVALID,
        )
        async with self._runtime.database.transaction() as connection:
            await dead_letters.hold_off_replays(connection, self._name)
            for fresh in await self._fresh(connection, [delivery]):
                parking = Parking(fresh.subject, fresh.record, refusal)
                await dead_letters.park(connection, self._name, [parking])
                telemetry.PARKED_TOTAL.labels(refusal.code).inc()


def decide(unit: UnitOfWork, delivery: Delivery) -> Refusal | None:
    """Decide; the refusal if the decision says no, or fails in a way that it should not."""
    if delivery.input is None:
        return delivery.refusal
    try:
        unit.decide(delivery.input)
    except Refusal as refusal:
        return refusal
    except Exception as error:  # noqa: BLE001 - a bug parks its event and stops nobody else
        _log.exception("decision_failed", type=delivery.type)
        return Refusal(
            "decision-failed",
            f"The decision raised {type(error).__name__}; see the log.",
            kind=RefusalKind.INVALID,
        )
    return None


def _position(record: RawRecord) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _raw(record: ConsumerRecord[bytes, bytes]) -> RawRecord:
    return RawRecord(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple(record.headers),
    )


async def _commit(
    consumer: AIOKafkaConsumer,
    batches: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]],
) -> None:
    """Commit offsets; a group that has moved on delivers again, which the inbox makes harmless."""
    try:
        await consumer.commit({tp: batch[-1].offset + 1 for tp, batch in batches.items()})
    except (CommitFailedError, IllegalStateError) as error:
        _log.info("offsets_not_committed", error=type(error).__name__)


def _measure_lag(
    consumer: AIOKafkaConsumer,
    batches: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]],
) -> None:
    for tp, batch in batches.items():
        high = consumer.highwater(tp)
        if high is not None:
            lag = max(0, high - batch[-1].offset - 1)
            telemetry.CONSUMER_LAG.labels(tp.topic, tp.partition).set(lag)
