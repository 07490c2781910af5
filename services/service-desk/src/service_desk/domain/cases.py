"""A complaint case: what is known of it, and when its promises fall due.

A due time is a function of the case and its calendar alone. Whoever looks at a case first lets its
time pass (`advance`): so a timer that fires late finds its work done, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict

from keyturn_events import Event, Money
from keyturn_events.service_desk import ComplaintClosed, ComplaintEscalated
from keyturn_events.vocabulary import CaseChannel, Priority, Severity, SlaTarget, Verdict
from service_desk.domain.calendar import (
    NOTHING,
    BusinessCalendar,
    CalendarRef,
    Pause,
    add_working_time,
    due,
)
from service_desk.domain.promises import LADDER, SILENCE_CLOSES, Promises


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a decision on a case goes by beside the case: its calendar, its owner, the time."""

    calendar: BusinessCalendar
    owner_id: str
    at: datetime


VERDICT_DUE = "verdict"
"""The deadline of a resolved case: the owner's silence closes it."""


class CaseState(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    WAITING = "waiting"
    """For the owner; the promises' clocks stand still."""
    RESOLVED = "resolved"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Escalation:
    """A broken promise, and the level at which somebody now answers for it."""

    target: SlaTarget
    level: int
    due_at: datetime
    since: datetime
    """When the promise was made; a promise made anew can be broken anew."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the desk told the owner."""

    at: datetime
    by: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the desk offered."""

    at: datetime
    by: str | None
    cause: str
    remedy: str
    compensation: Money | None
    due_at: datetime | None
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One complaint, from receipt to closing."""

    case_id: str
    customer_id: str
    category: str
    severity: Severity
    priority: Priority
    channel: CaseChannel
    received_at: datetime
    calendar: CalendarRef
    promises: Promises
    own_due_at: datetime | None = None
    """The resolution's due time in the system that the case comes from."""
    community_id: str | None = None
    building: str | None = None
    home_id: str | None = None
    defect_id: str | None = None
    source_reference: str | None = None
    description: str = ""
    state: CaseState = CaseState.OPEN
    acknowledged_at: datetime | None = None
    told_at: datetime | None = None
    """When the owner last heard from the desk."""
    pauses: tuple[Pause, ...] = ()
    restarted_at: datetime | None = None
    """When the case was last reopened; its resolution is promised anew from then on."""
    agent_id: str | None = None
    resolution: Resolution | None = None
    verdict: Verdict | None = None
    closed_at: datetime | None = None
    reopenings: int = 0
    escalations: tuple[Escalation, ...] = ()
    notes: tuple[Note, ...] = ()
    touched_at: datetime
    revision: int = 1
    """Counts what people did to the case; time's doings leave it alone."""

    @property
    def running(self) -> bool:
        """Whether its promises still run."""
        return self.state in (CaseState.OPEN, CaseState.WAITING)

    @property
    def level(self) -> int:
        """The highest rung that it has been escalated to; 0 when no promise was broken."""
        return max((escalation.level for escalation in self.escalations), default=0)

    def since(self, target: SlaTarget) -> datetime:
        """When the promise of `target` that runs now was made."""
        match target:
            case SlaTarget.FIRST_RESPONSE:
                return self.received_at
            case SlaTarget.NEXT_UPDATE:
                return self.told_at or self.received_at
            case SlaTarget.RESOLUTION:
                return self.restarted_at or self.received_at

    def promised(self, target: SlaTarget) -> bool:
        """Whether `target` still has to be met."""
        if target is SlaTarget.FIRST_RESPONSE and self.acknowledged_at is not None:
            return False
        fixed = target is SlaTarget.RESOLUTION and self.fixed_due_at is not None
        return self.running and (fixed or self.promises.budget(target) is not None)

    @property
    def fixed_due_at(self) -> datetime | None:
        """The due time that the case brought along; a reopening promises by the calendar."""
        return None if self.restarted_at is not None else self.own_due_at


@dataclass(frozen=True, slots=True, order=True)
class CaseDeadline:
    """The next thing that time does to a case, unless somebody is quicker."""

    due_at: datetime
    kind: str
    """An `SlaTarget`, or `VERDICT_DUE`."""
    level: int


def due_at(
    case: Case, target: SlaTarget, calendar: BusinessCalendar, grace: timedelta = NOTHING
) -> datetime | None:
    """When `target` falls due, or `grace` working time later; None without a promise or paused.

    A due time that the case brought along is somebody else's promise: pauses do not move it.
    """
    fixed = case.fixed_due_at if target is SlaTarget.RESOLUTION else None
    if fixed is not None:
        return fixed if grace == NOTHING else add_working_time(calendar, fixed, grace)
    budget = case.promises.budget(target)
    if budget is None:
        return None
    return due(calendar, case.since(target), budget + grace, case.pauses)


def deadlines(case: Case, calendar: BusinessCalendar) -> list[CaseDeadline]:
    """What time will do to the case as it stands: at most one deadline a target."""
    return sorted(_deadlines(case, calendar))


def _deadlines(case: Case, calendar: BusinessCalendar) -> Iterator[CaseDeadline]:
    if case.state is CaseState.RESOLVED and case.resolution is not None:
        silence = add_working_time(calendar, case.resolution.at, SILENCE_CLOSES)
        yield CaseDeadline(silence, VERDICT_DUE, 0)
    for target in SlaTarget:
        if not case.promised(target):
            continue
        since = case.since(target)
        climbed = sum(e.target is target and e.since == since for e in case.escalations)
        if climbed < len(LADDER):
            at = due_at(case, target, calendar, LADDER[climbed].after)
            if at is not None:
                yield CaseDeadline(at, target.value, climbed + 1)


def advance(case: Case, now: Circumstances) -> tuple[Case, list[Event]]:
    """Let time pass up to and including now: break promises, climb the ladder, end silences.

    Each thing happens at its own due time, in order; a promise is kept before its due time.
    """
    events: list[Event] = []
    while True:
        following = deadlines(case, now.calendar)
        if not following or following[0].due_at > now.at:
            return case, events
        case, event = _happen(case, following[0], now.owner_id)
        events.append(event)


def _happen(case: Case, deadline: CaseDeadline, owner_id: str) -> tuple[Case, Event]:
    touched = max(case.touched_at, deadline.due_at)
    if deadline.kind == VERDICT_DUE:
        case = replace(case, touched_at=touched)
        return close(case, Verdict.NO_ANSWER, owner_id, deadline.due_at)
    target = SlaTarget(deadline.kind)
    escalation = Escalation(target, deadline.level, deadline.due_at, case.since(target))
    case = replace(
        case,
        escalations=(*case.escalations, escalation),
        touched_at=touched,
    )
    return case, ComplaintEscalated(
        **about(case, owner_id),
        level=deadline.level,
        target=target,
        due_at=deadline.due_at,
        escalated_to=LADDER[deadline.level - 1].role,
    )


def close(case: Case, verdict: Verdict, owner_id: str, at: datetime) -> tuple[Case, Event]:
    """End a case."""
    case = replace(case, state=CaseState.CLOSED, verdict=verdict, closed_at=at)
    return case, ComplaintClosed(
        **about(case, owner_id),
        verdict=verdict,
        late=case.resolution is not None and case.resolution.late,
        reopenings=case.reopenings,
    )


class About(TypedDict):
    """The fields that every complaint event carries."""

    customer_id: str
    case_id: str
    category: str
    severity: Severity
    community_id: str | None
    building: str | None
    home_id: str | None


def about(case: Case, owner_id: str) -> About:
    """Which case an event is about."""
    return About(
        customer_id=owner_id,
        case_id=case.case_id,
        category=case.category,
        severity=case.severity,
        community_id=case.community_id,
        building=case.building,
        home_id=case.home_id,
    )
