"""What advisors do with a lead: the commands and their decisions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from intake.domain.dossier import Dossier, present
from intake.domain.leads import leads
from intake.domain.leads.lead_deadlines import catch_up, next_deadline
from intake.domain.leads.lead_ownership import BY_HAND, Course, Situation, give, note, place
from intake.domain.leads.leads import Lead, LeadStatus
from intake.domain.leads.ownership import ContactKind, FactKind, Party, PartyKind
from intake.domain.occasion import Occasion
from intake.domain.scoring import scoring
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.vocabulary import AssignmentReason, LeadStage, LossReason

MOST_FACTS: Final = 10_000
"""Facts of one lead's ownership, at most: the next contact or dispute is refused."""

CONTACT_AT: Final = {
    LeadStage.CONTACTED: ContactKind.PHONE,
    LeadStage.VISITED: ContactKind.VISIT,
    LeadStage.QUEUED: ContactKind.FOLLOW_UP,
}
"""The contact by which an advisor brings a lead to a stage by hand."""


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
    """The lead is given to an advisor; to whom the rule chooses, without one."""

    advisor_id: str | None
    reason: AssignmentReason = AssignmentReason.MANUAL


@dataclass(frozen=True, slots=True)
class RescoreLead(LeadCommand):
    """What leads are scored by has changed."""


@dataclass(frozen=True, slots=True)
class RecordContact(LeadCommand):
    """Somebody was in contact with the customer."""

    by: Party
    kind: ContactKind


def advance(
    dossier: Dossier, command: AdvanceLead, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Bring the lead to a later stage that an advisor may report.

    Raises `Refusal` `stage-follows-purchase`, `lead-not-open` and `stage-not-ahead`.
    """
    if command.to_stage not in leads.BY_HAND:
        raise Refusal(
            "stage-follows-purchase",
            f"A lead comes to {command.to_stage} by its purchase; by hand it comes to "
            + ", ".join(stage for stage in LeadStage if stage in leads.BY_HAND)
            + ".",
            kind=RefusalKind.INVALID,
            pointer="/to_stage",
        )
    course = until_now(dossier, occasion)
    lead, step, event = leads.advance(
        course.lead, command.to_stage, command.reason, dossier.community, occasion
    )
    course = course.then(Course(lead, (step,), (), (event,)))
    if lead.advisor_id is not None:
        kind = CONTACT_AT[command.to_stage]
        course = course.then(
            note(
                lead,
                FactKind.CONTACTED,
                occasion,
                Party(PartyKind.ADVISOR, lead.advisor_id),
                contact=kind,
                days=dossier.community.protects(kind),
                reason=command.reason,
            )
        )
    return _scored(dossier, course)


def lose(dossier: Dossier, command: LoseLead, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Give the lead up."""
    course = until_now(dossier, occasion)
    lead, step, event = leads.lose(course.lead, command.reason, occasion)
    return _after(dossier, course.then(Course(lead, (step,), (), (event,))))


def revive(
    dossier: Dossier, command: ReviveLead, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Take the lost lead up again; one that nobody has any more goes to an advisor."""
    course = until_now(dossier, occasion)
    lead, step, event = leads.revive(course.lead, command.reason, dossier.community, occasion)
    course = course.then(Course(lead, (step,), (), (event,)))
    if lead.advisor_id is None:
        course = course.then(place(lead, _situation(dossier), occasion, cause="revived"))
    return _scored(dossier, course)


def assign(
    dossier: Dossier, command: AssignLead, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Give the lead to an advisor, or to whom the rule chooses.

    Nothing happens when it is theirs already. Raises `Refusal` `lead-not-open`,
    `unknown-advisor` when the community has registered advisors and this one is none of them or
    has left, and `nobody-to-assign` when the rule finds nobody.
    """
    course = until_now(dossier, occasion)
    lead = course.lead
    if lead.status is not LeadStatus.OPEN:
        raise Refusal("lead-not-open", f"The lead is {lead.status}; only an open one is assigned.")
    if command.advisor_id is None:
        placed = place(
            lead, _situation(dossier), occasion, cause="on-request", not_to=lead.advisor_id
        )
        if not placed.events:
            raise Refusal(
                "nobody-to-assign",
                "No other advisor of the community is on duty with room left; name one.",
                pointer="/advisor_id",
            )
        return _after(dossier, course.then(placed))
    if lead.advisor_id == command.advisor_id:
        return _after(dossier, course)
    _ensure_advisor(dossier, command.advisor_id, "/advisor_id")
    given = give(
        lead, command.advisor_id, command.reason, dossier.community, occasion, cause=BY_HAND
    )
    return _after(dossier, course.then(given))


def record_contact(
    dossier: Dossier, command: RecordContact, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Note a contact: the owner's prolongs the protection, and a lead without owner is protected.

    An advisor's contact is the response that a new lead waits for, and brings it to the stage
    that it shows. Raises `Refusal` `lead-not-open`, `unknown-advisor` and `too-many-facts`.
    """
    course = until_now(dossier, occasion)
    if course.lead.status is not LeadStatus.OPEN:
        raise Refusal(
            "lead-not-open", f"The lead is {course.lead.status}; revive a lost lead first."
        )
    ensure_room(course.lead)
    advisor = command.by.kind is PartyKind.ADVISOR
    if advisor:
        _ensure_advisor(dossier, command.by.id, "/advisor_id")
    community = dossier.community
    course = course.then(
        note(
            course.lead,
            FactKind.CONTACTED,
            occasion,
            command.by,
            contact=command.kind,
            days=community.protects(command.kind),
        )
    )
    lead = leads.touched(course.lead, community, occasion.at)
    course = replace(course, lead=lead)
    if not advisor:
        return _after(dossier, course)
    course = replace(course, lead=replace(lead, response_due=None))
    stage = LeadStage.VISITED if command.kind is ContactKind.VISIT else LeadStage.CONTACTED
    if leads.ORDER.index(stage) > leads.ORDER.index(lead.stage):
        lead, step, event = leads.advance(
            course.lead, stage, "contact-recorded", community, occasion
        )
        course = course.then(Course(lead, (step,), (), (event,)))
    if course.lead.advisor_id is None and course.lead.ownership.owner == command.by:
        reason = AssignmentReason.PROTECTION
        course = course.then(
            give(
                course.lead,
                command.by.id,
                reason,
                community,
                occasion,
                cause="contact",
                contact=command.kind,
            )
        )
    return _scored(dossier, course)


def rescore(dossier: Dossier, _: RescoreLead, __: Occasion) -> tuple[Dossier, list[Event]]:
    """Score an open lead by what is in use now."""
    lead = _lead(dossier)
    if lead.status is not LeadStatus.OPEN:
        return dossier, []
    return _scored(dossier, Course(lead))


def pass_deadlines(dossier: Dossier, _: object, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Do what fell due on the lead. Raises `Refusal` `nothing-due` when nothing has."""
    lead = _lead(dossier)
    following = next_deadline(lead)
    if following is None or following[1] > occasion.at:
        raise Refusal("nothing-due", "Something happened on the lead; the deadline has moved.")
    return _after(dossier, catch_up(lead, _situation(dossier), occasion))


def ensure_room(lead: Lead) -> None:
    """Raises `Refusal` `too-many-facts` when no more can be recorded of the lead."""
    if lead.facts >= MOST_FACTS:
        raise Refusal(
            "too-many-facts",
            f"{MOST_FACTS} contacts, assignments and disputes were recorded of this lead already.",
        )


def _situation(dossier: Dossier) -> Situation:
    return Situation.of(dossier.community, dossier.desk, dossier.customer)


def until_now(dossier: Dossier, occasion: Occasion) -> Course:
    """The lead after its deadlines that passed already, however late their timers are."""
    return catch_up(_lead(dossier), _situation(dossier), occasion)


def _ensure_advisor(dossier: Dossier, advisor_id: str, pointer: str) -> None:
    desk = dossier.desk
    if not desk.advisors:
        return
    known = desk.find(advisor_id)
    if known is None or known.left_on is not None:
        raise Refusal(
            "unknown-advisor",
            "No advisor of this id works for the community; register the advisor first.",
            kind=RefusalKind.INVALID,
            pointer=pointer,
        )


def _lead(dossier: Dossier) -> Lead:
    erased = dossier.customer is not None and dossier.customer.erased_at is not None
    if dossier.lead is None or erased:
        raise Refusal(
            "lead-not-found",
            "There is no lead of this id; take it from the answer to its capture.",
            kind=RefusalKind.NOT_FOUND,
        )
    return dossier.lead


def _after(dossier: Dossier, course: Course) -> tuple[Dossier, list[Event]]:
    return dossier.followed(course.lead, course.steps, course.facts), list(course.events)


def _scored(dossier: Dossier, course: Course) -> tuple[Dossier, list[Event]]:
    lead, scored = scoring.score(course.lead, present(dossier.customer), dossier.scorecard)
    dossier, events = _after(dossier, replace(course, lead=lead))
    return dossier, [*events, *scored]
