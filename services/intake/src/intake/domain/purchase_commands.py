"""What advisors and customers do with a purchase: the commands and their decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from intake.domain import purchases
from intake.domain.communities import Community
from intake.domain.dossier import Dossier
from intake.domain.leads import Lead
from intake.domain.occasion import Occasion
from intake.domain.pipeline import follow, without_claim
from intake.domain.purchases import Completion, Deposit, Purchase, Step
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.values import Money
from keyturn_events.vocabulary import (
    Financing,
    ProductLine,
    PurchaseStage,
    RescissionReason,
)


@dataclass(frozen=True, slots=True)
class ReserveHome:
    """A customer wants a home kept for them."""

    customer_id: str
    home_id: str
    community_id: str
    price: Money
    building: str | None = None
    lead_id: str | None = None
    product_line: ProductLine | None = None
    referral_code: str | None = None
    reserved_on: date | None = None
    deposit: Money | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PurchaseCommand:
    """A command about one purchase. Without `on`, it happened today in the community."""

    purchase_id: str
    on: date | None = None


@dataclass(frozen=True, slots=True)
class SubscribeHome(PurchaseCommand):
    """The customer commits to home and price."""

    deposit: Money | None = None
    sign_by: date | None = None


@dataclass(frozen=True, slots=True)
class SignPurchase(PurchaseCommand):
    """The contract is signed."""

    deposit: Money | None = None
    expected_completion: date | None = None
    financing: Financing | None = None


@dataclass(frozen=True, slots=True)
class PayPurchase(PurchaseCommand):
    """The whole price was received."""

    financing: Financing | None = None


@dataclass(frozen=True, slots=True)
class RescindPurchase(PurchaseCommand):
    """The purchase is undone."""

    reason: RescissionReason = RescissionReason.OTHER


Move = Callable[[Purchase, Step, Community], tuple[Purchase, Event]]


def reserve(
    dossier: Dossier, command: ReserveHome, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Keep a home for a customer.

    Raises `Refusal` `customer-not-found`, `lead-not-found`, `lead-of-another-customer`,
    `lead-has-a-claim` and `home-already-claimed`.
    """
    customer = dossier.customer
    if customer is None:
        raise Refusal(
            "customer-not-found",
            "There is no customer of this id; capture a lead first.",
            kind=RefusalKind.INVALID,
            pointer="/customer_id",
        )
    lead = without_claim(dossier.lead)
    if command.lead_id is not None:
        _ensure_leads_here(dossier.lead, customer.customer_id)
    purchases.ensure_free(command.home_id, dossier.claim)
    dossier = replace(dossier, lead=lead)
    purchase = Purchase(
        purchase_id=occasion.derive_id("purchase"),
        customer_id=customer.customer_id,
        home_id=command.home_id,
        community_id=command.community_id,
        price=command.price,
        stage=PurchaseStage.RESERVED,
        building=command.building,
        lead_id=None if lead is None else lead.lead_id,
        product_line=command.product_line,
        referral_code=command.referral_code or (None if lead is None else lead.referral_code),
    )
    step = Step(
        on=command.reserved_on or dossier.community.today(occasion.at),
        deposit=command.deposit,
        expires_at=command.expires_at,
    )
    return take_step(dossier, purchase, step, purchases.reserved, occasion)


def _ensure_leads_here(lead: Lead | None, customer_id: str) -> None:
    """Raise `Refusal` unless the lead that is named can lead to this customer's purchase."""
    if lead is None:
        code, detail = "lead-not-found", "There is no lead of this id."
    elif lead.customer_id != customer_id:
        code, detail = "lead-of-another-customer", "The lead belongs to another customer."
    elif without_claim(lead) is None:
        code, detail = "lead-has-a-claim", "The lead has a purchase already; capture another one."
    else:
        return
    raise Refusal(code, detail, kind=RefusalKind.INVALID, pointer="/lead_id")


def subscribe(
    dossier: Dossier, command: SubscribeHome, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Commit to a reserved home."""
    purchase = _purchase(dossier)
    purchases.ensure_stage(purchase, PurchaseStage.RESERVED)
    step = Step(_day(dossier, command, occasion), command.deposit, sign_by=command.sign_by)
    return take_step(dossier, purchase, step, purchases.subscribed, occasion)


def sign(
    dossier: Dossier, command: SignPurchase, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Sign the contract of a subscribed home, or of a reserved one."""
    purchase = _purchase(dossier)
    purchases.ensure_stage(purchase, PurchaseStage.SUBSCRIBED, PurchaseStage.RESERVED)
    on, named = _day(dossier, command, occasion), command.expected_completion
    step = Step(
        on,
        command.deposit,
        completion=dossier.completion if named is None else Completion(named, on),
        financing=command.financing,
    )
    return take_step(dossier, purchase, step, purchases.signed, occasion)


def pay(dossier: Dossier, command: PayPurchase, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Note that the whole price of a signed purchase was received."""
    purchase = _purchase(dossier)
    purchases.ensure_stage(purchase, PurchaseStage.SIGNED)
    step = Step(_day(dossier, command, occasion), financing=command.financing)
    return take_step(dossier, purchase, step, purchases.paid, occasion)


def rescind(
    dossier: Dossier, command: RescindPurchase, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Undo a purchase at whatever stage it is, and free the home."""
    on = _day(dossier, command, occasion)
    return undo(dossier, _purchase(dossier), on, command.reason, occasion)


def expire(dossier: Dossier, _: object, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Free the home of a reservation that has run out.

    Raises `Refusal` `reservation-not-expired` when it has been prolonged or used meanwhile.
    """
    purchase = _purchase(dossier)
    if (
        purchase.stage is not PurchaseStage.RESERVED
        or purchase.expires_at is None
        or purchase.expires_at > occasion.at
    ):
        raise Refusal("reservation-not-expired", "The reservation has not run out.")
    on = dossier.community.today(occasion.at)
    return undo(dossier, purchase, on, RescissionReason.RESERVATION_EXPIRED, occasion)


def take_step(
    dossier: Dossier, purchase: Purchase, step: Step, move: Move, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Bring a purchase a stage further; its deposit is noted and its lead follows.

    Raises `Refusal` `amount-not-positive`.
    """
    purchases.ensure_positive(purchase.price, "/price")
    purchases.ensure_positive(step.deposit, "/deposit")
    after, event = move(purchase, step, dossier.community)
    deposits = dossier.deposits
    if step.deposit is not None:
        deposits = (
            *deposits,
            Deposit(
                deposit_id=occasion.derive_id("deposit", after.stage),
                purchase_id=after.purchase_id,
                stage=after.stage,
                amount=step.deposit,
                received_on=step.on,
                recorded_at=occasion.at,
            ),
        )
    dossier, followed = follow(replace(dossier, purchase=after, deposits=deposits), occasion)
    return dossier, [event, *followed]


def undo(
    dossier: Dossier, purchase: Purchase, on: date, reason: RescissionReason, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Rescind a purchase; its lead follows."""
    after, event = purchases.rescinded(purchase, on, reason, dossier.community)
    dossier, followed = follow(replace(dossier, purchase=after), occasion)
    return dossier, [event, *followed]


def _purchase(dossier: Dossier) -> Purchase:
    if dossier.purchase is None:
        raise purchases.purchase_not_found()
    return dossier.purchase


def _day(dossier: Dossier, command: PurchaseCommand, occasion: Occasion) -> date:
    return command.on or dossier.community.today(occasion.at)
