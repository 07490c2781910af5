"""What advisors and customers do with a purchase: the commands and their decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from intake.domain.communities import Community
from intake.domain.consent.consent_commands import with_contract_consents
from intake.domain.dossier import Dossier
from intake.domain.leads.leads import Lead
from intake.domain.leads.pipeline import follow, without_claim
from intake.domain.occasion import Occasion
from intake.domain.sales import deposits, homes, purchases
from intake.domain.sales.purchases import Completion, Purchase, Step
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.service_desk import HandoverCompleted
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
    """The purchase is undone.

    `refund` is what goes back of the deposits; without it all, unless the reason forfeits them.
    """

    reason: RescissionReason = RescissionReason.OTHER
    refund: Money | None = None


Move = Callable[[Purchase, Step, Community], tuple[Purchase, Event]]


def reserve(
    dossier: Dossier, command: ReserveHome, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Keep a home for a customer.

    Raises `Refusal` `customer-not-found`, `lead-not-found`, `lead-of-another-customer`,
    `lead-has-a-claim`, `home-already-claimed`, `home-not-for-sale`, `home-in-release` and
    `home-of-another-community`.
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
    ensure_to_be_had(dossier, command.home_id, command.community_id, occasion)
    dossier = replace(dossier, lead=lead)
    home = dossier.home
    purchase = Purchase(
        purchase_id=occasion.derive_id("purchase"),
        customer_id=customer.customer_id,
        home_id=command.home_id,
        community_id=command.community_id,
        price=command.price,
        stage=PurchaseStage.RESERVED,
        building=command.building or (None if home is None else home.building),
        lead_id=None if lead is None else lead.lead_id,
        product_line=command.product_line or (None if home is None else home.product_line),
        referral_code=command.referral_code or (None if lead is None else lead.referral_code),
    )
    step = Step(
        on=command.reserved_on or dossier.community.today(occasion.at),
        deposit=command.deposit,
        expires_at=command.expires_at or dossier.community.reservation_ends(occasion.at),
    )
    return take_step(dossier, purchase, step, purchases.reserved, occasion)


def ensure_to_be_had(dossier: Dossier, home_id: str, community_id: str, occasion: Occasion) -> None:
    """Raise `Refusal` unless the home of a dossier may be reserved by whoever comes."""
    purchases.ensure_free(home_id, dossier.claim)
    homes.ensure_for_sale(dossier.home, dossier.release, occasion.at)
    if dossier.home is not None and dossier.home.community_id != community_id:
        raise Refusal(
            "home-of-another-community",
            f"Home {home_id} stands in {dossier.home.community_id}.",
            kind=RefusalKind.INVALID,
            pointer="/community_id",
        )


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
    purchase = purchase_of(dossier)
    purchases.ensure_stage(purchase, PurchaseStage.RESERVED)
    step = Step(day_of(dossier, command, occasion), command.deposit, sign_by=command.sign_by)
    return take_step(dossier, purchase, step, purchases.subscribed, occasion)


def sign(
    dossier: Dossier, command: SignPurchase, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Sign the contract of a subscribed home, or of a reserved one."""
    purchase = purchase_of(dossier)
    purchases.ensure_stage(purchase, PurchaseStage.SUBSCRIBED, PurchaseStage.RESERVED)
    on, named = day_of(dossier, command, occasion), command.expected_completion
    step = Step(
        on,
        command.deposit,
        completion=dossier.completion if named is None else Completion(named, on),
        financing=command.financing,
    )
    return take_step(dossier, purchase, step, purchases.signed, occasion)


def pay(dossier: Dossier, command: PayPurchase, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Note that the whole price of a signed purchase was received."""
    purchase = purchase_of(dossier)
    purchases.ensure_stage(purchase, PurchaseStage.SIGNED)
    step = Step(day_of(dossier, command, occasion), financing=command.financing)
    return take_step(dossier, purchase, step, purchases.paid, occasion)


def rescind(
    dossier: Dossier, command: RescindPurchase, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Undo a purchase at whatever stage it is, and free the home."""
    on = day_of(dossier, command, occasion)
    return undo(dossier, purchase_of(dossier), on, command.reason, occasion, refund=command.refund)


def expire(dossier: Dossier, _: object, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Free the home of a reservation that has run out.

    Raises `Refusal` `reservation-not-expired` when it has been prolonged or used meanwhile.
    """
    purchase = purchase_of(dossier)
    if (
        purchase.stage is not PurchaseStage.RESERVED
        or purchase.expires_at is None
        or purchase.expires_at > occasion.at
    ):
        raise Refusal("reservation-not-expired", "The reservation has not run out.")
    on = dossier.community.today(occasion.at)
    return undo(dossier, purchase, on, RescissionReason.RESERVATION_EXPIRED, occasion)


def note_handover(
    dossier: Dossier, event: HandoverCompleted, _: Occasion
) -> tuple[Dossier, list[Event]]:
    """The home of a purchase was handed over."""
    if dossier.purchase is None:
        return dossier, []
    return replace(
        dossier, purchase=purchases.handed_over(dossier.purchase, event.completed_on)
    ), []


def take_step(
    dossier: Dossier, purchase: Purchase, step: Step, move: Move, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Bring a purchase a stage further; its deposit is noted and its lead follows.

    Raises `Refusal` `amount-not-positive`, and as `deposits.receipt` does.
    """
    purchases.ensure_positive(purchase.price, "/price")
    after, event = move(purchase, step, dossier.community)
    if step.deposit is not None:
        entries = (*dossier.ledger, *dossier.deposits)
        deposit = deposits.receipt(entries, after, step.deposit, step.on, occasion)
        after = deposits.noted(after, (deposit,))
        dossier = replace(dossier, deposits=(*dossier.deposits, deposit))
    dossier, followed = follow(replace(dossier, purchase=after), occasion)
    dossier, implied = with_contract_consents(dossier, event, occasion)
    return dossier, [event, *followed, *implied]


def undo(
    dossier: Dossier,
    purchase: Purchase,
    on: date,
    reason: RescissionReason,
    occasion: Occasion,
    *,
    refund: Money | None = None,
) -> tuple[Dossier, list[Event]]:
    """Rescind a purchase; its deposits are given back, and its lead follows."""
    after, event = purchases.rescinded(purchase, on, reason, dossier.community)
    entries = (*dossier.ledger, *dossier.deposits)
    due = deposits.refund_due(entries, purchase, reason, refund)
    given = deposits.returned(entries, purchase, due, on, occasion)
    after = deposits.noted(after, given)
    dossier = replace(dossier, purchase=after, deposits=(*dossier.deposits, *given))
    dossier, followed = follow(dossier, occasion)
    return dossier, [event, *followed]


def purchase_of(dossier: Dossier) -> Purchase:
    """The purchase of a dossier. Raises `Refusal` `purchase-not-found`."""
    if dossier.purchase is None:
        raise purchases.purchase_not_found()
    return dossier.purchase


def day_of(dossier: Dossier, command: PurchaseCommand, occasion: Occasion) -> date:
    """The day of a command: the one that it names, else today in the community."""
    return command.on or dossier.community.today(occasion.at)
