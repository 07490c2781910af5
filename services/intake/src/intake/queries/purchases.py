"""A purchase whole, and who has a home."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.dossier import Dossier
from intake.domain.sales.purchases import Deposit, DepositKind, Purchase
from intake.queries.statements import MOST_HISTORY, RowBody, one
from intake.store.documents import PURCHASE, deposit_of
from keyturn_events import Event, Money
from keyturn_events.vocabulary import (
    Financing,
    MortgageStatus,
    ProductLine,
    PurchaseStage,
    RescissionReason,
)


class MortgageBody(RowBody):
    """An application for a mortgage, and what became of it."""

    amount: Money
    status: MortgageStatus
    lender: str | None
    applied_on: date
    decided_on: date | None
    withdrawn_on: date | None


class PurchaseBody(RowBody):
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
    handed_over_on: date | None
    rescinded_on: date | None
    rescission_reason: RescissionReason | None
    mortgages: list[MortgageBody]
    replaces: str | None = Field(description="The purchase that was exchanged for this one.")
    replaced_by: str | None

    @classmethod
    def of_dossier(cls, dossier: Dossier, _: Sequence[Event]) -> PurchaseBody:
        """The purchase after a decision."""
        return cls.model_validate(dossier.purchase)


class DepositBody(BaseModel):
    """An entry of the ledger: money that came, or below zero money that went."""

    deposit_id: str
    kind: DepositKind
    stage: PurchaseStage
    amount: Money
    received_on: date
    reverses: str | None = Field(description="The entry of which it gives back all or a part.")

    @classmethod
    def of(cls, entry: Deposit) -> DepositBody:
        """The entry as it is shown."""
        return cls(
            deposit_id=entry.deposit_id,
            kind=entry.kind,
            stage=entry.stage,
            amount=entry.amount,
            received_on=entry.received_on,
            reverses=entry.reverses,
        )


class PurchaseHistory(PurchaseBody):
    """A purchase with its deposits."""

    deposits: list[DepositBody]


async def purchase(connection: AsyncConnection, purchase_id: str) -> PurchaseHistory | None:
    """A purchase with its deposits."""
    found = await purchase_state(connection, "purchase_id = :id", purchase_id)
    if found is None:
        return None
    deposits = [DepositBody.of(entry) for entry in await entries(connection, purchase_id)]
    body = PurchaseBody.model_validate(found)
    return PurchaseHistory(**dict(body), deposits=deposits)


async def entries(connection: AsyncConnection, purchase_id: str) -> list[Deposit]:
    """The ledger of a purchase, in the order in which it was written."""
    rows = await connection.execute(
        text("SELECT * FROM deposits WHERE purchase_id = :id ORDER BY position LIMIT :limit"),
        {"id": purchase_id, "limit": MOST_HISTORY},
    )
    return [deposit_of(row) for row in rows.mappings()]


async def claim(connection: AsyncConnection, home_id: str) -> PurchaseBody | None:
    """The purchase that has the live claim on a home."""
    found = await purchase_state(connection, "home_id = :id AND stage <> 'rescinded'", home_id)
    return None if found is None else PurchaseBody.model_validate(found)


async def purchase_state(connection: AsyncConnection, condition: str, id: str) -> Purchase | None:
    """The one purchase of which a condition on `:id` holds."""
    row = await one(
        connection,
        f"SELECT CAST(document AS text) AS document FROM purchases WHERE {condition}",  # noqa: S608
        id,
    )
    return None if row is None else PURCHASE.validate_json(row.document)
