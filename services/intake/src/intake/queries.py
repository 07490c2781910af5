"""The read side: lists by keyset, and one lead, customer, purchase or partner whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community
from intake.domain.consents import Consent
from intake.domain.dossier import Dossier
from intake.domain.identity import IdentifierKind
from intake.domain.leads import LeadStatus
from intake.domain.partners import Outcome
from intake.domain.purchases import Purchase
from intake.store.documents import COMMUNITY, CUSTOMER, LEAD_COLUMNS, PARTNER, PURCHASE
from keyturn_chassis.pagination import Keyset, Page
from keyturn_events import Affordability, Event, Household, Money
from keyturn_events.vocabulary import (
    Channel,
    ConsentBasis,
    ConsentStatus,
    Financing,
    LeadChannel,
    LeadStage,
    LossReason,
    ProductLine,
    PurchaseStage,
    Purpose,
    RescissionReason,
)

MOST_HISTORY: Final = 500
"""Touches, and steps, that come with one lead: the latest."""

_newest_leads = Keyset(tuple[datetime, str])


class _Body(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class LeadSummary(_Body):
    """A lead as it stands."""

    lead_id: str
    customer_id: str
    community_id: str | None
    channel: LeadChannel
    captured_at: datetime
    idle_since: datetime
    stage: LeadStage
    status: LeadStatus
    touches: int
    score: int | None
    advisor_id: str | None
    campaign: str | None
    referral_code: str | None
    product_line: ProductLine | None
    loss_reason: LossReason | None


class TouchBody(_Body):
    """One contact that the lead came from, with the answers as they were given."""

    touch_id: str
    channel: LeadChannel
    captured_at: datetime
    recorded_at: datetime
    joined: bool
    partner_id: str | None
    import_id: str | None
    source_reference: str | None
    campaign: str | None
    referral_code: str | None
    answers: dict[str, Any]


class StepBody(_Body):
    """One change of the lead, with its reason."""

    at: datetime
    kind: str
    from_stage: LeadStage
    to_stage: LeadStage
    reason: str
    advisor_id: str | None


class LeadHistory(BaseModel):
    """A lead, what it came from, and what became of it."""

    lead: LeadSummary
    touches: list[TouchBody] = Field(description="The latest 500, the oldest of them first.")
    steps: list[StepBody] = Field(description="The latest 500, the oldest of them first.")


class ConsentBody(_Body):
    """What a customer allows on one channel for one purpose, with the evidence."""

    channel: Channel
    purpose: Purpose
    status: ConsentStatus
    basis: ConsentBasis
    at: datetime
    collected_through: str
    wording: str | None
    expires_at: datetime | None

    @classmethod
    def of(cls, consent: Consent) -> ConsentBody:
        """The consent as it is shown."""
        return cls.model_validate(consent)


class CustomerBody(BaseModel):
    """One person, with contact details."""

    customer_id: str
    registered_at: datetime
    name: str | None
    phones: list[str]
    emails: list[str]
    wechat: str | None
    household: Household
    affordability: Affordability
    language: str | None
    time_zone: str | None
    consents: list[ConsentBody]
    lead_ids: list[str]
    purchase_ids: list[str]


class PurchaseBody(_Body):
    """A purchase as it stands."""

    purchase_id: str
    customer_id: str
    home_id: str
    community_id: str
    building: str | None
    lead_id: str | None
    stage: PurchaseStage
    price: Money
    product_line: ProductLine | None
    referral_code: str | None
    partner_id: str | None
    sale_reference: str | None
    financing: Financing | None
    reserved_on: date | None
    expires_at: datetime | None
    subscribed_on: date | None
    sign_by: date | None
    signed_on: date | None
    cooling_off_ends: datetime | None
    paid_on: date | None
    expected_completion: date | None
    rescinded_on: date | None
    rescission_reason: RescissionReason | None

    @classmethod
    def of_dossier(cls, dossier: Dossier, _: Sequence[Event]) -> PurchaseBody:
        """The purchase after a decision."""
        return cls.model_validate(dossier.purchase)


class DepositBody(BaseModel):
    """Money that was taken on a purchase."""

    stage: PurchaseStage
    amount: Money
    received_on: date


class PurchaseHistory(PurchaseBody):
    """A purchase with its deposits."""

    deposits: list[DepositBody]


class PartnerBody(BaseModel):
    """A partner system, and how its events fared."""

    partner_id: str
    source: str
    name: str
    allowed_types: list[str]
    accepted: int
    duplicate: int
    rejected: dict[str, int] = Field(description="How many, by reason.")


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads a list is of."""

    phone: str | None = None
    """E.164."""
    stage: LeadStage | None = None
    status: LeadStatus | None = None
    community_id: str | None = None


async def leads(
    connection: AsyncConnection, wanted: LeadFilter, limit: int, cursor: str | None
) -> Page[LeadSummary]:
    """A page of leads, the newest first. Raises `Problem` for a cursor that is none of ours."""
    conditions = ["TRUE"]
    parameters: dict[str, Any] = {"limit": limit + 1}
    after = _newest_leads.decode(cursor)
    if after is not None:
        conditions.append("(captured_at, lead_id) < (:after_at, :after_id)")
        parameters["after_at"], parameters["after_id"] = after
    if wanted.phone is not None:
        conditions.append(
            "customer_id = (SELECT customer_id FROM identifiers WHERE kind = :kind"
            " AND value = :phone)"
        )
        parameters |= {"kind": int(IdentifierKind.PHONE), "phone": wanted.phone}
    for column in ("stage", "status", "community_id"):
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(f"{column} = :{column}")
            parameters[column] = value
    rows = await connection.execute(
        text(
            f"SELECT {LEAD_COLUMNS} FROM leads WHERE {' AND '.join(conditions)}"  # noqa: S608
            " ORDER BY captured_at DESC, lead_id DESC LIMIT :limit"
        ),
        parameters,
    )
    items, next_cursor = _newest_leads.page(
        rows.all(), limit, lambda row: (row.captured_at, row.lead_id)
    )
    return Page(items=[LeadSummary.model_validate(row) for row in items], next_cursor=next_cursor)


async def lead(connection: AsyncConnection, lead_id: str) -> LeadHistory | None:
    """A lead with its history."""
    found = await _one(
        connection,
        f"SELECT {LEAD_COLUMNS} FROM leads WHERE lead_id = :id",  # noqa: S608
        lead_id,
    )
    if found is None:
        return None
    touches = await _all(
        connection,
        "SELECT * FROM touches WHERE lead_id = :id ORDER BY position DESC LIMIT :limit",
        lead_id,
    )
    steps = await _all(
        connection,
        "SELECT * FROM lead_steps WHERE lead_id = :id ORDER BY position DESC LIMIT :limit",
        lead_id,
    )
    return LeadHistory(
        lead=LeadSummary.model_validate(found),
        touches=[TouchBody.model_validate(row) for row in reversed(touches)],
        steps=[StepBody.model_validate(row) for row in reversed(steps)],
    )


async def customer(connection: AsyncConnection, customer_id: str) -> CustomerBody | None:
    """A customer with contact details, consents, leads and purchases."""
    row = await _one(
        connection,
        "SELECT CAST(document AS text) AS document FROM customers WHERE customer_id = :id",
        customer_id,
    )
    if row is None:
        return None
    known = CUSTOMER.validate_json(row.document)
    lead_rows = await _all(
        connection,
        "SELECT lead_id FROM leads WHERE customer_id = :id ORDER BY captured_at LIMIT :limit",
        customer_id,
    )
    purchase_rows = await _all(
        connection,
        "SELECT purchase_id FROM purchases WHERE customer_id = :id"
        " ORDER BY purchase_id LIMIT :limit",
        customer_id,
    )
    return CustomerBody(
        customer_id=known.customer_id,
        registered_at=known.registered_at,
        name=known.name,
        phones=list(known.phones),
        emails=list(known.emails),
        wechat=known.wechat,
        household=known.facts.household,
        affordability=known.facts.affordability,
        language=known.facts.language,
        time_zone=known.facts.time_zone,
        consents=[ConsentBody.of(consent) for consent in known.consents],
        lead_ids=[row.lead_id for row in lead_rows],
        purchase_ids=[row.purchase_id for row in purchase_rows],
    )


async def purchase(connection: AsyncConnection, purchase_id: str) -> PurchaseHistory | None:
    """A purchase with its deposits."""
    found = await _purchase(connection, "purchase_id = :id", purchase_id)
    if found is None:
        return None
    rows = await _all(
        connection,
        "SELECT * FROM deposits WHERE purchase_id = :id ORDER BY position LIMIT :limit",
        purchase_id,
    )
    deposits = [
        DepositBody(
            stage=row.stage,
            amount=Money(amount=row.amount, currency=row.currency),
            received_on=row.received_on,
        )
        for row in rows
    ]
    body = PurchaseBody.model_validate(found)
    return PurchaseHistory(**dict(body), deposits=deposits)


async def claim(connection: AsyncConnection, home_id: str) -> PurchaseBody | None:
    """The purchase that has the live claim on a home."""
    found = await _purchase(connection, "home_id = :id AND stage <> 'rescinded'", home_id)
    return None if found is None else PurchaseBody.model_validate(found)


async def partner(connection: AsyncConnection, partner_id: str) -> PartnerBody | None:
    """A partner, and what became of its events."""
    row = await _one(
        connection,
        "SELECT CAST(document AS text) AS document FROM partners WHERE partner_id = :id",
        partner_id,
    )
    if row is None:
        return None
    known = PARTNER.validate_json(row.document)
    counts = await _all(
        connection,
        "SELECT outcome, code, count(*) AS records FROM partner_records WHERE partner_id = :id"
        " GROUP BY outcome, code ORDER BY outcome, code LIMIT :limit",
        partner_id,
    )
    by_outcome: Mapping[str, int] = {
        row.outcome: row.records for row in counts if row.outcome != Outcome.REJECTED
    }
    return PartnerBody(
        partner_id=partner_id,
        source=f"/partners/{partner_id}",
        name=known.name,
        allowed_types=list(known.allowed_types),
        accepted=by_outcome.get(Outcome.ACCEPTED, 0),
        duplicate=by_outcome.get(Outcome.DUPLICATE, 0),
        rejected={row.code: row.records for row in counts if row.outcome == Outcome.REJECTED},
    )


async def community(connection: AsyncConnection, community_id: str) -> Community | None:
    """A registered community."""
    row = await _one(
        connection,
        "SELECT CAST(document AS text) AS document FROM communities WHERE community_id = :id",
        community_id,
    )
    return None if row is None else COMMUNITY.validate_json(row.document)


async def _purchase(connection: AsyncConnection, condition: str, id: str) -> Purchase | None:
    row = await _one(
        connection,
        f"SELECT CAST(document AS text) AS document FROM purchases WHERE {condition}",  # noqa: S608
        id,
    )
    return None if row is None else PURCHASE.validate_json(row.document)


async def _one(connection: AsyncConnection, sql: str, id: str) -> Any:
    return (await connection.execute(text(sql), {"id": id})).one_or_none()


async def _all(connection: AsyncConnection, sql: str, id: str) -> Sequence[Any]:
    parameters = {"id": id, "limit": MOST_HISTORY}
    return (await connection.execute(text(sql), parameters)).all()
