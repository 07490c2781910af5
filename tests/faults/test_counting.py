"""Counting: lost and doubled by effect, never by the records that Kafka delivers again."""

from __future__ import annotations

from typing import Any

from keyturn_demo.event_log import EventLog, Seen
from keyturn_demo.expectations import Expectations
from keyturn_events import Event
from keyturn_events.campaigns import MessageHeld, MessageSent, ReferralAccepted
from keyturn_events.intake import CustomerRegistered, LeadCaptured
from tests.faults.kill_and_count.canonical import Snapshot, Table
from tests.faults.kill_and_count.counting import KEPT, Counted, count, names_of, passing_ids

NOBODY: frozenset[str] = frozenset()


def seen(kind: type[Event], id: str, digest: int = 1, **data: Any) -> Seen:
    return Seen(id, kind.type, data.get("customer_id", "c1"), 0.0, None, data, digest)


def kept(**rows: list[dict[str, Any]]) -> Snapshot:
    """A state with these rows; what is not named is empty."""
    state: dict[str, dict[str, Table]] = {}
    for place in KEPT.values():
        tables = state.setdefault(place.service, {})
        tables[place.table] = Table((), rows.get(place.table, []))
    return state


def counted(log: EventLog, snapshot: Snapshot, **more: Any) -> Counted:
    owed = Expectations(log)
    owed.expect("lead 1", LeadCaptured, source_reference="r1")
    return count(owed, log, snapshot, more.pop("strangers", NOBODY), **more)


def log_of(*events: Seen) -> EventLog:
    log = EventLog()
    for event in events:
        log.add(event)
    return log


LEAD = seen(LeadCaptured, "e1", source_reference="r1")
TOUCH = {"source_reference": "r1"}


def test_an_input_whose_effect_is_told_and_kept_once_is_counted() -> None:
    result = counted(log_of(LEAD), kept(touches=[TOUCH]))
    assert (result.accepted, result.effects, result.lost, result.doubled) == (1, 1, [], [])


def test_an_effect_that_nobody_told_of_is_lost() -> None:
    result = counted(log_of(), kept(touches=[TOUCH]))
    assert (result.effects, len(result.lost), result.doubled) == (0, 1, [])


def test_an_effect_that_was_told_and_is_not_kept_is_lost() -> None:
    result = counted(log_of(LEAD), kept())
    assert list(result.lost) == ["keyturn.lead.captured.v1 r1 in intake.touches"]
    assert result.effects == 0


def test_an_effect_that_is_kept_twice_is_doubled() -> None:
    result = counted(log_of(LEAD), kept(touches=[TOUCH, TOUCH]))
    assert list(result.doubled) == ["keyturn.lead.captured.v1 r1 in intake.touches 2 times"]


def test_an_effect_that_is_told_by_two_events_is_doubled() -> None:
    again = seen(LeadCaptured, "e2", source_reference="r1")
    result = counted(log_of(LEAD, again), kept(touches=[TOUCH]))
    assert len(result.doubled) == 1


def test_a_record_that_came_again_is_counted_and_doubles_nothing() -> None:
    result = counted(log_of(LEAD, LEAD), kept(touches=[TOUCH]))
    assert (result.redelivered, result.doubled, result.effects) == (1, [], 1)


def test_one_id_with_two_contents_is_doubled() -> None:
    other = seen(LeadCaptured, "e1", digest=2, source_reference="r1")
    result = counted(log_of(LEAD, other), kept(touches=[TOUCH]))
    assert len(result.doubled) == 1


def test_a_message_that_was_received_twice_is_doubled() -> None:
    result = counted(log_of(LEAD), kept(touches=[TOUCH]), messages=["m1", "m2", "m1"])
    assert list(result.doubled) == ["message m1 was received 2 times"]


def test_strangers_of_whom_only_poison_told_are_kept_by_nobody() -> None:
    stranger = seen(CustomerRegistered, "e2", customer_id="s1")
    state = kept(touches=[TOUCH])
    assert len(counted(log_of(LEAD, stranger), state).lost) == 1
    assert counted(log_of(LEAD, stranger), state, strangers=frozenset({"s1"})).lost == []


def test_two_verdicts_on_one_referral_are_kept_in_one_row() -> None:
    accepted = (
        seen(ReferralAccepted, f"e{n}", referral_id=f"f{n}", customer_id="c1") for n in (2, 3)
    )
    rows = [{"referral_id": "f2"}, {"referral_id": "f3"}]
    result = counted(log_of(LEAD, *accepted), kept(touches=[TOUCH], referrals=rows))
    assert (result.lost, result.doubled) == ([], [])


def test_messages_are_named_by_what_they_are_and_not_by_the_attempt() -> None:
    first = seen(MessageHeld, "attempt-1", message_id="m1")
    again = seen(MessageHeld, "attempt-4", message_id="m1")
    sent = seen(MessageSent, "attempt-9", message_id="m1")
    assert names_of(log_of(first, again, sent, LEAD)) == {
        "attempt-1": "keyturn.message.held.v1/m1/1",
        "attempt-4": "keyturn.message.held.v1/m1/2",
        "attempt-9": "keyturn.message.sent.v1/m1/1",
    }


def test_verdicts_that_later_facts_revise_are_passing() -> None:
    verdict = seen(ReferralAccepted, "e2", referral_id="f1")
    assert passing_ids(log_of(LEAD, verdict)) == {"e2"}
