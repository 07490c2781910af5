"""How a purchase is paid: deposits, the plan of instalments, and the mortgage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from intake.domain.dossier import Dossier
from intake.domain.occasion import Occasion
from intake.domain.sales import deposits, mortgages, purchases
from intake.domain.sales.purchase_commands import PurchaseCommand, day_of, purchase_of, undo
from intake.domain.sales.purchases import Instalment, Purchase
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.values import Money
from keyturn_events.vocabulary import PurchaseStage, RescissionReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveDeposit(PurchaseCommand):
    """Money came for a purchase."""

    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundDeposit(PurchaseCommand):
    """Money is given back, whether the purchase lives on or not."""

    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInstalments(PurchaseCommand):
    """This is to be paid by when; the plan of before holds no more."""

    instalments: tuple[Instalment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyForMortgage(PurchaseCommand):
    """The buyer asks a lender for a mortgage."""

    amount: Money
    lender: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideMortgage(PurchaseCommand):
    """The lender decided on the application; a purchase may be undone when it said no."""

    approved: bool
    amount: Money | None = None
    rescind: bool = False


@dataclass(frozen=True, slots=True)
class WithdrawMortgage(PurchaseCommand):
    """The buyer does not want the mortgage any more."""


def receive(
    dossier: Dossier, command: ReceiveDeposit, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Add a receipt to the ledger. Raises `Refusal` as `deposits.receipt`."""
    purchase = purchase_of(dossier)
    purchases.ensure_live(purchase)
    on = day_of(dossier, command, occasion)
    entry = deposits.receipt(
        dossier.ledger, purchase, command.amount, on, occasion, pointer="/amount"
    )
    return _with_entries(dossier, purchase, entry), []


def refund(
    dossier: Dossier, command: RefundDeposit, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Add compensating entries to the ledger.

    Raises `Refusal` as `deposits.returned`, and `amount-not-positive`.
    """
    purchase = purchase_of(dossier)
    purchases.ensure_positive(command.amount, "/amount")
    on = day_of(dossier, command, occasion)
    entries = deposits.returned(
        dossier.ledger, purchase, command.amount, on, occasion, pointer="/amount"
    )
    return _with_entries(dossier, purchase, *entries), []


def plan(dossier: Dossier, command: PlanInstalments, _: Occasion) -> tuple[Dossier, list[Event]]:
    """Set the plan of instalments; what was received stays as it is.

    Raises `Refusal` as `deposits.ensure_payable`.
    """
    purchase = purchase_of(dossier)
    purchases.ensure_live(purchase)
    deposits.ensure_payable(command.instalments, purchase)
    return replace(dossier, purchase=replace(purchase, instalments=command.instalments)), []


def apply(
    dossier: Dossier, command: ApplyForMortgage, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Note an application for a mortgage. Raises `Refusal` as `mortgages.apply`."""
    purchase = purchase_of(dossier)
    purchases.ensure_stage(
        purchase, PurchaseStage.RESERVED, PurchaseStage.SUBSCRIBED, PurchaseStage.SIGNED
    )
    _ensure_lendable(command.amount, purchase)
    on = day_of(dossier, command, occasion)
    applied = mortgages.apply(purchase.mortgages, command.amount, command.lender, on)
    return _changed(dossier, purchase, applied, on)


def decide(
    dossier: Dossier, command: DecideMortgage, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Note what the lender decided; undo the purchase when that was a no and is asked for.

    Raises `Refusal` as `mortgages.decide`, and `approved-and-rescinded`.
    """
    purchase = purchase_of(dossier)
    purchases.ensure_live(purchase)
    if command.approved and command.rescind:
        raise Refusal(
            "approved-and-rescinded",
            "Only a mortgage that was declined can undo its purchase.",
            kind=RefusalKind.INVALID,
            pointer="/rescind",
        )
    if command.amount is not None:
        _ensure_lendable(command.amount, purchase)
    on = day_of(dossier, command, occasion)
    decided = mortgages.decide(
        purchase.mortgages, on, approved=command.approved, amount=command.amount
    )
    dossier, events = _changed(dossier, purchase, decided, on)
    if not command.rescind:
        return dossier, events
    reason = RescissionReason.FINANCING_REFUSED
    dossier, rescinded = undo(dossier, purchase_of(dossier), on, reason, occasion)
    return dossier, [*events, *rescinded]


def withdraw(
    dossier: Dossier, command: WithdrawMortgage, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Take an application back. Raises `Refusal` as `mortgages.withdraw`."""
    purchase = purchase_of(dossier)
    purchases.ensure_live(purchase)
    on = day_of(dossier, command, occasion)
    return _changed(dossier, purchase, mortgages.withdraw(purchase.mortgages, on), on)


def _changed(
    dossier: Dossier, purchase: Purchase, after: tuple[mortgages.Mortgage, ...], on: date
) -> tuple[Dossier, list[Event]]:
    known = purchase.mortgages
    previous = known[-1].status if known and len(known) == len(after) else None
    purchase = replace(purchase, mortgages=after)
    event = purchases.mortgage_changed(purchase, after[-1], previous, on, dossier.community)
    return replace(dossier, purchase=purchase), [event]


def _ensure_lendable(amount: Money, purchase: Purchase) -> None:
    """Raise `Refusal` for an amount that nobody lends on this home."""
    purchases.ensure_positive(amount, "/amount")
    deposits.ensure_currency(amount, purchase, "/amount")
    if purchase.price < amount:
        raise Refusal(
            "mortgage-above-price",
            f"The price is {purchase.price.amount} {purchase.price.currency}; no more is lent.",
            kind=RefusalKind.INVALID,
            pointer="/amount",
        )


def _with_entries(dossier: Dossier, purchase: Purchase, *entries: purchases.Deposit) -> Dossier:
    return replace(
        dossier,
        purchase=deposits.noted(purchase, entries),
        deposits=(*dossier.deposits, *entries),
    )
