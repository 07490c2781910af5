"""Purchases: by advisors through the API, and as the sales ledger tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import orjson

from keyturn_demo.doors.forms import partner_person
from keyturn_demo.doors.http import each
from keyturn_demo.doors.partners import LEDGER, PartnerRecord, record_of
from keyturn_demo.neighbourhood import Door, Family, Sale
from keyturn_demo.people import Person
from keyturn_demo.progress import Step
from keyturn_demo.tally import Noun
from keyturn_demo.world import World
from keyturn_events import Money
from keyturn_events.campaigns import MemberEnrolled, ReferralInvited
from keyturn_events.intake import (
    PartnerEventRejected,
    PurchasePaid,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.partners import PartnerSaleRecorded
from keyturn_events.service_desk import HandoverCancelled, HandoverPlanned
from keyturn_events.vocabulary import Financing, PurchaseStage, RescissionReason

API, LEDGER_DOOR = "API", "sales ledger"
BUILDING_TIME: Final = timedelta(days=200)
"""From the contract to the promised handover: longer than the first gate's ninety days."""
SECOND_CLAIMS: Final = 3
"""Homes that somebody else tries to buy as well, through each door."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """A household that buys, whose purchase is followed."""

    family: Family
    sale: Sale
    customer_id: str
    referral_code: str | None = None


async def sell_homes(world: World, buyers: Sequence[Buyer], step: Step) -> None:
    """From the reservation to the paid price, in some weeks; a few change their minds."""
    completion = (world.now + BUILDING_TIME).date()
    by_api = [buyer for buyer in buyers if buyer.sale.door is Door.API]
    by_ledger = [buyer for buyer in buyers if buyer.sale.door is Door.LEDGER]
    step.expect(len(buyers))
    step.say("reserving homes")
    await each(by_api, lambda buyer: _reserve(world, buyer))
    await _claim_again(world, by_api)
    await world.days_pass(2)
    step.say("subscribing")
    await each(by_api, lambda buyer: _take(world, buyer, "subscriptions", {}))
    await world.days_pass(2)
    step.say("signing contracts")
    await each(by_api, lambda buyer: _sign(world, buyer, completion))
    await _record_sales(world, by_ledger, completion)
    await world.settle(step)
    await world.days_pass(3)
    step.say("rescinding within the cooling-off")
    await _rescind(world, [buyer for buyer in buyers if buyer.sale.rescinded])
    await world.days_pass(20)
    step.say("paying")
    stay = [buyer for buyer in by_api if not buyer.sale.rescinded]
    await each(stay, lambda buyer: _pay(world, buyer))
    await world.settle(step)


def purchase_of(world: World, sale: Sale) -> str | None:
    """The id of a sale's purchase; None while it has not been seen signed."""
    for signed in world.log.find(PurchaseSigned, home_id=sale.home_id):
        purchase_id: str = signed.data["purchase_id"]
        return purchase_id
    return None


async def _reserve(world: World, buyer: Buyer) -> None:
    sale = buyer.sale
    body: dict[str, Any] = {
        "customer_id": buyer.customer_id,
        "home_id": sale.home_id,
        "building": sale.building,
        "community_id": sale.community_id,
        "price": _money(sale.price),
        "deposit": _money(Money(amount=sale.price.amount // 100, currency=sale.price.currency)),
        "product_line": sale.product_line.value,
    }
    if buyer.referral_code is not None:
        body["referral_code"] = buyer.referral_code
    answer = await world.doors.intake.post("/purchases", body, world.key(sale.reference))
    world.purchases[sale.home_id] = answer.accepted()["purchase_id"]
    world.tally.accepted(Noun.PURCHASE, API)


async def _claim_again(world: World, buyers: Sequence[Buyer]) -> None:
    """Somebody else wants a home that is taken; nobody has it twice."""
    for buyer, other in zip(buyers[:SECOND_CLAIMS], reversed(buyers), strict=False):
        body = {
            "customer_id": other.customer_id,
            "home_id": buyer.sale.home_id,
            "community_id": buyer.sale.community_id,
            "price": _money(buyer.sale.price),
        }
        key = world.key("second-claim", buyer.sale.reference)
        answer = await world.doors.intake.post("/purchases", body, key)
        if answer.ok:
            world.faults.append(f"home {buyer.sale.home_id} was reserved twice")
        else:
            world.tally.rejected(Noun.PURCHASE, API, answer.reason)


async def _take(world: World, buyer: Buyer, what: str, body: dict[str, Any]) -> None:
    purchase_id = world.purchases[buyer.sale.home_id]
    key = world.key(buyer.sale.reference, what)
    (await world.doors.intake.post(f"/purchases/{purchase_id}/{what}", body, key)).accepted()


async def _sign(world: World, buyer: Buyer, completion: date) -> None:
    body = {"expected_completion": completion.isoformat(), "financing": Financing.MORTGAGE.value}
    await _take(world, buyer, "signatures", body)
    purchase_id = world.purchases[buyer.sale.home_id]
    _owe_contract(world, buyer, API, purchase_id=purchase_id)


async def _pay(world: World, buyer: Buyer) -> None:
    await _take(world, buyer, "payments", {"financing": Financing.MORTGAGE.value})
    purchase_id = world.purchases[buyer.sale.home_id]
    world.owed.expect(f"payment of {buyer.sale.reference}", PurchasePaid, purchase_id=purchase_id)


def _owe_contract(world: World, buyer: Buyer, door: str, **match: Any) -> None:
    """A signed contract owes one event, one handover plan, and a place in the club."""
    what = f"purchase {buyer.sale.reference} ({door})"
    world.owed.expect(what, PurchaseSigned, **match)
    world.owed.expect(what, HandoverPlanned, home_id=buyer.sale.home_id)
    world.owed.expect(what, MemberEnrolled, customer_id=buyer.customer_id)
    world.owed.expect(what, ReferralInvited, customer_id=buyer.customer_id)


async def _record_sales(world: World, buyers: Sequence[Buyer], completion: date) -> None:
    """What the ledger says: sales from the signature on, paid ones only, or in the wrong order."""
    records: list[PartnerRecord] = []
    today = world.now.date()
    for number, buyer in enumerate(buyers):
        stages = (
            (PurchaseStage.RESERVED, PurchaseStage.SIGNED, PurchaseStage.PAID),
            (PurchaseStage.PAID, PurchaseStage.SIGNED, PurchaseStage.RESERVED),
            (PurchaseStage.SIGNED,),
        )[number % 3]
        records.extend(
            _record(
                buyer.sale,
                buyer.family.person,
                stage,
                on=today,
                at=world.now,
                completion=completion,
                referral_code=buyer.referral_code,
            )
            for stage in stages
        )
        world.tally.accepted(Noun.PURCHASE, LEDGER_DOOR)
        _owe_contract(world, buyer, LEDGER_DOOR, sale_reference=buyer.sale.reference)
    await world.doors.partners.publish(records)
    await world.doors.partners.publish(records[:SECOND_CLAIMS])
    world.tally.repeated(Noun.PURCHASE, LEDGER_DOOR, len(records[:SECOND_CLAIMS]))
    await _sell_again(world, buyers, completion)


async def _sell_again(world: World, buyers: Sequence[Buyer], completion: date) -> None:
    """The ledger sells homes a second time; each is sent back with the reason."""
    taken = [buyer for buyer in buyers[:SECOND_CLAIMS] if not buyer.sale.rescinded]
    again = [
        _record(
            Sale(
                reference=f"{buyer.sale.reference}-again",
                home_id=buyer.sale.home_id,
                building=buyer.sale.building,
                community_id=buyer.sale.community_id,
                price=buyer.sale.price,
                product_line=buyer.sale.product_line,
                door=Door.LEDGER,
                rescinded=False,
            ),
            other.family.person,
            PurchaseStage.SIGNED,
            on=world.now.date(),
            at=world.now,
            completion=completion,
        )
        for buyer, other in zip(taken, reversed(buyers), strict=False)
    ]
    # The first claim has to be in before the second can be told to be one.
    await world.auditor.until(
        lambda: all(world.log.find(PurchaseSigned, home_id=b.sale.home_id) for b in taken),
        world.seconds,
    )
    for partition, offset in await world.doors.partners.publish(again):
        world.owed.expect(
            "second sale of a home", PartnerEventRejected, partition=partition, offset=offset
        )


async def _rescind(world: World, buyers: Sequence[Buyer]) -> None:
    """They change their minds within the cooling-off, each through their own door."""
    records = []
    for buyer in buyers:
        if buyer.sale.door is Door.API:
            body = {"reason": RescissionReason.COOLING_OFF.value}
            await _take(world, buyer, "rescissions", body)
        else:
            records.append(
                _record(
                    buyer.sale,
                    buyer.family.person,
                    PurchaseStage.RESCINDED,
                    on=world.now.date(),
                    at=world.now,
                    completion=None,
                )
            )
        what = f"rescission of {buyer.sale.reference}"
        world.owed.expect(what, PurchaseRescinded, home_id=buyer.sale.home_id)
        world.owed.expect(what, HandoverCancelled, home_id=buyer.sale.home_id)
    await world.doors.partners.publish(records)


def _record(
    sale: Sale,
    person: Person,
    stage: PurchaseStage,
    *,
    on: date,
    at: datetime,
    completion: date | None,
    referral_code: str | None = None,
) -> PartnerRecord:
    event = PartnerSaleRecorded(
        sale_reference=sale.reference,
        stage=stage,
        recorded_on=on,
        home_id=sale.home_id,
        building=sale.building,
        community_id=sale.community_id,
        price=sale.price,
        buyer=partner_person(person),
        product_line=sale.product_line,
        expected_completion=completion,
        financing=Financing.MORTGAGE,
        referral_code=referral_code,
        rescission_reason=(
            RescissionReason.COOLING_OFF if stage is PurchaseStage.RESCINDED else None
        ),
    )
    return record_of(event, partner=LEDGER, id=f"{sale.reference}-{stage.value}", time=at)


def _money(money: Money) -> dict[str, str]:
    document: dict[str, str] = orjson.loads(money.model_dump_json())
    return document
