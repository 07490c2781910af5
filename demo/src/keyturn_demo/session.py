"""From nothing to an open world: the stack runs, tokens are minted, the auditor reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, time, timedelta
from time import time as unix_time
from typing import Final

import httpx
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
SETTINGS: Final = {"KEYTURN_CLOCK": "driven", "KEYTURN_LOG_LEVEL": "warning"}


class StackNotFresh(Exception):
    """The stack's business time cannot be set back, not even by removing its data."""


@asynccontextmanager
async def open_world(
    stack: Stack, console: Console, *, relive_from: datetime | None = None
) -> AsyncIterator[World]:
    """A world on a stack that runs, until the end of the block.

    With `relive_from` the desk's clock begins there; when it stands later already, the stack's
    data are removed first. Raises `StackNotFresh` when even that does not help.
    """
    phases = Phases(console)
    with phases.phase("starting the stack"):
        await asyncio.to_thread(stack.up)
    if relive_from is not None and not await _can_begin(stack, relive_from):
        console.print("  The stack's clocks stand later than the records: its data are removed.")
        with phases.phase("starting the stack afresh"):
            await asyncio.to_thread(stack.clean)
            await asyncio.to_thread(stack.up)
        if not await _can_begin(stack, relive_from):
            raise StackNotFresh("give POSTGRES_URL a server without Keyturn's databases")
    async with AsyncExitStack() as exits:
        doors = {
            name: await exits.enter_async_context(await door_of(stack, name)) for name in SERVICES
        }
        auditor = await exits.enter_async_context(audit_of(stack.kafka_bootstrap))
        clocks = Clocks(doors)
        partners = await exits.enter_async_context(partner_door(stack.kafka_bootstrap))
        backlog = await exits.enter_async_context(backlog_of(stack.kafka_bootstrap, SERVICES))
        await exits.enter_async_context(supervised(stack, console.print))
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
        )


def next_opening(after: datetime) -> datetime:
    """The next Monday's opening hour."""
    day = after.astimezone(ZONE).date() + timedelta(days=1)
    day += timedelta(days=-day.weekday() % 7)
    return datetime.combine(day, OPENING_HOUR)


async def door_of(stack: Stack, service: str, *, lifetime: timedelta = TOKEN_LIFETIME) -> HttpDoor:
    """The API of a service, with a token for everything that it lets anybody do."""
    url = stack.urls[f"{service}-api"]
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        document = (await client.get("/openapi.json")).raise_for_status().json()
    flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
    return HttpDoor(url, token(stack, flows["clientCredentials"]["scopes"], lifetime))


def token(stack: Stack, scopes: list[str] | dict[str, str], lifetime: timedelta) -> str:
    """A token of the local issuer; one that lasts less than nothing has expired."""
    return LocalIssuer(stack.private_key, ISSUER, AUDIENCE).mint(CALLER, scopes, lifetime)


async def _can_begin(stack: Stack, relive_from: datetime) -> bool:
    """Drive the desk's clock to where the records begin; False when it stands later."""
    async with await door_of(stack, "service-desk") as door:
        try:
            await Clocks({"service-desk": door}).drive(relive_from)
        except ClockTurnedBack:
            return False
    return True
