"""The composition root of the service desk."""

from __future__ import annotations

from pathlib import Path

from keyturn_chassis.erasure import Erasing
from keyturn_chassis.service import Service
from keyturn_events.intake import CustomersMerged, CustomersUnmerged, PurchaseEvent
from keyturn_events.service_desk import (
    CasesErased,
    ComplaintAcknowledged,
    ComplaintClosed,
    ComplaintEscalated,
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
    HandoverGateRefused,
    HandoverPlanned,
    HandoverRescheduled,
    SurveyAnswered,
)
from service_desk.api import SCOPES, router
from service_desk.reactions import reactions
from service_desk.store import DeskStore
from service_desk.store.holdings import HOLDINGS

service = Service(
    name="service-desk",
    title="Keyturn service desk",
    description="Promises kept after the signature: handovers, defects, complaints, surveys.",
    store=DeskStore(),
    router=router,
    reactions=reactions,
    publishes=(
        HandoverPlanned,
        HandoverGatePassed,
        HandoverGateRefused,
        HandoverRescheduled,
        HandoverCancelled,
        HandoverCompleted,
        DefectReported,
        DefectRectified,
        ComplaintRaised,
        ComplaintAcknowledged,
        ComplaintEscalated,
        ComplaintResolved,
        ComplaintReopened,
        ComplaintClosed,
        CrisisDeclared,
        CrisisLifted,
        SurveyAnswered,
        CasesErased,
    ),
    migrations=Path(__file__).parent / "migrations",
    erasing=Erasing(receipt=CasesErased, keeps=(PurchaseEvent, CustomersMerged, CustomersUnmerged)),
    holdings=HOLDINGS,
    scopes=SCOPES,
)
