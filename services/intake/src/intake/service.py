"""The composition root: what intake is made of."""

from __future__ import annotations

from pathlib import Path

from intake.api import SCOPES, router
from intake.api.preferences import PUBLIC
from intake.learning.matching.command import matching_cli, resolve_cli
from intake.learning.scoring.command import scoring_cli
from intake.reactions import reactions
from intake.settings import IntakeSettings
from intake.store import IntakeStore
from intake.store.holdings import HOLDINGS
from intake.store.outgoing import outgoing
from intake.tasks.erasures import ErasureGauge
from intake.tasks.imports import ImportTask
from intake.tasks.rescoring import RescoringTask
from keyturn_chassis.service import Service
from keyturn_events.intake import (
    CompletionMoved,
    ConsentChanged,
    ContactChanged,
    ContactErased,
    CustomerErased,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    CustomerUpdated,
    CustomerWithdrawn,
    ErasureCompleted,
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
    LeadStalled,
    LeadWithdrawn,
    MortgageChanged,
    PartnerEventRejected,
    PurchasePaid,
    PurchaseRescinded,
    PurchaseSigned,
    QueueNumberGiven,
    QueueNumberSettled,
)

service = Service(
    name="intake",
    title="Keyturn intake",
    description=(
        "Everyone who comes through the door: leads by API, batch, file and partner event; the"
        " person recognised; consent recorded; and the way from the lead to the signed purchase."
    ),
    settings=IntakeSettings,
    store=IntakeStore(),
    router=router,
    reactions=reactions,
    publishes=(
        CustomerRegistered,
        CustomerUpdated,
        CustomerWithdrawn,
        CustomersMerged,
        CustomersUnmerged,
        ContactChanged,
        ContactErased,
        CustomerErased,
        ErasureCompleted,
        ConsentChanged,
        LeadCaptured,
        LeadScored,
        LeadAssigned,
        LeadAdvanced,
        LeadStalled,
        LeadResponseOverdue,
        LeadReleased,
        LeadLost,
        LeadRevived,
        LeadWithdrawn,
        HomeReserved,
        HomeSubscribed,
        PurchaseSigned,
        PurchasePaid,
        PurchaseRescinded,
        CompletionMoved,
        MortgageChanged,
        QueueNumberGiven,
        QueueNumberSettled,
        PartnerEventRejected,
    ),
    migrations=Path(__file__).parent / "migrations",
    tasks=(ErasureGauge(), ImportTask(), RescoringTask()),
    outgoing=outgoing,
    commands=(resolve_cli, matching_cli, scoring_cli),
    holdings=HOLDINGS,
    scopes=SCOPES,
    public=PUBLIC,
)
