"""A purchase 购买: one customer's claim on one home, from the reservation to the paid price.

    reserved 认筹 → subscribed 认购 → signed 签约 → paid
        └───────────┴──────────────┴──────┴→ rescinded

A stage may be left out: a ledger that hears of a sale at its signature says so. A home has one
live claim at most: that of its one purchase that is not rescinded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from intake.domain.communities import Community
from intake.domain.sales.mortgages import Mortgage
from keyturn_events.event import Event
from keyturn_events.intake import (
    CompletionMoved,
    HomeReserved,
    HomeSubscribed,
    MortgageChanged,
    PurchasePaid,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.values import Money
from keyturn_events.vocabulary import (
    Financing,
    MortgageStatus,
    ProductLine,
    PurchaseStage,
    RescissionReason,
)

ORDER: tuple[PurchaseStage, ...] = (
    PurchaseStage.RESERVED,
    PurchaseStage.SUBSCRIBED,
    PurchaseStage.SIGNED,
    PurchaseStage.PAID,
)


@dataclass(frozen=True, slots=True)
class Instalment:
    """A part of the price that is to be paid by a day."""

    due_on: date
    amount: Money
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Purchase:
    """A purchase as it stands."""

    purchase_id: str
    customer_id: str
    home_id: str
    community_id: str
    price: Money
    stage: PurchaseStage
    building: str | None = None
    lead_id: str | None = None
    product_line: ProductLine | None = None
    referral_code: str | None = None
    partner_id: str | None = None
    sale_reference: str | None = None
    financing: Financing | None = None
    reserved_on: date | None = None
    expires_at: datetime | None = None
    subscribed_on: date | None = None
    sign_by: date | None = None
    signed_on: date | None = None
    cooling_off_ends: datetime | None = None
    paid_on: date | None = None
    expected_completion: date | None = None
    completion_said_on: date | None = None
    """When somebody said so; another day counts when it was said no earlier."""
    handed_over_on: date | None = None
    """When the household got its keys 交付, as the service desk told."""
    rescinded_on: date | None = None
    rescission_reason: RescissionReason | None = None
    instalments: tuple[Instalment, ...] = ()
    """What is to be paid by when: a plan, which changes nothing of what was received."""
    ledger_entries: int = 0
    """How many entries were added to its ledger, so that two who write it see each other."""
    mortgages: tuple[Mortgage, ...] = ()
    """The applications for a mortgage 按揭, the latest last."""
    replaces: str | None = None
    """The purchase that was given up for this one: another home, or another buyer."""
    replaced_by: str | None = None

    @property
    def began_on(self) -> date | None:
        """The first day of which anything was told."""
        days = (self.reserved_on, self.subscribed_on, self.signed_on, self.paid_on)
        return min((day for day in days if day is not None), default=None)

    @property
    def live(self) -> bool:
        """Whether it keeps the home from everybody else."""
        return self.stage is not PurchaseStage.RESCINDED

    @property
    def bound(self) -> bool:
        """Whether a contract holds, so that the home's completion concerns the customer."""
        return self.stage in (PurchaseStage.SIGNED, PurchaseStage.PAID)


class DepositKind(StrEnum):
    """What an entry of the ledger is."""

    RECEIPT = "receipt"
    REFUND = "refund"
    """Money given back; the amount is below zero."""
    TRANSFER = "transfer"
    """Carried over to the purchase that replaces this one, or from the one that it replaces."""


@dataclass(frozen=True, slots=True)
class Deposit:
    """An entry of the ledger of a purchase. Entries are only ever added; what is held is their sum.

    Money that goes out again is an entry below zero that names the one that it reverses.
    """

    deposit_id: str
    purchase_id: str
    stage: PurchaseStage
    amount: Money
    received_on: date
    recorded_at: datetime
    kind: DepositKind = DepositKind.RECEIPT
    reverses: str | None = None
    """The entry of which this gives back all or a part."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The day on which a home will be completed, as its contract or its builder said on a day."""

    day: date
    said_on: date


@dataclass(frozen=True, slots=True)
class Step:
    """What the next stage of a purchase brings with it, as far as it was told."""

    on: date
    deposit: Money | None = None
    expires_at: datetime | None = None
    sign_by: date | None = None
    completion: Completion | None = None
    financing: Financing | None = None


def ensure_free(home_id: str, claim: Purchase | None) -> None:
    """Raise `Refusal` `home-already-claimed` when a live purchase has the home."""
    if claim is not None and claim.live:
        raise Refusal(
            "home-already-claimed",
            f"Home {home_id} has a live claim already; choose another home, or rescind the"
            " purchase that holds it first.",
            pointer="/home_id",
        )


def ensure_positive(amount: Money | None, pointer: str) -> None:
    """Raise `Refusal` `amount-not-positive` for an amount that nobody can pay."""
    if amount is not None and amount.amount <= 0:
        raise Refusal(
            "amount-not-positive",
            "Give an amount above zero.",
            kind=RefusalKind.INVALID,
            pointer=pointer,
        )


def reserved(purchase: Purchase, step: Step, community: Community) -> tuple[Purchase, Event]:
    """The home is kept for the customer."""
    after = replace(
        purchase, stage=PurchaseStage.RESERVED, reserved_on=step.on, expires_at=step.expires_at
    )
    return after, HomeReserved(
        **_facts(after, community),
        reserved_on=step.on,
        deposit=step.deposit,
        expires_at=step.expires_at,
    )


def subscribed(purchase: Purchase, step: Step, community: Community) -> tuple[Purchase, Event]:
    """The customer committed to the home and its price."""
    after = replace(
        purchase,
        stage=PurchaseStage.SUBSCRIBED,
        subscribed_on=step.on,
        sign_by=step.sign_by,
        expires_at=None,
    )
    return after, HomeSubscribed(
        **_facts(after, community),
        subscribed_on=step.on,
        deposit=step.deposit,
        sign_by=step.sign_by,
    )


def signed(purchase: Purchase, step: Step, community: Community) -> tuple[Purchase, Event]:
    """The contract was signed; the cooling-off begins."""
    cooling_off_ends = community.cooling_off_ends(step.on)
    completion = step.completion
    after = replace(
        purchase,
        stage=PurchaseStage.SIGNED,
        signed_on=step.on,
        cooling_off_ends=cooling_off_ends,
        expected_completion=purchase.expected_completion if completion is None else completion.day,
        completion_said_on=(
            purchase.completion_said_on if completion is None else completion.said_on
        ),
        financing=step.financing or purchase.financing,
        expires_at=None,
    )
    return after, PurchaseSigned(
        **_facts(after, community),
        signed_on=step.on,
        cooling_off_ends=cooling_off_ends,
        expected_completion=after.expected_completion,
        deposit=step.deposit,
        financing=after.financing,
    )


def paid(purchase: Purchase, step: Step, community: Community) -> tuple[Purchase, Event]:
    """The whole price was received."""
    after = replace(
        purchase,
        stage=PurchaseStage.PAID,
        paid_on=step.on,
        financing=step.financing or purchase.financing,
    )
    return after, PurchasePaid(
        **_facts(after, community), paid_on=step.on, financing=after.financing
    )


def rescinded(
    purchase: Purchase, on: date, reason: RescissionReason, community: Community
) -> tuple[Purchase, Event]:
    """The claim is undone and the home is free.

    Raises `Refusal` `purchase-rescinded` and `cooling-off-over`.
    """
    ensure_live(purchase)
    within = purchase.signed_on is not None and community.within_cooling_off(purchase.signed_on, on)
    if reason is RescissionReason.COOLING_OFF and not within:
        raise Refusal(
            "cooling-off-over",
            f"The cooling-off covers {community.cooling_off_days} days from the day of signing;"
            " give the reason that applies on this day.",
            pointer="/reason",
        )
    after = replace(
        purchase,
        stage=PurchaseStage.RESCINDED,
        rescinded_on=on,
        rescission_reason=reason,
        expires_at=None,
    )
    return after, PurchaseRescinded(
        **_facts(after, community),
        stage=purchase.stage,
        rescinded_on=on,
        reason=reason,
        within_cooling_off=within,
    )


def completion_moved(
    purchase: Purchase, completion: Completion, community: Community
) -> tuple[Purchase, list[Event]]:
    """The home will be completed on another day; nothing when that is the day already.

    Neither when it was said before the day that counts: contract and builder are heard of in any
    order. Said on one day, the builder's word counts.
    """
    said_on = purchase.completion_said_on
    if not purchase.bound or (said_on is not None and completion.said_on < said_on):
        return purchase, []
    after = replace(
        purchase, expected_completion=completion.day, completion_said_on=completion.said_on
    )
    if purchase.expected_completion == completion.day:
        return after, []
    return after, [
        CompletionMoved(
            **_facts(after, community),
            expected_completion=completion.day,
            previous_completion=purchase.expected_completion,
        )
    ]


def mortgage_changed(
    purchase: Purchase,
    mortgage: Mortgage,
    previous: MortgageStatus | None,
    on: date,
    community: Community,
) -> Event:
    """The event of an application that was made, decided or withdrawn."""
    return MortgageChanged(
        **_facts(purchase, community),
        status=mortgage.status,
        previous_status=previous,
        amount=mortgage.amount,
        changed_on=on,
    )


def handed_over(purchase: Purchase, on: date) -> Purchase:
    """The household has its keys; told of several days, the first counts.

    A fact that stays on record also when the purchase is rescinded, before or after it is told.
    """
    return replace(purchase, handed_over_on=min(purchase.handed_over_on or on, on))


def ensure_live(purchase: Purchase) -> None:
    """Raise `Refusal` `purchase-rescinded` when the purchase is no more."""
    if not purchase.live:
        raise Refusal("purchase-rescinded", "The purchase is rescinded; begin another one.")


def ensure_stage(purchase: Purchase, *allowed: PurchaseStage) -> None:
    """Raise `Refusal` `purchase-rescinded` or `stage-not-possible` unless it stands there."""
    ensure_live(purchase)
    if purchase.stage not in allowed:
        raise Refusal(
            "stage-not-possible",
            f"The purchase is {purchase.stage}; this step follows on {' or '.join(allowed)}.",
        )


def purchase_not_found() -> Refusal:
    """The refusal for a purchase that is not there."""
    return Refusal(
        "purchase-not-found", "There is no purchase of this id.", kind=RefusalKind.NOT_FOUND
    )


def _facts(purchase: Purchase, community: Community) -> dict[str, Any]:
    return {
        "customer_id": purchase.customer_id,
        "purchase_id": purchase.purchase_id,
        "home_id": purchase.home_id,
        "building": purchase.building,
        "community_id": purchase.community_id,
        "price": purchase.price,
        "product_line": purchase.product_line,
        "lead_id": purchase.lead_id,
        "referral_code": purchase.referral_code,
        "partner_id": purchase.partner_id,
        "sale_reference": purchase.sale_reference,
        "community_time_zone": community.time_zone,
    }
