"""How a complaint becomes a case: one for each matter, however often it is told."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.service_desk import ComplaintRaised
from keyturn_events.vocabulary import CaseChannel, Severity, SlaTarget
from service_desk.domain import cases
from service_desk.domain.cases import Case, CaseState, Circumstances, about
from service_desk.domain.categories import category_of
from service_desk.domain.promises import NO_PROMISES, POLICY, priority_of

DOUBLED_WITHIN = timedelta(minutes=30)
"""Two messages without a reference, of one person on one thing, are one case within this time."""
OLDEST_RECEIPT = timedelta(days=3_660)
"""How far back a case may have been received: ten years, for cases moved from another system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseComplaint:
    """A customer complains.

    `promised_elsewhere` says that the case was kept in another system: then only `due_at`, if it
    has one, was promised, and the desk's own targets do not run.
    """

    customer_id: str
    category: str
    severity: Severity
    channel: CaseChannel
    home_id: str | None = None
    community_id: str | None = None
    building: str | None = None
    defect_id: str | None = None
    received_at: datetime | None = None
    source_reference: str | None = None
    description: str = ""
    due_at: datetime | None = None
    promised_elsewhere: bool = False


def joined(known: Case, command: RaiseComplaint, at: datetime) -> bool:
    """Whether a complaint of the same person is one that is known already.

    The same reference always is. Without one, the same thing within half an hour is a doubled
    message, unless its case is closed.
    """
    if command.source_reference is not None:
        return known.source_reference == command.source_reference
    if known.source_reference is not None or known.state is CaseState.CLOSED:
        return False
    same = (known.category, known.home_id) == (command.category, command.home_id)
    received_at = command.received_at or at
    return same and abs(known.received_at - received_at) <= DOUBLED_WITHIN


def raise_complaint(
    command: RaiseComplaint,
    now: Circumstances,
    *,
    case_id: str,
    segments: AbstractSet[tuple[str, str]],
) -> tuple[Case, list[Event]]:
    """Open a case; what should have happened to it since its receipt happens at once."""
    category_of(command.category)
    calendar, owner_id = now.calendar, now.owner_id
    received_at = (command.received_at or now.at).astimezone(UTC)
    _check_times(command, received_at, now.at)
    elsewhere = command.promised_elsewhere or command.due_at is not None
    case = Case(
        case_id=case_id,
        customer_id=owner_id,
        category=command.category,
        severity=command.severity,
        priority=priority_of(command.severity, segments),
        channel=command.channel,
        received_at=received_at,
        calendar=calendar.ref,
        promises=NO_PROMISES if elsewhere else POLICY[command.severity],
        own_due_at=command.due_at and command.due_at.astimezone(UTC),
        community_id=command.community_id,
        building=command.building,
        home_id=command.home_id,
        defect_id=command.defect_id,
        source_reference=command.source_reference,
        description=command.description,
        touched_at=received_at,
    )
    raised = ComplaintRaised(
        **about(case, owner_id),
        channel=case.channel,
        priority=case.priority,
        external_reference=case.source_reference,
        defect_id=case.defect_id,
        first_response_due=cases.due_at(case, SlaTarget.FIRST_RESPONSE, calendar),
        next_update_due=cases.due_at(case, SlaTarget.NEXT_UPDATE, calendar),
        resolution_due=cases.due_at(case, SlaTarget.RESOLUTION, calendar),
        calendar=calendar.code,
        calendar_version=calendar.version,
    )
    case, since = cases.advance(case, now)
    return case, [raised, *since]


def _check_times(command: RaiseComplaint, received_at: datetime, at: datetime) -> None:
    if not at - OLDEST_RECEIPT <= received_at <= at:
        raise Refusal(
            "received-out-of-bounds",
            f"Give a time of receipt before now ({at.isoformat()}) and within ten years.",
            kind=RefusalKind.INVALID,
            pointer="/received_at",
        )
    if command.due_at is not None and command.due_at <= received_at:
        raise Refusal(
            "due-before-receipt",
            "Give a due time after the time of receipt.",
            kind=RefusalKind.INVALID,
            pointer="/due_at",
        )
