"""Which advisor a lead goes to, as a pure choice that explains itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.communities import Community
from intake.domain.dossier import Dossier, present
from intake.domain.leads import lead_commands
from intake.domain.leads.advisor_commands import (
    CallToDuty,
    LeaveAdvisor,
    RegisterAdvisor,
    StaffFile,
    call_to_duty,
    leave,
    register,
)
from intake.domain.leads.advisors import Advisor, Desk, DutyCall, Shift, Workload
from intake.domain.leads.assignment import MOST_EXPLAINED, Standing, Wanted, choose
from intake.domain.leads.lead_commands import AssignLead
from intake.domain.leads.leads import Lead
from intake.domain.leads.opening_hours import Period
from intake.domain.people.customers import Customer, Facts
from keyturn_chassis.inputs import Cause
from keyturn_events import Refusal
from keyturn_events.intake import LeadAssigned, LeadReleased
from keyturn_events.vocabulary import AssignmentReason, LeadChannel

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
"""Monday noon in Shanghai."""
RIVERSIDE = Community("riverside", staffed=True)
LEAD = Lead("lead-1", "zhang", "riverside", LeadChannel.WEB, NOON, NOON)
ZHANG = Customer("zhang", NOON, facts=Facts(language="en-GB"))


def advisor(id: str, **more: Any) -> Advisor:
    return replace(Advisor(id, id.title(), ("riverside",)), **more)


WANG, LIU, CHEN = advisor("wang"), advisor("liu"), advisor("chen")


def desk(*advisors: Advisor, **workloads: Workload) -> Desk:
    return Desk(advisors, workloads)


def chosen(desk: Desk, at: datetime = NOON, **wanted: Any) -> str | None:
    return choose(Wanted("lead-1", **wanted), desk, RIVERSIDE, at).advisor_id


def standings(desk: Desk, at: datetime = NOON, **wanted: Any) -> Mapping[str, str]:
    choice = choose(Wanted("lead-1", **wanted), desk, RIVERSIDE, at)
    return {each.advisor_id: each.standing for each in choice.considered}


def test_nobody_is_chosen_where_nobody_is_registered() -> None:
    choice = choose(Wanted("lead-1"), desk(), RIVERSIDE, NOON)
    assert (choice.advisor_id, choice.reason, choice.considered) == (None, None, ())


def test_the_advisor_whom_the_customer_asks_for_comes_before_every_rule() -> None:
    away = advisor("wang", duty_call=DutyCall(on_duty=False))
    here = advisor("liu", languages=("en",))
    staff = desk(away, here, wang=Workload(open=99, today=50, lately=50))
    choice = choose(Wanted("lead-1", "en", asked_for="wang"), staff, RIVERSIDE, NOON)
    assert choice.advisor_id == "wang"
    assert choice.reason is AssignmentReason.CUSTOMER_PREFERENCE


def test_the_advisor_of_another_lead_of_the_customer_comes_next() -> None:
    assert chosen(desk(WANG, LIU), known_to=("liu", "wang")) == "liu"
    assert chosen(desk(WANG, LIU), asked_for="wang", known_to=("liu",)) == "wang"


@pytest.mark.parametrize(
    ("wanted", "standing"),
    [
        (advisor("wang", left_on=NOON), Standing.HAS_LEFT),
        (advisor("wang", capacity=5), Standing.AT_CAPACITY),
    ],
)
def test_who_has_left_or_is_full_is_not_chosen_even_when_asked_for(
    wanted: Advisor, standing: Standing
) -> None:
    staff = desk(wanted, LIU, wang=Workload(open=5))
    assert chosen(staff, asked_for="wang") == "liu"
    assert standings(staff, asked_for="wang")["wang"] == standing


def test_an_advisor_of_another_community_who_is_asked_for_is_named_and_not_chosen() -> None:
    assert standings(desk(LIU), asked_for="wang") == {
        "liu": Standing.CHOSEN,
        "wang": Standing.NOT_OF_COMMUNITY,
    }


def test_only_who_is_on_duty_is_chosen_by_the_rule() -> None:
    monday = advisor("wang", shifts=(Shift("riverside", Period(1, 540, 1080)),))
    tuesday = advisor("liu", shifts=(Shift("riverside", Period(2, 540, 1080)),))
    assert chosen(desk(monday, tuesday)) == "wang"
    assert chosen(desk(monday, tuesday), NOON + timedelta(days=1)) == "liu"
    assert chosen(desk(monday, tuesday), NOON + timedelta(hours=6)) is None


def test_a_shift_begins_with_its_first_minute_and_ends_before_its_last() -> None:
    wang = advisor("wang", shifts=(Shift("riverside", Period(1, 720, 735)),))
    assert [
        wang.on_duty(RIVERSIDE, NOON + timedelta(minutes=minutes)) for minutes in (-1, 0, 14, 15)
    ] == [False, True, True, False]


def test_a_shift_in_another_community_says_nothing_of_this_one() -> None:
    elsewhere = advisor("wang", shifts=(Shift("hillside", Period(2, 0, 15)),))
    assert elsewhere.on_duty(RIVERSIDE, NOON)


def test_a_call_to_duty_goes_before_the_shifts_until_it_ends() -> None:
    tuesday = (Shift("riverside", Period(2, 540, 1080)),)
    called = advisor(
        "wang", shifts=tuesday, duty_call=DutyCall(on_duty=True, until=NOON + timedelta(hours=1))
    )
    assert called.on_duty(RIVERSIDE, NOON)
    assert not called.on_duty(RIVERSIDE, NOON + timedelta(hours=1))


def test_the_language_decides_where_anybody_speaks_it_and_leaves_nobody_waiting() -> None:
    english = advisor("chen", languages=("zh", "en-US"))
    assert chosen(desk(WANG, LIU, english), language="en-GB") == "chen"
    assert standings(desk(WANG, english), language="en")["wang"] == Standing.OTHER_LANGUAGE
    assert chosen(desk(WANG), language="fr") == "wang"
    full = desk(WANG, english, chen=Workload(open=100))
    assert chosen(full, language="en") == "wang"


def test_the_skill_decides_among_those_who_speak_the_language() -> None:
    staff = desk(
        advisor("wang", skills=("first-home",)),
        advisor("liu", languages=("en",)),
        advisor("chen", languages=("en",), skills=("first-home",)),
    )
    choice = choose(Wanted("lead-1", "en", "first-home"), staff, RIVERSIDE, NOON)
    assert (choice.advisor_id, choice.reason) == ("chen", AssignmentReason.SKILL)
    assert standings(staff, language="en", skill="first-home") == {
        "chen": Standing.CHOSEN,
        "liu": Standing.OTHER_SKILL,
        "wang": Standing.OTHER_LANGUAGE,
    }


@pytest.mark.parametrize(
    ("load", "standing"),
    [
        (Workload(open=9, today=4), Standing.CHOSEN),
        (Workload(open=10, today=4), Standing.AT_CAPACITY),
        (Workload(open=9, today=5), Standing.QUOTA_REACHED),
    ],
)
def test_capacity_and_quota_are_kept_to_the_last_lead(load: Workload, standing: Standing) -> None:
    wang = advisor("wang", capacity=10, daily_quota=5)
    assert standings(desk(wang, wang=load))["wang"] == standing


def test_the_reason_is_capacity_when_others_have_no_room() -> None:
    staff = desk(WANG, LIU, liu=Workload(open=100))
    assert choose(Wanted("lead-1"), staff, RIVERSIDE, NOON).reason is AssignmentReason.CAPACITY
    assert (
        choose(Wanted("lead-1"), desk(WANG, LIU), RIVERSIDE, NOON).reason
        is AssignmentReason.ROTATION
    )


def test_who_had_the_lead_does_not_have_it_again() -> None:
    assert chosen(desk(WANG, LIU), not_to="wang") == "liu"
    assert chosen(desk(WANG), not_to="wang") is None


def test_fewest_given_lately_for_the_capacity_goes_first() -> None:
    big, small = advisor("wang", capacity=30), advisor("liu", capacity=10)
    staff = desk(big, small, wang=Workload(lately=5), liu=Workload(lately=2))
    assert chosen(staff) == "wang"
    assert standings(staff)["liu"] == Standing.MORE_GIVEN
    assert chosen(desk(big, small, wang=Workload(lately=9), liu=Workload(lately=2))) == "liu"


def test_a_tie_is_settled_by_a_lot_that_the_lead_draws() -> None:
    staff = desk(WANG, LIU, CHEN)
    first = choose(Wanted("lead-1"), staff, RIVERSIDE, NOON)
    assert first == choose(Wanted("lead-1"), desk(CHEN, WANG, LIU), RIVERSIDE, NOON)
    assert Counter(each.standing for each in first.considered) == {
        Standing.CHOSEN: 1,
        Standing.DREW_LATER: 2,
    }
    drawn = {
        choose(Wanted(f"lead-{number}"), staff, RIVERSIDE, NOON).advisor_id for number in range(20)
    }
    assert drawn == {"wang", "liu", "chen"}


def test_only_so_many_advisors_are_explained_the_chosen_one_first() -> None:
    crowd = desk(*(advisor(f"advisor-{number}") for number in range(MOST_EXPLAINED + 1)))
    choice = choose(Wanted("lead-1"), crowd, RIVERSIDE, NOON)
    assert len(choice.considered) == MOST_EXPLAINED
    assert choice.considered[0].advisor_id == choice.advisor_id


def given_out(desk: Desk, leads: int) -> Counter[str]:
    given: Counter[str] = Counter()
    for number in range(leads):
        choice = choose(Wanted(f"lead-{number}"), desk, RIVERSIDE, NOON)
        assert choice.advisor_id is not None
        given[choice.advisor_id] += 1
        desk = desk.given(choice.advisor_id)
    return given


def test_over_six_hundred_leads_the_shares_are_those_of_the_capacities() -> None:
    staff = desk(
        advisor("wang", capacity=1000), advisor("liu", capacity=500), advisor("chen", capacity=300)
    )
    assert given_out(staff, 540) == {"wang": 300, "liu": 150, "chen": 90}


@given(st.lists(st.integers(50, 1000), min_size=1, max_size=6), st.integers(1, 150))
def test_nobody_ever_falls_a_whole_lead_behind_their_share(
    capacities: list[int], leads: int
) -> None:
    leads = min(leads, *capacities)
    staff = desk(
        *(advisor(f"advisor-{n}", capacity=capacity) for n, capacity in enumerate(capacities))
    )
    given = given_out(staff, leads)
    assert sum(given.values()) == leads
    for number, capacity in enumerate(capacities):
        fair = leads * capacity / sum(capacities)
        assert given[f"advisor-{number}"] > fair - 1


@given(
    st.permutations([WANG, LIU, CHEN]),
    st.dictionaries(st.sampled_from(["wang", "liu", "chen"]), st.integers(0, 3)),
)
def test_the_order_of_the_advisors_does_not_matter(
    staff: list[Advisor], lately: dict[str, int]
) -> None:
    loads = {id: Workload(lately=number) for id, number in lately.items()}
    assert chosen(Desk(tuple(staff), loads)) == chosen(Desk((WANG, LIU, CHEN), loads))


# Registering, duty and leaving.


def cause(day: float = 0) -> Cause:
    return Cause("test", str(day), NOON + timedelta(days=day))


def test_registering_an_advisor_staffs_the_communities_and_keeps_the_call_to_duty() -> None:
    call = DutyCall(on_duty=False)
    known = advisor("wang", duty_call=call, left_on=NOON)
    file = StaffFile(known, (Community("riverside"),))
    after, _ = register(file, RegisterAdvisor("wang", WANG), cause())
    assert after.advisor == replace(WANG, duty_call=call)
    assert [community.staffed for community in after.communities] == [True]


@pytest.mark.parametrize(
    ("shifts", "code"),
    [
        ((Shift("hillside", Period(1, 540, 600)),), "unknown-community"),
        ((Shift("riverside", Period(1, 540, 554)),), "invalid-hours"),
        ((Shift("riverside", Period(1, 600, 540)),), "invalid-hours"),
        (
            (Shift("riverside", Period(1, 540, 600)), Shift("riverside", Period(1, 599, 700))),
            "invalid-hours",
        ),
    ],
)
def test_shifts_that_make_no_sense_are_refused(shifts: tuple[Shift, ...], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        register(StaffFile(), RegisterAdvisor("wang", advisor("wang", shifts=shifts)), cause())
    assert (refused.value.code, refused.value.pointer) == (code, "/shifts")


def test_a_call_to_duty_has_to_reach_into_the_future() -> None:
    call = CallToDuty("wang", DutyCall(on_duty=True, until=NOON))
    with pytest.raises(Refusal, match="already-over"):
        call_to_duty(StaffFile(WANG), call, cause())
    with pytest.raises(Refusal, match="advisor-not-found"):
        call_to_duty(StaffFile(), call, cause())
    with pytest.raises(Refusal, match="advisor-has-left"):
        call_to_duty(StaffFile(advisor("wang", left_on=NOON)), call, cause())


def leads_of(id: str, number: int, staff: Desk) -> tuple[Dossier, ...]:
    return tuple(
        Dossier(
            RIVERSIDE,
            customer=ZHANG,
            desk=staff,
            lead=replace(LEAD, lead_id=f"lead-{n}", advisor_id=id, owner=f"advisor:{id}"),
        )
        for n in range(number)
    )


def test_the_leads_of_an_advisor_who_leaves_are_shared_out_by_the_rule() -> None:
    staff = desk(WANG, LIU, CHEN, wang=Workload(open=6))
    file = StaffFile(WANG, dossiers=leads_of("wang", 6, staff))
    after, events = leave(file, LeaveAdvisor("wang"), cause())
    assert present(after.advisor).left_on == NOON
    assert Counter(each.to for each in after.handed_on) == {"liu": 3, "chen": 3}
    assert [type(event) for event in events] == [LeadAssigned] * 6
    assert {step.reason for each in after.dossiers for step in each.steps} == {"advisor-left"}


def test_a_dry_run_says_the_same_and_changes_nothing() -> None:
    file = StaffFile(WANG, dossiers=leads_of("wang", 6, desk(WANG, LIU, CHEN)))
    dry, events = leave(file, LeaveAdvisor("wang", dry_run=True), cause())
    wet, _ = leave(file, LeaveAdvisor("wang"), cause())
    assert dry.handed_on == wet.handed_on
    assert (dry.applied, events) == (False, [])


def test_leads_that_nobody_can_take_wait_in_the_pool() -> None:
    staff = desk(WANG, advisor("liu", capacity=1))
    after, events = leave(
        StaffFile(WANG, dossiers=leads_of("wang", 2, staff)), LeaveAdvisor("wang"), cause()
    )
    assert [each.to for each in after.handed_on] == ["liu", None]
    assert [type(event) for event in events] == [LeadAssigned, LeadReleased]
    pooled = present(after.dossiers[1].lead)
    assert (pooled.advisor_id, pooled.owner) == (None, None)


def test_a_manager_gives_a_lead_to_a_registered_advisor_and_to_no_other() -> None:
    around = Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD, desk=desk(WANG, LIU))
    after, _ = lead_commands.assign(around, AssignLead("lead-1", "liu"), cause())
    assert present(after.lead).owner == "advisor:liu"
    for unknown in ("nobody", "chen"):
        with pytest.raises(Refusal, match="unknown-advisor"):
            lead_commands.assign(around, AssignLead("lead-1", unknown), cause())


def test_the_rule_gives_a_lead_to_another_on_request() -> None:
    around = Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD, desk=desk(WANG, LIU))
    after, _ = lead_commands.assign(around, AssignLead("lead-1", None), cause())
    again, _ = lead_commands.assign(after, AssignLead("lead-1", None), cause(1))
    assert {present(after.lead).advisor_id, present(again.lead).advisor_id} == {"wang", "liu"}
    alone = replace(around, lead=replace(LEAD, advisor_id="wang"), desk=desk(WANG))
    with pytest.raises(Refusal, match="nobody-to-assign"):
        lead_commands.assign(alone, AssignLead("lead-1", None), cause())


def test_what_is_assigned_says_until_when_it_is_protected_and_to_be_answered() -> None:
    waiting = replace(LEAD, response_due=NOON + timedelta(hours=1))
    around = Dossier(RIVERSIDE, customer=ZHANG, lead=waiting)
    _, events = lead_commands.assign(around, AssignLead("lead-1", "wang"), cause())
    assert events == [
        LeadAssigned(
            customer_id="zhang",
            lead_id="lead-1",
            community_id="riverside",
            advisor_id="wang",
            reason=AssignmentReason.MANUAL,
            first_response_due=NOON + timedelta(hours=1),
            protected_until=NOON + timedelta(days=15),
        )
    ]
