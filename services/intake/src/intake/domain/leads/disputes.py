"""A dispute over a lead: answered with the history that decides it, and with nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from intake.domain.dossier import Dossier
from intake.domain.leads.lead_commands import LeadCommand, ensure_room, until_now
from intake.domain.leads.lead_ownership import Course, give, note
from intake.domain.leads.leads import LeadStatus
from intake.domain.leads.ownership import FactKind, Party, PartyKind, Verdict, verdict
from intake.domain.occasion import Occasion
from keyturn_events.event import Event
from keyturn_events.intake import LeadReleased
from keyturn_events.vocabulary import AssignmentReason

DECIDED: Final = "dispute-decided"


class Outcome(StrEnum):
    """What a verdict means for who claimed the lead."""

    UPHELD = "upheld"
    REFUSED = "refused"
    """Somebody else is protected."""
    NOBODY_PROTECTED = "nobody-protected"
    """The lead is whoever's is in contact with the customer next."""


@dataclass(frozen=True, slots=True)
class DisputeLead(LeadCommand):
    """Somebody claims that the lead is theirs."""

    claimant: Party
    reason: str


def outcome_of(found: Verdict, claimant: Party) -> Outcome:
    """What a verdict means for a claimant."""
    if found.owner is None:
        return Outcome.NOBODY_PROTECTED
    return Outcome.UPHELD if found.owner == claimant else Outcome.REFUSED


def dispute(
    dossier: Dossier, command: DisputeLead, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Record a dispute, and judge the person's whole history in the community.

    The lead changes hands only when the verdict names another owner than the lead does: as when
    one person, recorded as two customers, was registered twice. Raises `Refusal`
    `lead-not-found` and `too-many-facts`.
    """
    course = until_now(dossier, occasion)
    ensure_room(course.lead)
    at = occasion.at if course.lead.facts_at is None else max(occasion.at, course.lead.facts_at)
    found = verdict((*dossier.history, *course.facts), at)
    course = course.then(
        note(
            course.lead,
            FactKind.DISPUTED,
            occasion,
            command.claimant,
            reason=command.reason,
            detail={"outcome": outcome_of(found, command.claimant)},
        )
    )
    if found.owner is not None and found.owner != course.lead.ownership.owner:
        course = course.then(_award(dossier, course, found, found.owner, occasion))
    after = dossier.followed(course.lead, course.steps, course.facts)
    return replace(after, history=(*dossier.history, *course.facts)), list(course.events)


def _award(
    dossier: Dossier, course: Course, found: Verdict, owner: Party, occasion: Occasion
) -> Course:
    """The lead with the owner whom the verdict names, for as long as it says."""
    lead, community = course.lead, dossier.community
    before = lead.ownership.owner
    days = max(community.protection_days.values())
    if found.protected_until is not None:
        days = -((occasion.at - found.protected_until) // timedelta(days=1))
    awarded = note(lead, FactKind.AWARDED, occasion, owner, days=days, reason=DECIDED)
    if before is not None and before.kind is PartyKind.AGENCY:
        event = LeadReleased(
            customer_id=lead.customer_id,
            lead_id=lead.lead_id,
            community_id=lead.community_id,
            reason=DECIDED,
            protected_until=lead.protected_until,
            partner_id=before.id,
        )
        awarded = replace(awarded, events=(event,))
    theirs = owner.kind is PartyKind.AGENCY or lead.advisor_id == owner.id
    if theirs or lead.status is not LeadStatus.OPEN:
        return awarded
    return awarded.then(
        give(
            awarded.lead,
            owner.id,
            AssignmentReason.PROTECTION,
            community,
            occasion,
            cause=DECIDED,
        )
    )
