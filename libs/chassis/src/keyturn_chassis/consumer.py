"""The batch consumer: one poll, one transaction.

A batch of records is deduplicated by the inbox, decided in partition order, saved with set-based
statements and committed once; the offsets follow. A crash in between delivers the batch again, and
the inbox makes that harmless.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from time import perf_counter
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import dead_letters, erasure, inbox, telemetry
from keyturn_chassis.clock import wall_now
from keyturn_chassis.cloudevents import decode, event_type
from keyturn_chassis.database import is_transient
from keyturn_chassis.dead_letters import BEHIND_PARKED, Parking
from keyturn_chassis.inputs import Cause, Input, RawRecord
from keyturn_chassis.kafka import client_options
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.settle import settle
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_events import Topic
from keyturn_events.intake import CustomerErased
from keyturn_events.refusal import Refusal, RefusalKind

POLL_MILLISECONDS = 250
"""How long a poll waits for records; it bounds how long a graceful stop takes to begin."""
FETCH_BYTES = 262_144
"""How much of one partition is fetched at once: with all its partitions a worker stays small."""
RETRY_SECONDS = (0.1, 0.5, 2.0, 5.0)
"""Pauses while the database or the broker is away; the last one repeats."""
COMMIT_SECONDS = 10.0
"""How long the broker may take to note offsets or to let us leave the group."""
LONGEST_SUBJECT = 200
"""Characters of a record key that can be a subject; as an envelope's subject."""

_log = telemetry.get_logger(__name__)

Batches: TypeAlias = dict[TopicPartition, list["ConsumerRecord[bytes, bytes]"]]


@dataclass(slots=True)
class Delivery:
    """A record on its way to its decision, or to the dead letters with the reason in `refusal`."""

    record: RawRecord
    subject: str
    source: str
    event_id: str
    type: str
    input: Input[Any] | None
    refusal: Refusal | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """What the inbox notes: source and event id, or topic and position of what has none."""
        return self.source, self.event_id

    @property
    def erases(self) -> bool:
        """Whether it asks to forget its subject: it waits behind nothing that is parked."""
        return self.input is not None and isinstance(self.input.value, CustomerErased)

    def parking(self, refusal: Refusal) -> Parking:
        """This record, to be parked."""
        return Parking(self.subject, self.identity, self.record, refusal)


class Consumer:
    """Reads the topics of one service's reactions, as a member of the group of that name."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._name = runtime.service.name
        self._reactions = runtime.service.reactions
        self._events = self._reactions.events
        self._kept = erasure.kept_types(runtime.service.erasing, self._events)
        self._stopping = asyncio.Event()
        self._latest = -1
        """The number of the partitions with which the last full batch ended."""

    def stop(self) -> None:
        """Finish the batch in hand, commit, leave the group."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until stopped, beginning anew when the broker goes away.

        So it does over a record that the client cannot unpack, such as a header whose name is not
        UTF-8: relay and timers of this worker go on, and the lag tells an operator.
        """
        failures = 0
        while not self._stopping.is_set():
            try:
                await self._consume()
            except (KafkaError, TimeoutError, UnicodeDecodeError) as error:
                _log.warning("consumer_retry", error=type(error).__name__)
                await self._pause(failures)
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
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        try:
            await consumer.start()
            while not self._stopping.is_set():
                batches = await self._poll(consumer)
                records = [record for batch in batches.values() for record in batch]
                if not records:
                    continue
                if not await self.handle([raw_record(record) for record in records]):
                    return
                async with asyncio.timeout(COMMIT_SECONDS):
                    await _commit(consumer, batches)
                _measure_lag(consumer, batches)
        finally:
            async with asyncio.timeout(COMMIT_SECONDS):
                await consumer.stop()

    async def _poll(self, consumer: AIOKafkaConsumer) -> Batches:
        """The next records: those of partitions of one number first, then of the next in turn.

        A customer's events are in the partitions of one number on every topic. Where more wait than
        fit, taken together the state of the customer is loaded and saved once for all of them.
        """
        same: defaultdict[int, list[TopicPartition]] = defaultdict(list)
        for tp in consumer.assignment():
            same[tp.partition].append(tp)
        batches: Batches = {}
        room = self._runtime.settings.batch_records
        for number in sorted(same, key=lambda number: (number <= self._latest, number)):
            found: Batches = await consumer.getmany(*same[number], max_records=room)
            batches |= found
            room -= sum(map(len, found.values()))
            if room == 0:
                self._latest = number
                break
        if not batches:
            batches = await consumer.getmany(timeout_ms=POLL_MILLISECONDS)
        return batches

    async def handle(self, records: Sequence[RawRecord]) -> bool:
        """Give every record its effects, or park it; True when all of it is committed.

        While the database is away it waits and tries again: nothing is parked for that. Asked to
        stop meanwhile, it leaves with False; the records will be delivered again.
        """
        failures = 0
        deliveries: list[Delivery] | None = None
        while True:
            try:
                if deliveries is None:
                    deliveries = self.deliveries(records, await self._now())
                await settle(deliveries, self._transact, self._give_up)
                return True
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("batch_retry", error=type(error).__name__)
            if self._stopping.is_set():
                return False
            await self._pause(failures)
            failures += 1

    async def _pause(self, failures: int) -> None:
        seconds = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _now(self) -> datetime:
        """When records of untrusted topics are received; nothing else asks for it."""
        if not self._reactions.untrusted:
            return wall_now()
        async with self._runtime.database.transaction() as connection:
            return await self._runtime.clock.now(connection)

    def deliveries(self, records: Sequence[RawRecord], now: datetime) -> list[Delivery]:
        """What is to be done with each record that concerns us, in the same order.

        `now` is the business time at which records of untrusted topics are received.
        """
        deliveries = (self._delivery(record, now) for record in records)
        return [delivery for delivery in deliveries if delivery is not None]

    def _delivery(self, record: RawRecord, now: datetime) -> Delivery | None:
        if record.topic in self._reactions.untrusted:
            return self._untrusted(record, now)
        type_name = event_type(record.headers)
        reaction = None if type_name is None else self._events.get(type_name)
        if type_name is not None and reaction is None:
            telemetry.SKIPPED.labels("unknown-type").inc()
            return None
        try:
            if type_name is None or reaction is None:
                raise Refusal(
                    "not-a-cloudevent", "The header ce_type is missing.", kind=RefusalKind.INVALID
                )
            event_class, decide = reaction
            message = decode(event_class, record.headers, record.value)
            if event_class.topic != record.topic:
                raise Refusal(
                    "wrong-topic",
                    f"{type_name} belongs to {event_class.topic}, which only its owner writes.",
                    kind=RefusalKind.FORBIDDEN,
                )
        except Refusal as refusal:
            return self._undecided(record, type_name or "", refusal)
        envelope = message.envelope
        cause = Cause(
            envelope.source,
            envelope.id,
            envelope.time.astimezone(UTC),
            envelope.traceparent,
            None if envelope.recordedtime is None else envelope.recordedtime.astimezone(UTC),
        )
        return Delivery(
            record,
            envelope.subject,
            envelope.source,
            envelope.id,
            type_name,
            Input(message.event, cause, decide),
        )

    def _undecided(self, record: RawRecord, type_name: str, refusal: Refusal) -> Delivery:
        """Who may not write to a topic must not stop a customer there: that subject is its own."""
        position = _position(record)
        key = (record.key or b"").decode(errors="replace")
        theirs = key.isprintable() and len(key) <= LONGEST_SUBJECT and refusal.code != "wrong-topic"
        subject = key if key and theirs else position
        return Delivery(record, subject, record.topic, position, type_name, None, refusal)

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
            erased = await erasure.discard_parked(
                connection, self._name, {d.subject for d in pending if d.erases}, self._kept
            )
            parked = await dead_letters.parked_subjects(
                connection, self._name, {delivery.subject for delivery in pending}
            )
            unit = UnitOfWork(self._runtime.service, connection)
            heard = [d for d in pending if d.erases or d.subject not in parked]
            await unit.load([d.input for d in heard if d.input is not None])
            for subject, records in erased.items():
                unit.discarded(subject, records)
            parkings: list[Parking] = []
            standing = frozenset(parked)
            for delivery in pending:
                if delivery.erases:
                    kept = erasure.without_discarded(parkings, delivery.subject, self._kept)
                    unit.discarded(delivery.subject, len(parkings) - len(kept))
                    parkings = kept
                    parked = {*standing, *(parking.subject for parking in kept)}
                behind = delivery.subject in parked and not delivery.erases
                refusal = BEHIND_PARKED if behind else decide(unit, delivery)
                if refusal is not None:
                    parked.add(delivery.subject)
                    parkings.append(delivery.parking(refusal))
            await unit.flush()
            await dead_letters.park(connection, self._name, parkings)
        telemetry.BATCH_SIZE.labels("kafka").observe(len(deliveries))
        telemetry.BATCH_SECONDS.labels("kafka").observe(perf_counter() - began)
        telemetry.SKIPPED.labels("duplicate").inc(len(deliveries) - len(pending))
        _measure_effects(pending)
        erasure.told(erased)
        for parking in parkings:
            telemetry.PARKED_TOTAL.labels(parking.refusal.code).inc()
            _log.warning("parked", code=parking.refusal.code, topic=parking.record.topic)

    async def _fresh(
        self, connection: AsyncConnection, deliveries: Sequence[Delivery]
    ) -> list[Delivery]:
        unseen = await inbox.receive(
            connection, self._name, {delivery.identity for delivery in deliveries}
        )
        pending = []
        for delivery in deliveries:
            if delivery.identity in unseen:
                unseen.remove(delivery.identity)
                pending.append(delivery)
        return pending

    async def _give_up(self, delivery: Delivery, error: Exception) -> None:
        """Park a record that the store refuses though it is alone in its transaction."""
        _log.error("store_refused", error=type(error).__name__, type=delivery.type)
        refusal = store_refused(error)
        async with self._runtime.database.transaction() as connection:
            await dead_letters.hold_off_replays(connection, self._name)
            for fresh in await self._fresh(connection, [delivery]):
                await dead_letters.park(connection, self._name, [fresh.parking(refusal)])
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


def store_refused(error: Exception) -> Refusal:
    """Why an event is parked whose decision is well and whose effects cannot be written."""
    return Refusal(
        "store-refused",
        f"The store refused the effects: {type(error).__name__}.",
        kind=RefusalKind.INVALID,
    )


def _position(record: RawRecord) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def raw_record(record: ConsumerRecord[bytes, bytes]) -> RawRecord:
    """The record as it came; a header without a value, which Kafka allows, has an empty one."""
    headers = record.headers
    if None in map(_value, headers):
        headers = [(name, value or b"") for name, value in headers]
    return RawRecord(
        record.topic, record.partition, record.offset, record.key, record.value, tuple(headers)
    )


_value = itemgetter(1)


async def _commit(consumer: AIOKafkaConsumer, batches: Batches) -> None:
    """Commit offsets; a group that has moved on delivers again, which the inbox makes harmless."""
    try:
        await consumer.commit({tp: batch[-1].offset + 1 for tp, batch in batches.items()})
    except (CommitFailedError, IllegalStateError) as error:
        _log.info("offsets_not_committed", error=type(error).__name__)


def _measure_effects(deliveries: Sequence[Delivery]) -> None:
    """Count what took effect, and how long each took, after the commit."""
    now = wall_now()
    recorded: defaultdict[str, list[datetime | None]] = defaultdict(list)
    for delivery in deliveries:
        cause = None if delivery.input is None else delivery.input.cause
        recorded[delivery.type].append(None if cause is None else cause.recorded_at)
    for type_name, times in recorded.items():
        telemetry.CONSUMED.labels(type_name).inc(len(times))
        latency = telemetry.EFFECT_LATENCY.labels(type_name)
        for time in times:
            if time is not None:
                latency.observe(max(0.0, (now - time).total_seconds()))


def _measure_lag(consumer: AIOKafkaConsumer, batches: Batches) -> None:
    for tp in batches.keys() & consumer.assignment():
        high = consumer.highwater(tp)
        if high is not None:
            lag = max(0, high - batches[tp][-1].offset - 1)
            telemetry.CONSUMER_LAG.labels(tp.topic, tp.partition).set(lag)
