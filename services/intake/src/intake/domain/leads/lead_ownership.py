"""What becomes of a lead when it is registered, given to an advisor, taken away or released."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from intake.domain.communities import Community
from intake.domain.leads import leads
from intake.domain.leads.advisors import NO_DESK, Desk
from intake.domain.leads.assignment import Choice, Wanted, choose
from intake.domain.leads.leads import Lead, LeadStatus, LeadStep
from intake.domain.leads.ownership import ContactKind, Fact, FactKind, Party, PartyKind, judge
from intake.domain.occasion import Occasion
from intake.domain.people.customers import Customer
from keyturn_events.event import Event
from keyturn_events.intake import LeadAssigned, LeadReleased
from keyturn_events.vocabulary import AssignmentReason, LeadChannel

FACE_TO_FACE: Final = frozenset({LeadChannel.WALK_IN, LeadChannel.EVENT})
"""Channels by which a registration counts as a visit; by any other it counts as a call."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rules about a lead's advisor look at, beside the lead."""

    community: Community
    desk: Desk = NO_DESK
    language: str | None = None
    known_to: tuple[str, ...] = ()

    @classmethod
    def of(cls, community: Community, desk: Desk, customer: Customer | None) -> Situation:
        """The situation of one customer's lead."""
        if customer is None or not desk.advisors:
            return cls(community, desk)
        known_to = desk.known_to.get(customer.customer_id, ())
        return cls(community, desk, customer.facts.language, known_to)


@dataclass(frozen=True, slots=True)
class Course:
    """A lead as it has come to stand, and what was recorded and said on the way."""

    lead: Lead
    steps: tuple[LeadStep, ...] = ()
    facts: tuple[Fact, ...] = ()
    events: tuple[Event, ...] = ()

    def then(self, after: Course) -> Course:
        """This, and what came after it."""
        return Course(
            after.lead,
            self.steps + after.steps,
            self.facts + after.facts,
            self.events + after.events,
        )


@dataclass(frozen=True, slots=True)
class At:
    """An occasion as of an earlier time: what was due then and is done only now."""

    occasion: Occasion
    at: datetime

    def derive_id(self, *parts: object) -> str:
        """An id of the occasion itself."""
        return self.occasion.derive_id(*parts)


def contact_of(channel: LeadChannel) -> ContactKind:
    """The kind of contact by which a lead that came through that channel is protected."""
    return ContactKind.VISIT if channel in FACE_TO_FACE else ContactKind.PHONE


def note(
    lead: Lead,
    kind: FactKind,
    occasion: Occasion,
    party: Party | None = None,
    *,
    contact: ContactKind | None = None,
    days: int = 0,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> Course:
    """Record a fact of a lead's ownership, with what follows from it for the lead."""
    at = occasion.at if lead.facts_at is None else max(lead.facts_at, occasion.at)
    fact = Fact(
        lead_id=lead.lead_id,
        number=lead.facts + 1,
        at=at,
        kind=kind,
        party=party,
        contact=contact,
        days=days,
        reason=reason,
        detail=detail or {},
        community_id=lead.community_id,
    )
    held, _ = judge(lead.ownership, fact)
    owner = None if held.owner is None else f"{held.owner.kind}:{held.owner.id}"
    after = replace(
        lead, owner=owner, protected_until=held.until, facts=fact.number, facts_at=fact.at
    )
    return Course(after, facts=(fact,))


def give(
    lead: Lead,
    advisor_id: str,
    reason: AssignmentReason,
    community: Community,
    occasion: Occasion,
    *,
    cause: str,
    contact: ContactKind | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Course:
    """Give an open lead to an advisor, who is protected as for a contact of that kind.

    `cause` says for what occasion it is given, such as captured or response-overdue.
    """
    kind = contact or contact_of(lead.channel)
    course = note(
        replace(lead, advisor_id=advisor_id),
        FactKind.GIVEN,
        occasion,
        Party(PartyKind.ADVISOR, advisor_id),
        contact=kind,
        days=community.protects(kind),
        reason=cause,
        detail={"reason": reason, **(detail or {})},
    )
    after = course.lead
    event = LeadAssigned(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        advisor_id=advisor_id,
        previous_advisor_id=lead.advisor_id,
        reason=reason,
        first_response_due=after.response_due,
        protected_until=after.protected_until,
    )
    why = reason if cause in _PLAIN else cause
    step = leads.step(lead, after, "assigned", why, occasion)
    return replace(course, steps=(step,), events=(event,))


CAPTURED: Final = "captured"
BY_HAND: Final = "by-hand"
_PLAIN: Final = frozenset({CAPTURED, BY_HAND})
"""Occasions that say less than the reason why the lead goes to this advisor."""


def place(
    lead: Lead,
    situation: Situation,
    occasion: Occasion,
    *,
    cause: str,
    asked_for: str | None = None,
    not_to: str | None = None,
) -> Course:
    """Give an open lead to the advisor whom the rule chooses.

    When nobody fits, that is recorded, and whoever had the lead keeps it. Nothing happens in a
    community that has registered no advisors.
    """
    if not situation.desk.advisors:
        return Course(lead)
    wanted = Wanted(
        lead_id=lead.lead_id,
        language=situation.language,
        skill=lead.product_line,
        asked_for=asked_for,
        known_to=situation.known_to,
        not_to=not_to,
    )
    choice = choose(wanted, situation.desk, situation.community, occasion.at)
    detail = {"considered": explained(choice)}
    if choice.advisor_id is None or choice.reason is None:
        return note(lead, FactKind.UNASSIGNED, occasion, reason=cause, detail=detail)
    return give(
        lead,
        choice.advisor_id,
        choice.reason,
        situation.community,
        occasion,
        cause=cause,
        detail=detail,
    )


def explained(choice: Choice) -> list[list[str | int]]:
    """A choice as its fact keeps it: of each advisor the standing and the numbers that counted."""
    return [
        [
            each.advisor_id,
            each.standing,
            each.workload.open,
            each.workload.today,
            each.workload.lately,
            each.capacity,
        ]
        for each in choice.considered
    ]


def received(
    lead: Lead,
    situation: Situation,
    occasion: Occasion,
    *,
    cause: str,
    contact: ContactKind,
    agency_id: str | None,
    asked_for: str | None,
) -> Course:
    """Somebody came, or came again: who brought them, and who is to look after them.

    An agency, or an advisor whom the customer asks for, is registered; whoever was first is
    protected. A lead that nobody has goes to an advisor.
    """
    course = Course(lead)
    days = situation.community.protects(contact)
    if agency_id is not None:
        agency = Party(PartyKind.AGENCY, agency_id)
        course = note(
            lead, FactKind.REGISTERED, occasion, agency, contact=contact, days=days, reason=cause
        )
    if lead.status is not LeadStatus.OPEN or lead.claimed:
        return course
    if lead.advisor_id is not None:
        if asked_for is None or asked_for == lead.advisor_id:
            return course
        advisor = Party(PartyKind.ADVISOR, asked_for)
        return course.then(
            note(
                course.lead,
                FactKind.REGISTERED,
                occasion,
                advisor,
                contact=contact,
                days=days,
                reason=cause,
            )
        )
    if situation.desk.advisors:
        return course.then(
            place(course.lead, situation, occasion, cause=cause, asked_for=asked_for)
        )
    if asked_for is None:
        return course
    reason = AssignmentReason.CUSTOMER_PREFERENCE
    return course.then(
        give(
            course.lead,
            asked_for,
            reason,
            situation.community,
            occasion,
            cause=cause,
            contact=contact,
        )
    )


def release(lead: Lead, situation: Situation, occasion: Occasion) -> Course:
    """The owner's protection has ended.

    An advisor's lead goes back to the pool. When an agency's ends, the advisor who has looked
    after the customer owns the lead from then on.
    """
    owner = lead.ownership.owner
    ended = lead.protected_until
    agency = owner is not None and owner.kind is PartyKind.AGENCY
    course = note(
        lead if agency else replace(lead, advisor_id=None),
        FactKind.RELEASED,
        occasion,
        owner,
        reason="protection-ended",
    )
    event = LeadReleased(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        reason="protection-ended",
        protected_until=ended,
        advisor_id=None if agency else lead.advisor_id,
        partner_id=owner.id if owner is not None and agency else None,
    )
    step = leads.step(lead, course.lead, "released", "protection-ended", occasion)
    course = replace(course, steps=(step,), events=(event,))
    if not agency or course.lead.advisor_id is None:
        return course
    return course.then(
        give(
            course.lead,
            course.lead.advisor_id,
            AssignmentReason.PROTECTION,
            situation.community,
            occasion,
            cause="agency-protection-ended",
        )
    )


def take(lead: Lead, reason: str, occasion: Occasion) -> Course:
    """Take a lead from its advisor, although nobody else can have it yet."""
    course = note(replace(lead, advisor_id=None), FactKind.GIVEN, occasion, reason=reason)
    event = LeadReleased(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        reason=reason,
        protected_until=lead.protected_until,
        advisor_id=lead.advisor_id,
    )
    step = leads.step(lead, course.lead, "released", reason, occasion)
    return replace(course, steps=(step,), events=(event,))
