"""Ability to pay: the dearest home that a household can carry, banded against market prices.

Lenders ask that housing take at most a share of gross income (the front ratio) and all debts
together at most another (the back ratio); 28 % and 36 % are the usual ones. The smaller of the two
is the payment the household can bear; what an annuity of that payment is worth today, with the
down payment, is the price it can reach.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final

from keyturn_events.values import Affordability, Money

_EXACT: Final = Context(prec=28)
_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class LendingTerms:
    """What a lender asks, and what homes cost.

    `annual_rate` is the nominal rate a year (0.035 is 3.5 %), `term_months` the length of the
    loan. `bands` name the levels of ability from the lowest, `markets` gives for each currency the
    prices at which the next band begins: one price fewer than there are bands.
    """

    front_ratio: Decimal
    back_ratio: Decimal
    annual_rate: Decimal
    term_months: int
    bands: tuple[str, ...]
    markets: Mapping[str, tuple[Decimal, ...]]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a household's means go: the price, in whole units of its currency, and its band."""

    price: int
    currency: str
    band: str


def unanswered(affordability: Affordability, terms: LendingTerms) -> tuple[str, ...]:
    """The answers that an estimate still needs; empty when `reach` can be reckoned."""
    amounts = _amounts(affordability)
    missing = tuple(name for name, money in amounts.items() if money is None)
    if missing:
        return missing
    currencies = {money.currency for money in amounts.values() if money is not None}
    if len(currencies) > 1:
        return ("one_currency",)
    return () if currencies <= terms.markets.keys() else ("market_prices",)


def reach(affordability: Affordability, terms: LendingTerms) -> Reach:
    """The price that a household can reach. Raises ValueError while answers are missing."""
    income, debts, down_payment = _amounts(affordability).values()
    if income is None or debts is None or down_payment is None:
        raise ValueError("income, debts and down payment are needed")
    monthly_income = _EXACT.divide(income.amount, Decimal(_MONTHS))
    payment = max(
        Decimal(0),
        min(terms.front_ratio * monthly_income, terms.back_ratio * monthly_income - debts.amount),
    )
    price = _EXACT.add(_present_value(payment, terms), down_payment.amount)
    whole = int(price.to_integral_value(ROUND_DOWN))
    band = terms.bands[bisect_right(terms.markets[income.currency], whole)]
    return Reach(whole, income.currency, band)


def _present_value(payment: Decimal, terms: LendingTerms) -> Decimal:
    """What a loan of the term with this monthly payment pays out."""
    if terms.annual_rate == 0:
        return payment * terms.term_months
    monthly_rate = _EXACT.divide(terms.annual_rate, Decimal(_MONTHS))
    discount = _EXACT.power(1 + monthly_rate, -terms.term_months)
    return _EXACT.divide(_EXACT.multiply(payment, 1 - discount), monthly_rate)


def _amounts(affordability: Affordability) -> dict[str, Money | None]:
    return {
        "annual_income": affordability.annual_income,
        "monthly_debts": affordability.monthly_debts,
        "down_payment": affordability.down_payment,
    }
