"""A customer's trace, from records made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from rich.console import Console

from keyturn_demo.trace import Origin, Traced, origins, partitions_of, trace_of, traced
from keyturn_demo.trace_report import called, duration, highlights, trace_report
from keyturn_events import golden_message
from keyturn_events.campaigns import MessageSent
from keyturn_events.intake import ConsentChanged, ContactErased, LeadCaptured, PurchaseSigned
from keyturn_events.segmentation import CustomerSegmented

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(
    id: str, type: str, *causes: str, after: float = 0.0, customer: str = "cus-1", **more: Any
) -> Traced:
    service = more.pop("service", "intake")
    return Traced(
        id, type, service, customer, NOON, 1000 + after, 1000.02 + after, causes, "t1", **more
    )


LEAD = event("lead", LeadCaptured.type, "key@2026-03-01T12:00:00+00:00")
MOVE = event(
    "move", CustomerSegmented.type, "lead", after=0.05, service="segmentation", fact="elder"
)
SENT = event("sent", MessageSent.type, "msg/Delivered/1", "lead", after=3, service="campaigns")


def printed(found: list[Origin], shown: list[Origin] | None = None) -> list[str]:
    console = Console(file=StringIO(), width=120)
    console.print(trace_report("cus-1", found, shown))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_effects_stand_under_their_cause_whatever_order_they_were_read_in() -> None:
    [origin] = origins([SENT, MOVE, LEAD])

    assert origin.cause == "key@2026-03-01T12:00:00+00:00"
    assert [node.event.id for node in origin.effects] == ["lead"]
    assert [node.event.id for node in origin.effects[0].effects] == ["move", "sent"]
    assert (origin.began, origin.trace_ids, len(origin)) == (1000, ("t1",), 3)


def test_an_event_that_came_twice_stands_once() -> None:
    [origin] = origins([LEAD, MOVE, MOVE])

    assert len(origin) == 2


def test_an_event_whose_cause_was_not_read_stands_at_the_top() -> None:
    assert [origin.cause for origin in origins([MOVE])] == ["lead"]


def test_inputs_come_in_the_order_in_which_they_were_decided() -> None:
    later = event("later", LeadCaptured.type, "partners.inbound/0/7", after=10)

    assert [origin.cause for origin in origins([later, LEAD])] == [
        "key@2026-03-01T12:00:00+00:00",
        "partners.inbound/0/7",
    ]


def test_events_that_name_each_other_as_cause_do_not_go_round_for_ever() -> None:
    one, other = event("one", LeadCaptured.type, "other"), event("other", MOVE.type, "one")

    assert origins([one, other]) == []


def test_the_tree_tells_service_fact_and_time_and_counts_what_is_alike() -> None:
    consents = [event(f"c{n}", ConsentChanged.type, *LEAD.causes) for n in range(4)]

    assert printed(origins([LEAD, MOVE, SENT, *consents])) == [
        "Customer cus-1 · 1 input, 7 events",
        "request key  2026-03-01 12:00+00:00  trace t1",
        "├── intake       lead.captured  +0 ms · Kafka +20 ms",
        "│   ├── segmentation customer.segmented elder  +50 ms · Kafka +70 ms",
        "│   └── campaigns    message.sent  +3,000 ms · Kafka +3,020 ms",
        "└── intake       consent.changed  +0 ms · Kafka +20 ms  × 4",
        "real time since the input was decided: to the decision, and to Kafka",
    ]


def test_an_effect_on_another_customer_names_them_in_short() -> None:
    other = event("e", LeadCaptured.type, "lead", customer="f67383e9-8c51-5663")

    assert "lead.captured of f67383e9…  +0 ms" in printed(origins([LEAD, other]))[3]


def test_a_customer_of_whom_nothing_is_known_is_said_to_be_so() -> None:
    assert printed([]) == ["No event of customer cus-1 is on any topic."]


def test_the_lead_and_the_purchase_with_the_most_effects_are_the_highlights() -> None:
    small = event("small", LeadCaptured.type, "a")
    signed = event("signed", PurchaseSigned.type, "b")
    found = origins([LEAD, MOVE, small, signed, event("other", ConsentChanged.type, "c")])

    assert [origin.effects[0].event.id for origin in highlights(found)] == ["lead", "signed"]


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        ("lead-17@2026-03-01T12:00:00+00:00", "request lead-17"),
        ("partners.inbound/2/40", "partner event 2/40"),
        (
            "6f0c3c0e-3d0a-5d0e-9a5e-0d1f6f1c7a10/12",
            "row 12 of file 6f0c3c0e-3d0a-5d0e-9a5e-0d1f6f1c7a10",
        ),
        ("cus-1/lead-stalled/lead-9/2026-03-01T12:00:00+00:00", "timer lead-stalled"),
        ("segmentation/models/pulte/2/cus-1", "new version of model pulte/2"),
        ("6f0c3c0e-3d0a-5d0e-9a5e-0d1f6f1c7a10", "event 6f0c3c0e-3d0a-5d0e-9a5e-0d1f6f1c7a10"),
    ],
)
def test_an_input_is_called_by_what_it_was(cause: str, name: str) -> None:
    assert called(cause) == name


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-0.001, "0 ms"),
        (0.0124, "12 ms"),
        (9.9994, "9,999 ms"),
        (10.0, "10.0 s"),
        (119.9, "119.9 s"),
        (120.0, "2.0 min"),
        (7_200.0, "2.0 h"),
        (172_800.0, "2.0 d"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_a_person_would_choose(
    seconds: float, told: str
) -> None:
    assert duration(seconds) == told


def record(headers: list[tuple[str, bytes]], value: bytes | None) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(
        "campaigns.messages", 0, 0, 1_772_366_400_500, 0, b"c", value, 0, 0, 0, tuple(headers)
    )


def test_a_record_tells_its_causes_its_times_and_its_fact() -> None:
    message = golden_message(MessageSent)
    read = traced(record(message.headers, message.value))

    assert read is not None
    assert (read.id, read.service) == (message.envelope.id, "campaigns")
    assert read.causes[-1] == message.event.triggered_by
    assert read.fact == message.event.campaign
    assert read.published == 1_772_366_400.5
    assert read.at == message.envelope.time


def test_a_tombstone_is_traced_and_what_is_no_event_is_not() -> None:
    erased = golden_message(ContactErased)

    assert traced(record(erased.headers, None)) is not None
    assert traced(record([("x", b"1")], b"{}")) is None
    assert trace_of(record([], None)) is None


def test_a_customers_events_are_on_one_partition_of_each_topic() -> None:
    places = partitions_of("cus-1")

    assert len({place.topic for place in places}) == len(places)
    assert len({place.partition for place in places}) == 1
