"""What the desk and the owner do to a case: answer, pause, resolve, judge, reopen, forget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from keyturn_events import Event, Money, Refusal, RefusalKind
from keyturn_events.service_desk import (
    ComplaintAcknowledged,
    ComplaintReopened,
    ComplaintResolved,
)
from keyturn_events.vocabulary import SlaTarget, Verdict
from service_desk.domain import cases
from service_desk.domain.calendar import Pause
from service_desk.domain.cases import (
    Case,
    CaseState,
    Circumstances,
    Note,
    Resolution,
    about,
)
from service_desk.domain.promises import NO_PROMISES, POLICY

REOPEN_WITHIN = timedelta(days=90)
"""How long after its closing a case may be reopened."""
MOST_NOTES = 500
"""Updates and pauses on one case; more is a loop of the calling system."""

NOT_SOLVED = "not-solved"
"""Why a case is reopened when the owner says no more than no."""

Decided: TypeAlias = tuple[Case, list[Event]]


@dataclass(frozen=True, slots=True)
class CaseCommand:
    """Something an agent does to a case; `revision` is the one the agent looked at, if any."""

    case_id: str
    revision: int | None


@dataclass(frozen=True, slots=True)
class Acknowledge(CaseCommand):
    """The desk answers for the first time."""

    by: str | None = None


@dataclass(frozen=True, slots=True)
class TellOwner(CaseCommand):
    """The desk tells the owner how things stand."""

    text: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class WaitForOwner(CaseCommand):
    """The desk can do nothing until the owner answers."""


@dataclass(frozen=True, slots=True)
class OwnerAnswered(CaseCommand):
    """The owner answered; the promises run on."""


@dataclass(frozen=True, slots=True)
class Assign(CaseCommand):
    """An agent takes the case over."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class Resolve(CaseCommand):
    """The desk offers a resolution; with a verdict, the owner has already judged it."""

    cause: str
    remedy: str
    compensation: Money | None = None
    by: str | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Judge(CaseCommand):
    """The owner says what they think of the resolution."""

    verdict: Verdict
    reason: str = NOT_SOLVED


@dataclass(frozen=True, slots=True)
class Reopen(CaseCommand):
    """The owner comes back on a case that was closed."""

    reason: str


def acknowledge(case: Case, command: Acknowledge, now: Circumstances) -> Decided:
    """The first answer; once given, further ones are updates."""

    def change(case: Case, now: Circumstances) -> Decided:
        if case.acknowledged_at is not None:
            raise Refusal(
                "already-acknowledged",
                f"It was acknowledged at {case.acknowledged_at.isoformat()}; post an update.",
            )
        return _answered(case, command.by, now)

    return _act(case, command, now, change)


def tell_owner(case: Case, command: TellOwner, now: Circumstances) -> Decided:
    """An update; the next one is promised from now. The first word is the first response too."""

    def change(case: Case, now: Circumstances) -> Decided:
        _room(len(case.notes))
        case, events = _responded(case, command.by, now)
        note = Note(now.at, command.by, command.text)
        return replace(case, told_at=now.at, notes=(*case.notes, note)), events

    return _act(case, command, now, change)


def wait_for_owner(case: Case, command: WaitForOwner, now: Circumstances) -> Decided:
    """Stop the clocks. Asking the owner something is a response."""

    def change(case: Case, now: Circumstances) -> Decided:
        if case.state is CaseState.WAITING:
            raise Refusal("already-waiting", "The case waits for the owner already.")
        _room(len(case.pauses))
        case, events = _responded(case, None, now)
        pauses = (*case.pauses, Pause(now.at))
        return replace(case, state=CaseState.WAITING, told_at=now.at, pauses=pauses), events

    return _act(case, command, now, change)


def owner_answered(case: Case, command: OwnerAnswered, now: Circumstances) -> Decided:
    """Let the clocks run on."""

    def change(case: Case, now: Circumstances) -> Decided:
        if case.state is not CaseState.WAITING:
            raise Refusal("not-waiting", "The case does not wait for the owner.")
        return _resumed(case, now.at), []

    return _act(case, command, now, change)


def assign(case: Case, command: Assign, now: Circumstances) -> Decided:
    """Another agent answers for the case."""

    def change(case: Case, _: Circumstances) -> Decided:
        return replace(case, agent_id=command.agent_id), []

    return _act(case, command, now, change)


def resolve(case: Case, command: Resolve, now: Circumstances) -> Decided:
    """Offer a resolution. It is late when its due time has come, and so is the case."""

    def change(case: Case, now: Circumstances) -> Decided:
        case, events = _responded(case, command.by, now)
        due_at = cases.due_at(_resumed(case, now.at), SlaTarget.RESOLUTION, now.calendar)
        resolution = Resolution(
            at=now.at,
            by=command.by,
            cause=command.cause,
            remedy=command.remedy,
            compensation=command.compensation,
            due_at=due_at,
            late=due_at is not None and now.at >= due_at,
        )
        case = replace(
            _resumed(case, now.at), state=CaseState.RESOLVED, told_at=now.at, resolution=resolution
        )
        events.append(
            ComplaintResolved(
                **about(case, now.owner_id),
                due_at=due_at,
                late=resolution.late,
                cause=command.cause,
                remedy=command.remedy,
                compensation=command.compensation,
                reopenings=case.reopenings,
            )
        )
        if command.verdict is not None:
            case, judged = _judged(case, command.verdict, NOT_SOLVED, now)
            events.append(judged)
        return case, events

    return _act(case, command, now, change)


def judge(case: Case, command: Judge, now: Circumstances) -> Decided:
    """The owner accepts, and the case closes; or rejects, and it is reopened."""
    case, now, events = _begin(case, command, now)
    if case.state is not CaseState.RESOLVED:
        raise Refusal(
            "not-resolved",
            f"The case is {case.state.value}; a verdict is on a resolution that was offered.",
        )
    case, judged = _judged(case, command.verdict, command.reason, now)
    return _touched(case, now.at), [*events, judged]


def reopen(case: Case, command: Reopen, now: Circumstances) -> Decided:
    """Take up a resolved or closed case again."""
    case, now, events = _begin(case, command, now)
    if case.running:
        raise Refusal("case-open", "The case is still open; post an update instead.")
    if case.closed_at is not None and now.at - case.closed_at > REOPEN_WITHIN:
        raise Refusal(
            "reopening-too-late",
            f"It was closed more than {REOPEN_WITHIN.days} days ago; raise a new complaint.",
        )
    case, reopened = _reopened(case, command.reason, now)
    return _touched(case, now.at), [*events, reopened]


def forget(case: Case, now: Circumstances) -> Decided:
    """Erase every word a person said or was told, and end a case that is still open.

    What was due before happens first, however late its timer is.
    """
    case, passed = cases.advance(case, now)
    notes = tuple(Note(note.at, note.by, "") for note in case.notes)
    blank = replace(case, description="", notes=notes, source_reference=None)
    if blank.state is CaseState.CLOSED:
        return blank, passed
    at = max(now.at, case.touched_at)
    blank, closed = cases.close(blank, Verdict.NO_ANSWER, now.owner_id, at)
    return _touched(blank, at), [*passed, closed]


def _begin(
    case: Case, command: CaseCommand, now: Circumstances
) -> tuple[Case, Circumstances, list[Event]]:
    """Let time pass; from then on, not even a clock that lags makes a case go back in time."""
    if command.revision is not None and command.revision != case.revision:
        raise Refusal(
            "precondition-failed",
            f"The case is at revision {case.revision} by now; read it again, then decide.",
            kind=RefusalKind.STALE,
        )
    case, passed = cases.advance(case, now)
    return case, replace(now, at=max(now.at, case.touched_at)), passed


def _act(
    case: Case,
    command: CaseCommand,
    now: Circumstances,
    change: Callable[[Case, Circumstances], Decided],
) -> Decided:
    """Let time pass, then make a change that only an open case can take."""
    case, now, passed = _begin(case, command, now)
    if not case.running:
        raise Refusal(
            f"case-{case.state.value}", f"The case is {case.state.value}; reopen it first."
        )
    case, events = change(case, now)
    return _touched(case, now.at), [*passed, *events]


def _touched(case: Case, at: datetime) -> Case:
    return replace(case, touched_at=max(at, case.touched_at), revision=case.revision + 1)


def _answered(case: Case, by: str | None, now: Circumstances) -> Decided:
    due_at = cases.due_at(case, SlaTarget.FIRST_RESPONSE, now.calendar)
    acknowledged = ComplaintAcknowledged(
        **about(case, now.owner_id),
        agent_id=by,
        due_at=due_at,
        late=due_at is not None and now.at >= due_at,
    )
    return (
        replace(case, acknowledged_at=now.at, told_at=now.at, agent_id=case.agent_id or by),
        [acknowledged],
    )


def _responded(case: Case, by: str | None, now: Circumstances) -> Decided:
    if case.acknowledged_at is not None:
        return case, []
    return _answered(case, by, now)


def _resumed(case: Case, at: datetime) -> Case:
    if case.state is not CaseState.WAITING:
        return case
    pauses = (*case.pauses[:-1], replace(case.pauses[-1], ended=at))
    return replace(case, state=CaseState.OPEN, pauses=pauses)


def _judged(
    case: Case,
    verdict: Verdict,
    reason: str,
    now: Circumstances,
) -> tuple[Case, Event]:
    if verdict is Verdict.REJECTED:
        return _reopened(case, reason, now)
    return cases.close(case, verdict, now.owner_id, now.at)


def _reopened(case: Case, reason: str, now: Circumstances) -> tuple[Case, Event]:
    promises = POLICY[case.severity] if case.promises == NO_PROMISES else case.promises
    case = replace(
        case,
        state=CaseState.OPEN,
        promises=promises,
        restarted_at=now.at,
        told_at=now.at,
        verdict=None,
        closed_at=None,
        reopenings=case.reopenings + 1,
    )
    return case, ComplaintReopened(
        **about(case, now.owner_id),
        reason=reason,
        reopenings=case.reopenings,
        resolution_due=cases.due_at(case, SlaTarget.RESOLUTION, now.calendar),
    )


def _room(used: int) -> None:
    if used >= MOST_NOTES:
        raise Refusal(
            "too-many-updates",
            f"A case takes {MOST_NOTES} updates and pauses; resolve it or raise a new one.",
        )
