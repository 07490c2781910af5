"""How states become rows, and rows states."""

from __future__ import annotations

from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from intake.domain.communities import Community
from intake.domain.consent.consent_words import ConsentWord
from intake.domain.leads.leads import Lead, LeadStep, Touch
from intake.domain.partners.partners import Partner, PartnerFile
from intake.domain.people.customers import Customer
from intake.domain.people.merges import Merge
from intake.domain.people.name_search import search_terms
from intake.domain.sales.homes import Home
from intake.domain.sales.purchases import Deposit, DepositKind, Purchase
from intake.domain.sales.releases import QueueNumber, Release, Wishes
from keyturn_events import Money
from keyturn_events.vocabulary import PurchaseStage, QueueOutcome

CUSTOMER: Final = TypeAdapter(Customer)
PURCHASE: Final = TypeAdapter(Purchase)
COMMUNITY: Final = TypeAdapter(Community)
PARTNER: Final = TypeAdapter(Partner)
LEAD: Final = TypeAdapter(Lead)
HOME: Final = TypeAdapter(Home)
RELEASE: Final = TypeAdapter(Release)
_WISHES: Final = TypeAdapter(Wishes)
MERGE: Final = TypeAdapter(Merge)

LEAD_COLUMNS: Final = (
    "lead_id, version, customer_id, community_id, channel, captured_at, idle_since, stage, status,"
    " stalls_at, touches, score, advisor_id, campaign, referral_code, product_line, budget_named,"
    " loss_reason, response_due, owner, protected_until, facts, facts_at"
)


def document(adapter: TypeAdapter[Any], value: object) -> orjson.Fragment:
    """A state as the JSON of a document column; what is not known is left out."""
    return orjson.Fragment(adapter.dump_json(value, exclude_none=True))


def customer_row(customer: Customer, version: int) -> dict[str, Any]:
    """The row of a customer."""
    link = customer.merged_into
    return {
        "customer_id": customer.customer_id,
        "version": version,
        "merged_into": None if link is None else link.customer_id,
        "document": document(CUSTOMER, customer),
    }


def lead_of(row: Any) -> Lead:
    """The lead of a row with `LEAD_COLUMNS`."""
    values = dict(row)
    del values["version"]
    return LEAD.validate_python(values)


def lead_row(lead: Lead, version: int, customer: Customer | None) -> dict[str, Any]:
    """The row of a lead, which is found by the name of its customer."""
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
        "response_due": lead.response_due,
        "owner": lead.owner,
        "protected_until": lead.protected_until,
        "facts": lead.facts,
        "facts_at": lead.facts_at,
        "search_terms": search_terms(None if customer is None else customer.name),
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
        "recognition": touch.recognition,
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


def word_row(word: ConsentWord) -> dict[str, Any]:
    """The row of a word of consent."""
    consent = word.consent
    return {
        "word_id": word.word_id,
        "customer_id": word.customer_id,
        "channel": consent.channel,
        "purpose": consent.purpose,
        "status": consent.status,
        "basis": consent.basis,
        "said_at": consent.at,
        "expires_at": consent.expires_at,
        "wording": consent.wording,
        "collected_through": consent.collected_through,
        "recorded_at": word.recorded_at,
        "recorded_by": word.recorded_by,
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
        "kind": deposit.kind,
        "reverses": deposit.reverses,
    }


def deposit_of(row: Any) -> Deposit:
    """The ledger entry of a row."""
    return Deposit(
        deposit_id=row["deposit_id"],
        purchase_id=row["purchase_id"],
        stage=PurchaseStage(row["stage"]),
        amount=Money(amount=row["amount"], currency=row["currency"]),
        received_on=row["received_on"],
        recorded_at=row["recorded_at"],
        kind=DepositKind(row["kind"]),
        reverses=row["reverses"],
    )


NUMBER_COLUMNS: Final = (
    "release_id, number, version, customer_id, given_at, lead_id, CAST(wishes AS text) AS wishes,"
    " claimed_at, outcome, settled_at, home_id, purchase_id"
)


def number_of(row: Any) -> tuple[int, QueueNumber]:
    """Version and queue number of a row with `NUMBER_COLUMNS`."""
    wishes, outcome = row["wishes"], row["outcome"]
    return row["version"], QueueNumber(
        release_id=row["release_id"],
        number=row["number"],
        customer_id=row["customer_id"],
        given_at=row["given_at"],
        lead_id=row["lead_id"],
        wishes=None if wishes is None else _WISHES.validate_json(wishes),
        claimed_at=row["claimed_at"],
        outcome=None if outcome is None else QueueOutcome(outcome),
        settled_at=row["settled_at"],
        home_id=row["home_id"],
        purchase_id=row["purchase_id"],
    )


def number_row(number: QueueNumber, version: int) -> dict[str, Any]:
    """The row of a queue number."""
    return {
        "release_id": number.release_id,
        "number": number.number,
        "version": version,
        "customer_id": number.customer_id,
        "given_at": number.given_at,
        "lead_id": number.lead_id,
        "wishes": None if number.wishes is None else document(_WISHES, number.wishes),
        "claimed_at": number.claimed_at,
        "outcome": number.outcome,
        "settled_at": number.settled_at,
        "home_id": number.home_id,
        "purchase_id": number.purchase_id,
    }


def record_row(file: PartnerFile) -> dict[str, Any]:
    """The row of what became of a partner's record."""
    record = file.record
    return {
        "partner_id": record.partner_id,
        "event_id": record.event_id,
        "event_type": record.event_type,
        "outcome": file.outcome,
        "code": file.code,
        "digest": record.digest,
        "partition": record.partition,
        "offset": record.offset,
        "received_at": file.received_at,
    }
