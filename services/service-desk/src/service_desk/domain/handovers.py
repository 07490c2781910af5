"""The handover of a purchased home: a plan of gates, passed in order, each closed while it must be.

A plan is a function of the facts of its purchase (signed, completion moved, rescinded, buyer
erased) and of what the desk did. The facts come in any order and end in the same plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TypedDict
from uuid import UUID, uuid5

from keyturn_events import Event
from keyturn_events.intake import CompletionMoved, PurchaseEvent, PurchaseRescinded, PurchaseSigned
from keyturn_events.service_desk import (
    HandoverCancelled,
    HandoverPlanned,
    HandoverRescheduled,
)
from keyturn_events.values import GateDate
from keyturn_events.vocabulary import (
    CancellationReason,
    Gate,
    RescheduleReason,
    Severity,
)
from service_desk.domain.calendar import zone_of
from service_desk.domain.templates import HandoverTemplate, TemplateGate, due_on

_HANDOVERS = UUID("3c1d5d0e-6a0e-5d55-9b52-5b0a7c1f6b1e")


class HandoverState(StrEnum):
    """Where a handover stands."""

    FORESEEN = "foreseen"
    """Something is known of the purchase, but not yet that it was signed."""
    PLANNED = "planned"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class GateStep:
    """A gate of one plan: when it is due, and when it was passed."""

    gate: Gate
    days_before: int
    due_on: date
    passed_on: date | None = None
    passed_by: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Completion:
    """The day on which a home will be ready, as somebody said at a time.

    Of two the later said counts; said at once, the contract yields to the building site and the
    earlier day to the later.
    """

    said_at: datetime
    moved: bool
    day: date


@dataclass(frozen=True, slots=True)
class OpenDefect:
    """A defect that is not yet mended."""

    defect_id: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Veto:
    """Customer relations say that the site must not be shown 一票否决."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """The handover of one purchase."""

    handover_id: str
    purchase_id: str
    customer_id: str
    home_id: str
    building: str | None
    community_id: str
    zone: str = "UTC"
    template: str = ""
    template_version: int = 1
    signed_on: date | None = None
    promised_on: date | None = None
    """The day that the contract names."""
    completion: Completion | None = None
    gates: tuple[GateStep, ...] = ()
    rescinded: bool = False
    erased: bool = False
    completed_on: date | None = None
    veto: Veto | None = None
    open_defects: tuple[OpenDefect, ...] = ()

    @property
    def state(self) -> HandoverState:
        """Where it stands."""
        if self.completed_on is not None:
            return HandoverState.COMPLETED
        if self.signed_on is None:
            return HandoverState.FORESEEN
        if self.rescinded or self.erased:
            return HandoverState.CANCELLED
        return HandoverState.PLANNED

    @property
    def handover_on(self) -> date | None:
        """The day on which the keys are due."""
        return self.gates[-1].due_on if self.gates else None

    @property
    def next_gate(self) -> GateStep | None:
        """The first gate that is not yet passed."""
        return next((step for step in self.gates if step.passed_on is None), None)

    @property
    def critical_defects(self) -> tuple[str, ...]:
        """Ids of the open defects that keep every gate closed."""
        return tuple(d.defect_id for d in self.open_defects if d.severity is Severity.CRITICAL)


def handover_id_of(purchase_id: str) -> str:
    """The id of the handover of a purchase, whichever of its facts comes first."""
    return str(uuid5(_HANDOVERS, purchase_id))


def foreseen(event: PurchaseEvent) -> Handover:
    """The handover of a purchase of which this event is the first that is heard."""
    return Handover(
        handover_id=handover_id_of(event.purchase_id),
        purchase_id=event.purchase_id,
        customer_id=event.customer_id,
        home_id=event.home_id,
        building=event.building,
        community_id=event.community_id,
    )


def sign(
    known: Handover | None,
    event: PurchaseSigned,
    template: HandoverTemplate,
    zone: str,
    owner_id: str,
    *,
    erased: bool,
    at: datetime,
) -> tuple[Handover, list[Event]]:
    """Plan the handover of a signed purchase, by all that is known of it so far.

    A purchase that was rescinded before its contract was heard of gets its plan and loses it.
    Whose home it is, the contract says, whoever is named by what was heard before.
    """
    if known is not None and known.signed_on is not None:
        return known, []
    handover = known or foreseen(event)
    promised_on = event.expected_completion or date.fromordinal(
        event.signed_on.toordinal() + template.completion_days
    )
    said = Completion(at, moved=False, day=promised_on)
    completion = max(handover.completion or said, said)
    handover = replace(
        foreseen(event),
        rescinded=handover.rescinded,
        zone=zone_of(zone).key,
        template=template.code,
        template_version=template.version,
        signed_on=event.signed_on,
        promised_on=promised_on,
        completion=completion,
        erased=erased,
        gates=tuple(
            GateStep(step.gate, step.days_before, due_on(step, completion.day, event.signed_on))
            for step in template.gates
        ),
    )
    handover_on = handover.gates[-1].due_on
    planned = HandoverPlanned(
        **about(handover, owner_id),
        handover_on=handover_on,
        gates=_dates(handover.gates),
        template=handover.template,
        template_version=handover.template_version,
    )
    return handover, [planned, *_cancellation(handover, owner_id)]


def move_completion(
    known: Handover | None, event: CompletionMoved, owner_id: str, at: datetime
) -> tuple[Handover, list[Event]]:
    """Date the gates that are not yet passed anew."""
    handover = known or foreseen(event)
    said = Completion(at, moved=True, day=event.expected_completion)
    superseded = handover.completion is not None and said <= handover.completion
    if superseded or handover.completed_on is not None:
        return handover, []
    before = handover.handover_on
    handover = replace(handover, completion=said, gates=_redated(handover, said.day))
    after = handover.handover_on
    if handover.state is not HandoverState.PLANNED or before is None or after is None:
        return handover, []
    if before == after:
        return handover, []
    open_gates = [step for step in handover.gates if step.passed_on is None]
    return handover, [
        HandoverRescheduled(
            **about(handover, owner_id),
            previous_handover_on=before,
            handover_on=after,
            gates=_dates(open_gates),
            reason=RescheduleReason.COMPLETION_MOVED,
        )
    ]


def rescind(
    known: Handover | None, event: PurchaseRescinded, owner_id: str
) -> tuple[Handover, list[Event]]:
    """Drop the plan, or the one still to come."""
    handover = known or foreseen(event)
    planned = handover.state is HandoverState.PLANNED
    handover = replace(handover, rescinded=True)
    return handover, _cancellation(handover, owner_id) if planned else []


def erase(handover: Handover, owner_id: str) -> tuple[Handover, list[Event]]:
    """Drop the plan of a buyer who is to be forgotten; what is no person's stays."""
    planned = handover.state is HandoverState.PLANNED
    veto = handover.veto and replace(handover.veto, reason="")
    handover = replace(handover, erased=True, veto=veto)
    return handover, _cancellation(handover, owner_id) if planned else []


class HandoverAbout(TypedDict):
    """The fields that every handover event carries."""

    customer_id: str
    handover_id: str
    purchase_id: str
    home_id: str
    building: str | None
    community_id: str


def about(handover: Handover, owner_id: str) -> HandoverAbout:
    """Which handover an event is about."""
    return HandoverAbout(
        customer_id=owner_id,
        handover_id=handover.handover_id,
        purchase_id=handover.purchase_id,
        home_id=handover.home_id,
        building=handover.building,
        community_id=handover.community_id,
    )


def _redated(handover: Handover, day: date) -> tuple[GateStep, ...]:
    signed_on = handover.signed_on or day
    return tuple(
        step
        if step.passed_on is not None
        else replace(step, due_on=due_on(TemplateGate(step.gate, step.days_before), day, signed_on))
        for step in handover.gates
    )


def _cancellation(handover: Handover, owner_id: str) -> list[Event]:
    if handover.state is not HandoverState.CANCELLED:
        return []
    reason = (
        CancellationReason.PURCHASE_RESCINDED
        if handover.rescinded
        else CancellationReason.CUSTOMER_ERASED
    )
    return [HandoverCancelled(**about(handover, owner_id), reason=reason)]


def _dates(steps: Sequence[GateStep]) -> tuple[GateDate, ...]:
    return tuple(GateDate(gate=step.gate, due_on=step.due_on) for step in steps)
