"""From nothing to an open world: the stack runs, tokens are minted, the auditor reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, time, timedelta
from time import time as unix_time
from typing import Final

from rich.console import Console

from keyturn_chassis.auth import LocalIssuer
from keyturn_demo.auditor import audit_of
from keyturn_demo.backlog import backlog_of
from keyturn_demo.clocks import Clocks, ClockTurnedBack
from keyturn_demo.doors.http import HttpDoor
from keyturn_demo.doors.partners import partner_door
from keyturn_demo.effect_times import read_buckets
from keyturn_demo.expectations import Expectations
from keyturn_demo.people import Run
from keyturn_demo.progress import Phases
from keyturn_demo.supervision import supervised
from keyturn_demo.tally import Tally
from keyturn_demo.world import SERVICES, ZONE, Doors, World
from keyturn_local.service_processes import AUDIENCE, ISSUER
from keyturn_local.stack import Stack

CALLER: Final = "keyturn-demo"
TOKEN_LIFETIME: Final = timedelta(hours=8)
OPENING_HOUR: Final = time(9, tzinfo=ZONE)
MOST_RESIDENTS: Final = 20_000
"""People of earlier runs on whom a year's deadlines can fall without making everybody wait."""
SETTINGS: Final = {"KEYTURN_CLOCK": "driven", "KEYTURN_LOG_LEVEL": "warning"}


class StackNotFresh(Exception):
    """The stack's business time cannot be set back, not even by removing its data."""


@asynccontextmanager
async def open_world(
    stack: Stack, console: Console, *, relive_from: Mapping[str, datetime] | None = None
) -> AsyncIterator[World]:
    """A world on a stack that runs, until the end of the block.

    With `relive_from` the clocks of the services begin there. When one stands later already, or
    when so many people are on the stack that a year would take too long to pass, its data are
    removed first. Raises `StackNotFresh` when even that does not help.
    """
    phases = Phases(console)
    with phases.phase("starting the stack"):
        await asyncio.to_thread(stack.up)
    hindrance = await _hindrance(stack, relive_from)
    if hindrance is not None:
        console.print(f"  {hindrance}: the stack's data are removed, and it starts afresh.")
        with phases.phase("starting the stack afresh"):
            await asyncio.to_thread(stack.clean)
            await asyncio.to_thread(stack.up)
        hindrance = await _hindrance(stack, relive_from)
        if hindrance is not None:
            raise StackNotFresh(f"{hindrance}; give a PostgreSQL server without Keyturn's data")
    async with AsyncExitStack() as exits:
        supervisor = await exits.enter_async_context(supervised(stack, console.print))
        doors = {
            name: await exits.enter_async_context(await door_of(stack, name)) for name in SERVICES
        }
        auditor = await exits.enter_async_context(audit_of(stack.kafka_bootstrap))
        clocks = Clocks(doors)
        partners = await exits.enter_async_context(partner_door(stack.kafka_bootstrap))
        backlog = await exits.enter_async_context(backlog_of(stack.kafka_bootstrap, SERVICES))
        yield World(
            run=Run.at(unix_time()),
            doors=Doors(
                doors["intake"],
                doors["segmentation"],
                doors["service-desk"],
                doors["campaigns"],
                partners,
            ),
            clocks=clocks,
            auditor=auditor,
            backlog=backlog,
            owed=Expectations(auditor.log),
            tally=Tally(),
            phases=phases,
            profiler=stack.urls["segmentation-worker"],
            measured=await read_buckets(stack.urls["segmentation-worker"]),
            now=await clocks.latest(),
            restarted=supervisor.restarted,
            wrong_tokens={
                "an expired token": token(stack, ["leads:write"], -TOKEN_LIFETIME),
                "a token without the scope": token(stack, ["leads:read"]),
                "no token at all": "nonsense",
            },
        )


def next_opening(after: datetime) -> datetime:
    """The next Monday's opening hour."""
    day = after.astimezone(ZONE).date() + timedelta(days=1)
    day += timedelta(days=-day.weekday() % 7)
    return datetime.combine(day, OPENING_HOUR)


async def door_of(stack: Stack, service: str) -> HttpDoor:
    """The API of a service, with a token for everything that it lets anybody do."""
    url = stack.urls[f"{service}-api"]
    async with HttpDoor(url) as door:
        document = (await door.get("/openapi.json")).accepted()
    flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
    return HttpDoor(url, token(stack, flows["clientCredentials"]["scopes"]))


def token(stack: Stack, scopes: Iterable[str], lifetime: timedelta = TOKEN_LIFETIME) -> str:
    """A token of the local issuer; one that lasts less than nothing has expired."""
    return LocalIssuer(stack.private_key, ISSUER, AUDIENCE).mint(CALLER, scopes, lifetime)


async def _hindrance(stack: Stack, relive_from: Mapping[str, datetime] | None) -> str | None:
    """Why the run cannot begin on the stack as it is; None when it can."""
    if relive_from is None:
        async with await door_of(stack, "segmentation") as door:
            known = (await door.get("/segments")).accepted()["customers"]
        crowded = known > MOST_RESIDENTS
        return f"{known:,} people of earlier runs are here" if crowded else None
    for service, beginning in relive_from.items():
        async with await door_of(stack, service) as door:
            try:
                await Clocks({service: door}).drive(beginning)
            except ClockTurnedBack:
                return f"The clock of {service} stands later than the records begin"
    return None
