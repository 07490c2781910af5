"""What the auditor makes of what it sees."""

from __future__ import annotations

from collections.abc import Callable

from keyturn_demo.event_log import EventLog, Seen, homes_sold_twice, kept
from keyturn_demo.latency import HOPS, Latency, measure, percentile, summary
from keyturn_events.campaigns import ReferralRewarded
from keyturn_events.intake import (
    CustomerRegistered,
    CustomerUpdated,
    LeadCaptured,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.segmentation import CustomerSegmented
from keyturn_events.service_desk import HandoverPlanned

MakeSeen = Callable[..., Seen]


def test_events_are_found_by_what_they_say(seen: MakeSeen) -> None:
    log = EventLog()
    early = seen(LeadCaptured, source_reference="l1", customer_id="c1")
    log.add(early)
    assert log.find(LeadCaptured, source_reference="l1") == [early]
    late = seen(LeadCaptured, source_reference="l2", customer_id="c1")
    log.add(late)
    assert log.find(LeadCaptured, source_reference="l2") == [late]
    assert log.find(LeadCaptured, source_reference="l2", customer_id="c1") == [late]
    assert log.find(LeadCaptured, source_reference="l3") == []
    assert log.of(LeadCaptured) == [early, late]


def test_a_redelivered_record_is_no_doubled_effect(seen: MakeSeen) -> None:
    log = EventLog()
    event = seen(PurchaseSigned, id="e1", purchase_id="p1")
    log.add(event)
    log.add(event)
    assert (len(log), log.redelivered, log.doubled) == (1, 1, [])


def test_one_id_with_two_contents_is_doubled(seen: MakeSeen) -> None:
    log = EventLog()
    log.add(seen(PurchaseSigned, id="e1", purchase_id="p1"))
    log.add(seen(PurchaseSigned, id="e1", purchase_id="p2"))
    assert [fault.why for fault in log.doubled] == ["one id, two contents"]


def test_one_effect_told_under_two_ids_is_doubled(seen: MakeSeen) -> None:
    log = EventLog()
    log.add(seen(HandoverPlanned, id="e1", purchase_id="p1"))
    log.add(seen(HandoverPlanned, id="e2", purchase_id="p2"))
    log.add(seen(HandoverPlanned, id="e3", purchase_id="p1"))
    assert [(fault.why, fault.first, fault.second) for fault in log.doubled] == [
        ("the same purchase_id", "e1", "e3")
    ]


def test_two_rewards_of_one_referral_are_doubled(seen: MakeSeen) -> None:
    log = EventLog()
    log.add(seen(ReferralRewarded, referral_id="r1", purchase_id="p1"))
    log.add(seen(ReferralRewarded, referral_id="r1", purchase_id="p2"))
    assert len(log.doubled) == 1


def test_a_home_with_two_standing_contracts_is_sold_twice(seen: MakeSeen) -> None:
    log = EventLog()
    log.add(seen(PurchaseSigned, id="e1", purchase_id="p1", home_id="h1"))
    log.add(seen(PurchaseSigned, id="e2", purchase_id="p2", home_id="h1"))
    assert [(fault.first, fault.second) for fault in homes_sold_twice(log)] == [("e1", "e2")]


def test_a_home_sold_again_after_a_rescission_is_not_sold_twice(seen: MakeSeen) -> None:
    log = EventLog()
    log.add(seen(PurchaseSigned, purchase_id="p1", home_id="h1"))
    log.add(seen(PurchaseRescinded, purchase_id="p1", home_id="h1"))
    log.add(seen(PurchaseSigned, purchase_id="p2", home_id="h1"))
    assert homes_sold_twice(log) == []


def test_ancestors_are_found_with_what_was_decided_together_with_them(seen: MakeSeen) -> None:
    log = EventLog()
    registered = seen(CustomerRegistered, id="e1", cause="request", customer_id="c1")
    captured = seen(LeadCaptured, id="e2", cause="request", customer_id="c1")
    segmented = seen(CustomerSegmented, id="e3", cause="e1", customer_id="c1", caused_by="e1")
    for event in (segmented, captured, registered):
        log.add(event)
    assert [event.id for event in log.ancestors(segmented)] == ["e1", "e2"]


def test_a_hop_is_measured_from_the_fact_to_its_effect(seen: MakeSeen) -> None:
    log = EventLog()
    for number, took in enumerate((0.010, 0.020, 0.030)):
        log.add(
            seen(PurchaseSigned, id=f"s{number}", cause="q", recorded=5.0, purchase_id=f"p{number}")
        )
        log.add(
            seen(
                HandoverPlanned,
                cause=f"s{number}",
                recorded=5.0 + took,
                purchase_id=f"p{number}",
            )
        )
    assert measure(log)["purchase_to_handover"] == Latency(3, 20.0, 30.0)


def test_hops_that_were_not_made_are_left_out(seen: MakeSeen) -> None:
    assert measure(EventLog()) == {}
    assert len({hop.name for hop in HOPS}) == len(HOPS)


def test_percentiles_are_by_nearest_rank() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert (percentile(ordered, 0.5), percentile(ordered, 0.99)) == (50.0, 99.0)
    assert summary([7.0]) == Latency(1, 7.0, 7.0)


def test_what_no_audit_looks_at_is_not_kept() -> None:
    said = {"customer_id": "c1", "household": {"members": []}, "changed": ["household"]}
    assert kept(CustomerUpdated.type, said) == {"customer_id": "c1", "changed": ["household"]}
    assert kept(CustomerRegistered.type, said) == {"customer_id": "c1"}
