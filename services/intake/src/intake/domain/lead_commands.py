"""What advisors do with a lead: the commands and their decisions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from intake.domain import leads, scoring
from intake.domain.dossier import Dossier, present
from intake.domain.leads import BY_HAND, Lead, LeadStep
from intake.domain.occasion import Occasion
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.vocabulary import AssignmentReason, LeadStage, LossReason


@dataclass(frozen=True, slots=True)
class LeadCommand:
    """A command about one lead."""

    lead_id: str


@dataclass(frozen=True, slots=True)
class AdvanceLead(LeadCommand):
    """The lead came to a later stage."""

    to_stage: LeadStage
    reason: str


@dataclass(frozen=True, slots=True)
class LoseLead(LeadCommand):
    """The lead is given up."""

    reason: LossReason


@dataclass(frozen=True, slots=True)
class ReviveLead(LeadCommand):
    """The lost lead is taken up again."""

    reason: str


@dataclass(frozen=True, slots=True)
class AssignLead(LeadCommand):
    """The lead is given to an advisor."""

    advisor_id: str
    reason: AssignmentReason = AssignmentReason.MANUAL


def advance(
    dossier: Dossier, command: AdvanceLead, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Bring the lead to a later stage that an advisor may report.

    Raises `Refusal` `stage-follows-purchase`, `lead-not-open` and `stage-not-ahead`.
    """
    if command.to_stage not in BY_HAND:
        raise Refusal(
            "stage-follows-purchase",
            f"A lead comes to {command.to_stage} by its purchase; by hand it comes to "
            + ", ".join(stage for stage in LeadStage if stage in BY_HAND)
            + ".",
            kind=RefusalKind.INVALID,
            pointer="/to_stage",
        )
    lead, step, event = leads.advance(
        _lead(dossier), command.to_stage, command.reason, dossier.community, occasion
    )
    return _after(dossier, lead, [step], [event])


def lose(dossier: Dossier, command: LoseLead, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Give the lead up."""
    lead, step, event = leads.lose(_lead(dossier), command.reason, occasion)
    return replace(dossier, lead=lead, steps=(step,)), [event]


def revive(
    dossier: Dossier, command: ReviveLead, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Take the lost lead up again."""
    lead, step, event = leads.revive(_lead(dossier), command.reason, dossier.community, occasion)
    return _after(dossier, lead, [step], [event])


def assign(
    dossier: Dossier, command: AssignLead, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Give the lead to an advisor."""
    lead, steps, events = leads.assign(_lead(dossier), command.advisor_id, command.reason, occasion)
    return replace(dossier, lead=lead, steps=tuple(steps)), events


def stall(dossier: Dossier, _: object, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Note that the lead has been idle for longer than its stage allows."""
    lead, step, event = leads.stall(_lead(dossier), occasion)
    return replace(dossier, lead=lead, steps=(step,)), [event]


def _lead(dossier: Dossier) -> Lead:
    if dossier.lead is None:
        raise Refusal(
            "lead-not-found",
            "There is no lead of this id; take it from the answer to its capture.",
            kind=RefusalKind.NOT_FOUND,
        )
    return dossier.lead


def _after(
    dossier: Dossier, lead: Lead, steps: list[LeadStep], events: list[Event]
) -> tuple[Dossier, list[Event]]:
    lead, scored = scoring.score(lead, present(dossier.customer))
    return replace(dossier, lead=lead, steps=tuple(steps)), [*events, *scored]
