"""Purchases: reserve a home, subscribe, sign, pay, rescind; and who has a home."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response, Security
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from intake import queries
from intake.domain.sales import purchase_commands
from intake.queries import PurchaseBody, PurchaseHistory
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_events import Money, Refusal, RefusalKind
from keyturn_events.scalars import (
    BuildingId,
    CommunityId,
    CustomerId,
    Day,
    HomeId,
    LeadId,
    Moment,
    PurchaseId,
    ReferralCode,
)
from keyturn_events.vocabulary import Financing, ProductLine, RescissionReason

router = APIRouter(tags=["purchases"])

Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["purchases:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["purchases:read"])]

_PRICE: JsonDict = {"amount": "1680000.00", "currency": "CNY"}
_DEPOSIT: JsonDict = {"amount": "20000.00", "currency": "CNY"}


class Reservation(BaseModel):
    """A home that is to be kept for a customer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "3f0c2b1e-6c0f-5b59-9d3a-2f6f6a1e8c11",
                    "home_id": "riverside-3-1201",
                    "building": "riverside-3",
                    "community_id": "riverside",
                    "price": _PRICE,
                    "deposit": _DEPOSIT,
                }
            ]
        },
    )

    customer_id: CustomerId
    home_id: HomeId
    community_id: CommunityId
    building: BuildingId | None = None
    price: Money
    lead_id: LeadId | None = Field(
        default=None, description="Without it, the customer's live lead in the community."
    )
    product_line: ProductLine | None = None
    referral_code: ReferralCode | None = None
    reserved_on: Day | None = None
    deposit: Money | None = None
    expires_at: Moment | None = Field(
        default=None, description="When the home is free again unless it is subscribed."
    )

    def command(self) -> purchase_commands.ReserveHome:
        """The reservation in the words of the domain."""
        return purchase_commands.ReserveHome(
            self.customer_id,
            self.home_id,
            self.community_id,
            self.price,
            self.building,
            self.lead_id,
            self.product_line,
            self.referral_code,
            self.reserved_on,
            self.deposit,
            self.expires_at,
        )


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid")

    on: Day | None = Field(default=None, description="Without it, today in the community.")


class Subscription(_Step):
    """The customer commits to home and price."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"deposit": _DEPOSIT}]})

    deposit: Money | None = None
    sign_by: Day | None = None


class Signature(_Step):
    """The contract is signed; the cooling-off begins."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"expected_completion": "2027-06-30", "financing": "mortgage"}]
        }
    )

    deposit: Money | None = None
    expected_completion: Day | None = None
    financing: Financing | None = None


class Payment(_Step):
    """The whole price was received."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"financing": "mortgage"}]})

    financing: Financing | None = None


class Rescission(_Step):
    """The purchase is undone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "cooling-off"}]})

    reason: RescissionReason
    refund: Money | None = Field(
        default=None,
        description="What goes back of the deposits; without it all, unless the buyer defaulted.",
    )


@router.post("/purchases", status_code=201, summary="Reserve a home", response_model=PurchaseBody)
async def reserve(body: Reservation, caller: Writer) -> Response:
    """Keep a home for a customer.

    A home has one live claim: whoever comes second is refused with `home-already-claimed`.
    """
    return await caller.execute(
        purchase_commands.reserve, body.command(), PurchaseBody.of_dossier, status=201
    )


@router.post(
    "/purchases/{purchase_id}/subscriptions",
    status_code=201,
    summary="Subscribe a reserved home",
    response_model=PurchaseBody,
)
async def subscribe(purchase_id: PurchaseId, body: Subscription, caller: Writer) -> Response:
    """The customer commits to home and price."""
    command = purchase_commands.SubscribeHome(purchase_id, body.on, body.deposit, body.sign_by)
    return await caller.execute(
        purchase_commands.subscribe, command, PurchaseBody.of_dossier, status=201
    )


@router.post(
    "/purchases/{purchase_id}/signatures",
    status_code=201,
    summary="Sign the contract",
    response_model=PurchaseBody,
)
async def sign(purchase_id: PurchaseId, body: Signature, caller: Writer) -> Response:
    """The contract is signed; until `cooling_off_ends` the buyer may rescind without a reason."""
    command = purchase_commands.SignPurchase(
        purchase_id, body.on, body.deposit, body.expected_completion, body.financing
    )
    return await caller.execute(
        purchase_commands.sign, command, PurchaseBody.of_dossier, status=201
    )


@router.post(
    "/purchases/{purchase_id}/payments",
    status_code=201,
    summary="Note that the price was paid",
    response_model=PurchaseBody,
)
async def pay(purchase_id: PurchaseId, body: Payment, caller: Writer) -> Response:
    """The whole price was received."""
    command = purchase_commands.PayPurchase(purchase_id, body.on, body.financing)
    return await caller.execute(purchase_commands.pay, command, PurchaseBody.of_dossier, status=201)


@router.post(
    "/purchases/{purchase_id}/rescissions",
    status_code=201,
    summary="Rescind a purchase",
    response_model=PurchaseBody,
)
async def rescind(purchase_id: PurchaseId, body: Rescission, caller: Writer) -> Response:
    """Undo a purchase at whatever stage it is; the home is free again."""
    command = purchase_commands.RescindPurchase(purchase_id, body.on, body.reason, body.refund)
    return await caller.execute(
        purchase_commands.rescind, command, PurchaseBody.of_dossier, status=201
    )


@router.get("/purchases/{purchase_id}", summary="A purchase", response_model=PurchaseHistory)
async def show_purchase(
    purchase_id: PurchaseId, _: Reader, connection: commands.Reading
) -> PurchaseHistory:
    """How a purchase stands, with its deposits."""
    found = await queries.purchase(connection, purchase_id)
    if found is None:
        raise Refusal(
            "purchase-not-found", "There is no purchase of this id.", kind=RefusalKind.NOT_FOUND
        )
    return found


@router.get("/homes/{home_id}/claim", summary="Who has a home", response_model=PurchaseBody)
async def show_claim(home_id: HomeId, _: Reader, connection: commands.Reading) -> PurchaseBody:
    """The purchase that has the live claim on a home; 404 when the home is free."""
    found = await queries.claim(connection, home_id)
    if found is None:
        raise Refusal(
            "home-unclaimed", "Nobody has a live claim on this home.", kind=RefusalKind.NOT_FOUND
        )
    return found
