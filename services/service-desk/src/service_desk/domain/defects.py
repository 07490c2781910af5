"""Defects (snags) of a home: who caused it, who mends it, by when, and the proof that it is mended.

A critical one closes every gate of the home's handover until it is mended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypedDict

from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.service_desk import DefectRectified, DefectReported
from keyturn_events.vocabulary import Gate, Severity, Trade
from service_desk.domain import gates
from service_desk.domain.calendar import BusinessCalendar, add_working_time
from service_desk.domain.handovers import Handover, HandoverState, OpenDefect
from service_desk.domain.promises import MENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One defect in one home."""

    defect_id: str
    customer_id: str
    handover_id: str
    home_id: str
    building: str | None
    community_id: str
    location: str
    component: str
    severity: Severity
    responsible_trade: Trade | None
    assigned_trade: Trade | None
    description: str
    photos: tuple[str, ...]
    gate: Gate | None
    """The gate at which it was found; None after the handover."""
    reported_at: datetime
    due_at: datetime
    rectified_at: datetime | None = None
    rectified_by: str | None = None
    proofs: tuple[str, ...] = ()

    @property
    def late(self) -> bool:
        """Whether it was mended when its deadline had passed."""
        return self.rectified_at is not None and self.rectified_at >= self.due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDefect:
    """Somebody found a defect in a home."""

    home_id: str
    location: str
    component: str
    severity: Severity
    responsible_trade: Trade | None = None
    assigned_trade: Trade | None = None
    description: str = ""
    photos: tuple[str, ...] = ()
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RectifyDefect:
    """A trade says that a defect is mended, and proves it."""

    defect_id: str
    proofs: tuple[str, ...]
    by: str | None = None


def report(
    handover: Handover,
    command: ReportDefect,
    calendar: BusinessCalendar,
    owner_id: str,
    *,
    defect_id: str,
    at: datetime,
) -> tuple[Defect, Handover, list[Event]]:
    """Put a defect on record, and with it on the gates of the home's handover."""
    if command.due_at is not None and command.due_at <= at:
        raise Refusal(
            "deadline-passed",
            "Give a deadline that is still to come, or none for the usual one.",
            kind=RefusalKind.INVALID,
            pointer="/due_at",
        )
    planned = handover.state is HandoverState.PLANNED
    defect = Defect(
        defect_id=defect_id,
        customer_id=handover.customer_id,
        handover_id=handover.handover_id,
        home_id=handover.home_id,
        building=handover.building,
        community_id=handover.community_id,
        location=command.location,
        component=command.component,
        severity=command.severity,
        responsible_trade=command.responsible_trade,
        assigned_trade=command.assigned_trade or command.responsible_trade,
        description=command.description,
        photos=command.photos,
        gate=handover.next_gate.gate if planned and handover.next_gate else None,
        reported_at=at,
        due_at=(
            add_working_time(calendar, at, MENDING[command.severity])
            if command.due_at is None
            else command.due_at.astimezone(UTC)
        ),
    )
    reported = DefectReported(
        **_about(defect, owner_id), gate=defect.gate, due_at=defect.due_at, photos=defect.photos
    )
    handover = gates.found(handover, OpenDefect(defect_id, defect.severity))
    return defect, handover, [reported]


def rectify(
    defect: Defect, handover: Handover, command: RectifyDefect, owner_id: str, at: datetime
) -> tuple[Defect, Handover, list[Event]]:
    """Record that a defect is mended; raises `Refusal` when it already was."""
    if defect.rectified_at is not None:
        raise Refusal(
            "defect-already-rectified",
            f"It was rectified at {defect.rectified_at.isoformat()}; report a new defect if it "
            "came back.",
        )
    defect = replace(defect, rectified_at=at, rectified_by=command.by, proofs=command.proofs)
    rectified = DefectRectified(**_about(defect, owner_id), late=defect.late, proofs=defect.proofs)
    return defect, gates.mended(handover, defect.defect_id), [rectified]


def forget(defect: Defect) -> Defect:
    """Erase what somebody wrote of a defect; where it is, what it is and who mends it stays."""
    return replace(defect, description="")


class _About(TypedDict):
    customer_id: str
    defect_id: str
    home_id: str
    building: str | None
    community_id: str
    handover_id: str
    location: str
    component: str
    severity: Severity
    responsible_trade: Trade | None
    assigned_trade: Trade | None


def _about(defect: Defect, owner_id: str) -> _About:
    return _About(
        customer_id=owner_id,
        defect_id=defect.defect_id,
        home_id=defect.home_id,
        building=defect.building,
        community_id=defect.community_id,
        handover_id=defect.handover_id,
        location=defect.location,
        component=defect.component,
        severity=defect.severity,
        responsible_trade=defect.responsible_trade,
        assigned_trade=defect.assigned_trade,
    )
