from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn_events import Event, Refusal
from keyturn_events.service_desk import (
    ComplaintAcknowledged,
    ComplaintClosed,
    ComplaintEscalated,
    ComplaintRaised,
    ComplaintReopened,
    ComplaintResolved,
)
from keyturn_events.vocabulary import CaseChannel, Priority, Severity, SlaTarget, Verdict
from service_desk.domain import cases, handling
from service_desk.domain.calendar import BusinessCalendar, Shift
from service_desk.domain.cases import Case, CaseState, Circumstances
from service_desk.domain.handling import (
    Acknowledge,
    Assign,
    Judge,
    OwnerAnswered,
    Reopen,
    Resolve,
    TellOwner,
    WaitForOwner,
)
from service_desk.domain.promises import priority_of
from service_desk.domain.raising import RaiseComplaint, joined, raise_complaint

SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE = BusinessCalendar("office", 1, "Asia/Shanghai", ((Shift(9 * 60, 17 * 60),),) * 5 + ((), ()))
MONDAY = datetime(2026, 3, 2, 9, tzinfo=SHANGHAI)
HOUR = timedelta(hours=1)


def now(at: datetime) -> Circumstances:
    return Circumstances(OFFICE, "ann", at)


def complaint(**fields: Any) -> RaiseComplaint:
    return RaiseComplaint(
        **{
            "customer_id": "ann",
            "category": "quality.leak",
            "severity": Severity.MAJOR,
            "channel": CaseChannel.PHONE,
        }
        | fields
    )


def raised(at: datetime = MONDAY, **fields: Any) -> tuple[Case, list[Event]]:
    return raise_complaint(complaint(**fields), now(at), case_id="case-1", segments=frozenset())


def opened(at: datetime = MONDAY, **fields: Any) -> Case:
    return raised(at, **fields)[0]


def resolve(verdict: Verdict | None = None) -> Resolve:
    return Resolve("case-1", None, cause="pipe-joint", remedy="repaired", verdict=verdict)


def escalations(events: list[Event]) -> list[tuple[str | None, int, datetime | None]]:
    return [
        (event.target.value if event.target else None, event.level, event.due_at)
        for event in events
        if isinstance(event, ComplaintEscalated)
    ]


def test_each_promise_of_a_case_is_told_with_it() -> None:
    _, (event,) = raised()
    assert isinstance(event, ComplaintRaised)
    assert event.first_response_due == MONDAY.replace(hour=13)
    assert event.next_update_due == MONDAY.replace(day=3, hour=17)
    assert event.resolution_due == MONDAY.replace(day=6, hour=17)
    assert (event.calendar, event.calendar_version) == ("office", 1)


def test_priority_follows_severity_and_is_a_step_higher_where_the_segment_asks_for_it() -> None:
    assert priority_of(Severity.MINOR, frozenset()) is Priority.NORMAL
    assert priority_of(Severity.MINOR, {("pulte", "active-adult")}) is Priority.HIGH
    assert priority_of(Severity.CRITICAL, {("pulte", "couple-with-infant")}) is Priority.URGENT


def test_a_first_response_in_time_is_not_late() -> None:
    case, (event,) = handling.acknowledge(
        opened(), Acknowledge("case-1", None, "agent-5"), now(MONDAY + 3 * HOUR)
    )
    assert isinstance(event, ComplaintAcknowledged)
    assert (event.late, event.agent_id) == (False, "agent-5")
    assert case.agent_id == "agent-5"


def test_a_promise_is_broken_at_its_due_time_and_not_an_instant_before() -> None:
    due_at = MONDAY + 4 * HOUR
    case, events = cases.advance(opened(), now(due_at - timedelta(microseconds=1)))
    assert events == []
    _, events = cases.advance(case, now(due_at))
    assert escalations(events) == [("first-response", 1, due_at)]


def test_a_broken_promise_climbs_the_ladder_as_working_time_passes() -> None:
    _, events = cases.advance(opened(), now(MONDAY + timedelta(days=3)))
    assert escalations(events) == [
        ("first-response", 1, MONDAY.replace(hour=13)),
        ("first-response", 2, MONDAY.replace(day=3, hour=13)),
        ("next-update", 1, MONDAY.replace(day=3, hour=17)),
        ("next-update", 2, MONDAY.replace(day=4, hour=17)),
    ]


def test_the_ladder_ends_at_its_third_rung() -> None:
    case, events = cases.advance(opened(), now(MONDAY + timedelta(days=60)))
    assert [level for target, level, _ in escalations(events) if target == "resolution"] == [
        1,
        2,
        3,
    ]
    assert case.level == 3
    assert cases.deadlines(case, OFFICE) == []


def test_an_update_promises_the_next_one_and_answers_for_the_first_time() -> None:
    case, events = handling.tell_owner(
        opened(), TellOwner("case-1", None, "a plumber comes"), now(MONDAY + HOUR)
    )
    assert [type(event) for event in events] == [ComplaintAcknowledged]
    assert cases.due_at(case, SlaTarget.NEXT_UPDATE, OFFICE) == MONDAY.replace(day=4, hour=10)
    assert cases.due_at(case, SlaTarget.RESOLUTION, OFFICE) == MONDAY.replace(day=6, hour=17)


def test_waiting_for_the_owner_moves_every_due_time_by_the_working_time_waited() -> None:
    case, _ = handling.wait_for_owner(opened(), WaitForOwner("case-1", None), now(MONDAY + HOUR))
    assert cases.due_at(case, SlaTarget.RESOLUTION, OFFICE) is None
    assert cases.deadlines(case, OFFICE) == []
    tuesday = MONDAY + timedelta(days=1)
    case, _ = handling.owner_answered(case, OwnerAnswered("case-1", None), now(tuesday))
    # Seven hours on Monday were waited, to be worked on the Monday after.
    assert cases.due_at(case, SlaTarget.RESOLUTION, OFFICE) == MONDAY.replace(day=9, hour=16)


def test_a_case_from_elsewhere_keeps_the_promise_that_was_made_there() -> None:
    own = MONDAY + timedelta(days=15)
    case, (event,) = raised(due_at=own)
    assert isinstance(event, ComplaintRaised)
    assert (event.first_response_due, event.next_update_due) == (None, None)
    assert event.resolution_due == own
    waiting, _ = handling.wait_for_owner(case, WaitForOwner("case-1", None), now(MONDAY + HOUR))
    assert cases.due_at(waiting, SlaTarget.RESOLUTION, OFFICE) == own


def test_a_case_from_elsewhere_without_a_promise_is_never_late() -> None:
    case, _ = raised(promised_elsewhere=True)
    much_later = MONDAY + timedelta(days=900)
    case, events = handling.resolve(case, resolve(Verdict.NO_ANSWER), now(much_later))
    assert [type(event) for event in events] == [
        ComplaintAcknowledged,
        ComplaintResolved,
        ComplaintClosed,
    ]
    assert case.resolution is not None
    assert (case.resolution.due_at, case.resolution.late) == (None, False)


def test_a_complaint_told_late_finds_its_promises_already_broken() -> None:
    case, events = raised(at=MONDAY + timedelta(days=1), received_at=MONDAY)
    assert escalations(events) == [("first-response", 1, MONDAY.replace(hour=13))]
    assert case.received_at == MONDAY


def test_a_late_resolution_is_late_however_late_its_timer_fires() -> None:
    friday_evening = MONDAY.replace(day=6, hour=18)
    case, events = handling.resolve(opened(), resolve(), now(friday_evening))
    resolved = events[-1]
    assert isinstance(resolved, ComplaintResolved)
    assert (resolved.late, resolved.due_at) == (True, MONDAY.replace(day=6, hour=17))
    assert ("resolution", 1, MONDAY.replace(day=6, hour=17)) in escalations(events)
    _, closed = handling.judge(
        case, Judge("case-1", None, Verdict.ACCEPTED), now(friday_evening + HOUR)
    )
    assert isinstance(closed[-1], ComplaintClosed)
    assert closed[-1].late


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["acknowledge", "tell", "wait", "answered", "resolve", "reject"]),
            st.timedeltas(timedelta(minutes=1), timedelta(days=4)),
        ),
        max_size=8,
    ),
    st.sets(st.integers(0, 60), max_size=20),
)
def test_a_case_ends_the_same_whether_timers_fire_in_time_or_never(
    steps: list[tuple[str, timedelta]], prompt_days: set[int]
) -> None:
    def run(*, timers: bool) -> tuple[Case, list[Event]]:
        case, said = raised()
        at = MONDAY
        for step, later in steps:
            if timers:
                for day in sorted(prompt_days):
                    fired = MONDAY + timedelta(days=day / 3)
                    if at < fired <= at + later:
                        case, events = cases.advance(case, now(fired))
                        said += events
            at += later
            try:
                case, events = act(case, step, at)
            except Refusal:
                case, events = cases.advance(case, now(at))
            said += events
        case, events = cases.advance(case, now(at + timedelta(days=100)))
        return case, said + events

    assert run(timers=True) == run(timers=False)


def act(case: Case, step: str, at: datetime) -> tuple[Case, list[Event]]:
    doings: dict[str, Callable[[], tuple[Case, list[Event]]]] = {
        "acknowledge": lambda: handling.acknowledge(case, Acknowledge("case-1", None), now(at)),
        "tell": lambda: handling.tell_owner(case, TellOwner("case-1", None, "news"), now(at)),
        "wait": lambda: handling.wait_for_owner(case, WaitForOwner("case-1", None), now(at)),
        "answered": lambda: handling.owner_answered(case, OwnerAnswered("case-1", None), now(at)),
        "resolve": lambda: handling.resolve(case, resolve(), now(at)),
        "reject": lambda: handling.judge(case, Judge("case-1", None, Verdict.REJECTED), now(at)),
        "reopen": lambda: handling.reopen(case, Reopen("case-1", None, "came-back"), now(at)),
    }
    return doings[step]()


def test_a_rejected_resolution_reopens_the_case_with_a_new_promise() -> None:
    case, _ = handling.resolve(opened(), resolve(), now(MONDAY + HOUR))
    case, events = handling.judge(
        case, Judge("case-1", None, Verdict.REJECTED, "came-back"), now(MONDAY + 2 * HOUR)
    )
    (event,) = events
    assert isinstance(event, ComplaintReopened)
    assert (event.reason, event.reopenings) == ("came-back", 1)
    assert event.resolution_due == MONDAY.replace(day=9, hour=11)
    assert case.state is CaseState.OPEN


def test_a_case_from_elsewhere_is_promised_by_the_desk_once_it_is_reopened() -> None:
    case = opened(due_at=MONDAY + timedelta(days=15))
    case, _ = handling.resolve(case, resolve(Verdict.REJECTED), now(MONDAY + HOUR))
    assert cases.due_at(case, SlaTarget.RESOLUTION, OFFICE) == MONDAY.replace(day=9, hour=10)


def test_silence_closes_a_resolved_case_after_a_working_week() -> None:
    case, _ = handling.resolve(opened(), resolve(), now(MONDAY))
    case, events = cases.advance(case, now(MONDAY + timedelta(days=20)))
    (event,) = events
    assert isinstance(event, ComplaintClosed)
    assert event.verdict is Verdict.NO_ANSWER
    assert case.closed_at == MONDAY.replace(day=6, hour=17)


def test_a_closed_case_is_reopened_within_ninety_days_and_not_later() -> None:
    case, _ = handling.resolve(opened(), resolve(Verdict.ACCEPTED), now(MONDAY))
    last = MONDAY + timedelta(days=90)
    reopened, _ = handling.reopen(case, Reopen("case-1", None, "came-back"), now(last))
    assert (reopened.state, reopened.reopenings) == (CaseState.OPEN, 1)
    with pytest.raises(Refusal) as refused:
        handling.reopen(case, Reopen("case-1", None, "came-back"), now(last + HOUR))
    assert refused.value.code == "reopening-too-late"


@pytest.mark.parametrize(
    ("state", "step", "code"),
    [
        ("open", "answered", "not-waiting"),
        ("open", "reject", "not-resolved"),
        ("open", "reopen", "case-open"),
        ("acknowledged", "acknowledge", "already-acknowledged"),
        ("waiting", "wait", "already-waiting"),
        ("resolved", "tell", "case-resolved"),
        ("closed", "tell", "case-closed"),
        ("closed", "resolve", "case-closed"),
        ("closed", "reject", "not-resolved"),
    ],
)
def test_what_a_state_does_not_allow_is_refused(state: str, step: str, code: str) -> None:
    case, at = opened(), MONDAY + HOUR
    match state:
        case "acknowledged":
            case, _ = act(case, "acknowledge", at)
        case "waiting":
            case, _ = act(case, "wait", at)
        case "resolved":
            case, _ = act(case, "resolve", at)
        case "closed":
            case, _ = handling.resolve(case, resolve(Verdict.ACCEPTED), now(at))
    with pytest.raises(Refusal) as refused:
        act(case, step, at + HOUR)
    assert refused.value.code == code


def test_an_agent_who_looked_at_an_older_revision_is_refused() -> None:
    case, _ = handling.assign(opened(), Assign("case-1", 1, "agent-5"), now(MONDAY))
    assert case.revision == 2
    with pytest.raises(Refusal) as refused:
        handling.assign(case, Assign("case-1", 1, "agent-6"), now(MONDAY))
    assert (refused.value.code, refused.value.kind.value) == ("precondition-failed", "stale")


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"category": "quality.leek"}, "unknown-category", "/category"),
        ({"received_at": MONDAY + HOUR}, "received-out-of-bounds", "/received_at"),
        (
            {"received_at": MONDAY - timedelta(days=3_661)},
            "received-out-of-bounds",
            "/received_at",
        ),
        ({"due_at": MONDAY}, "due-before-receipt", "/due_at"),
    ],
)
def test_a_complaint_that_cannot_be_is_refused(
    fields: dict[str, Any], code: str, pointer: str
) -> None:
    with pytest.raises(Refusal) as refused:
        raised(**fields)
    assert (refused.value.code, refused.value.pointer) == (code, pointer)


def test_an_unknown_category_is_answered_with_the_nearest() -> None:
    with pytest.raises(Refusal, match="quality\\.leak"):
        raised(category="quality.leek")


def test_the_same_reference_is_the_same_case_for_ever() -> None:
    known = opened(source_reference="wx-1")
    year_later = MONDAY + timedelta(days=365)
    assert joined(known, complaint(source_reference="wx-1", category="service.other"), year_later)
    assert not joined(known, complaint(source_reference="wx-2"), MONDAY)
    assert not joined(known, complaint(), MONDAY)


def test_a_message_without_reference_is_doubled_for_half_an_hour() -> None:
    known = opened(home_id="home-1")
    half_an_hour = timedelta(minutes=30)
    assert joined(known, complaint(home_id="home-1"), MONDAY + half_an_hour)
    later = MONDAY + half_an_hour + timedelta(microseconds=1)
    assert not joined(known, complaint(home_id="home-1"), later)
    assert not joined(known, complaint(home_id="home-2"), MONDAY)
    assert not joined(known, complaint(home_id="home-1", category="service.other"), MONDAY)


def test_a_forgotten_case_keeps_its_figures_and_none_of_its_words() -> None:
    case = opened(source_reference="wx-1", description="my neighbour shouts")
    case, _ = handling.tell_owner(case, TellOwner("case-1", None, "Dear Ann"), now(MONDAY))
    case, (event,) = handling.forget(case, now(MONDAY + HOUR))
    assert isinstance(event, ComplaintClosed)
    assert (case.description, case.source_reference, case.notes[0].text) == ("", None, "")
    assert case.category == "quality.leak"


def test_what_was_due_before_somebody_was_forgotten_happened_however_late_its_timer() -> None:
    a_month_on = now(MONDAY + timedelta(days=30))
    forgotten, events = handling.forget(opened(), a_month_on)
    in_time, _ = cases.advance(opened(), a_month_on)
    assert forgotten.escalations == in_time.escalations != ()
    assert isinstance(events[-1], ComplaintClosed)
    assert handling.forget(in_time, a_month_on)[0] == forgotten
