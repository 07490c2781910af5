"""A release 推盘: homes that come to market at one moment, and the queue 排号 for them.

Whoever takes a queue number before the opening has one turn. The lowest number that has not been
settled has it: it gets the best home of its wishes that is free, and the turn goes on to the next.
A wish may be placed long before the turn comes, so that a queue in which everybody has wished is
served at once. Who has not wished is waited for, until their turn has run out.

Nothing here depends on when it is reckoned: what is settled, and for what, follows from the wishes,
the moments at which they were placed, and the turns that ran out (serial dictatorship, as it is
known in the literature on matching).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.values import Money
from keyturn_events.vocabulary import ProductLine, QueueOutcome

if TYPE_CHECKING:
    from intake.domain.sales.homes import Home

MOST_NUMBERS: Final = 20_000
"""Queue numbers of one release, at most."""
MOST_WISHES: Final = 50
"""Homes that one wish list ranks, at most."""
LONGEST_TURN: Final = 24 * 60
"""Minutes of one turn, at most."""


@dataclass(frozen=True, slots=True)
class Release:
    """Homes of a community that open together, and how far their queue has been served."""

    release_id: str
    community_id: str
    name: str
    opens_at: datetime
    turn_minutes: int = 5
    last_number: int = 0
    """The highest number given; numbers are consecutive from 1."""
    settled: int = 0
    """How many numbers have been settled."""
    wishes: int = 0
    """How many times wishes were placed: two who serve the queue at once see it in each other."""
    turn_began: datetime | None = None
    """When the lowest unsettled number came to its turn; absent before the opening."""

    @property
    def turn(self) -> timedelta:
        """How long a number is waited for."""
        return timedelta(minutes=self.turn_minutes)

    def opened(self, at: datetime) -> bool:
        """Whether the queue is being served, or has been."""
        return at >= self.opens_at

    def open_to_all(self, at: datetime) -> bool:
        """Whether the queue has been served, so that what is left is sold to whoever comes."""
        return self.opened(at) and self.settled == self.last_number

    def next_due(self) -> datetime | None:
        """When something happens by itself: the opening, or the end of the turn."""
        if self.settled == self.last_number:
            return None
        return self.opens_at if self.turn_began is None else self.turn_began + self.turn


@dataclass(frozen=True, slots=True)
class AnyHome:
    """What any home must be like that somebody would take."""

    building: str | None = None
    product_line: ProductLine | None = None
    most_price: Money | None = None
    least_area: Decimal | None = None
    least_rooms: int | None = None

    def fits(self, home: Home) -> bool:
        """Whether this home would be taken. A home that does not say is not."""
        return (
            self.building in (None, home.building)
            and self.product_line in (None, home.product_line)
            and (self.most_price is None or _no_dearer(home.list_price, self.most_price))
            and _at_least(home.area, self.least_area)
            and _at_least(home.rooms, self.least_rooms)
        )


@dataclass(frozen=True, slots=True)
class Wishes:
    """The homes that somebody wants, the dearest wish first, and what else they would take."""

    homes: tuple[str, ...] = ()
    otherwise: AnyHome | None = None
    """When none of `homes` is free: the cheapest that fits, then the one of the lowest id."""

    def best(self, free: Mapping[str, Home]) -> Home | None:
        """The home that they get of those that are free."""
        for home_id in self.homes:
            if home_id in free:
                return free[home_id]
        if self.otherwise is None:
            return None
        fitting = [home for home in free.values() if self.otherwise.fits(home)]
        return min(fitting, key=_cheapest_first, default=None)


@dataclass(frozen=True, slots=True)
class QueueNumber:
    """One customer's place in the queue of one release, and what became of it."""

    release_id: str
    number: int
    customer_id: str
    given_at: datetime
    lead_id: str | None = None
    wishes: Wishes | None = None
    claimed_at: datetime | None = None
    """When the wishes were placed."""
    outcome: QueueOutcome | None = None
    settled_at: datetime | None = None
    home_id: str | None = None
    purchase_id: str | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of a release: who has not been settled, and which homes nobody has."""

    release: Release
    unsettled: Mapping[int, QueueNumber] = field(default_factory=dict)
    """By number, in the order of the numbers."""
    free: Mapping[str, Home] = field(default_factory=dict)
    homes: frozenset[str] = frozenset()
    """All homes of the release."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a queue number stands at this moment."""

    number: QueueNumber
    ahead: int
    """Numbers before it that are not settled."""
    latest: datetime | None
    """It will be settled by then at the latest, if it has wished; else its turn ends then."""
    gone: tuple[str, ...]
    """Homes that it wished for and that somebody else has."""
    free: tuple[str, ...]
    """Homes of the release that nobody has."""


def settle(queue: Queue, at: datetime) -> tuple[Queue, list[QueueNumber]]:
    """Serve the queue as far as it has come by `at`; the numbers that this settles, in order.

    Serving again changes nothing. A home is taken from `free` by the number that claims it, so
    nobody else is given it.
    """
    release = queue.release
    if not release.opened(at):
        return queue, []
    now = release.turn_began or release.opens_at
    free = dict(queue.free)
    unsettled = dict(queue.unsettled)
    settled: list[QueueNumber] = []
    for number in queue.unsettled.values():
        if not free:
            after = replace(number, outcome=QueueOutcome.SOLD_OUT, settled_at=now)
        elif number.wishes is not None and number.claimed_at is not None:
            now = max(now, number.claimed_at)
            after = _served(number, number.wishes.best(free), now)
        elif now + release.turn <= at:
            now += release.turn
            after = replace(number, outcome=QueueOutcome.PASSED, settled_at=now)
        else:
            break
        if after.home_id is not None:
            del free[after.home_id]
        del unsettled[number.number]
        settled.append(after)
    release = replace(release, turn_began=now, settled=release.settled + len(settled))
    return replace(queue, release=release, unsettled=unsettled, free=free), settled


def _served(number: QueueNumber, home: Home | None, at: datetime) -> QueueNumber:
    if home is None:
        return replace(number, outcome=QueueOutcome.MISSED, settled_at=at)
    return replace(number, outcome=QueueOutcome.CLAIMED, settled_at=at, home_id=home.home_id)


def give(
    release: Release, customer_id: str, lead_id: str | None, at: datetime
) -> tuple[Release, QueueNumber]:
    """The next queue number. Raises `Refusal` `release-opened` and `queue-full`."""
    if release.opened(at):
        raise Refusal(
            "release-opened",
            "Queue numbers were given out until the release opened; its homes are sold to whoever"
            " comes once the queue has been served.",
        )
    if release.last_number >= MOST_NUMBERS:
        raise Refusal("queue-full", f"A release has {MOST_NUMBERS} queue numbers at most.")
    number = release.last_number + 1
    given = QueueNumber(release.release_id, number, customer_id, at, lead_id)
    return replace(release, last_number=number), given


def wish(
    queue: Queue, number: QueueNumber, wishes: Wishes, at: datetime
) -> tuple[Queue, QueueNumber]:
    """Place wishes, or others than before; the same again change nothing.

    Raises `Refusal` `no-wish` and `home-not-in-release`.
    """
    ensure_known(wishes, queue.homes)
    if number.wishes == wishes:
        return queue, number
    number = replace(number, wishes=wishes, claimed_at=at)
    release = replace(queue.release, wishes=queue.release.wishes + 1)
    unsettled = {**queue.unsettled, number.number: number}
    return replace(queue, release=release, unsettled=unsettled), number


def give_up(queue: Queue, number: QueueNumber, at: datetime) -> tuple[Queue, QueueNumber]:
    """The number is not wanted any more; if it had its turn, the next one has it now."""
    release = replace(queue.release, settled=queue.release.settled + 1)
    if release.opened(at) and next(iter(queue.unsettled)) == number.number:
        release = replace(release, turn_began=max(release.turn_began or release.opens_at, at))
    unsettled = {key: other for key, other in queue.unsettled.items() if key != number.number}
    number = replace(number, outcome=QueueOutcome.PASSED, settled_at=at)
    return replace(queue, release=release, unsettled=unsettled), number


def ensure_known(wishes: Wishes, homes: Iterable[str]) -> None:
    """Raise `Refusal` `no-wish` or `home-not-in-release` for wishes that could not come true."""
    if not wishes.homes and wishes.otherwise is None:
        raise _invalid("no-wish", "Name the homes that are wished for, or what any must be like.")
    known = frozenset(homes)
    for place, home_id in enumerate(wishes.homes):
        if home_id not in known:
            raise _invalid(
                "home-not-in-release", "The home is not one of this release.", f"/homes/{place}"
            )


def standing(queue: Queue, number: QueueNumber) -> Standing:
    """How a number stands: what it got, or how long it has to wait at most."""
    free = tuple(queue.free)
    if number.outcome is not None:
        return stands(number, free)
    ahead = silent = 0
    for other in queue.unsettled.values():
        if other.number >= number.number:
            break
        ahead += 1
        silent += other.wishes is None
    return stands(number, free, ahead, latest(queue.release, number, silent))


def latest(release: Release, number: QueueNumber, silent: int) -> datetime:
    """When a number is settled at the latest that has so many silent ones ahead: without wishes.

    Who has wished is served the moment their turn comes, so only the silent are waited for.
    """
    turns = silent + (number.wishes is None)
    return (release.turn_began or release.opens_at) + turns * release.turn


def stands(
    number: QueueNumber, free: tuple[str, ...], ahead: int = 0, latest: datetime | None = None
) -> Standing:
    """How a number stands, given which homes nobody has, and how many wait before it."""
    wished = () if number.wishes is None else number.wishes.homes
    if number.home_id in wished:
        wished = wished[: wished.index(number.home_id)]
    left = frozenset(free)
    gone = tuple(home_id for home_id in wished if home_id not in left)
    return Standing(number, ahead, latest, gone, free)


def _no_dearer(price: Money, most: Money) -> bool:
    return price.currency == most.currency and price.amount <= most.amount


def _at_least(value: Decimal | int | None, least: Decimal | int | None) -> bool:
    return least is None or (value is not None and value >= least)


def _cheapest_first(home: Home) -> tuple[Decimal, str]:
    return home.list_price.amount, home.home_id


def release_not_found() -> Refusal:
    """The refusal for a release that is not there."""
    return Refusal(
        "release-not-found", "No release of this id is planned.", kind=RefusalKind.NOT_FOUND
    )


BUSY: Final = "release-busy"


def release_busy() -> Refusal:
    """The refusal while somebody else serves the queue: come again in a moment."""
    return Refusal(BUSY, "The queue of the release is being served; try again at once.")


def number_not_found() -> Refusal:
    """The refusal for a queue number that was not given."""
    return Refusal(
        "queue-number-not-found",
        "The release gave no such queue number.",
        kind=RefusalKind.NOT_FOUND,
    )


def _invalid(code: str, detail: str, pointer: str | None = None) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.INVALID, pointer=pointer)
