"""Whose customer it is, as a function of what was recorded and of nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.communities import Community
from intake.domain.dossier import Dossier, present
from intake.domain.leads import lead_commands, pipeline
from intake.domain.leads.advisors import NO_DESK, Advisor, Desk
from intake.domain.leads.capture import CaptureLead, PersonSaid, capture
from intake.domain.leads.disputes import DisputeLead, Outcome, dispute, outcome_of
from intake.domain.leads.lead_commands import (
    AdvanceLead,
    AssignLead,
    LoseLead,
    RecordContact,
    ReviveLead,
)
from intake.domain.leads.lead_deadlines import next_deadline
from intake.domain.leads.leads import Lead, LeadStatus
from intake.domain.leads.ownership import (
    NOBODYS,
    ContactKind,
    Effect,
    Fact,
    FactKind,
    Ownership,
    Party,
    PartyKind,
    verdict,
)
from intake.domain.people.customers import Customer
from intake.domain.people.identity import Identifier, IdentifierKind, Identity
from intake.domain.sales.purchases import Purchase
from keyturn_chassis.inputs import Cause
from keyturn_events import Event, Refusal
from keyturn_events.intake import LeadAdvanced, LeadAssigned, LeadReleased, LeadStalled
from keyturn_events.values import Money
from keyturn_events.vocabulary import LeadChannel, LeadStage, LossReason, PurchaseStage

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
RIVERSIDE = Community("riverside")
ZHANG = Customer("zhang", NOON, phones=("+8613800138000",))
LEAD = Lead("lead-1", "zhang", "riverside", LeadChannel.WEB, NOON, NOON)
WANG = Party(PartyKind.ADVISOR, "wang")
LIU = Party(PartyKind.ADVISOR, "liu")
LIANJIA = Party(PartyKind.AGENCY, "lianjia")
BEIKE = Party(PartyKind.AGENCY, "beike")
PHONE = Identifier(IdentifierKind.PHONE, "+8613800138000")


def days(number: float) -> datetime:
    return NOON + timedelta(days=number)


def cause(day: float) -> Cause:
    return Cause("test", str(day), days(day))


def fact(number: int, day: float, kind: FactKind, party: Party | None = None, **more: Any) -> Fact:
    return replace(Fact("lead-1", number, days(day), kind, party), **more)


def registered(number: int, day: float, party: Party, protects: int = 15) -> Fact:
    return fact(number, day, FactKind.REGISTERED, party, days=protects)


def contacted(number: int, day: float, party: Party, protects: int) -> Fact:
    return fact(number, day, FactKind.CONTACTED, party, days=protects)


def effects(history: Sequence[Fact], day: float) -> list[Effect]:
    return [effect for _, effect in verdict(history, days(day)).history]


def test_the_first_registration_protects_for_its_days_and_not_a_moment_longer() -> None:
    history = [registered(1, 0, LIANJIA)]
    assert verdict(history, days(14.99)).owner == LIANJIA
    assert verdict(history, days(14.99)).protected_until == days(15)
    assert verdict(history, days(15)).owner is None


def test_a_second_agency_is_recorded_and_does_not_get_the_customer() -> None:
    history = [registered(1, 0, LIANJIA), registered(2, 14, BEIKE)]
    assert effects(history, 14) == [Effect.PROTECTED, Effect.PROTECTED_FOR_ANOTHER]
    assert verdict(history, days(14)).owner == LIANJIA
    assert verdict(history, days(15)).owner is None


def test_whoever_registers_once_protection_has_ended_owns_the_customer() -> None:
    history = [registered(1, 0, LIANJIA), registered(2, 15, BEIKE)]
    found = verdict(history, days(16))
    assert (found.owner, found.owned_since, found.protected_until) == (BEIKE, days(15), days(30))
    assert [told.number for told, _ in found.deciding] == [2]


def test_the_owners_contact_prolongs_and_never_shortens() -> None:
    history = [registered(1, 0, WANG), contacted(2, 10, WANG, 30), contacted(3, 11, WANG, 7)]
    found = verdict(history, days(12))
    assert [effect for _, effect in found.history] == [
        Effect.PROTECTED,
        Effect.PROLONGED,
        Effect.NONE,
    ]
    assert found.protected_until == days(40)


def test_somebody_elses_contact_prolongs_nothing() -> None:
    history = [registered(1, 0, WANG), contacted(2, 10, LIU, 30)]
    assert verdict(history, days(14)).owner == WANG
    assert verdict(history, days(15)).owner is None


def test_a_contact_that_protects_no_days_makes_nobody_an_owner() -> None:
    assert verdict([contacted(1, 0, WANG, 0)], days(0)).owner is None


def test_a_manager_hands_an_advisors_customer_to_another_advisor() -> None:
    history = [registered(1, 0, WANG), fact(2, 3, FactKind.GIVEN, LIU, days=15)]
    found = verdict(history, days(4))
    assert (found.owner, found.owned_since, found.protected_until) == (LIU, days(3), days(18))


def test_an_advisor_who_is_given_an_agencys_customer_does_not_own_it() -> None:
    history = [registered(1, 0, LIANJIA), fact(2, 3, FactKind.GIVEN, LIU, days=15)]
    assert verdict(history, days(4)).owner == LIANJIA


def test_a_claim_on_a_home_settles_it_until_the_purchase_is_rescinded() -> None:
    history = [registered(1, 0, WANG), fact(2, 10, FactKind.SETTLED)]
    settled = verdict(history, days(1000))
    assert (settled.owner, settled.protected_until, settled.settled) == (WANG, None, True)
    history.append(fact(3, 1001, FactKind.REOPENED, days=7))
    assert verdict(history, days(1001)).protected_until == days(1008)
    assert verdict(history, days(1008)).owner is None


def test_a_claim_settles_nothing_once_protection_has_ended() -> None:
    assert verdict([registered(1, 0, WANG), fact(2, 15, FactKind.SETTLED)], days(16)).owner is None


def test_a_lead_that_is_taken_away_is_nobodys() -> None:
    history = [registered(1, 0, WANG), fact(2, 3, FactKind.GIVEN)]
    assert effects(history, 4) == [Effect.PROTECTED, Effect.TAKEN]
    assert verdict(history, days(4)).owner is None


def test_facts_after_the_time_asked_for_do_not_count() -> None:
    history = [registered(1, 0, WANG), fact(2, 3, FactKind.GIVEN, LIU, days=15)]
    assert verdict(history, days(2)).owner == WANG
    assert len(verdict(history, days(2)).history) == 1


def test_one_person_registered_as_two_leads_belongs_to_who_was_first() -> None:
    second = replace(registered(1, 5, BEIKE), lead_id="lead-2")
    given = replace(fact(2, 5, FactKind.GIVEN, LIU, days=15), lead_id="lead-2")
    assert verdict([second, given, registered(1, 0, WANG)], days(6)).owner == WANG


PARTIES = st.sampled_from([WANG, LIU, LIANJIA, BEIKE])
KINDS = st.sampled_from(list(FactKind))


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """Facts of up to three leads, each numbered and in the order of its times."""
    facts = []
    for lead_id in draw(st.lists(st.sampled_from("abc"), max_size=3, unique=True)):
        times = sorted(draw(st.lists(st.integers(0, 60), max_size=8)))
        facts += [
            Fact(
                lead_id,
                number,
                days(day),
                draw(KINDS),
                draw(st.none() | PARTIES),
                days=draw(st.sampled_from([0, 7, 15, 30])),
            )
            for number, day in enumerate(times, 1)
        ]
    return facts


@given(histories(), st.data())
def test_a_verdict_does_not_depend_on_order_or_repetition(
    history: list[Fact], data: st.DataObject
) -> None:
    at = days(data.draw(st.integers(0, 90)))
    shuffled = data.draw(st.permutations(history + history[: len(history) // 2]))
    assert verdict(shuffled, at) == verdict(history, at)


@given(histories(), st.integers(0, 90))
def test_a_verdict_only_changes_owner_by_a_fact_or_by_an_end(history: list[Fact], day: int) -> None:
    found = verdict(history, days(day))
    if found.owner is None:
        assert (found.protected_until, found.settled, found.deciding) == (None, False, ())
    else:
        assert found.settled is (found.protected_until is None)
        assert found.protected_until is None or found.protected_until > days(day)
        assert found.deciding[0][0].at == found.owned_since


# What a lead keeps of its owner is the verdict on its own facts, whatever was decided on it.

CONTACTS = {
    "call": ContactKind.PHONE,
    "visit": ContactKind.VISIT,
    "follow": ContactKind.FOLLOW_UP,
    "message": ContactKind.MESSAGE,
}
AGENCIES = {"agency": "lianjia", "other-agency": "beike", "touch": None, "other-touch": None}
PURCHASES = {"buy": PurchaseStage.RESERVED, "rescind": PurchaseStage.RESCINDED}
COMMANDS: Mapping[str, tuple[Callable[..., tuple[Dossier, list[Event]]], Any]] = {
    "lose": (lead_commands.lose, LoseLead("lead-1", LossReason.PRICE)),
    "revive": (lead_commands.revive, ReviveLead("lead-1", "why")),
    "advance": (lead_commands.advance, AdvanceLead("lead-1", LeadStage.VISITED, "came")),
    "deadline": (lead_commands.pass_deadlines, None),
}
STEPS = st.sampled_from([*CONTACTS, *AGENCIES, *PURCHASES, *COMMANDS, "give"])


def decided(step: str, dossier: Dossier, day: float) -> Dossier:
    """The dossier after one more decision; as before when it is refused."""
    at = cause(day)
    by = LIU if int(day * 10) % 3 == 0 else WANG
    try:
        if step in CONTACTS:
            contact = RecordContact("lead-1", by, CONTACTS[step])
            return lead_commands.record_contact(dossier, contact, at)[0]
        if step in AGENCIES:
            return again(dossier, AGENCIES[step], by.id if step == "other-touch" else None, at)
        if step in PURCHASES:
            return bought(dossier, PURCHASES[step], at)
        decide, command = COMMANDS.get(step, (lead_commands.assign, AssignLead("lead-1", by.id)))
        return decide(dossier, command, at)[0]
    except Refusal:
        return dossier


def bought(dossier: Dossier, stage: PurchaseStage, at: Cause) -> Dossier:
    purchase = Purchase(
        "purchase-1",
        "zhang",
        "home-1",
        "riverside",
        Money(amount=Decimal(1), currency="CNY"),
        stage,
    )
    return replace(pipeline.follow(replace(dossier, purchase=purchase), at)[0], purchase=None)


def again(dossier: Dossier, agency: str | None, asked_for: str | None, at: Cause) -> Dossier:
    door = Dossier(
        RIVERSIDE,
        identity=Identity(name=None, phone=PHONE.value),
        owners={PHONE: ZHANG},
        leads={"zhang": present(dossier.lead)},
        desk=dossier.desk,
        steps=dossier.steps,
        facts=dossier.facts,
    )
    command = CaptureLead(
        PersonSaid(phone=PHONE.value),
        LeadChannel.AGENCY if agency else LeadChannel.WALK_IN,
        community_id="riverside",
        agency_id=agency,
        advisor_id=asked_for,
    )
    after, _ = capture(door, command, at)
    return replace(after, facts=dossier.facts + after.facts, touches=(), purchase=None)


@given(st.lists(st.tuples(STEPS, st.floats(0, 12)), max_size=12))
def test_what_a_lead_keeps_of_its_owner_is_the_verdict_on_its_facts(
    course: list[tuple[str, float]],
) -> None:
    dossier, day = Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD), 0.0
    for step, later in course:
        day += round(later, 1)
        dossier = replace(decided(step, dossier, day), community=RIVERSIDE)
        lead = present(dossier.lead)
        found = verdict(dossier.facts, days(day))
        assert Ownership(found.owner, found.protected_until) == replace(
            lead.ownership.at(days(day)), through=None
        )
        assert [told.number for told in dossier.facts] == list(range(1, lead.facts + 1))
        owner = lead.ownership.owner
        if lead.advisor_id is None:
            assert owner is None or owner.kind is PartyKind.AGENCY
        elif owner is not None and owner.kind is PartyKind.ADVISOR:
            assert owner.id == lead.advisor_id


def contact(
    dossier: Dossier, by: Party, kind: ContactKind, day: float
) -> tuple[Dossier, list[Any]]:
    return lead_commands.record_contact(dossier, RecordContact("lead-1", by, kind), cause(day))


def test_an_advisors_first_call_gives_them_the_lead_and_is_the_response() -> None:
    waiting = replace(LEAD, response_due=days(1))
    after, events = contact(
        Dossier(RIVERSIDE, customer=ZHANG, lead=waiting), WANG, ContactKind.PHONE, 0.5
    )
    lead = present(after.lead)
    assert (lead.advisor_id, lead.owner, lead.protected_until) == (
        "wang",
        "advisor:wang",
        days(15.5),
    )
    assert (lead.stage, lead.response_due) == (LeadStage.CONTACTED, None)
    assert [type(event) for event in events[:2]] == [LeadAdvanced, LeadAssigned]
    assert events[1].reason == "protection"


def test_a_message_answers_the_customer_and_protects_nobody() -> None:
    waiting = replace(LEAD, response_due=days(1))
    after, _ = contact(
        Dossier(RIVERSIDE, customer=ZHANG, lead=waiting), WANG, ContactKind.MESSAGE, 0.5
    )
    lead = present(after.lead)
    assert (lead.response_due, lead.stage) == (None, LeadStage.CONTACTED)
    assert (lead.owner, lead.advisor_id) == (None, None)


def test_an_agencys_contact_is_not_the_response_of_the_builder() -> None:
    waiting = replace(LEAD, response_due=days(1))
    after, _ = contact(
        Dossier(RIVERSIDE, customer=ZHANG, lead=waiting), LIANJIA, ContactKind.VISIT, 0.5
    )
    lead = present(after.lead)
    assert (lead.owner, lead.protected_until) == ("agency:lianjia", days(7.5))
    assert (lead.response_due, lead.stage, lead.advisor_id) == (days(1), LeadStage.NEW, None)


def test_a_lost_lead_takes_no_contact_and_a_full_history_none_either() -> None:
    lost = Dossier(RIVERSIDE, customer=ZHANG, lead=replace(LEAD, status=LeadStatus.LOST))
    with pytest.raises(Refusal, match="lead-not-open"):
        contact(lost, WANG, ContactKind.PHONE, 1)
    most = lead_commands.MOST_FACTS
    contact(Dossier(RIVERSIDE, customer=ZHANG, lead=replace(LEAD, facts=most - 1)), LIANJIA,
            ContactKind.PHONE, 1)  # fmt: skip
    with pytest.raises(Refusal, match="too-many-facts"):
        contact(Dossier(RIVERSIDE, customer=ZHANG, lead=replace(LEAD, facts=most)), LIANJIA,
                ContactKind.PHONE, 1)  # fmt: skip


def test_a_late_timer_makes_no_difference_to_who_owns_the_lead() -> None:
    owned, _ = contact(Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD), WANG, ContactKind.VISIT, 0)
    in_time, released = lead_commands.pass_deadlines(owned, None, cause(7))
    assert released == [
        LeadReleased(
            customer_id="zhang",
            lead_id="lead-1",
            community_id="riverside",
            reason="protection-ended",
            protected_until=days(7),
            advisor_id="wang",
        )
    ]
    on_time, _ = contact(in_time, LIU, ContactKind.PHONE, 9)
    late, events = contact(owned, LIU, ContactKind.PHONE, 9)
    assert late.lead == on_time.lead
    assert late.facts == on_time.facts
    assert isinstance(events[0], LeadReleased)
    assert present(late.lead).owner == "advisor:liu"


def test_when_an_agencys_protection_ends_the_advisor_who_looked_after_the_lead_owns_it() -> None:
    brought, _ = contact(
        Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD), LIANJIA, ContactKind.VISIT, 0
    )
    given, _ = lead_commands.assign(brought, AssignLead("lead-1", "wang"), cause(1))
    assert present(given.lead).owner == "agency:lianjia"
    after, events = lead_commands.pass_deadlines(given, None, cause(7))
    lead = present(after.lead)
    assert (lead.owner, lead.advisor_id, lead.protected_until) == ("advisor:wang", "wang", days(22))
    assert [(type(event), getattr(event, "partner_id", None)) for event in events] == [
        (LeadStalled, None),
        (LeadReleased, "lianjia"),
        (LeadAssigned, None),
    ]


def test_a_dispute_is_answered_by_the_history_and_changes_nothing_that_is_right() -> None:
    owned, _ = contact(Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD), WANG, ContactKind.PHONE, 0)
    asked = replace(owned, history=owned.facts)
    after, events = dispute(asked, DisputeLead("lead-1", LIU, "met-first"), cause(3))
    assert events == []
    assert present(after.lead).ownership == present(owned.lead).ownership
    assert [told.kind for told in after.facts[-1:]] == [FactKind.DISPUTED]
    assert after.facts[-1].detail == {"outcome": Outcome.REFUSED}


@pytest.mark.parametrize(
    ("day", "claimant", "outcome"),
    [
        (14, LIANJIA, Outcome.UPHELD),
        (14, BEIKE, Outcome.REFUSED),
        (15, LIANJIA, Outcome.NOBODY_PROTECTED),
    ],
)
def test_a_dispute_is_upheld_for_the_owner_alone(
    day: int, claimant: Party, outcome: Outcome
) -> None:
    assert outcome_of(verdict([registered(1, 0, LIANJIA)], days(day)), claimant) is outcome


def test_a_verdict_that_names_another_owner_gives_them_the_lead() -> None:
    """Two customers proved to be one person: Wang had registered the other record first."""
    first = replace(registered(1, 0, WANG), lead_id="lead-0")
    brought, _ = contact(
        Dossier(RIVERSIDE, customer=ZHANG, lead=LEAD), LIANJIA, ContactKind.VISIT, 5
    )
    asked = replace(brought, history=(first, *brought.facts))
    after, events = dispute(asked, DisputeLead("lead-1", WANG, "met-first"), cause(6))
    lead = present(after.lead)
    assert (lead.owner, lead.advisor_id) == ("advisor:wang", "wang")
    assert [type(event) for event in events] == [LeadReleased, LeadAssigned]
    assert isinstance(events[0], LeadReleased)
    assert (events[0].partner_id, events[0].reason) == ("lianjia", "dispute-decided")
    assert [told.kind for told in after.facts[-3:]] == [
        FactKind.DISPUTED,
        FactKind.AWARDED,
        FactKind.GIVEN,
    ]


def test_nothing_is_owned_without_a_fact() -> None:
    assert LEAD.ownership == NOBODYS
    assert verdict([], NOON).owner is None


@given(st.lists(st.tuples(STEPS, st.floats(0, 12)), max_size=10), st.booleans())
def test_timers_may_all_be_late_without_making_a_difference(
    course: list[tuple[str, float]], staffed: bool
) -> None:
    desk = Desk((Advisor("wang", "Wang", ("riverside",)), Advisor("liu", "Liu", ("riverside",))))
    begun = Dossier(
        RIVERSIDE,
        customer=ZHANG,
        lead=replace(LEAD, response_due=days(0.5), stalls_at=days(3)),
        desk=desk if staffed else NO_DESK,
    )
    timely, late, day = begun, begun, 0.0
    for step, later in [*course, ("deadline", 40)]:
        day += round(later, 1)
        timely = at_the_desk(step, fired_until(timely, day), begun, day)
        late = at_the_desk(step, late, begun, day)
    # Whatever was refused last left the late one where it was: its timers come in the end.
    assert fired_until(late, day).lead == fired_until(timely, day).lead
    assert fired_until(late, day).facts == fired_until(timely, day).facts


def at_the_desk(step: str, dossier: Dossier, begun: Dossier, day: float) -> Dossier:
    return replace(decided(step, dossier, day), community=RIVERSIDE, desk=begun.desk)


def fired_until(dossier: Dossier, day: float) -> Dossier:
    """The dossier after every timer until that day, each at its own time."""
    while True:
        following = next_deadline(present(dossier.lead))
        if following is None or following[1] > days(day):
            return dossier
        at = Cause("timers", following[0], following[1])
        dossier = lead_commands.pass_deadlines(dossier, None, at)[0]
