"""What builders, advisors and buyers do with a release 推盘: the commands and their decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from intake.domain.communities import ANY_COMMUNITY, Community
from intake.domain.dossier import Dossier, present
from intake.domain.leads.leads import Lead
from intake.domain.leads.pipeline import enqueue, without_claim
from intake.domain.occasion import Occasion
from intake.domain.people.customers import Customer
from intake.domain.sales import purchases, releases
from intake.domain.sales.homes import Home
from intake.domain.sales.purchase_commands import take_step
from intake.domain.sales.purchases import Purchase, Step
from intake.domain.sales.releases import Queue, QueueNumber, Release, Wishes
from keyturn_events.event import Event
from keyturn_events.intake import QueueNumberGiven, QueueNumberSettled
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.vocabulary import PurchaseStage


@dataclass(frozen=True, slots=True)
class PlanRelease:
    """Homes of a community will come to market together."""

    release_id: str
    community_id: str
    name: str
    opens_at: datetime
    turn_minutes: int


@dataclass(frozen=True, slots=True)
class QueueCommand:
    """A command about the queue of one release, by or for one customer."""

    release_id: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class TakeNumber(QueueCommand):
    """The customer wants a place in the queue."""


@dataclass(frozen=True, slots=True)
class NumberCommand(QueueCommand):
    """A command about one queue number, which the customer must hold."""

    number: int


@dataclass(frozen=True, slots=True)
class ClaimHome(NumberCommand):
    """The customer says which homes they want, the dearest wish first."""

    wishes: Wishes


@dataclass(frozen=True, slots=True)
class GiveUpNumber(NumberCommand):
    """The customer does not want their turn."""


@dataclass(frozen=True, slots=True)
class QueueFile:
    """What a decision on the queue of a release looks at, and what it hands back.

    The release of `queue`, the numbers and the dossiers are written back.
    """

    queue: Queue | None = None
    community: Community = ANY_COMMUNITY
    number: QueueNumber | None = None
    """The number in question."""
    customer: Customer | None = None
    leads: Mapping[str, Lead] = field(default_factory=dict)
    """The live lead in the community of whoever may come to their turn, by customer id."""
    customers: Mapping[str, Customer] = field(default_factory=dict)
    """Whoever may come to their turn."""

    numbers: tuple[QueueNumber, ...] = ()
    """The numbers that the decision changed."""
    dossiers: tuple[Dossier, ...] = ()
    """The purchases and leads that it changed."""


def plan(
    known: Release | None, command: PlanRelease, occasion: Occasion
) -> tuple[Release, list[Event]]:
    """Plan a release, or another opening of one that has not opened.

    Raises `Refusal` `release-opened` and `release-of-another-community`.
    """
    if known is None:
        return Release(
            command.release_id,
            command.community_id,
            command.name,
            command.opens_at,
            command.turn_minutes,
        ), []
    if known.community_id != command.community_id:
        raise Refusal(
            "release-of-another-community",
            f"The release is of {known.community_id}; give another one an id of its own.",
            kind=RefusalKind.INVALID,
            pointer="/community_id",
        )
    if known.opened(occasion.at):
        raise Refusal("release-opened", "The release has opened; it stays as it is.")
    return replace(
        known, name=command.name, opens_at=command.opens_at, turn_minutes=command.turn_minutes
    ), []


def take_number(
    file: QueueFile, _: TakeNumber, occasion: Occasion
) -> tuple[QueueFile, list[Event]]:
    """Give a customer the next number, once; their open lead in the community is queued.

    Raises `Refusal` `release-not-found`, `customer-not-found`, `release-opened` and `queue-full`.
    """
    queue = _queue(file)
    if file.number is not None:
        return file, []
    if file.customer is None:
        raise Refusal(
            "customer-not-found",
            "There is no customer of this id; capture a lead first.",
            kind=RefusalKind.INVALID,
            pointer="/customer_id",
        )
    lead = without_claim(file.leads.get(file.customer.customer_id))
    release, given = releases.give(
        queue.release,
        file.customer.customer_id,
        None if lead is None else lead.lead_id,
        occasion.at,
    )
    event = QueueNumberGiven(**_facts(file, given), opens_at=release.opens_at)
    unsettled = {**queue.unsettled, given.number: given}
    queue = replace(queue, release=release, unsettled=unsettled)
    file = replace(file, queue=queue, number=given, numbers=(given,))
    if lead is None:
        return file, [event]
    dossier = Dossier(community=file.community, customer=file.customer, lead=lead)
    dossier, followed = enqueue(dossier, occasion)
    return replace(file, dossiers=(dossier,)), [event, *followed]


def claim(file: QueueFile, command: ClaimHome, occasion: Occasion) -> tuple[QueueFile, list[Event]]:
    """Place a customer's wishes, and serve the queue as far as it comes.

    A number that has been settled stays as it was settled. Raises `Refusal` `release-not-found`,
    `queue-number-not-found`, `number-of-another-customer`, `no-wish` and `home-not-in-release`.
    """
    _ensure_own(file, command)
    file, events = serve(file, None, occasion)
    number = file.number
    if number is None or number.outcome is not None:
        return file, events
    queue, wished = releases.wish(_queue(file), number, command.wishes, occasion.at)
    if wished == number:
        return file, events
    file = replace(file, queue=queue, number=wished, numbers=(*file.numbers, wished))
    file, more = serve(file, None, occasion)
    return file, [*events, *more]


def give_up(
    file: QueueFile, command: GiveUpNumber, occasion: Occasion
) -> tuple[QueueFile, list[Event]]:
    """Give a number up, and serve the queue as far as it comes. Raises `Refusal` as `claim`."""
    _ensure_own(file, command)
    file, events = serve(file, None, occasion)
    number = file.number
    if number is None or number.outcome is not None:
        return file, events
    queue, passed = releases.give_up(_queue(file), number, occasion.at)
    file = replace(file, queue=queue, number=passed, numbers=(*file.numbers, passed))
    file, more = serve(file, None, occasion)
    return file, [*events, _settled(file, passed), *more]


def serve(file: QueueFile, _: object, occasion: Occasion) -> tuple[QueueFile, list[Event]]:
    """Settle every number whose turn has come; a claimed home becomes a reserved purchase.

    Raises `Refusal` `release-not-found`.
    """
    queue, settled = releases.settle(_queue(file), occasion.at)
    homes = _queue(file).free
    events: list[Event] = []
    dossiers: list[Dossier] = []
    numbers = []
    for number in settled:
        if number.home_id is None:
            numbers.append(number)
            events.append(_settled(file, number))
            continue
        home = homes[number.home_id]
        claimed, dossier, reserved = _claimed(file, number, home, occasion)
        numbers.append(claimed)
        dossiers.append(dossier)
        events += [_settled(file, claimed), *reserved]
    asked = None if file.number is None else file.number.number
    return replace(
        file,
        queue=queue,
        number=next((number for number in numbers if number.number == asked), file.number),
        numbers=(*file.numbers, *numbers),
        dossiers=(*file.dossiers, *dossiers),
    ), events


def _claimed(
    file: QueueFile, number: QueueNumber, home: Home, occasion: Occasion
) -> tuple[QueueNumber, Dossier, Sequence[Event]]:
    """The purchase of a home that a number claimed; the customer's lead follows."""
    lead = without_claim(file.leads.get(number.customer_id))
    at = number.settled_at or occasion.at
    purchase = Purchase(
        purchase_id=occasion.derive_id("purchase", number.release_id, number.number),
        customer_id=number.customer_id,
        home_id=home.home_id,
        community_id=home.community_id,
        price=home.list_price,
        stage=PurchaseStage.RESERVED,
        building=home.building,
        lead_id=None if lead is None else lead.lead_id,
        product_line=home.product_line,
        referral_code=None if lead is None else lead.referral_code,
    )
    step = Step(on=file.community.today(at), expires_at=file.community.reservation_ends(at))
    customer = file.customers.get(number.customer_id)
    dossier = Dossier(community=file.community, customer=customer, lead=lead)
    dossier, events = take_step(dossier, purchase, step, purchases.reserved, occasion)
    return replace(number, purchase_id=purchase.purchase_id), dossier, events


def _queue(file: QueueFile) -> Queue:
    if file.queue is None:
        raise releases.release_not_found()
    return file.queue


def _ensure_own(file: QueueFile, command: NumberCommand) -> None:
    """Raise `Refusal` unless the number was given, and to this customer."""
    _queue(file)
    if file.number is None:
        raise releases.number_not_found()
    if file.number.customer_id != command.customer_id:
        raise Refusal(
            "number-of-another-customer",
            "The queue number was given to another customer.",
            kind=RefusalKind.FORBIDDEN,
            pointer="/customer_id",
        )


def _settled(file: QueueFile, number: QueueNumber) -> QueueNumberSettled:
    return QueueNumberSettled(
        **_facts(file, number),
        outcome=present(number.outcome),
        settled_at=present(number.settled_at),
        home_id=number.home_id,
        purchase_id=number.purchase_id,
    )


def _facts(file: QueueFile, number: QueueNumber) -> dict[str, Any]:
    return {
        "customer_id": number.customer_id,
        "release_id": number.release_id,
        "number": number.number,
        "community_id": _queue(file).release.community_id,
        "lead_id": number.lead_id,
        "community_time_zone": file.community.time_zone,
    }
