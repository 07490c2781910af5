"""How states become rows, and rows states."""

from __future__ import annotations

from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from intake.domain.communities import Community
from intake.domain.customers import Customer
from intake.domain.leads import Lead, LeadStep, Touch
from intake.domain.partners import Partner, PartnerFile
from intake.domain.purchases import Deposit, Purchase

CUSTOMER: Final = TypeAdapter(Customer)
PURCHASE: Final = TypeAdapter(Purchase)
COMMUNITY: Final = TypeAdapter(Community)
PARTNER: Final = TypeAdapter(Partner)
LEAD: Final = TypeAdapter(Lead)

LEAD_COLUMNS: Final = (
    "lead_id, version, customer_id, community_id, channel, captured_at, idle_since, stage, status,"
    " stalls_at, touches, score, advisor_id, campaign, referral_code, product_line, budget_named,"
    " loss_reason"
)


def document(adapter: TypeAdapter[Any], value: object) -> orjson.Fragment:
    """A state as the JSON of a document column; what is not known is left out."""
    return orjson.Fragment(adapter.dump_json(value, exclude_none=True))


def lead_of(row: Any) -> Lead:
    """The lead of a row with `LEAD_COLUMNS`."""
    values = dict(row)
    del values["version"]
    return LEAD.validate_python(values)


def lead_row(lead: Lead, version: int) -> dict[str, Any]:
    """The row of a lead."""
    return {
        "lead_id": lead.lead_id,
        "version": version,
        "customer_id": lead.customer_id,
        "community_id": lead.community_id,
        "channel": lead.channel,
        "captured_at": lead.captured_at,
        "idle_since": lead.idle_since,
        "stage": lead.stage,
        "status": lead.status,
        "stalls_at": lead.stalls_at,
        "touches": lead.touches,
        "score": lead.score,
        "advisor_id": lead.advisor_id,
        "campaign": lead.campaign,
        "referral_code": lead.referral_code,
        "product_line": lead.product_line,
        "budget_named": lead.budget_named,
        "loss_reason": lead.loss_reason,
    }


def purchase_row(purchase: Purchase, version: int) -> dict[str, Any]:
    """The row of a purchase."""
    return {
        "purchase_id": purchase.purchase_id,
        "version": version,
        "customer_id": purchase.customer_id,
        "home_id": purchase.home_id,
        "community_id": purchase.community_id,
        "building": purchase.building,
        "stage": purchase.stage,
        "lead_id": purchase.lead_id,
        "partner_id": purchase.partner_id,
        "sale_reference": purchase.sale_reference,
        "document": document(PURCHASE, purchase),
    }


def touch_row(touch: Touch) -> dict[str, Any]:
    """The row of a touch."""
    return {
        "touch_id": touch.touch_id,
        "lead_id": touch.lead_id,
        "customer_id": touch.customer_id,
        "channel": touch.channel,
        "captured_at": touch.captured_at,
        "recorded_at": touch.recorded_at,
        "joined": touch.joined,
        "partner_id": touch.partner_id,
        "import_id": touch.import_id,
        "source_reference": touch.source_reference,
        "campaign": touch.campaign,
        "referral_code": touch.referral_code,
        "answers": touch.answers,
    }


def step_row(step: LeadStep) -> dict[str, Any]:
    """The row of a lead's step."""
    return {
        "step_id": step.step_id,
        "lead_id": step.lead_id,
        "at": step.at,
        "kind": step.kind,
        "from_stage": step.from_stage,
        "to_stage": step.to_stage,
        "reason": step.reason,
        "advisor_id": step.advisor_id,
    }


def deposit_row(deposit: Deposit) -> dict[str, Any]:
    """The row of a deposit."""
    return {
        "deposit_id": deposit.deposit_id,
        "purchase_id": deposit.purchase_id,
        "stage": deposit.stage,
        "amount": str(deposit.amount.amount),
        "currency": deposit.amount.currency,
        "received_on": deposit.received_on,
        "recorded_at": deposit.recorded_at,
    }


def record_row(file: PartnerFile) -> dict[str, Any]:
    """The row of what became of a partner's record."""
    record = file.record
    return {
        "partner_id": record.partner_id,
        "event_id": record.event_id,
        "outcome": file.outcome,
        "code": file.code,
        "digest": record.digest,
        "partition": record.partition,
        "offset": record.offset,
        "received_at": file.received_at,
    }
