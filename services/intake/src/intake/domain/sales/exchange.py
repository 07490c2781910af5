"""A claim is exchanged: another home for the same buyer, or another buyer for the same home.

The purchase of before is rescinded and another one begins, in one decision, so that neither home
nor buyer is ever left without the other; the deposits are carried over, and each purchase names the
other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from intake.domain.dossier import EMPTY, Dossier
from intake.domain.leads.pipeline import follow, without_claim
from intake.domain.occasion import Occasion
from intake.domain.sales import deposits, purchases
from intake.domain.sales.purchase_commands import (
    PurchaseCommand,
    day_of,
    ensure_to_be_had,
    purchase_of,
    take_step,
)
from intake.domain.sales.purchases import DepositKind, Purchase, Step
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.values import Money
from keyturn_events.vocabulary import PurchaseStage, RescissionReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeClaim(PurchaseCommand):
    """The buyer wants another home, or somebody else takes the home over.

    Without `price` it is the list price of another home, or the price of the same one.
    """

    home_id: str | None = None
    customer_id: str | None = None
    price: Money | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a decision on an exchange looks at, and what it hands back."""

    left: Dossier = EMPTY
    """Around the purchase that is given up."""
    taken: Dossier = EMPTY
    """Around the one that replaces it: who takes it, and the home that is wanted."""


def exchange(
    state: Exchange, command: ExchangeClaim, occasion: Occasion
) -> tuple[Exchange, list[Event]]:
    """Give up one claim and take another in its place.

    Raises `Refusal` `purchase-not-found`, `stage-not-possible`, `nothing-changes`,
    `customer-not-found`, `price-missing`, and as a reservation does of the home.
    """
    old = purchase_of(state.left)
    purchases.ensure_stage(old, PurchaseStage.RESERVED, PurchaseStage.SUBSCRIBED)
    home_id = command.home_id or old.home_id
    customer_id = command.customer_id or old.customer_id
    if (home_id, customer_id) == (old.home_id, old.customer_id):
        raise _invalid("nothing-changes", "Name another home or another customer.", None)
    if command.customer_id is not None and state.taken.customer is None:
        raise _invalid("customer-not-found", "There is no customer of this id.", "/customer_id")
    if home_id != old.home_id:
        ensure_to_be_had(state.taken, home_id, old.community_id, occasion)
    on = day_of(state.left, command, occasion)
    new = _begun(state, command, old, home_id, occasion)
    given_up, rescinded = purchases.rescinded(
        old, on, RescissionReason.MUTUAL_AGREEMENT, state.left.community
    )
    holding = deposits.held(state.left.ledger, old)
    given = deposits.returned(
        state.left.ledger, old, holding, on, occasion, kind=DepositKind.TRANSFER
    )
    given_up = deposits.noted(replace(given_up, replaced_by=new.purchase_id), given)
    left = replace(state.left, purchase=given_up, deposits=given)
    if customer_id == old.customer_id:
        # The lead stays with its buyer, as far as it has come.
        taken, left = replace(state.taken, lead=left.lead), replace(left, lead=None)
        went_back: list[Event] = []
    else:
        taken = replace(state.taken, lead=without_claim(state.taken.lead))
        left, went_back = follow(left, occasion)
    step = Step(on=on, expires_at=taken.community.reservation_ends(occasion.at))
    new = replace(new, lead_id=None if taken.lead is None else taken.lead.lead_id)
    taken, reserved = take_step(taken, new, step, purchases.reserved, occasion)
    carried = deposits.carried_over(given, new, occasion)
    taken = replace(
        taken,
        purchase=deposits.noted(purchase_of(taken), carried),
        deposits=(*taken.deposits, *carried),
    )
    return Exchange(left, taken), [rescinded, *went_back, *reserved]


def _begun(
    state: Exchange, command: ExchangeClaim, old: Purchase, home_id: str, occasion: Occasion
) -> Purchase:
    """The purchase that begins, before its first step."""
    home = state.taken.home
    same_home = home_id == old.home_id
    price = command.price or (old.price if same_home else None)
    if price is None and home is not None:
        price = home.list_price
    if price is None:
        raise _invalid("price-missing", "The home is not registered; name its price.", "/price")
    if price.currency != old.price.currency:
        raise _invalid(
            "other-currency",
            f"The deposits are in {old.price.currency}; give the price in that currency.",
            "/price",
        )
    building = old.building if same_home else None
    return Purchase(
        purchase_id=occasion.derive_id("purchase"),
        customer_id=command.customer_id or old.customer_id,
        home_id=home_id,
        community_id=old.community_id,
        price=price,
        stage=PurchaseStage.RESERVED,
        building=building if home is None else home.building,
        product_line=old.product_line if home is None else home.product_line,
        referral_code=old.referral_code,
        replaces=old.purchase_id,
    )


def _invalid(code: str, detail: str, pointer: str | None) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.INVALID, pointer=pointer)
