"""The money of a purchase: a ledger of what came and went, beside a plan of what is to come.

The ledger is append-only and what is held is the sum of its entries. Money that goes out is an
entry below zero that names the one that it reverses, the latest receipt first. The plan may change
at any time and never touches the ledger: what it is overdue by follows from the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final

from intake.domain.occasion import Occasion
from intake.domain.sales.purchases import (
    Deposit,
    DepositKind,
    Instalment,
    Purchase,
    ensure_positive,
)
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.values import LARGEST_AMOUNT, Money
from keyturn_events.vocabulary import RescissionReason

MOST_INSTALMENTS: Final = 60
"""Instalments of one plan, at most."""
MOST_ENTRIES: Final = 200
"""Entries of one ledger, at most; giving all of it back may add as many once more."""

FORFEITED: Final = frozenset({RescissionReason.BUYER_DEFAULT})
"""Why a purchase is undone without its deposits going back, unless somebody says how much does."""


@dataclass(frozen=True, slots=True)
class InstalmentStanding:
    """An instalment of the plan, and how much of it has been received."""

    instalment: Instalment
    received: Money
    overdue: bool


def noted(purchase: Purchase, entries: Sequence[Deposit]) -> Purchase:
    """The purchase after entries were added to its ledger."""
    return replace(purchase, ledger_entries=purchase.ledger_entries + len(entries))


def held(entries: Sequence[Deposit], purchase: Purchase) -> Money:
    """What the builder holds of the buyer's money."""
    total = sum((entry.amount.amount for entry in entries), Decimal(0))
    return Money(amount=total, currency=purchase.price.currency)


def ensure_currency(amount: Money | None, purchase: Purchase, pointer: str) -> None:
    """Raise `Refusal` `other-currency` for money that cannot be reckoned with the price."""
    if amount is not None and amount.currency != purchase.price.currency:
        raise Refusal(
            "other-currency",
            f"The price is in {purchase.price.currency}; give the amount in that currency.",
            kind=RefusalKind.INVALID,
            pointer=pointer,
        )


def receipt(
    entries: Sequence[Deposit],
    purchase: Purchase,
    amount: Money,
    on: date,
    occasion: Occasion,
    *,
    pointer: str = "/deposit",
) -> Deposit:
    """Money came, at the stage where the purchase is.

    Raises `Refusal` `amount-not-positive`, `other-currency`, `too-many-deposits` and
    `amount-too-large`.
    """
    ensure_positive(amount, pointer)
    ensure_currency(amount, purchase, pointer)
    if len(entries) >= MOST_ENTRIES:
        raise Refusal("too-many-deposits", f"A purchase has {MOST_ENTRIES} deposits at most.")
    if sum((entry.amount.amount for entry in entries), amount.amount) > LARGEST_AMOUNT:
        raise Refusal(
            "amount-too-large",
            f"Deposits add up to {LARGEST_AMOUNT} at most.",
            kind=RefusalKind.INVALID,
            pointer=pointer,
        )
    return Deposit(
        deposit_id=occasion.derive_id("deposit", purchase.stage),
        purchase_id=purchase.purchase_id,
        stage=purchase.stage,
        amount=amount,
        received_on=on,
        recorded_at=occasion.at,
    )


def returned(
    entries: Sequence[Deposit],
    purchase: Purchase,
    amount: Money,
    on: date,
    occasion: Occasion,
    *,
    kind: DepositKind = DepositKind.REFUND,
    pointer: str = "/refund",
) -> tuple[Deposit, ...]:
    """The entries that give so much back, the latest receipt first.

    Raises `Refusal` `other-currency`, `amount-not-positive` and `refund-above-deposits`.
    """
    ensure_currency(amount, purchase, pointer)
    if amount.amount < 0:
        ensure_positive(amount, pointer)
    holding = held(entries, purchase)
    if holding < amount:
        raise Refusal(
            "refund-above-deposits",
            f"{holding.amount} {holding.currency} is held of this purchase, no more.",
            kind=RefusalKind.INVALID,
            pointer=pointer,
        )
    left = amount.amount
    given: list[Deposit] = []
    for entry, remainder in reversed(_remainders(entries)):
        part = min(left, remainder)
        if part <= 0:
            continue
        left -= part
        given.append(
            Deposit(
                deposit_id=occasion.derive_id(str(kind), entry.deposit_id),
                purchase_id=purchase.purchase_id,
                stage=purchase.stage,
                amount=Money(amount=-part, currency=amount.currency),
                received_on=on,
                recorded_at=occasion.at,
                kind=kind,
                reverses=entry.deposit_id,
            )
        )
    return tuple(given)


def carried_over(
    given: Sequence[Deposit], purchase: Purchase, occasion: Occasion
) -> tuple[Deposit, ...]:
    """What another purchase gave back, as it comes to the one that replaces it."""
    return tuple(
        replace(
            entry,
            deposit_id=occasion.derive_id("carried-over", entry.deposit_id),
            purchase_id=purchase.purchase_id,
            stage=purchase.stage,
            amount=Money(amount=-entry.amount.amount, currency=entry.amount.currency),
        )
        for entry in given
    )


def refund_due(
    entries: Sequence[Deposit], purchase: Purchase, reason: RescissionReason, said: Money | None
) -> Money:
    """How much goes back when a purchase is undone: what was said, else all unless forfeited."""
    if said is not None:
        return said
    if reason in FORFEITED:
        return Money.zero(purchase.price.currency)
    return held(entries, purchase)


def ensure_payable(instalments: Sequence[Instalment], purchase: Purchase) -> None:
    """Raise `Refusal` unless a plan can be paid.

    Raises `amount-not-positive`, `other-currency`, `instalments-out-of-order` and
    `instalments-above-price`.
    """
    total = Decimal(0)
    for place, instalment in enumerate(instalments):
        pointer = f"/instalments/{place}"
        ensure_positive(instalment.amount, f"{pointer}/amount")
        ensure_currency(instalment.amount, purchase, f"{pointer}/amount")
        if place and instalment.due_on < instalments[place - 1].due_on:
            raise Refusal(
                "instalments-out-of-order",
                "Give the instalments in the order of the days on which they are due.",
                kind=RefusalKind.INVALID,
                pointer=f"{pointer}/due_on",
            )
        total += instalment.amount.amount
    if total > purchase.price.amount:
        raise Refusal(
            "instalments-above-price",
            f"The instalments add up to {total}, the price is {purchase.price.amount}.",
            kind=RefusalKind.INVALID,
            pointer="/instalments",
        )


def standing(
    purchase: Purchase, entries: Sequence[Deposit], today: date
) -> list[InstalmentStanding]:
    """The plan with what was received of each instalment, the earliest first.

    An instalment is overdue from the day after the one on which it was due.
    """
    left = max(held(entries, purchase).amount, Decimal(0))
    told = []
    for instalment in purchase.instalments:
        received = min(left, instalment.amount.amount)
        left -= received
        overdue = instalment.due_on < today and received < instalment.amount.amount
        money = Money(amount=received, currency=instalment.amount.currency)
        told.append(InstalmentStanding(instalment, money, overdue and purchase.live))
    return told


def _remainders(entries: Sequence[Deposit]) -> list[tuple[Deposit, Decimal]]:
    """The entries of money that came, each with what has not been given back of it."""
    remainders = {entry.deposit_id: entry.amount.amount for entry in entries}
    for entry in entries:
        reversed_id = entry.reverses
        if entry.amount.amount < 0 and reversed_id is not None and reversed_id in remainders:
            remainders[reversed_id] += entry.amount.amount
    return [(e, remainders[e.deposit_id]) for e in entries if e.amount.amount > 0]
