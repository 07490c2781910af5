"""Gates: passed in order, and closed while a critical defect, an earlier gate or a veto says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.service_desk import (
    HandoverCompleted,
    HandoverGatePassed,
    HandoverGateRefused,
)
from keyturn_events.vocabulary import Gate, GateRefusal
from service_desk.domain.calendar import zone_of
from service_desk.domain.handovers import (
    GateStep,
    Handover,
    HandoverState,
    OpenDefect,
    Veto,
    about,
)

MOST_NAMED_DEFECTS = 100
"""How many blocking defects a refusal names."""
MOST_OPEN_DEFECTS = 1_000
"""How many open defects a home may have; more is a mistake of the reporting system."""


@dataclass(frozen=True, slots=True)
class PassGate:
    """Somebody says that a gate is passed."""

    handover_id: str
    gate: Gate
    by: str | None = None


@dataclass(frozen=True, slots=True)
class SetVeto:
    """Customer relations veto the open day."""

    handover_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class LiftVeto:
    """Customer relations take their veto back."""

    handover_id: str


def pass_gate(
    handover: Handover, command: PassGate, owner_id: str, at: datetime
) -> tuple[Handover, list[Event]]:
    """Pass a gate, or record that it stays closed and why: a `HandoverGateRefused`.

    Raises `Refusal` when there is no such gate to pass.
    """
    step = _step(handover, command.gate)
    today = at.astimezone(zone_of(handover.zone)).date()
    refused = _closed(handover, step, owner_id)
    if refused is not None:
        return handover, [refused]
    gates = tuple(
        replace(each, passed_on=today, passed_by=command.by) if each is step else each
        for each in handover.gates
    )
    handover = replace(handover, gates=gates)
    following = handover.next_gate
    events: list[Event] = [
        HandoverGatePassed(
            **about(handover, owner_id),
            gate=step.gate,
            due_on=step.due_on,
            passed_on=today,
            late=today > step.due_on,
            next_gate=following.gate if following else None,
        )
    ]
    if following is None:
        promised_on = handover.promised_on or step.due_on
        handover = replace(handover, completed_on=today)
        events.append(
            HandoverCompleted(
                **about(handover, owner_id),
                promised_on=promised_on,
                completed_on=today,
                late=today > promised_on,
                open_defects=len(handover.open_defects),
            )
        )
    return handover, events


def set_veto(handover: Handover, command: SetVeto, at: datetime) -> Handover:
    """Keep the open day closed; raises `Refusal` when it is over or there is none."""
    _step(handover, Gate.OPEN_DAY)
    return replace(handover, veto=Veto(command.by, command.reason, at))


def lift_veto(handover: Handover) -> Handover:
    """Let the open day go ahead; without a veto nothing changes."""
    return replace(handover, veto=None)


def found(handover: Handover, defect: OpenDefect) -> Handover:
    """A defect was found in the home."""
    if len(handover.open_defects) >= MOST_OPEN_DEFECTS:
        raise Refusal(
            "too-many-defects",
            f"The home has {MOST_OPEN_DEFECTS} open defects; rectify some before reporting more.",
        )
    return replace(handover, open_defects=(*handover.open_defects, defect))


def mended(handover: Handover, defect_id: str) -> Handover:
    """A defect of the home was mended."""
    left = tuple(d for d in handover.open_defects if d.defect_id != defect_id)
    return replace(handover, open_defects=left)


def _step(handover: Handover, gate: Gate) -> GateStep:
    if handover.state is not HandoverState.PLANNED:
        raise Refusal(
            f"handover-{handover.state.value}",
            f"The handover is {handover.state.value}; its gates can no longer be passed.",
        )
    step = next((step for step in handover.gates if step.gate is gate), None)
    if step is None:
        names = ", ".join(each.gate.value for each in handover.gates)
        raise Refusal(
            "no-such-gate",
            f"This handover has no gate {gate.value}; its gates are {names}.",
            kind=RefusalKind.NOT_FOUND,
        )
    if step.passed_on is not None:
        raise Refusal(
            "gate-already-passed",
            f"The gate {gate.value} was passed on {step.passed_on.isoformat()}.",
        )
    return step


def _closed(handover: Handover, step: GateStep, owner_id: str) -> HandoverGateRefused | None:
    blocking = handover.critical_defects[:MOST_NAMED_DEFECTS]
    position = handover.gates.index(step)
    missing = tuple(e.gate for e in handover.gates[:position] if e.passed_on is None)
    vetoed = step.gate is Gate.OPEN_DAY and handover.veto is not None
    reason = (
        GateRefusal.CRITICAL_DEFECT
        if blocking
        else GateRefusal.EARLIER_GATE
        if missing
        else GateRefusal.VETO
        if vetoed
        else None
    )
    if reason is None:
        return None
    return HandoverGateRefused(
        **about(handover, owner_id),
        gate=step.gate,
        due_on=step.due_on,
        reason=reason,
        blocking_defects=blocking,
        missing_gates=missing,
    )
