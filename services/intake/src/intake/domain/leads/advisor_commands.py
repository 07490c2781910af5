"""Registering advisors, calling them to duty, and handing their leads on when they leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from intake.domain.communities import Community
from intake.domain.dossier import Dossier
from intake.domain.leads.advisors import Advisor, Desk, DutyCall
from intake.domain.leads.lead_deadlines import catch_up
from intake.domain.leads.lead_ownership import Course, Situation, place, take
from intake.domain.leads.leads import LeadStatus
from intake.domain.leads.opening_hours import ensure_week
from intake.domain.occasion import Occasion
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind

MOST_HANDED_ON: Final = 1_000
"""Leads that one call hands on, at most; the next call goes on with the rest."""
LEFT: Final = "advisor-left"


@dataclass(frozen=True, slots=True)
class AdvisorCommand:
    """A command about one advisor."""

    advisor_id: str


@dataclass(frozen=True, slots=True)
class RegisterAdvisor(AdvisorCommand):
    """An advisor works so from now on."""

    advisor: Advisor


@dataclass(frozen=True, slots=True)
class CallToDuty(AdvisorCommand):
    """An advisor comes on duty or goes off it; without a call, the shifts count."""

    call: DutyCall | None


@dataclass(frozen=True, slots=True)
class LeaveAdvisor(AdvisorCommand):
    """An advisor leaves: the open leads go to others."""

    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class HandedOn:
    """One lead of an advisor who left."""

    lead_id: str
    community_id: str | None
    to: str | None
    """Nobody when no other advisor fits: the lead waits in the pool."""


@dataclass(frozen=True, slots=True)
class StaffFile:
    """What a decision on an advisor looks at, and what it hands back."""

    advisor: Advisor | None = None
    communities: tuple[Community, ...] = ()
    """Those that are named."""
    dossiers: tuple[Dossier, ...] = ()
    """The open leads of an advisor who leaves, as far as one call goes."""
    remaining: int = 0
    """More of them than one call hands on."""
    handed_on: tuple[HandedOn, ...] = ()
    applied: bool = True
    """Whether what is handed back is to be kept."""


def register(
    file: StaffFile, command: RegisterAdvisor, _: Occasion
) -> tuple[StaffFile, list[Event]]:
    """Register an advisor, or change how one works; one who had left is back.

    Raises `Refusal` `invalid-hours`, and `unknown-community` for a shift elsewhere.
    """
    wanted = command.advisor
    for community_id in dict.fromkeys(shift.community_id for shift in wanted.shifts):
        if community_id not in wanted.communities:
            raise Refusal(
                "unknown-community",
                f"The advisor has a shift in {community_id} without working there; add it to"
                " communities.",
                kind=RefusalKind.INVALID,
                pointer="/shifts",
            )
        here = [shift.period for shift in wanted.shifts if shift.community_id == community_id]
        ensure_week(here, "/shifts")
    known = file.advisor
    advisor = replace(wanted, duty_call=None if known is None else known.duty_call)
    staffed = tuple(replace(community, staffed=True) for community in file.communities)
    return replace(file, advisor=advisor, communities=staffed), []


def call_to_duty(
    file: StaffFile, command: CallToDuty, occasion: Occasion
) -> tuple[StaffFile, list[Event]]:
    """Note that an advisor is there, or is not, whatever the shifts say.

    Raises `Refusal` `advisor-not-found`, `advisor-has-left` and `already-over`.
    """
    advisor = _known(file)
    if advisor.left_on is not None:
        raise Refusal("advisor-has-left", "The advisor has left; register them anew first.")
    call = command.call
    if call is not None and call.until is not None and call.until <= occasion.at:
        raise Refusal(
            "already-over",
            "Give a time that is still to come, or none.",
            kind=RefusalKind.INVALID,
            pointer="/until",
        )
    return replace(file, advisor=replace(advisor, duty_call=call)), []


def leave(
    file: StaffFile, command: LeaveAdvisor, occasion: Occasion
) -> tuple[StaffFile, list[Event]]:
    """Give the advisor's open leads to others by the rule; those whom nobody fits wait in the pool.

    A dry run says what would become of them and changes nothing. Raises `Refusal`
    `advisor-not-found`.
    """
    advisor = _known(file)
    gone = replace(advisor, left_on=advisor.left_on or occasion.at)
    desks: dict[str | None, Desk] = {}
    after: list[Dossier] = []
    handed_on: list[HandedOn] = []
    events: list[Event] = []
    for dossier in file.dossiers:
        community_id = dossier.community.community_id
        desk = desks.get(community_id) or _without(dossier.desk, gone)
        course = _handed_on(replace(dossier, desk=desk), advisor.advisor_id, occasion)
        lead = course.lead
        if lead.advisor_id is not None and lead.advisor_id != advisor.advisor_id:
            desk = desk.given(lead.advisor_id)
        desks[community_id] = desk
        handed_on.append(HandedOn(lead.lead_id, community_id, lead.advisor_id))
        after.append(dossier.followed(lead, course.steps, course.facts))
        events += course.events
    left = replace(
        file,
        advisor=gone,
        dossiers=tuple(after),
        handed_on=tuple(handed_on),
        applied=not command.dry_run,
    )
    return left, [] if command.dry_run else events


def _known(file: StaffFile) -> Advisor:
    if file.advisor is None:
        raise Refusal(
            "advisor-not-found",
            "No advisor of this id is registered.",
            kind=RefusalKind.NOT_FOUND,
        )
    return file.advisor


def _without(desk: Desk, gone: Advisor) -> Desk:
    staff: Sequence[Advisor] = [
        gone if each.advisor_id == gone.advisor_id else each for each in desk.advisors
    ]
    return replace(desk, advisors=tuple(staff))


def _handed_on(dossier: Dossier, advisor_id: str, occasion: Occasion) -> Course:
    """The lead with another advisor, or with none."""
    situation = Situation.of(dossier.community, dossier.desk, dossier.customer)
    lead = dossier.lead
    if lead is None:
        raise LookupError("a lead that is handed on is in its dossier")
    course = catch_up(lead, situation, occasion)
    if course.lead.advisor_id != advisor_id or course.lead.status is not LeadStatus.OPEN:
        return course
    course = course.then(place(course.lead, situation, occasion, cause=LEFT, not_to=advisor_id))
    if course.lead.advisor_id != advisor_id:
        return course
    return course.then(take(course.lead, LEFT, occasion))
