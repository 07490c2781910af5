"""What each event tells of its customer, as facts by name. One function an event type.

A name that is shared by several event types, such as the status of a complaint, keeps the latest;
a name of its own for each step, as purchases have, lets the steps come in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from keyturn_events import CustomerEvent
from keyturn_events.campaigns import (
    MemberEnrolled,
    PointsEarned,
    PointsExpired,
    PointsReversed,
    PointsSpent,
    ReferralAccepted,
    ReferralClawedBack,
    ReferralInvited,
    ReferralRefused,
    ReferralRewarded,
    TierChanged,
)
from keyturn_events.intake import (
    CompletionMoved,
    ConsentChanged,
    CustomerFacts,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    CustomerUpdated,
    HomeReserved,
    HomeSubscribed,
    LeadAdvanced,
    LeadAssigned,
    LeadCaptured,
    LeadLost,
    LeadReleased,
    LeadResponseOverdue,
    LeadRevived,
    LeadScored,
    LeadWithdrawn,
    PurchaseEvent,
    PurchasePaid,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.service_desk import (
    ComplaintAcknowledged,
    ComplaintClosed,
    ComplaintEscalated,
    ComplaintEvent,
    ComplaintRaised,
    ComplaintReopened,
    ComplaintResolved,
    CrisisDeclared,
    CrisisLifted,
    DefectRectified,
    DefectReported,
    HandoverCancelled,
    HandoverCompleted,
    HandoverGatePassed,
    HandoverPlanned,
    HandoverRescheduled,
    SurveyAnswered,
)
from keyturn_events.values import Money
from keyturn_events.vocabulary import ConsentStatus, PointsState, PurchaseStage
from segmentation.domain.facts import Json
from segmentation.domain.people import MERGE, UNMERGE

E = TypeVar("E", bound=CustomerEvent)
Told = dict[str, Json]

ACTIVE: Final = "active"
"""Told whenever the customer themself did something: its stamp is when they were last heard of."""

LOST: Final = "lost"
"""The stage of a lead that was given up."""

WITHDRAWN: Final = "withdrawn"
"""Told of a lead that was recorded by mistake: nothing else that was told of it counts."""

_TELLINGS: Final[dict[type[CustomerEvent], Callable[[Any], Told]]] = {}
_NOTHING: Final[Mapping[str, Json]] = {}
_HANDLED: Final[dict[type[ComplaintEvent], str]] = {
    ComplaintAcknowledged: "acknowledged",
    ComplaintEscalated: "escalated",
    ComplaintResolved: "resolved",
}


def told_by(event: CustomerEvent) -> Mapping[str, Json]:
    """What `event` tells, by name; nothing when it only belongs on the timeline."""
    tell = _TELLINGS.get(type(event))
    return _NOTHING if tell is None else tell(event)


def _tells(*event_types: type[E]) -> Callable[[Callable[[E], Told]], Callable[[E], Told]]:
    def register(tell: Callable[[E], Told]) -> Callable[[E], Told]:
        for event_type in event_types:
            _TELLINGS[event_type] = tell
        return tell

    return register


def _money(money: Money | None) -> Json:
    return None if money is None else {"amount": str(money.amount), "currency": money.currency}


@_tells(CustomerRegistered)
def _registered(event: CustomerRegistered) -> Told:
    return {**_customer_facts(event), ACTIVE: None}


@_tells(CustomerUpdated)
def _updated(event: CustomerUpdated) -> Told:
    return _customer_facts(event)


def _customer_facts(event: CustomerFacts) -> Told:
    return {
        "household": event.household.model_dump(mode="json", exclude_none=True),
        "affordability": event.affordability.model_dump(mode="json", exclude_none=True),
        "language": event.language,
        "time_zone": event.time_zone,
    }


@_tells(CustomersMerged)
def _merged(event: CustomersMerged) -> Told:
    return {f"{MERGE}{event.merge_id}": event.merged_customer_id}


@_tells(CustomersUnmerged)
def _unmerged(event: CustomersUnmerged) -> Told:
    return {f"{UNMERGE}{event.merge_id}": event.restored_customer_id}


@_tells(ConsentChanged)
def _consent(event: ConsentChanged) -> Told:
    told: Told = {
        f"consent/{event.channel}/{event.purpose}": {
            "status": event.status,
            "basis": event.basis,
            "expires_at": None if event.expires_at is None else event.expires_at.isoformat(),
        }
    }
    if event.status is not ConsentStatus.EXPIRED:
        told[ACTIVE] = None
    return told


@_tells(LeadCaptured)
def _lead_captured(event: LeadCaptured) -> Told:
    return {
        f"lead/{event.lead_id}/captured": {
            "channel": event.channel,
            "community_id": event.community_id,
            "product_line": event.product_line,
            "budget": _money(event.budget),
        },
        ACTIVE: None,
    }


@_tells(LeadScored)
def _lead_scored(event: LeadScored) -> Told:
    return {f"lead/{event.lead_id}/score": event.score}


@_tells(LeadAssigned)
def _lead_assigned(event: LeadAssigned) -> Told:
    return {f"lead/{event.lead_id}/advisor": event.advisor_id}


@_tells(LeadReleased)
def _lead_released(event: LeadReleased) -> Told:
    """Of an agency's lead nothing changes here: its advisor keeps it."""
    if event.advisor_id is None:
        return {}
    return {f"lead/{event.lead_id}/released": event.advisor_id}


@_tells(LeadResponseOverdue)
def _lead_response_overdue(event: LeadResponseOverdue) -> Told:
    return {f"lead/{event.lead_id}/response-overdue": event.first_response_due.isoformat()}


@_tells(LeadAdvanced)
def _lead_advanced(event: LeadAdvanced) -> Told:
    return {f"lead/{event.lead_id}/stage": event.to_stage, ACTIVE: None}


@_tells(LeadLost)
def _lead_lost(event: LeadLost) -> Told:
    return {f"lead/{event.lead_id}/stage": LOST}


@_tells(LeadRevived)
def _lead_revived(event: LeadRevived) -> Told:
    return {f"lead/{event.lead_id}/stage": event.stage, ACTIVE: None}


@_tells(LeadWithdrawn)
def _lead_withdrawn(event: LeadWithdrawn) -> Told:
    return {f"lead/{event.lead_id}/{WITHDRAWN}": None}


def _purchase(event: PurchaseEvent, step: PurchaseStage, on: object) -> Told:
    return {
        f"purchase/{event.purchase_id}/{step}": {
            "on": str(on),
            "home_id": event.home_id,
            "community_id": event.community_id,
            "price": _money(event.price),
            "product_line": event.product_line,
        },
        ACTIVE: None,
    }


@_tells(HomeReserved)
def _reserved(event: HomeReserved) -> Told:
    return _purchase(event, PurchaseStage.RESERVED, event.reserved_on)


@_tells(HomeSubscribed)
def _subscribed(event: HomeSubscribed) -> Told:
    return _purchase(event, PurchaseStage.SUBSCRIBED, event.subscribed_on)


@_tells(PurchaseSigned)
def _signed(event: PurchaseSigned) -> Told:
    told = _purchase(event, PurchaseStage.SIGNED, event.signed_on)
    if event.expected_completion is not None:
        told[f"purchase/{event.purchase_id}/completion"] = str(event.expected_completion)
    return told


@_tells(PurchasePaid)
def _paid(event: PurchasePaid) -> Told:
    return _purchase(event, PurchaseStage.PAID, event.paid_on)


@_tells(PurchaseRescinded)
def _rescinded(event: PurchaseRescinded) -> Told:
    return _purchase(event, PurchaseStage.RESCINDED, event.rescinded_on)


@_tells(CompletionMoved)
def _completion_moved(event: CompletionMoved) -> Told:
    return {f"purchase/{event.purchase_id}/completion": str(event.expected_completion)}


@_tells(HandoverPlanned)
def _handover_planned(event: HandoverPlanned) -> Told:
    return {
        f"handover/{event.handover_id}/planned": {
            "purchase_id": event.purchase_id,
            "home_id": event.home_id,
            "gates": len(event.gates),
        },
        f"handover/{event.handover_id}/day": str(event.handover_on),
    }


@_tells(HandoverRescheduled)
def _handover_rescheduled(event: HandoverRescheduled) -> Told:
    return {f"handover/{event.handover_id}/day": str(event.handover_on)}


@_tells(HandoverGatePassed)
def _gate_passed(event: HandoverGatePassed) -> Told:
    return {f"handover/{event.handover_id}/gate/{event.gate}": str(event.passed_on)}


@_tells(HandoverCancelled)
def _handover_cancelled(event: HandoverCancelled) -> Told:
    return {f"handover/{event.handover_id}/cancelled": event.reason}


@_tells(HandoverCompleted)
def _handover_completed(event: HandoverCompleted) -> Told:
    return {
        f"handover/{event.handover_id}/completed": {
            "home_id": event.home_id,
            "on": str(event.completed_on),
            "late": event.late,
        },
        ACTIVE: None,
    }


@_tells(DefectReported)
def _defect_reported(event: DefectReported) -> Told:
    return {f"defect/{event.defect_id}/reported": event.severity, ACTIVE: None}


@_tells(DefectRectified)
def _defect_rectified(event: DefectRectified) -> Told:
    return {f"defect/{event.defect_id}/rectified": event.severity}


def _complaint(event: ComplaintEvent, status: str) -> Told:
    return {
        f"complaint/{event.case_id}": {
            "status": status,
            "category": event.category,
            "severity": event.severity,
        }
    }


@_tells(ComplaintRaised)
def _complaint_raised(event: ComplaintRaised) -> Told:
    return {**_complaint(event, "raised"), ACTIVE: None}


@_tells(ComplaintAcknowledged, ComplaintEscalated, ComplaintResolved)
def _complaint_handled(event: ComplaintEvent) -> Told:
    return _complaint(event, _HANDLED[type(event)])


@_tells(ComplaintReopened)
def _complaint_reopened(event: ComplaintReopened) -> Told:
    return {**_complaint(event, "reopened"), ACTIVE: None}


@_tells(ComplaintClosed)
def _complaint_closed(event: ComplaintClosed) -> Told:
    return {**_complaint(event, "closed"), f"complaint-late/{event.case_id}": event.late}


@_tells(CrisisDeclared)
def _crisis_declared(event: CrisisDeclared) -> Told:
    return {f"crisis/{event.crisis_id}": "declared"}


@_tells(CrisisLifted)
def _crisis_lifted(event: CrisisLifted) -> Told:
    return {f"crisis/{event.crisis_id}": "lifted"}


@_tells(SurveyAnswered)
def _survey_answered(event: SurveyAnswered) -> Told:
    return {
        f"survey/{event.touchpoint}": {
            "satisfaction": event.satisfaction,
            "recommend": event.recommend,
            "rebuy": event.rebuy,
        },
        ACTIVE: None,
    }


@_tells(ReferralInvited)
def _referral_invited(event: ReferralInvited) -> Told:
    return {f"referral-code/{event.referral_code}": None}


@_tells(ReferralAccepted)
def _referral_accepted(event: ReferralAccepted) -> Told:
    return _verdict(event, "accepted")


@_tells(ReferralRefused)
def _referral_refused(event: ReferralRefused) -> Told:
    return _verdict(event, "refused")


def _verdict(event: ReferralAccepted | ReferralRefused, verdict: str) -> Told:
    """A verdict may be revised by what is heard later; the latest holds, whatever came before."""
    return {
        f"referral/{event.referral_id}/verdict": [verdict, event.referred_customer_id],
        ACTIVE: None,
    }


@_tells(ReferralRewarded)
def _referral_rewarded(event: ReferralRewarded) -> Told:
    return {f"referral/{event.referral_id}/rewarded": event.purchase_id}


@_tells(ReferralClawedBack)
def _referral_clawed_back(event: ReferralClawedBack) -> Told:
    return {f"referral/{event.referral_id}/clawed-back": event.purchase_id}


@_tells(MemberEnrolled)
def _member_enrolled(event: MemberEnrolled) -> Told:
    return {"member": event.member_id, "tier": event.tier, ACTIVE: None}


@_tells(TierChanged)
def _tier_changed(event: TierChanged) -> Told:
    return {"member": event.member_id, "tier": event.to_tier}


@_tells(PointsEarned)
def _points_earned(event: PointsEarned) -> Told:
    return {f"points/{event.entry_id}": _entry(event.state, event.points, event.lot_id)}


@_tells(PointsSpent)
def _points_spent(event: PointsSpent) -> Told:
    return {
        f"points/{event.entry_id}": _entry(PointsState.ACTIVE, -event.points, None),
        ACTIVE: None,
    }


@_tells(PointsExpired)
def _points_expired(event: PointsExpired) -> Told:
    return {f"points/{event.entry_id}": _entry(PointsState.ACTIVE, -event.points, event.lot_id)}


@_tells(PointsReversed)
def _points_reversed(event: PointsReversed) -> Told:
    points = -event.points if event.was_earned else event.points
    return {f"points/{event.entry_id}": _entry(event.state, points, event.lot_id)}


def _entry(state: PointsState, points: int, lot_id: str | None) -> Json:
    return {"state": state, "points": points, "lot_id": lot_id}
