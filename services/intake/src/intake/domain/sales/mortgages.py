"""The mortgage 按揭 of a purchase: asked for, approved or declined by a lender, or withdrawn.

applied → approved → withdrawn
└→ declined  └→ withdrawn      declined or withdrawn: another application may follow
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.values import Money
from keyturn_events.vocabulary import MortgageStatus

MOST_APPLICATIONS: Final = 20
"""Applications for one purchase, at most."""


@dataclass(frozen=True, slots=True)
class Mortgage:
    """One application, and what became of it."""

    amount: Money
    """What was asked for; once approved, what is lent."""
    status: MortgageStatus
    applied_on: date
    lender: str | None = None
    decided_on: date | None = None
    withdrawn_on: date | None = None


def apply(
    mortgages: Sequence[Mortgage], amount: Money, lender: str | None, on: date
) -> tuple[Mortgage, ...]:
    """Ask for a mortgage. Raises `Refusal` `mortgage-under-way` and `too-many-applications`."""
    if mortgages and mortgages[-1].status in (MortgageStatus.APPLIED, MortgageStatus.APPROVED):
        raise Refusal(
            "mortgage-under-way",
            f"The last application is {mortgages[-1].status}; withdraw it before another one.",
        )
    if len(mortgages) >= MOST_APPLICATIONS:
        raise Refusal(
            "too-many-applications", f"A purchase has {MOST_APPLICATIONS} applications at most."
        )
    return *mortgages, Mortgage(amount, MortgageStatus.APPLIED, on, lender)


def decide(
    mortgages: Sequence[Mortgage], on: date, *, approved: bool, amount: Money | None
) -> tuple[Mortgage, ...]:
    """The lender decided; an approval may be of another amount.

    Raises `Refusal` `mortgage-not-applied-for` and `day-before-application`.
    """
    latest = _latest(mortgages, MortgageStatus.APPLIED)
    _ensure_not_before(latest, on)
    after = replace(
        latest,
        status=MortgageStatus.APPROVED if approved else MortgageStatus.DECLINED,
        amount=(amount if approved else None) or latest.amount,
        decided_on=on,
    )
    return *mortgages[:-1], after


def withdraw(mortgages: Sequence[Mortgage], on: date) -> tuple[Mortgage, ...]:
    """The buyer does not want it any more. Raises `Refusal` as `decide`."""
    latest = _latest(mortgages, MortgageStatus.APPLIED, MortgageStatus.APPROVED)
    _ensure_not_before(latest, on)
    after = replace(latest, status=MortgageStatus.WITHDRAWN, withdrawn_on=on)
    return *mortgages[:-1], after


def _latest(mortgages: Sequence[Mortgage], *allowed: MortgageStatus) -> Mortgage:
    if not mortgages or mortgages[-1].status not in allowed:
        stands = f"is {mortgages[-1].status}" if mortgages else "has not been made"
        raise Refusal(
            "mortgage-not-applied-for",
            f"The application {stands}; this follows on {' or '.join(allowed)}.",
        )
    return mortgages[-1]


def _ensure_not_before(mortgage: Mortgage, on: date) -> None:
    if on < mortgage.applied_on:
        raise Refusal(
            "day-before-application",
            f"The mortgage was applied for on {mortgage.applied_on.isoformat()}; give that day or"
            " a later one.",
            kind=RefusalKind.INVALID,
            pointer="/on",
        )
