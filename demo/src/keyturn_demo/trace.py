"""One customer's trace: every input that concerned them, and what followed from it, where and when.

It is read from the records on Kafka alone. Each says which event, request or timer caused it, when
its service decided it and when it was published; so it needs no collector of traces, and it works
for what happened a year ago.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from keyturn_demo.auditor import PARTITIONS, WATCHED
from keyturn_demo.kafka import connected
from keyturn_events import Topic
from keyturn_events.campaigns import MessageHeld, MessageSent, MessageSkipped
from keyturn_events.intake import LeadAdvanced, PurchaseSigned
from keyturn_events.segmentation import CustomerSegmented
from keyturn_events.service_desk import HandoverGatePassed, HandoverGateRefused

POLL_MILLISECONDS: Final = 200
TELLING: Final[Mapping[str, str]] = {
    LeadAdvanced.type: "to_stage",
    CustomerSegmented.type: "to_segment",
    HandoverGatePassed.type: "gate",
    HandoverGateRefused.type: "gate",
    MessageSent.type: "campaign",
    MessageHeld.type: "campaign",
    MessageSkipped.type: "campaign",
}
"""The field of an event that says most in one word."""
_TRACE: Final = slice(3, 35)
"""Where the trace id stands in a `traceparent`."""


@dataclass(frozen=True, slots=True)
class Traced:
    """An event with what its record tells of its way here."""

    id: str
    type: str
    service: str
    subject: str
    at: datetime
    """Business time."""
    decided: float
    """When its service decided it, in seconds since 1970."""
    published: float
    """When the relay handed it to Kafka, in seconds since 1970."""
    causes: tuple[str, ...]
    """What led to it, the nearest first: an event, a request, a row, a timer. A message that had
    to wait names what planned it second."""
    trace_id: str | None
    fact: str | None = None
    """What it says in one word, where there is one."""


@dataclass(frozen=True, slots=True)
class Node:
    """An event and the events that it led to."""

    event: Traced
    effects: tuple[Node, ...]

    def __len__(self) -> int:
        return 1 + sum(len(effect) for effect in self.effects)


@dataclass(frozen=True, slots=True)
class Origin:
    """An input that is no event of ours, or one that was not read, and all that it led to."""

    cause: str
    effects: tuple[Node, ...]

    @property
    def began(self) -> float:
        """When it was decided: nothing that it led to is earlier."""
        return min(node.event.decided for node in self.effects)

    @property
    def trace_ids(self) -> tuple[str, ...]:
        """The traces of its events; one, unless something waited for a timer."""
        return tuple(dict.fromkeys(t for node in self.effects for t in _traces(node)))

    def __len__(self) -> int:
        return sum(len(effect) for effect in self.effects)


def _traces(node: Node) -> Iterable[str]:
    if node.event.trace_id is not None:
        yield node.event.trace_id
    for effect in node.effects:
        yield from _traces(effect)


def origins(events: Iterable[Traced]) -> list[Origin]:
    """The inputs that led to `events`, in the order in which they were decided.

    An event that came twice counts once. One whose cause is not among them stands at the top.
    """
    by_id = {event.id: event for event in events}
    effects: defaultdict[str, list[Traced]] = defaultdict(list)
    for event in by_id.values():
        known = next((cause for cause in event.causes if cause in by_id), None)
        effects[known or (event.causes[0] if event.causes else event.id)].append(event)
    found = [
        Origin(cause, _nodes(caused, effects, frozenset()))
        for cause, caused in effects.items()
        if cause not in by_id or not by_id[cause].causes
    ]
    return sorted(found, key=lambda origin: origin.began)


def _nodes(
    events: Iterable[Traced], effects: Mapping[str, Sequence[Traced]], above: frozenset[str]
) -> tuple[Node, ...]:
    ordered = sorted(events, key=lambda event: (event.decided, event.published))
    return tuple(
        Node(event, _nodes(effects.get(event.id, ()), effects, above | {event.id}))
        for event in ordered
        if event.id not in above
    )


async def read_trace(bootstrap: str, customer_id: str) -> list[Origin]:
    """The inputs that concerned a customer, with all their effects, also those on other people."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await connected(consumer)
    try:
        own = await _read(
            consumer, partitions_of(customer_id), lambda record: record.key == customer_id.encode()
        )
        traces = {event.trace_id for event in own if event.trace_id is not None}
        others = await _read(
            consumer,
            PARTITIONS,
            lambda record: record.key != customer_id.encode() and trace_of(record) in traces,
        )
    finally:
        await consumer.stop()
    return origins([*own, *others])


async def last_buyer(bootstrap: str) -> str | None:
    """The customer who signed a contract last, if anybody has."""
    topic = Topic.INTAKE_PURCHASES
    partitions = [TopicPartition(topic.value, number) for number in range(topic.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await connected(consumer)
    try:
        events = await _read(consumer, partitions, lambda _: True)
    finally:
        await consumer.stop()
    signed = [event for event in events if event.type == PurchaseSigned.type]
    return max(signed, key=lambda event: event.decided).subject if signed else None


def partitions_of(customer_id: str) -> list[TopicPartition]:
    """Where a customer's events are: one partition of each topic."""
    partition_for = DefaultPartitioner()
    return [
        TopicPartition(topic.value, partition_for(customer_id.encode(), numbers, numbers))
        for topic in WATCHED
        for numbers in [list(range(topic.partitions))]
    ]


async def _read(
    consumer: AIOKafkaConsumer,
    partitions: Sequence[TopicPartition],
    wanted: Callable[[ConsumerRecord[bytes, bytes]], bool],
) -> list[Traced]:
    """What is wanted of everything that is there now."""
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    found = []
    unread = {partition for partition, end in ends.items() if end > 0}
    while unread:
        for records in (await consumer.getmany(timeout_ms=POLL_MILLISECONDS)).values():
            found += [event for event in map(traced, filter(wanted, records)) if event is not None]
        for partition in list(unread):
            if await consumer.position(partition) >= ends[partition]:
                unread.discard(partition)
    return found


def trace_of(record: ConsumerRecord[bytes, bytes]) -> str | None:
    """The trace id of a record, if it has one."""
    for name, value in record.headers:
        if name == "ce_traceparent":
            return str(value.decode()[_TRACE])
    return None


def traced(record: ConsumerRecord[bytes, bytes]) -> Traced | None:
    """The event of a record; None when it is not one of ours."""
    attributes = {name: value.decode() for name, value in record.headers}
    if "ce_id" not in attributes or "ce_type" not in attributes:
        return None
    at = datetime.fromisoformat(attributes["ce_time"])
    written = attributes.get("ce_recordedtime")
    data = orjson.loads(record.value or b"{}")
    return Traced(
        id=attributes["ce_id"],
        type=attributes["ce_type"],
        service=attributes["ce_source"],
        subject=attributes.get("ce_subject", ""),
        at=at,
        decided=(datetime.fromisoformat(written) if written else at).timestamp(),
        published=record.timestamp / 1000,
        causes=tuple(
            cause
            for cause in (attributes.get("ce_causationid"), data.get("triggered_by"))
            if cause is not None
        ),
        trace_id=trace_of(record),
        fact=data.get(TELLING.get(attributes["ce_type"])),
    )
