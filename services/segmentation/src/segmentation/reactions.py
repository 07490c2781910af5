"""Everything that segmentation reacts to: every topic of the journey that it may read.

Contact details and partners' records are not among them: a profile needs neither.
"""

from __future__ import annotations

from keyturn_chassis.inputs import Cause, TimerFired
from keyturn_chassis.reactions import Reactions
from keyturn_events import CustomerEvent, Event, campaigns, intake, service_desk
from segmentation.domain import movement
from segmentation.domain.movement import Dossier

reactions = Reactions()

Moved = tuple[Dossier, list[Event]]


@reactions.on(
    intake.CustomerRegistered,
    intake.CustomerUpdated,
    intake.ConsentChanged,
    intake.LeadCaptured,
    intake.LeadScored,
    intake.LeadAssigned,
    intake.LeadAdvanced,
    intake.LeadStalled,
    intake.LeadResponseOverdue,
    intake.LeadReleased,
    intake.LeadLost,
    intake.LeadRevived,
    intake.LeadWithdrawn,
    intake.HomeReserved,
    intake.HomeSubscribed,
    intake.PurchaseSigned,
    intake.PurchasePaid,
    intake.PurchaseRescinded,
    intake.CompletionMoved,
    service_desk.HandoverPlanned,
    service_desk.HandoverGatePassed,
    service_desk.HandoverGateRefused,
    service_desk.HandoverRescheduled,
    service_desk.HandoverCancelled,
    service_desk.HandoverCompleted,
    service_desk.DefectReported,
    service_desk.DefectRectified,
    service_desk.ComplaintRaised,
    service_desk.ComplaintAcknowledged,
    service_desk.ComplaintEscalated,
    service_desk.ComplaintResolved,
    service_desk.ComplaintReopened,
    service_desk.ComplaintClosed,
    service_desk.CrisisDeclared,
    service_desk.CrisisLifted,
    service_desk.SurveyAnswered,
    campaigns.MessageSent,
    campaigns.MessageHeld,
    campaigns.MessageSkipped,
    campaigns.MessageFailed,
    campaigns.ReferralInvited,
    campaigns.ReferralAccepted,
    campaigns.ReferralRefused,
    campaigns.ReferralRewarded,
    campaigns.ReferralClawedBack,
    campaigns.MemberEnrolled,
    campaigns.PointsEarned,
    campaigns.PointsSpent,
    campaigns.PointsExpired,
    campaigns.PointsReversed,
    campaigns.TierChanged,
)
def hear(dossier: Dossier, event: CustomerEvent, cause: Cause) -> Moved:
    """Profile, timeline and segments take in what happened."""
    return movement.hear(dossier, event, cause)


@reactions.on(intake.CustomersMerged)
def merge(dossier: Dossier, event: intake.CustomersMerged, cause: Cause) -> Moved:
    """Two profiles become one."""
    return movement.regroup(dossier, event, cause)


@reactions.on(intake.CustomersUnmerged)
def unmerge(dossier: Dossier, event: intake.CustomersUnmerged, cause: Cause) -> Moved:
    """One profile becomes two again, each from its own events."""
    return movement.regroup(dossier, event, cause)


@reactions.on(intake.CustomerErased)
def forget(dossier: Dossier, event: intake.CustomerErased, cause: Cause) -> Moved:
    """Profile, timeline and segments go."""
    return movement.forget(dossier, event, cause)


@reactions.on(intake.CustomerWithdrawn)
def withdraw(dossier: Dossier, event: intake.CustomerWithdrawn, cause: Cause) -> Moved:
    """There is no such person: profile, timeline and segments go."""
    return movement.withdraw(dossier, event, cause)


@reactions.on_timer(movement.BIRTHDAY)
def come_of_age(dossier: Dossier, timer: TimerFired, cause: Cause) -> Moved:
    """A birthday may move the person to another segment."""
    return movement.come_of_age(dossier, timer.owner, cause)


@reactions.on_timer(movement.SILENCE)
def fall_silent(dossier: Dossier, timer: TimerFired, cause: Cause) -> Moved:
    """Who has been silent for too long is dormant."""
    return movement.fall_silent(dossier, timer.owner, cause)
