"""The composition root: what intake is made of."""

from __future__ import annotations

from pathlib import Path

from intake.api import SCOPES, router
from intake.reactions import reactions
from intake.store import IntakeStore
from intake.tasks.imports import ImportTask
from keyturn_chassis.service import Service
from keyturn_events.intake import (
    CompletionMoved,
    ConsentChanged,
    ContactChanged,
    CustomerRegistered,
    CustomerUpdated,
    HomeReserved,
    HomeSubscribed,
    LeadAdvanced,
    LeadAssigned,
    LeadCaptured,
    LeadLost,
    LeadRevived,
    LeadScored,
    LeadStalled,
    PartnerEventRejected,
    PurchasePaid,
    PurchaseRescinded,
    PurchaseSigned,
)

service = Service(
    name="intake",
    title="Keyturn intake",
    description=(
        "Everyone who comes through the door: leads by API, batch, file and partner event; the"
        " person recognised; consent recorded; and the way from the lead to the signed purchase."
    ),
    store=IntakeStore(),
    router=router,
    reactions=reactions,
    publishes=(
        CustomerRegistered,
        CustomerUpdated,
        ContactChanged,
        ConsentChanged,
        LeadCaptured,
        LeadScored,
        LeadAssigned,
        LeadAdvanced,
        LeadStalled,
        LeadLost,
        LeadRevived,
        HomeReserved,
        HomeSubscribed,
        PurchaseSigned,
        PurchasePaid,
        PurchaseRescinded,
        CompletionMoved,
        PartnerEventRejected,
    ),
    migrations=Path(__file__).parent / "migrations",
    tasks=(ImportTask(),),
    scopes=SCOPES,
)
