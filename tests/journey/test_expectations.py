"""The auditor's verdict: what was planted as lost or doubled is found."""

from __future__ import annotations

from collections.abc import Callable

from keyturn_demo.event_log import EventLog, Seen
from keyturn_demo.expectations import Expectations
from keyturn_events.intake import LeadCaptured
from keyturn_events.segmentation import CustomerSegmented
from keyturn_events.service_desk import HandoverPlanned

MakeSeen = Callable[..., Seen]


def test_an_effect_that_came_is_neither_lost_nor_doubled(seen: MakeSeen) -> None:
    log = EventLog()
    owed = Expectations(log)
    owed.expect("lead l1", LeadCaptured, source_reference="l1")
    assert len(owed.pending()) == 1
    log.add(seen(LeadCaptured, source_reference="l1"))
    assert (owed.pending(), owed.lost(), owed.doubled()) == ([], [], [])


def test_an_effect_that_never_came_is_lost_and_named(seen: MakeSeen) -> None:
    log = EventLog()
    owed = Expectations(log)
    owed.expect("purchase p1", HandoverPlanned, purchase_id="p1")
    log.add(seen(HandoverPlanned, purchase_id="p2"))
    assert owed.lost() == ["purchase p1: keyturn.handover.planned.v1 with purchase_id p1"]


def test_an_effect_that_came_twice_is_doubled(seen: MakeSeen) -> None:
    log = EventLog()
    owed = Expectations(log)
    owed.expect("lead l1", LeadCaptured, source_reference="l1")
    log.add(seen(LeadCaptured, source_reference="l1"))
    log.add(seen(LeadCaptured, source_reference="l1"))
    assert owed.doubled() == [
        "lead l1: keyturn.lead.captured.v1 with source_reference l1 came 2 times"
    ]


def test_an_effect_may_be_owed_once_at_least(seen: MakeSeen) -> None:
    log = EventLog()
    owed = Expectations(log)
    owed.expect("customer c1", CustomerSegmented, once=False, customer_id="c1", model="pulte")
    for _ in range(3):
        log.add(seen(CustomerSegmented, customer_id="c1", model="pulte"))
    log.add(seen(CustomerSegmented, customer_id="c1", model="vanke-five"))
    assert (owed.lost(), owed.doubled()) == ([], [])


def test_inputs_are_counted_once_whatever_they_owe(seen: MakeSeen) -> None:
    owed = Expectations(EventLog())
    owed.expect("lead l1", LeadCaptured, source_reference="l1")
    owed.expect("lead l1", CustomerSegmented, customer_id="c1")
    assert (owed.inputs, len(owed)) == (1, 2)
