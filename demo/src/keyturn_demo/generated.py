"""The generated neighbourhood's journey, phase by phase."""

from __future__ import annotations

from keyturn_demo.figures import Figures
from keyturn_demo.journeys.handovers import hand_over
from keyturn_demo.journeys.leads import bring_leads
from keyturn_demo.journeys.living import answer_surveys, complain
from keyturn_demo.journeys.purchases import Buyer, sell_homes
from keyturn_demo.journeys.referrals import refer, tally_referrals
from keyturn_demo.journeys.registration import register_communities, register_partners
from keyturn_demo.journeys.rejections import tally_partner_rejections
from keyturn_demo.neighbourhood import Neighbourhood, generate
from keyturn_demo.options import Options
from keyturn_demo.session import next_opening
from keyturn_demo.summing_up import sum_up
from keyturn_demo.world import World


async def live(world: World, options: Options, began: float) -> Figures:
    """A whole neighbourhood goes from lead to referral; what it came to."""
    phases = world.phases
    await world.sleep_until(next_opening(world.now))
    opening = world.now.date()
    hood = generate(options.households, seed=options.seed, run=world.run, opening=opening)
    with phases.phase("registering partners and communities"):
        await register_partners(world)
        await register_communities(world)
    with phases.phase("leads through three doors") as step:
        await bring_leads(world, hood, step)
    buyers = _buyers(world, hood)
    with phases.phase("purchases") as step:
        await sell_homes(world, buyers, step)
    settled = [buyer for buyer in buyers if not buyer.sale.rescinded]
    with phases.phase("construction and handover") as step:
        await hand_over(world, settled, step)
    with phases.phase("living there: complaints") as step:
        await complain(world, settled, step)
    with phases.phase("living there: surveys") as step:
        await world.days_pass(40)
        await answer_surveys(world, settled, step)
    with phases.phase("owners bring friends") as step:
        owners = [buyer for buyer in settled if buyer.family.refers]
        friends = generate(
            max(1, len(owners)),
            seed=options.seed,
            run=world.run,
            opening=opening,
            first_person=options.households,
        )
        await refer(world, owners, friends, step)
    with phases.phase("messages that were held are sent") as step:
        await world.days_pass(2)
        await world.settle(step)
    with phases.phase("the audit") as step:
        tally_partner_rejections(world)
        tally_referrals(world)
        world.notes.append(
            "The people, their households, phone numbers and e-mail addresses are invented; no"
            " message left this machine."
        )
        source = (
            f"a generated neighbourhood of {options.households:,} households, seed {options.seed}"
        )
        return await sum_up(world, source, began, step)


def _buyers(world: World, hood: Neighbourhood) -> list[Buyer]:
    """The families that buy and whose lead has arrived."""
    return [
        Buyer(family, family.sale, world.customers[family.person.reference])
        for family in hood.buyers
        if family.sale is not None and family.person.reference in world.customers
    ]
