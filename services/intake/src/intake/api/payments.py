"""How a purchase is paid: its ledger, the plan of instalments, the mortgage; and exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Request, Response, Security
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from intake.domain.communities import ANY_COMMUNITY
from intake.domain.sales import exchange, payment_commands
from intake.domain.sales.deposits import MOST_INSTALMENTS
from intake.domain.sales.exchange import Exchange
from intake.domain.sales.purchases import Instalment, purchase_not_found
from intake.queries import PurchaseBody, community
from intake.queries import payments as queries
from intake.queries.payments import LedgerBody, OverdueBody
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Event, Money
from keyturn_events.scalars import CommunityId, CustomerId, Day, HomeId, Line, PurchaseId

router = APIRouter(tags=["payments"])

Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["purchases:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["purchases:read"])]

_AMOUNT: JsonDict = {"amount": "50000.00", "currency": "CNY"}
_REFUND: JsonDict = {"amount": "10000.00", "currency": "CNY"}
_LOAN: JsonDict = {"amount": "1000000.00", "currency": "CNY"}


class _On(BaseModel):
    model_config = ConfigDict(extra="forbid")

    on: Day | None = Field(default=None, description="Without it, today in the community.")


class DepositForm(_On):
    """Money that came."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": _AMOUNT}]})

    amount: Money


class RefundForm(_On):
    """Money that is given back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": _REFUND}]})

    amount: Money


class InstalmentForm(BaseModel):
    """A part of the price that is to be paid by a day."""

    model_config = ConfigDict(extra="forbid")

    due_on: Day
    amount: Money
    label: Line | None = None


class PlanForm(BaseModel):
    """What is to be paid by when; it takes the place of the plan of before."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "instalments": [
                        {"due_on": "2026-08-01", "amount": _AMOUNT, "label": "Down payment 1"},
                        {"due_on": "2026-11-01", "amount": _AMOUNT, "label": "Down payment 2"},
                    ]
                }
            ]
        },
    )

    instalments: Annotated[list[InstalmentForm], Field(max_length=MOST_INSTALMENTS)]


class MortgageForm(_On):
    """A mortgage that the buyer applies for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": _LOAN, "lender": "Bank of the Delta"}]}
    )

    amount: Money
    lender: Line | None = None


class DecisionForm(_On):
    """What the lender decided."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"approved": True}]})

    approved: bool
    amount: Money | None = Field(
        default=None, description="What is lent, if it is not what was asked for."
    )
    rescind: bool = Field(
        default=False, description="Undo the purchase, because the mortgage was declined."
    )


class WithdrawalForm(_On):
    """The buyer does not want the mortgage any more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class ExchangeForm(_On):
    """Another home for the buyer, or another buyer for the home."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "home_id": "riverside-3-1301",
                    "price": {"amount": "1720000.00", "currency": "CNY"},
                }
            ]
        }
    )

    home_id: HomeId | None = None
    customer_id: CustomerId | None = None
    price: Money | None = Field(
        default=None, description="Without it, the list price of another home."
    )


@router.post(
    "/purchases/{purchase_id}/deposits",
    status_code=201,
    summary="Note a deposit",
    response_model=PurchaseBody,
)
async def receive_deposit(purchase_id: PurchaseId, body: DepositForm, caller: Writer) -> Response:
    """Add a receipt to the ledger of a purchase. What is in the ledger never changes."""
    command = payment_commands.ReceiveDeposit(
        purchase_id=purchase_id, on=body.on, amount=body.amount
    )
    return await caller.execute(
        payment_commands.receive, command, PurchaseBody.of_dossier, status=201
    )


@router.post(
    "/purchases/{purchase_id}/refunds",
    status_code=201,
    summary="Note a refund",
    response_model=PurchaseBody,
)
async def refund_deposit(purchase_id: PurchaseId, body: RefundForm, caller: Writer) -> Response:
    """Add entries to the ledger that give money back, each naming the receipt it is of."""
    command = payment_commands.RefundDeposit(
        purchase_id=purchase_id, on=body.on, amount=body.amount
    )
    return await caller.execute(
        payment_commands.refund, command, PurchaseBody.of_dossier, status=201
    )


@router.put(
    "/purchases/{purchase_id}/instalments",
    summary="Plan the instalments",
    response_model=PurchaseBody,
)
async def plan_instalments(purchase_id: PurchaseId, body: PlanForm, caller: Writer) -> Response:
    """Say what is to be paid by when. What was received is apart from it and stays."""
    planned = tuple(Instalment(each.due_on, each.amount, each.label) for each in body.instalments)
    command = payment_commands.PlanInstalments(purchase_id=purchase_id, instalments=planned)
    return await caller.execute(payment_commands.plan, command, PurchaseBody.of_dossier)


@router.get(
    "/purchases/{purchase_id}/ledger",
    summary="What was paid, and what is due",
    response_model=LedgerBody,
)
async def show_ledger(
    purchase_id: PurchaseId, _: Reader, request: Request, connection: commands.Reading
) -> LedgerBody:
    """The plan with what came of it, what is overdue today, and every entry of the ledger."""
    now = await request.app.state.runtime.clock.now(connection)
    found = await queries.ledger(connection, purchase_id, now)
    if found is None:
        raise purchase_not_found()
    return found


@router.get("/overdue-deposits", summary="What is overdue", response_model=Page[OverdueBody])
async def list_overdue(
    *,
    _: Reader,
    request: Request,
    connection: commands.Reading,
    community_id: CommunityId | None = None,
    on: Day | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[OverdueBody]:
    """Purchases of which less was received than was due before this day, the longest first."""
    if on is None:
        now = await request.app.state.runtime.clock.now(connection)
        known = None if community_id is None else await community(connection, community_id)
        rules = ANY_COMMUNITY if known is None else known[0]
        on = rules.today(now)
    return await queries.overdue(connection, community_id, on, limit, cursor)


@router.post(
    "/purchases/{purchase_id}/mortgage/applications",
    status_code=201,
    summary="Apply for a mortgage",
    response_model=PurchaseBody,
)
async def apply_for_mortgage(
    purchase_id: PurchaseId, body: MortgageForm, caller: Writer
) -> Response:
    """Note that the buyer asks a lender for a mortgage."""
    command = payment_commands.ApplyForMortgage(
        purchase_id=purchase_id, on=body.on, amount=body.amount, lender=body.lender
    )
    return await caller.execute(
        payment_commands.apply, command, PurchaseBody.of_dossier, status=201
    )


@router.post(
    "/purchases/{purchase_id}/mortgage/decisions",
    status_code=201,
    summary="Note what the lender decided",
    response_model=PurchaseBody,
)
async def decide_mortgage(purchase_id: PurchaseId, body: DecisionForm, caller: Writer) -> Response:
    """A mortgage is approved or declined; a declined one may undo the purchase at once."""
    command = payment_commands.DecideMortgage(
        purchase_id=purchase_id,
        on=body.on,
        approved=body.approved,
        amount=body.amount,
        rescind=body.rescind,
    )
    return await caller.execute(
        payment_commands.decide, command, PurchaseBody.of_dossier, status=201
    )


@router.post(
    "/purchases/{purchase_id}/mortgage/withdrawals",
    status_code=201,
    summary="Withdraw a mortgage",
    response_model=PurchaseBody,
)
async def withdraw_mortgage(
    purchase_id: PurchaseId, body: WithdrawalForm, caller: Writer
) -> Response:
    """The buyer does not want the mortgage any more; another application may follow."""
    command = payment_commands.WithdrawMortgage(purchase_id, body.on)
    return await caller.execute(
        payment_commands.withdraw, command, PurchaseBody.of_dossier, status=201
    )


@router.post(
    "/purchases/{purchase_id}/exchanges",
    status_code=201,
    summary="Exchange a claim",
    response_model=PurchaseBody,
)
async def exchange_claim(purchase_id: PurchaseId, body: ExchangeForm, caller: Writer) -> Response:
    """Give a reserved or subscribed home up for another one, or to another buyer.

    The purchase of before is rescinded, the one that replaces it is the answer; deposits are
    carried over.
    """
    command = exchange.ExchangeClaim(
        purchase_id=purchase_id,
        on=body.on,
        home_id=body.home_id,
        customer_id=body.customer_id,
        price=body.price,
    )
    return await caller.execute(exchange.exchange, command, _taken, status=201)


def _taken(state: Exchange, events: Sequence[Event]) -> PurchaseBody:
    return PurchaseBody.of_dossier(state.taken, events)
