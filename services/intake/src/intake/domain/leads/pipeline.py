"""How a lead follows the purchase that came of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from intake.domain.dossier import Dossier, present
from intake.domain.leads import leads
from intake.domain.leads.lead_deadlines import catch_up
from intake.domain.leads.lead_ownership import Course, Situation, note
from intake.domain.leads.leads import Lead, LeadStatus
from intake.domain.leads.ownership import ContactKind, FactKind
from intake.domain.occasion import Occasion
from keyturn_events.event import Event
from keyturn_events.vocabulary import LeadStage, LossReason, PurchaseStage

LEAD_STAGE = {
    PurchaseStage.RESERVED: (LeadStage.RESERVED, "home-reserved"),
    PurchaseStage.SUBSCRIBED: (LeadStage.SUBSCRIBED, "home-subscribed"),
    PurchaseStage.SIGNED: (LeadStage.SIGNED, "purchase-signed"),
    PurchaseStage.PAID: (LeadStage.SIGNED, "purchase-signed"),
}
"""The stage of a lead whose purchase is at this stage, and the reason that is given."""

BACK_TO = LeadStage.VISITED
"""Where a lead goes on after its purchase was rescinded: the customer knows the community."""


def without_claim(lead: Lead | None) -> Lead | None:
    """The lead, if no purchase has come of it yet: one lead follows one purchase."""
    if lead is None or leads.ORDER.index(lead.stage) >= leads.ORDER.index(LeadStage.RESERVED):
        return None
    return lead


def enqueue(dossier: Dossier, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Bring the lead to where a customer is who holds a queue number."""
    lead = dossier.lead
    if lead is None:
        return dossier, []
    return _brought(dossier, lead, LeadStage.QUEUED, "queue-number-given", occasion)


def led(
    dossier: Dossier, lead: Lead, captured_at: datetime, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Let a purchase that no lead led to follow the dossier's lead, if that came before it.

    What a buyer asks for after the purchase is another interest, and left alone.
    """
    purchase = dossier.unled.get(lead.customer_id)
    if purchase is None or purchase.began_on is None:
        return dossier, []
    if dossier.community.today(captured_at) > purchase.began_on:
        return dossier, []
    code = purchase.referral_code or lead.referral_code
    purchase = replace(purchase, lead_id=lead.lead_id, referral_code=code)
    return follow(replace(dossier, purchase=purchase), occasion)


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
    dossier, events = _brought(dossier, lead, stage, reason, occasion)
    settled = note(present(dossier.lead), FactKind.SETTLED, occasion, reason=reason)
    return dossier.followed(settled.lead, (), settled.facts), events


def _brought(
    dossier: Dossier, lead: Lead, stage: LeadStage, reason: str, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Bring a lead to a stage, if it has not come so far yet; a lost one is open again."""
    course = catch_up(
        lead, Situation.of(dossier.community, dossier.desk, dossier.customer), occasion
    )
    if course.lead.status is LeadStatus.LOST:
        lead, step, revived = leads.revive(course.lead, reason, dossier.community, occasion)
        course = course.then(Course(lead, (step,), (), (revived,)))
    if leads.ORDER.index(stage) > leads.ORDER.index(course.lead.stage):
        lead, step, advanced = leads.moved(course.lead, stage, reason, dossier.community, occasion)
        course = course.then(Course(lead, (step,), (), (advanced,)))
    return dossier.followed(course.lead, course.steps, course.facts), list(course.events)


def _go_back(dossier: Dossier, lead: Lead, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    if leads.ORDER.index(lead.stage) <= leads.ORDER.index(BACK_TO):
        return dossier, []
    reason, community = "purchase-rescinded", dossier.community
    course = catch_up(lead, Situation.of(community, dossier.desk, dossier.customer), occasion)
    lead = course.lead
    newer = dossier.leads.get(lead.customer_id)
    if newer is not None and newer.lead_id != lead.lead_id:
        # The customer's interest lives on in a newer lead; one community has one live lead.
        lead = replace(lead, stage=BACK_TO)
        lead, step, event = leads.given_up(lead, LossReason.OTHER, occasion)
    else:
        lead, step, event = leads.moved(lead, BACK_TO, reason, community, occasion)
    days = community.protects(ContactKind.VISIT)
    course = course.then(Course(lead, (step,), (), (event,)))
    course = course.then(note(lead, FactKind.REOPENED, occasion, days=days, reason=reason))
    return dossier.followed(course.lead, course.steps, course.facts), list(course.events)
