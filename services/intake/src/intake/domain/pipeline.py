"""How a lead follows the purchase that came of it."""

from __future__ import annotations

from dataclasses import replace

from intake.domain import leads
from intake.domain.dossier import Dossier
from intake.domain.leads import Lead, LeadStatus
from intake.domain.occasion import Occasion
from keyturn_events.event import Event
from keyturn_events.vocabulary import LeadStage, LossReason, PurchaseStage

LEAD_STAGE = {
    PurchaseStage.RESERVED: (LeadStage.RESERVED, "home-reserved"),
    PurchaseStage.SUBSCRIBED: (LeadStage.SUBSCRIBED, "home-subscribed"),
    PurchaseStage.SIGNED: (LeadStage.SIGNED, "purchase-signed"),
}
"""The stage of a lead whose purchase is at this stage, and the reason that is given."""

BACK_TO = LeadStage.VISITED
"""Where a lead goes on after its purchase was rescinded: the customer knows the community."""


def without_claim(lead: Lead | None) -> Lead | None:
    """The lead, if no purchase has come of it yet: one lead follows one purchase."""
    if lead is None or leads.ORDER.index(lead.stage) >= leads.ORDER.index(LeadStage.RESERVED):
        return None
    return lead


def follow(dossier: Dossier, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Bring the lead to where the purchase of the dossier has come."""
    lead, purchase = dossier.lead, dossier.purchase
    if lead is None or purchase is None:
        return dossier, []
    if purchase.stage is PurchaseStage.RESCINDED:
        return _go_back(dossier, lead, occasion)
    if purchase.stage not in LEAD_STAGE:
        return dossier, []
    stage, reason = LEAD_STAGE[purchase.stage]
    if leads.ORDER.index(stage) <= leads.ORDER.index(lead.stage):
        return dossier, []
    steps, events = list(dossier.steps), []
    if lead.status is LeadStatus.LOST:
        lead, step, revived = leads.revive(lead, reason, dossier.community, occasion)
        steps.append(step)
        events.append(revived)
    lead, step, advanced = leads.moved(lead, stage, reason, dossier.community, occasion)
    steps.append(step)
    events.append(advanced)
    return replace(dossier, lead=lead, steps=tuple(steps)), events


def _go_back(dossier: Dossier, lead: Lead, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    if leads.ORDER.index(lead.stage) <= leads.ORDER.index(BACK_TO):
        return dossier, []
    newer = dossier.leads.get(lead.customer_id)
    if newer is not None and newer.lead_id != lead.lead_id:
        # The customer's interest lives on in a newer lead; one community has one live lead.
        lead = replace(lead, stage=BACK_TO)
        lead, step, event = leads.given_up(lead, LossReason.OTHER, occasion)
    else:
        lead, step, event = leads.moved(
            lead, BACK_TO, "purchase-rescinded", dossier.community, occasion
        )
    return replace(dossier, lead=lead, steps=(*dossier.steps, step)), [event]
