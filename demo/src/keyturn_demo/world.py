"""Everything that a journey works with: the doors, the clocks, the books, and the auditor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from keyturn_demo.auditor import Auditor
from keyturn_demo.backlog import Backlog
from keyturn_demo.clocks import Clocks
from keyturn_demo.doors.http import HttpDoor
from keyturn_demo.doors.partners import PartnerDoor
from keyturn_demo.effect_times import Buckets
from keyturn_demo.event_log import EventLog
from keyturn_demo.expectations import Expectations
from keyturn_demo.people import Run
from keyturn_demo.progress import Phases, Step
from keyturn_demo.tally import Tally

SERVICES: Final = ("intake", "segmentation", "service-desk", "campaigns")
ZONE: Final = ZoneInfo("Asia/Shanghai")
SETTLE_SECONDS: Final = 150.0
"""How long effects may take before the run goes on without them; the audit tells in the end."""
IMPATIENT_SECONDS: Final = 20.0
"""The same, once effects did not come in time."""
LOOK_SECONDS: Final = 0.15
REST_PER_LOOK: Final = 10
"""How much longer than a look the rest after it is."""
QUIET_LOOKS: Final = 3
"""Looks in a row that must find nothing to do and nothing new."""


@dataclass(frozen=True, slots=True)
class Doors:
    """The public doors of the four services, and that of the partners."""

    intake: HttpDoor
    segmentation: HttpDoor
    service_desk: HttpDoor
    campaigns: HttpDoor
    partners: PartnerDoor


@dataclass(slots=True)
class World:
    """One run and what it has to do with."""

    run: Run
    doors: Doors
    clocks: Clocks
    auditor: Auditor
    backlog: Backlog
    owed: Expectations
    tally: Tally
    phases: Phases
    profiler: str
    """The URL of the worker that keeps the profiles."""
    measured: Buckets
    """What that worker had measured when the run began."""
    now: datetime
    """Business time, as the run last drove it."""
    seconds: float = SETTLE_SECONDS
    wrong_tokens: Mapping[str, str] = field(default_factory=dict)
    """Tokens that should not open the lead's door, by what is wrong with them."""
    restarted: list[str] = field(default_factory=list)
    """Processes that died and were started again, in order."""
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Doubled effects that were found outside the log, one line each."""
    customers: dict[str, str] = field(default_factory=dict)
    """Customer id by the reference of the person."""
    purchases: dict[str, str] = field(default_factory=dict)
    """Purchase id by the id of the home."""
    open_defects: dict[str, str] = field(default_factory=dict)
    """The defect that is to be mended, by the id of the home."""
    cases: dict[str, str] = field(default_factory=dict)
    """Complaint id by the id of the home."""

    @property
    def log(self) -> EventLog:
        """Every event seen so far."""
        return self.auditor.log

    def key(self, *parts: object) -> str:
        """The idempotency key of one thing that this run does."""
        return "-".join((self.run.tag, *map(str, parts)))

    async def sleep_until(self, when: datetime, *services: str) -> None:
        """Let business time pass; a time that has passed already changes nothing."""
        if services:
            await self.clocks.drive(when, *services)
        elif when > self.now:
            await self.clocks.drive(when)
            self.now = when

    async def days_pass(self, days: float) -> None:
        """Let so many days of business time pass on all clocks."""
        await self.sleep_until(self.now + timedelta(days=days))

    async def settle(self, step: Step) -> None:
        """Wait until every owed effect has come and nobody has anything left to do.

        Effects that do not come within `seconds` are left for the audit to name.
        """
        deadline = time.monotonic() + self.seconds
        step.expect(len(self.owed))
        while True:
            began = time.monotonic()
            pending = len(self.owed.pending())
            step.reached(len(self.owed) - pending)
            if not pending:
                break
            step.say(f"waiting for {pending:,} effects")
            if time.monotonic() > deadline:
                # Whoever is stuck once is likely to stay so: the next wait need not be as long.
                self.seconds = min(self.seconds, IMPATIENT_SECONDS)
                return
            # Looking for very many effects is work too, and must not keep them from coming.
            took = time.monotonic() - began
            await asyncio.sleep(max(LOOK_SECONDS, took * REST_PER_LOOK))
        step.say("waiting for the services to come to rest")
        quiet = 0
        before = await self.backlog.ends()
        while quiet < QUIET_LOOKS and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_SECONDS)
            ends = await self.backlog.ends()
            at_rest = (
                ends == before
                and await self.auditor.has_read(ends)
                and await self.backlog.cleared(ends)
                and await self.clocks.caught_up()
            )
            quiet = quiet + 1 if at_rest else 0
            before = ends
