"""The load: a neighbourhood's whole journey through all doors, the same for the same seed."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Final

from aiokafka import AIOKafkaProducer
from rich.console import Console

from keyturn_demo.auditor import audit_of
from keyturn_demo.backlog import backlog_of
from keyturn_demo.clocks import Clocks
from keyturn_demo.doors.http import HttpDoor
from keyturn_demo.expectations import Expectations
from keyturn_demo.journeys.handovers import hand_over
from keyturn_demo.journeys.leads import WAVES, bring_leads
from keyturn_demo.journeys.living import answer_surveys, complain
from keyturn_demo.journeys.purchases import Buyer, sell_homes
from keyturn_demo.journeys.referrals import refer
from keyturn_demo.journeys.registration import register_communities, register_partners
from keyturn_demo.kafka import connected
from keyturn_demo.neighbourhood import LEAD_DAYS, Family, Neighbourhood, generate
from keyturn_demo.people import Run
from keyturn_demo.progress import Phases, Step
from keyturn_demo.session import door_of, next_opening, token
from keyturn_demo.tally import Tally
from keyturn_demo.world import SERVICES, Doors, World
from keyturn_local.stack import Stack
from tests.faults.kill_and_count.conductor import Conductor
from tests.faults.kill_and_count.doors import CarelessPartner, CountedDoor
from tests.faults.kill_and_count.poison import Poisoner
from tests.faults.kill_and_count.rest import Rest

BEGINNING: Final = datetime(2027, 3, 1, 1, 0, tzinfo=UTC)
"""Where the driven clocks begin: whatever the date is, ids and times are the same."""
FIRST_RUN: Final = 1_000_000
"""The seed is counted from here to name the people of a run."""
REST_SECONDS: Final = 120.0
"""How long the services may take to come to rest, faults included."""


@dataclass(slots=True)
class Loaded(World):
    """The world of the load: business time moves when everybody has done what they had to do.

    Otherwise an event that a fault held up would be handled in another order with the timers, and
    both orders would be right.
    """

    rest: Rest = field(kw_only=True)
    poisoner: Poisoner = field(kw_only=True)
    partner: CarelessPartner = field(kw_only=True)
    plain: Mapping[str, HttpDoor] = field(kw_only=True)
    """The same doors without counting, for what is no part of the load."""

    async def settle(self, step: Step) -> None:
        """Wait until every owed effect has come and all is quiet."""
        step.expect(len(self.owed))
        await self.at_rest()
        step.reached(len(self.owed) - len(self.owed.pending()))

    async def sleep_until(self, when: datetime, *services: str) -> None:
        """Let business time pass, once all is quiet."""
        await self.at_rest()
        # Not super(): a class with slots is another one than the one its methods were written in.
        await World.sleep_until(self, when, *services)
        await self.at_rest()

    async def at_rest(self) -> None:
        """Wait until nothing is under way anywhere; raises `NotAtRest` when that takes too long."""
        await self.rest.reached(REST_SECONDS)


class Told(Phases):
    """The phases of the load, told in a line each instead of a moving display."""

    def __init__(self, say: Callable[[str], None], conductor: Conductor) -> None:
        super().__init__(Console(file=io.StringIO()))
        self._say = say
        self._conductor = conductor

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Step]:
        """Do a phase, and then say that it is done."""
        with super().phase(name, total) as step:
            yield step
        self._say(f"[green]✓[/] {name} · {self._conductor.writes:,} writes so far")


@asynccontextmanager
async def open_load(
    stack: Stack, say: Callable[[str], None], conductor: Conductor, seed: int
) -> AsyncIterator[Loaded]:
    """The load on a stack that runs and is fresh, until the end of the block."""
    run = Run(FIRST_RUN + seed)
    async with AsyncExitStack() as exits:
        producer = AIOKafkaProducer(
            bootstrap_servers=stack.kafka_bootstrap,
            enable_idempotence=True,
            acks="all",
            request_timeout_ms=90_000,
        )
        await connected(producer)
        exits.push_async_callback(producer.stop)
        poisoner = Poisoner(producer, run.tag, BEGINNING)
        rng = Random(f"partner/{seed}")
        partner = CarelessPartner(producer, conductor, poisoner.accompany, rng)
        doors: dict[str, HttpDoor] = {}
        plain: dict[str, HttpDoor] = {}
        for name in SERVICES:
            plain[name] = await exits.enter_async_context(await door_of(stack, name))
            doors[name] = await exits.enter_async_context(
                CountedDoor(plain[name], conductor, poisoner.accompany)
            )
        auditor = await exits.enter_async_context(audit_of(stack.kafka_bootstrap))
        backlog = await exits.enter_async_context(backlog_of(stack.kafka_bootstrap, SERVICES))
        rest = await exits.enter_async_context(
            Rest(stack.admin_url, stack.kafka_bootstrap, auditor)
        )
        clocks = Clocks(doors)
        await clocks.drive(BEGINNING)
        yield Loaded(
            run=run,
            doors=Doors(
                doors["intake"],
                doors["segmentation"],
                doors["service-desk"],
                doors["campaigns"],
                partner,
            ),
            clocks=clocks,
            auditor=auditor,
            backlog=backlog,
            owed=Expectations(auditor.log),
            tally=Tally(),
            phases=Told(say, conductor),
            profiler=stack.urls["segmentation-worker"],
            measured={},
            now=BEGINNING,
            wrong_tokens={
                "a token without the scope": token(stack, ["leads:read"]),
                "no token at all": "nonsense",
            },
            rest=rest,
            poisoner=poisoner,
            partner=partner,
            plain=plain,
        )


async def live(world: Loaded, households: int, seed: int, *, whole: bool) -> None:
    """A neighbourhood goes through every door that there is: from lead to purchase or, when the
    journey is to be `whole`, to the friends it recommends.
    """
    phases = world.phases
    await world.sleep_until(next_opening(world.now))
    hood = apart(
        generate(households, seed=seed, run=world.run, opening=world.now.date()),
    )
    with phases.phase("registering partners and communities"):
        await register_partners(world)
        await register_communities(world)
    with phases.phase("leads through all doors") as step:
        await bring_leads(world, hood, step)
    buyers = _buyers(world, hood)
    with phases.phase("purchases") as step:
        await sell_homes(world, buyers, step)
    if not whole:
        return
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
            seed=seed,
            run=world.run,
            opening=world.now.date(),
            first_person=households,
        )
        await refer(world, owners, friends, step)
    with phases.phase("messages that were held are sent") as step:
        await world.days_pass(2)
        await world.settle(step)


def _buyers(world: World, hood: Neighbourhood) -> list[Buyer]:
    return [
        Buyer(family, family.sale, world.customers[family.person.reference])
        for family in hood.buyers
        if family.sale is not None and family.person.reference in world.customers
    ]


def apart(hood: Neighbourhood) -> Neighbourhood:
    """The same people, none of whom comes through two doors in one wave.

    Who knocks at two doors at once is registered at the one that opens first; both runs would be
    right, and differ.
    """
    return replace(hood, families=tuple(map(_once_a_wave, hood.families)))


def _once_a_wave(family: Family) -> Family:
    days_a_wave = LEAD_DAYS // WAVES + 1
    first, *again = family.touches
    later = [
        replace(touch, day=first.day + days_a_wave)
        for touch in again
        if first.day + days_a_wave <= LEAD_DAYS
    ]
    return replace(family, touches=(first, *later))
