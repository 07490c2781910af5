"""Owners bring friends, one tries to bring himself, and one friend changes his mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from keyturn_demo.doors.http import each
from keyturn_demo.journeys.leads import note_people, send
from keyturn_demo.journeys.purchases import Buyer, sell_homes
from keyturn_demo.neighbourhood import Door, Family, Neighbourhood, Touch
from keyturn_demo.progress import Step
from keyturn_demo.tally import Noun
from keyturn_demo.world import World
from keyturn_events.campaigns import (
    PointsEarned,
    ReferralAccepted,
    ReferralClawedBack,
    ReferralRefused,
    ReferralRewarded,
)
from keyturn_events.vocabulary import LeadChannel

CODES: Final = "referral codes"
FRIENDS_WHO_BUY: Final = 2
"""Of so many friends who buy a home of their own, every second does."""


async def refer(world: World, owners: Sequence[Buyer], friends: Neighbourhood, step: Step) -> None:
    """Owners pass on their codes; friends come, buy, and the owners are rewarded."""
    opening = world.now
    step.expect(len(owners))
    pairs = list(zip(owners, friends.families, strict=False))
    codes = await each(owners, lambda owner: _code(world, owner))
    await world.days_pass(1)
    touches = [_touch(family, code) for (_, family), code in zip(pairs, codes, strict=False)]
    refused = [
        touch
        for owner, code in zip(owners[:1], codes, strict=False)
        for touch in _not_a_friend(world, owner, code)
    ]
    await send(world, [*touches, *refused], opening, step, wrong=False)
    await world.settle(step)
    note_people(world, [*touches, *refused])
    for touch in touches:
        _owe_verdict(world, touch, ReferralAccepted)
    for touch in refused:
        _owe_verdict(world, touch, ReferralRefused)
    await world.settle(step)
    buyers = [
        Buyer(family, replace(sale, rescinded=number == 0, door=Door.API), customer_id, code)
        for number, ((_, family), code) in enumerate(zip(pairs, codes, strict=False))
        if number % FRIENDS_WHO_BUY == 0
        and (sale := family.sale) is not None
        and (customer_id := world.customers.get(family.person.reference)) is not None
    ]
    await sell_homes(world, buyers, step)
    _owe_rewards(world, buyers)
    await world.settle(step)


async def _code(world: World, owner: Buyer) -> str:
    path = f"/customers/{owner.customer_id}/referral-code"
    code: str = (await world.doors.campaigns.get(path)).accepted()["referral_code"]
    return code


def _touch(family: Family, code: str) -> Touch:
    first = family.touches[0]
    return replace(first, door=Door.API, channel=LeadChannel.REFERRAL, day=0, referral_code=code)


def _not_a_friend(world: World, owner: Buyer, code: str) -> list[Touch]:
    """The owner himself, and somebody of his household who is a customer of her own."""
    first = owner.family.touches[0]
    himself = replace(
        first,
        reference=world.key("l-self"),
        door=Door.API,
        channel=LeadChannel.REFERRAL,
        day=0,
        referral_code=code,
        community_id=owner.sale.community_id,
    )
    spouse = replace(
        himself,
        reference=world.key("l-spouse"),
        person=replace(
            owner.family.person,
            reference=world.key("p-spouse"),
            name="家人",
            phone=None,
            email=f"spouse@{world.run.tag}.example.com",
        ),
    )
    return [himself, spouse] if first.household is not None else [himself]


def _owe_verdict(
    world: World, touch: Touch, verdict: type[ReferralAccepted | ReferralRefused]
) -> None:
    customer_id = world.customers.get(touch.person.reference)
    what = f"referral {touch.reference}"
    world.owed.expect(
        what,
        verdict,
        referred_customer_id=customer_id,
        referral_code=touch.referral_code,
    )


def tally_referrals(world: World) -> None:
    """Count the verdicts on referrals, now that they have been seen."""
    world.tally.accepted(Noun.REFERRAL, CODES, len(world.log.of(ReferralAccepted)))
    for refused in world.log.of(ReferralRefused):
        world.tally.rejected(Noun.REFERRAL, CODES, refused.data["reason"])


def _owe_rewards(world: World, buyers: Sequence[Buyer]) -> None:
    """A signed purchase with a code owes one reward; a rescinded one owes its return."""
    for buyer in buyers:
        purchase_id = world.purchases[buyer.sale.home_id]
        what = f"referral of {buyer.sale.reference}"
        world.owed.expect(what, ReferralRewarded, purchase_id=purchase_id)
        if buyer.sale.rescinded:
            world.owed.expect(what, ReferralClawedBack, purchase_id=purchase_id)
        for rewarded in world.log.find(ReferralRewarded, purchase_id=purchase_id):
            world.owed.expect(
                what, PointsEarned, once=False, customer_id=rewarded.data["customer_id"]
            )
