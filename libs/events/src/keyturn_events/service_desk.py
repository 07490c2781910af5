"""What the service desk says: how the promises after the signature are kept."""

from __future__ import annotations

from pydantic import Field

from keyturn_events.erasure import ErasureReceipt
from keyturn_events.event import CustomerEvent
from keyturn_events.scalars import (
    BuildingId,
    CaseId,
    Code,
    CommunityId,
    Count,
    CrisisId,
    Day,
    DefectId,
    Flag,
    HandoverId,
    HomeId,
    Line,
    MediaReference,
    ModelVersion,
    Moment,
    PurchaseId,
    Rating,
    ResponseId,
    StaffId,
)
from keyturn_events.topics import Topic
from keyturn_events.values import GateDate, Money, SurveyAnswer
from keyturn_events.vocabulary import (
    CancellationReason,
    CaseChannel,
    Gate,
    GateRefusal,
    Priority,
    RescheduleReason,
    Severity,
    SlaTarget,
    Touchpoint,
    Trade,
    Verdict,
)


class HandoverEvent(CustomerEvent):
    """A fact of the handover of one purchased home."""

    handover_id: HandoverId
    purchase_id: PurchaseId
    home_id: HomeId
    building: BuildingId | None = None
    community_id: CommunityId


class HandoverPlanned(
    HandoverEvent, type="keyturn.handover.planned.v1", topic=Topic.SERVICE_DESK_HANDOVERS
):
    """A signed purchase has a plan: each gate with its due day, in the order of passing."""

    handover_on: Day
    gates: tuple[GateDate, ...] = Field(min_length=1, max_length=20)
    template: Code
    template_version: ModelVersion


class HandoverGatePassed(
    HandoverEvent, type="keyturn.handover.gate-passed.v1", topic=Topic.SERVICE_DESK_HANDOVERS
):
    """A gate was passed."""

    gate: Gate
    due_on: Day
    passed_on: Day
    late: Flag
    next_gate: Gate | None = None


class HandoverGateRefused(
    HandoverEvent, type="keyturn.handover.gate-refused.v1", topic=Topic.SERVICE_DESK_HANDOVERS
):
    """Someone asked to pass a gate that has to stay closed."""

    gate: Gate
    due_on: Day
    reason: GateRefusal
    blocking_defects: tuple[DefectId, ...] = Field(default=(), max_length=100)
    """The critical defects that are still open."""
    missing_gates: tuple[Gate, ...] = Field(default=(), max_length=20)
    """The gates that come first and are not passed."""


class HandoverRescheduled(
    HandoverEvent, type="keyturn.handover.rescheduled.v1", topic=Topic.SERVICE_DESK_HANDOVERS
):
    """The plan has new days for the gates that are not yet passed."""

    previous_handover_on: Day
    handover_on: Day
    gates: tuple[GateDate, ...] = Field(max_length=20)
    reason: RescheduleReason


class HandoverCancelled(
    HandoverEvent, type="keyturn.handover.cancelled.v1", topic=Topic.SERVICE_DESK_HANDOVERS
):
    """There will be no handover."""

    reason: CancellationReason


class HandoverCompleted(
    HandoverEvent, type="keyturn.handover.completed.v1", topic=Topic.SERVICE_DESK_HANDOVERS
):
    """The household has its keys 交付."""

    promised_on: Day
    completed_on: Day
    late: Flag
    open_defects: Count
    """Minor and major defects with which the home was accepted."""


class DefectEvent(CustomerEvent):
    """A fact of one defect (snag) in one home."""

    defect_id: DefectId
    home_id: HomeId
    building: BuildingId | None = None
    community_id: CommunityId
    handover_id: HandoverId | None = None
    location: Code
    """Where in the home, such as kitchen or bathroom-2."""
    component: Code
    """What is defective, such as window-seal or floor-screed."""
    severity: Severity
    responsible_trade: Trade | None = None
    """Who caused it."""
    assigned_trade: Trade | None = None
    """Who mends it."""


class DefectReported(
    DefectEvent, type="keyturn.defect.reported.v1", topic=Topic.SERVICE_DESK_HANDOVERS
):
    """A defect was found. While a critical one is open, no gate opens."""

    gate: Gate | None = None
    """The gate at which it was found; absent after the handover."""
    due_at: Moment | None = None
    photos: tuple[MediaReference, ...] = Field(default=(), max_length=20)


class DefectRectified(
    DefectEvent, type="keyturn.defect.rectified.v1", topic=Topic.SERVICE_DESK_HANDOVERS
):
    """A defect was mended and the mending proved."""

    late: Flag
    proofs: tuple[MediaReference, ...] = Field(default=(), max_length=20)


class ComplaintEvent(CustomerEvent):
    """A fact of one complaint case."""

    case_id: CaseId
    category: Code
    """The path in the category tree, its parts joined by dots, such as quality.leak."""
    severity: Severity
    community_id: CommunityId | None = None
    building: BuildingId | None = None
    home_id: HomeId | None = None


class ComplaintRaised(
    ComplaintEvent, type="keyturn.complaint.raised.v1", topic=Topic.SERVICE_DESK_COMPLAINTS
):
    """A customer complained, and one case is open for it."""

    channel: CaseChannel
    priority: Priority
    external_reference: Line | None = None
    defect_id: DefectId | None = None
    first_response_due: Moment | None = None
    next_update_due: Moment | None = None
    resolution_due: Moment | None = None
    calendar: Code | None = None
    """The business calendar by which the due times were reckoned."""
    calendar_version: ModelVersion | None = None


class ComplaintAcknowledged(
    ComplaintEvent, type="keyturn.complaint.acknowledged.v1", topic=Topic.SERVICE_DESK_COMPLAINTS
):
    """The desk answered for the first time."""

    agent_id: StaffId | None = None
    due_at: Moment | None = None
    late: Flag
    """Whether the first response came after its due time."""


class ComplaintEscalated(
    ComplaintEvent, type="keyturn.complaint.escalated.v1", topic=Topic.SERVICE_DESK_COMPLAINTS
):
    """A promise on the case was broken, or someone asked for a higher rung."""

    level: int = Field(strict=True, ge=1, le=10)
    """The rung of the escalation ladder; 1 is the first above the agent."""
    target: SlaTarget | None = None
    """The promise that was broken; absent when a person escalated."""
    due_at: Moment | None = None
    """When that promise fell due."""
    escalated_to: Code
    """The role that now answers for the case."""


class ComplaintResolved(
    ComplaintEvent, type="keyturn.complaint.resolved.v1", topic=Topic.SERVICE_DESK_COMPLAINTS
):
    """The desk offered a resolution."""

    due_at: Moment | None = None
    late: Flag
    cause: Code
    remedy: Code
    compensation: Money | None = None
    reopenings: Count = 0


class ComplaintReopened(
    ComplaintEvent, type="keyturn.complaint.reopened.v1", topic=Topic.SERVICE_DESK_COMPLAINTS
):
    """The owner did not accept the resolution."""

    reason: Code
    reopenings: Count
    """How often by now, this time included."""
    resolution_due: Moment | None = None


class ComplaintClosed(
    ComplaintEvent, type="keyturn.complaint.closed.v1", topic=Topic.SERVICE_DESK_COMPLAINTS
):
    """The case is over."""

    verdict: Verdict
    late: Flag
    """Whether the resolution that ended it came after its due time."""
    reopenings: Count = 0


class CrisisEvent(CustomerEvent):
    """A fact of a crisis, told once for each owner whom it touches."""

    crisis_id: CrisisId
    community_id: CommunityId
    building: BuildingId | None = None
    category: Code | None = None


class CrisisDeclared(
    CrisisEvent, type="keyturn.crisis.declared.v1", topic=Topic.SERVICE_DESK_COMPLAINTS
):
    """Complaints rose so far above their usual rate that promotion to these owners pauses 群诉."""

    cases: Count
    """Complaints in the window."""
    expected_cases: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)
    """How many the baseline led one to expect."""
    window_days: Count


class CrisisLifted(
    CrisisEvent, type="keyturn.crisis.lifted.v1", topic=Topic.SERVICE_DESK_COMPLAINTS
):
    """The crisis is over."""

    reason: Code


class SurveyAnswered(
    CustomerEvent, type="keyturn.survey.answered.v1", topic=Topic.SERVICE_DESK_SURVEYS
):
    """A customer answered a survey. Their own words stay at the desk."""

    response_id: ResponseId
    survey: Code
    survey_version: ModelVersion
    touchpoint: Touchpoint
    community_id: CommunityId | None = None
    home_id: HomeId | None = None
    satisfaction: Rating | None = None
    recommend: Rating | None = None
    """How likely to recommend the builder; 9 and 10 are promoters, 0 to 6 detractors."""
    rebuy: Rating | None = None
    answers: tuple[SurveyAnswer, ...] = Field(default=(), max_length=50)
    low: Flag
    """Whether the answer is bad enough that the desk must act on it."""
    act_by: Moment | None = None


class CasesErased(
    ErasureReceipt, type="keyturn.cases.erased.v1", topic=Topic.SERVICE_DESK_ERASURES
):
    """The service desk's receipt of an erasure: words are gone, records of homes stay."""
