"""The registry of homes 房源: what the builder has to sell, at which list price, and since when.

    planned → available → reserved → subscribed → signed → paid → handed over
                  └──────────┴───────────┴──────────┴───────┴ rescinded: available again

Only the first two are the builder's own word. From `reserved` on a home is where its one live
purchase is, so that registry and claims cannot contradict each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from intake.domain.occasion import Occasion
from intake.domain.sales.purchases import Purchase
from intake.domain.sales.releases import Release
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.values import Money
from keyturn_events.vocabulary import ProductLine

MOST_HOMES: Final = 1_000
"""Homes that one call registers, at most."""


class HomeStatus(StrEnum):
    """Where a home stands."""

    PLANNED = "planned"
    """Not for sale yet."""
    AVAILABLE = "available"
    """For sale, and nobody has a live claim on it."""
    RESERVED = "reserved"
    SUBSCRIBED = "subscribed"
    SIGNED = "signed"
    PAID = "paid"
    HANDED_OVER = "handed-over"
    """The household has its keys 交付."""


@dataclass(frozen=True, slots=True)
class Home:
    """A home as the builder registered it."""

    home_id: str
    community_id: str
    list_price: Money
    building: str | None = None
    floor: int | None = None
    rooms: int | None = None
    """Bedrooms 室."""
    area: Decimal | None = None
    """Floor area 建筑面积 in square metres."""
    product_line: ProductLine | None = None
    for_sale: bool = True
    release_id: str | None = None
    """The release 推盘 with which it comes to market; without one it is sold to whoever comes."""


@dataclass(frozen=True, slots=True)
class RegisterHome:
    """A home is this from now on."""

    home: Home


@dataclass(frozen=True, slots=True)
class HomeFile:
    """What a decision on a home looks at, and what it hands back: the home."""

    home: Home | None = None
    claim: Purchase | None = None
    """The purchase that has the live claim on it."""
    releases: Mapping[str, Release] = field(default_factory=dict)
    """The release that it belongs to, and the one that it is to belong to, by id."""
    new: bool = False


def register(
    file: HomeFile, command: RegisterHome, occasion: Occasion
) -> tuple[HomeFile, list[Event]]:
    """Register a home, or change what is known of it; a purchase keeps the price it was made at.

    Raises `Refusal` `amount-not-positive`, `home-of-another-community`, `unknown-release`,
    `release-of-another-community`, `release-opened` and `home-already-claimed`.
    """
    home, known = command.home, file.home
    if home.list_price.amount <= 0:
        raise _invalid("amount-not-positive", "Give a price above zero.", "/list_price")
    if known is not None and known.community_id != home.community_id:
        raise _invalid(
            "home-of-another-community",
            f"The home is registered in {known.community_id}, where it stands.",
            "/community_id",
        )
    if file.claim is not None and file.claim.live and not home.for_sale:
        raise Refusal(
            "home-already-claimed",
            "The home has a live claim; it cannot be taken off the market.",
            pointer="/for_sale",
        )
    if home.release_id != (None if known is None else known.release_id):
        _ensure_movable(file, home, occasion.at)
    return replace(file, home=home, new=known is None), []


def _ensure_movable(file: HomeFile, home: Home, at: datetime) -> None:
    """Raise `Refusal` unless the home may change its release: neither has opened yet."""
    for release_id in (None if file.home is None else file.home.release_id, home.release_id):
        if release_id is None:
            continue
        release = file.releases.get(release_id)
        if release is None:
            raise _invalid(
                "unknown-release", "No release of this id is planned; plan it first.", "/release_id"
            )
        if release.community_id != home.community_id:
            raise _invalid(
                "release-of-another-community",
                f"The release is of {release.community_id}.",
                "/release_id",
            )
        if release.opened(at) and not release.open_to_all(at):
            raise Refusal(
                "release-opened",
                f"The queue of release {release_id} is being served; its homes stay as they are"
                " until that is done.",
                pointer="/release_id",
            )


def ensure_for_sale(home: Home | None, release: Release | None, at: datetime) -> None:
    """Raise `Refusal` unless a home may be reserved by whoever comes.

    A home that is not registered may: the registry is for those who keep one. Raises
    `home-not-for-sale` and `home-in-release`.
    """
    if home is None:
        return
    if not home.for_sale:
        raise Refusal(
            "home-not-for-sale",
            f"Home {home.home_id} is planned, and not for sale yet.",
            pointer="/home_id",
        )
    if release is not None and not release.open_to_all(at):
        raise Refusal(
            "home-in-release",
            f"Home {home.home_id} comes to market with release {release.release_id}: take a queue"
            " number, or come back when its queue has been served.",
            pointer="/home_id",
        )


def home_not_found() -> Refusal:
    """The refusal for a home that is not registered."""
    return Refusal(
        "home-not-found", "No home of this id is registered.", kind=RefusalKind.NOT_FOUND
    )


def _invalid(code: str, detail: str, pointer: str) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.INVALID, pointer=pointer)
