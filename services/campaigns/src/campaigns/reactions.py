"""Everything that campaigns reacts to.

An event that only starts or stops campaigns, and tells nothing that is kept, is `follow`ed.
"""

from __future__ import annotations

from campaigns.domain import desk, journey
from campaigns.domain.customer_file import CustomerFile
from campaigns.domain.journey import Heard
from campaigns.domain.membership import LotDeadline, LotTimer
from keyturn_chassis.inputs import Cause, TimerFired
from keyturn_chassis.reactions import Reactions
from keyturn_events import intake, segmentation, service_desk

reactions = Reactions()

reactions.on(intake.CustomerRegistered, intake.CustomerUpdated)(journey.customer_facts)
reactions.on(intake.CustomersMerged)(journey.customers_merged)
reactions.on(intake.CustomersUnmerged)(journey.customers_unmerged)
reactions.on(intake.CustomerErased)(journey.customer_erased)
reactions.on(intake.CustomerWithdrawn)(journey.customer_withdrawn)
reactions.on(intake.ContactChanged)(journey.contact_changed)
reactions.on(intake.ContactErased)(journey.contact_erased)
reactions.on(intake.ConsentChanged)(journey.consent_changed)

reactions.on(intake.LeadCaptured)(journey.lead_captured)
reactions.on(intake.LeadWithdrawn)(journey.lead_withdrawn)
reactions.on(
    intake.LeadAdvanced,
    intake.LeadStalled,
    intake.LeadLost,
    intake.LeadRevived,
)(journey.follow)

reactions.on(intake.PurchaseSigned)(journey.purchase_signed)
reactions.on(intake.PurchaseRescinded)(journey.purchase_rescinded)
reactions.on(
    intake.HomeReserved,
    intake.HomeSubscribed,
    intake.PurchasePaid,
    intake.CompletionMoved,
)(journey.follow)

reactions.on(service_desk.HandoverCompleted)(journey.handover_completed)
reactions.on(
    service_desk.HandoverPlanned,
    service_desk.HandoverGatePassed,
    service_desk.HandoverRescheduled,
    service_desk.HandoverCancelled,
)(journey.follow)

reactions.on(service_desk.ComplaintRaised, service_desk.ComplaintReopened)(journey.complaint_opened)
reactions.on(service_desk.ComplaintResolved, service_desk.ComplaintClosed)(journey.complaint_over)
reactions.on(service_desk.CrisisDeclared)(journey.crisis_declared)
reactions.on(service_desk.CrisisLifted)(journey.crisis_lifted)
reactions.on(service_desk.SurveyAnswered)(journey.survey_answered)

reactions.on(
    segmentation.CustomerSegmented,
    segmentation.CustomerDormant,
    segmentation.CustomerReactivated,
    segmentation.CustomerValueChanged,
)(journey.follow)


@reactions.on_timer(LotTimer.ACTIVATE)
@reactions.on_timer(LotTimer.EXPIRE)
def lot_due(file: CustomerFile, timer: TimerFired, cause: Cause) -> Heard:
    """A lot of points becomes active, or expires."""
    return desk.lot_due(file, LotDeadline(LotTimer(timer.kind), timer.due_at, timer.key), cause)
