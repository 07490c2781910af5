"""A new lead is contacted in time, or somebody is told: deadlines within opening hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.communities import MOST_RESPONSE_MINUTES, Community
from intake.domain.dossier import Dossier, present
from intake.domain.leads import lead_commands
from intake.domain.leads.advisors import Advisor, Desk, Workload
from intake.domain.leads.lead_commands import LoseLead, RecordContact
from intake.domain.leads.lead_deadlines import COLD_AFTER, FIRST_RESPONSE, PROTECTION, next_deadline
from intake.domain.leads.leads import Lead, LeadStatus
from intake.domain.leads.opening_hours import (
    LEAST_MINUTES,
    MINUTES_A_DAY,
    MOST_DAYS,
    Period,
    after_open_minutes,
    ensure_week,
    within,
)
from intake.domain.leads.ownership import ContactKind, Party, PartyKind
from intake.domain.people.customers import Customer
from keyturn_chassis.inputs import Cause
from keyturn_events import Refusal
from keyturn_events.intake import LeadAssigned, LeadReleased, LeadResponseOverdue
from keyturn_events.vocabulary import LeadChannel, LeadStage, LossReason

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
OFFICE = tuple(Period(weekday, 9 * 60, 17 * 60) for weekday in range(1, 6))
RIVERSIDE = Community("riverside", first_response_minutes=60, staffed=True)
ZHANG = Customer("zhang", NOON)
LEAD = Lead(
    "lead-1",
    "zhang",
    "riverside",
    LeadChannel.WEB,
    NOON,
    NOON,
    response_due=NOON + timedelta(hours=1),
)
WANG, LIU = Advisor("wang", "Wang", ("riverside",)), Advisor("liu", "Liu", ("riverside",))


def cause(hours: float) -> Cause:
    return Cause("test", str(hours), NOON + timedelta(hours=hours))


def local(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("start", "minutes", "due"),
    [
        # 6 March 2026 is a Friday.
        (local(6, 16, 30), 60, local(9, 9, 30)),
        (local(6, 16, 30), 30, local(6, 17)),
        (local(6, 16, 30), 31, local(9, 9, 1)),
        (local(6, 7), 60, local(6, 10)),
        (local(6, 17), 1, local(9, 9, 1)),
        (local(7, 12), 8 * 60, local(9, 17)),
        (local(6, 9), 5 * 8 * 60, local(12, 17)),
    ],
)
def test_a_deadline_counts_the_minutes_in_which_the_showroom_is_open(
    start: datetime, minutes: int, due: datetime
) -> None:
    assert after_open_minutes(OFFICE, SHANGHAI, start, minutes) == due


def test_split_shifts_leave_the_lunch_break_out() -> None:
    split = (Period(1, 13 * 60, 18 * 60), Period(1, 9 * 60, 12 * 60))
    assert after_open_minutes(split, SHANGHAI, local(2, 11), 90) == local(2, 13, 30)


def test_without_opening_hours_every_minute_counts() -> None:
    assert after_open_minutes((), SHANGHAI, local(7, 23), 90) == local(8, 0, 30)


def test_a_day_is_open_to_its_very_end() -> None:
    always = tuple(Period(weekday, 0, MINUTES_A_DAY) for weekday in range(1, 8))
    assert after_open_minutes(always, SHANGHAI, local(7, 23), 90) == local(8, 0, 30)
    assert within(always, SHANGHAI, local(7, 23, 59))


def test_a_change_of_the_clocks_shortens_and_lengthens_the_night() -> None:
    nights = tuple(Period(weekday, 60, 4 * 60) for weekday in range(1, 8))
    spring = datetime(2026, 3, 29, 0, 30, tzinfo=BERLIN)
    autumn = datetime(2026, 10, 25, 0, 30, tzinfo=BERLIN)
    assert after_open_minutes(nights, BERLIN, spring, 120) == datetime(
        2026, 3, 29, 4, tzinfo=BERLIN
    )
    assert after_open_minutes(nights, BERLIN, autumn, 240) == datetime(
        2026, 10, 25, 4, tzinfo=BERLIN
    )


def test_the_longest_deadline_passes_even_in_the_shortest_week() -> None:
    shortest = (Period(7, 0, LEAST_MINUTES),)
    due = after_open_minutes(shortest, SHANGHAI, local(1, 1), MOST_RESPONSE_MINUTES)
    weeks = MOST_RESPONSE_MINUTES // LEAST_MINUTES
    assert due == local(1, 0, LEAST_MINUTES) + timedelta(weeks=weeks)
    assert due < local(1, 1) + timedelta(days=MOST_DAYS)


@given(st.integers(0, 10_000), st.integers(1, 600), st.integers(1, 600))
def test_two_waits_in_a_row_are_one_wait(start: int, first: int, second: int) -> None:
    begin = local(2, 0) + timedelta(minutes=start)
    through = after_open_minutes(OFFICE, SHANGHAI, begin, first)
    assert after_open_minutes(OFFICE, SHANGHAI, through, second) == after_open_minutes(
        OFFICE, SHANGHAI, begin, first + second
    )


def test_periods_may_meet_and_may_not_overlap() -> None:
    ensure_week([Period(1, 540, 720), Period(1, 720, 1080), Period(2, 540, 555)], "/x")
    for week in ([Period(1, 540, 721), Period(1, 720, 1080)], [Period(2, 540, 554)]):
        with pytest.raises(Refusal, match="invalid-hours"):
            ensure_week(week, "/x")


def passed(dossier: Dossier, hours: float) -> tuple[Dossier, list[Any]]:
    return lead_commands.pass_deadlines(dossier, None, cause(hours))


def test_an_unassigned_lead_that_nobody_contacts_is_told_once() -> None:
    after, events = passed(Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD), 1)
    assert events == [
        LeadResponseOverdue(
            customer_id="zhang",
            lead_id="lead-1",
            community_id="riverside",
            first_response_due=NOON + timedelta(hours=1),
        )
    ]
    assert [step.kind for step in after.steps] == ["overdue"]
    with pytest.raises(Refusal, match="nothing-due"):
        passed(after, 2)


def test_a_lead_with_an_advisor_is_told_of_as_well() -> None:
    theirs = replace(LEAD, advisor_id="wang")
    _, events = passed(Dossier(RIVERSIDE, customer=ZHANG, lead=theirs), 1)
    assert [event.advisor_id for event in events] == ["wang"]


def test_nothing_is_due_before_its_time() -> None:
    with pytest.raises(Refusal, match="nothing-due"):
        passed(Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD), 0.99)


def test_an_unassigned_lead_gets_whoever_is_there_by_then() -> None:
    around = Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD, desk=Desk((WANG,)))
    after, events = passed(around, 1)
    assert present(after.lead).advisor_id == "wang"
    assert [type(event) for event in events] == [LeadResponseOverdue, LeadAssigned]
    assert [step.reason for step in after.steps] == ["response-overdue", "response-overdue"]


@pytest.mark.parametrize(("reassigns", "advisor_id"), [(False, "wang"), (True, "liu")])
def test_a_community_may_have_an_overdue_lead_go_to_another(
    reassigns: bool, advisor_id: str
) -> None:
    community = replace(RIVERSIDE, reassigns_overdue=reassigns)
    theirs = replace(LEAD, advisor_id="wang", owner="advisor:wang")
    after, events = passed(
        Dossier(community, customer=ZHANG, lead=theirs, desk=Desk((WANG, LIU))), 1
    )
    lead = present(after.lead)
    assert (lead.advisor_id, lead.owner) == (advisor_id, f"advisor:{advisor_id}")
    assert len(events) == 1 + reassigns


def test_nobody_else_on_duty_leaves_an_overdue_lead_where_it_is() -> None:
    community = replace(RIVERSIDE, reassigns_overdue=True)
    theirs = replace(LEAD, advisor_id="wang", owner="advisor:wang")
    full = Desk((WANG, LIU), {"liu": Workload(open=100)})
    after, events = passed(Dossier(community, customer=ZHANG, lead=theirs, desk=full), 1)
    assert present(after.lead).advisor_id == "wang"
    assert [type(event) for event in events] == [LeadResponseOverdue]
    assert after.facts[0].detail["considered"] == [
        ["liu", "at-capacity", 100, 0, 0, 100],
        ["wang", "had-it-before", 0, 0, 0, 100],
    ]


def test_a_contact_in_time_ends_the_waiting_and_a_late_one_does_not_undo_the_alert() -> None:
    around = Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD)
    command = RecordContact("lead-1", Party(PartyKind.ADVISOR, "wang"), ContactKind.PHONE)
    in_time, events = lead_commands.record_contact(around, command, cause(0.9))
    assert present(in_time.lead).response_due is None
    assert LeadResponseOverdue not in map(type, events)
    _, events = lead_commands.record_contact(around, command, cause(1))
    assert type(events[0]) is LeadResponseOverdue


def test_a_lost_lead_waits_for_no_response() -> None:
    around = Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD)
    lost, _ = lead_commands.lose(around, LoseLead("lead-1", LossReason.INVALID), cause(0.5))
    assert next_deadline(present(lost.lead)) is None


def test_the_earliest_deadline_is_the_next_one() -> None:
    lead = replace(
        LEAD,
        stalls_at=NOON + timedelta(days=3),
        owner="advisor:wang",
        protected_until=NOON + timedelta(days=15),
    )
    assert next_deadline(lead) == (FIRST_RESPONSE, NOON + timedelta(hours=1))
    answered = replace(lead, response_due=None, stalls_at=None)
    assert next_deadline(answered) == (PROTECTION, NOON + timedelta(days=15))
    assert next_deadline(replace(answered, status=LeadStatus.LOST)) == next_deadline(answered)
    assert next_deadline(replace(answered, status=LeadStatus.WON)) is None


def test_everything_that_fell_due_meanwhile_happens_in_its_order() -> None:
    lead = replace(
        LEAD,
        stalls_at=NOON + timedelta(days=3),
        advisor_id="wang",
        owner="advisor:wang",
        protected_until=NOON + timedelta(days=15),
    )
    around = Dossier(RIVERSIDE, customer=ZHANG, lead=lead, desk=Desk((WANG, LIU)))
    after, events = passed(around, 20 * 24)
    assert [event.type for event in events] == [
        "keyturn.lead.response-overdue.v1",
        "keyturn.lead.stalled.v1",
        "keyturn.lead.released.v1",
        "keyturn.lead.assigned.v1",
    ]
    assert present(after.lead).advisor_id == "liu"
    assert present(after.lead).protected_until == NOON + timedelta(days=30)


@pytest.mark.parametrize(
    ("idle", "advisor_id"),
    [(COLD_AFTER - timedelta(seconds=1), "liu"), (COLD_AFTER, None)],
)
def test_a_lead_that_has_gone_cold_waits_in_the_pool(
    idle: timedelta, advisor_id: str | None
) -> None:
    lead = replace(
        LEAD,
        response_due=None,
        stage=LeadStage.CONTACTED,
        idle_since=NOON - idle,
        advisor_id="wang",
        owner="advisor:wang",
        protected_until=NOON,
    )
    around = Dossier(RIVERSIDE, customer=ZHANG, lead=lead, desk=Desk((WANG, LIU)))
    after, events = passed(around, 0)
    assert present(after.lead).advisor_id == advisor_id
    assert isinstance(events[0], LeadReleased)
