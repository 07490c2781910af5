"""The driven clocks of the four services: years pass when the demo says so."""

from __future__ import annotations

import asyncio
import time as wall
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from keyturn_demo.doors.http import HttpDoor

CATCH_UP_SECONDS: Final = 120.0
"""How long the timers of a service may take to fire up to the driven time."""
POLL_SECONDS: Final = 0.05
TURNED_BACK: Final = "clock-turned-back"


class ClockTurnedBack(Exception):
    """The stack's business time is past the beginning of what is to be relived."""


class ClockStuck(Exception):
    """A service did not fire its due timers in time."""


class Clocks:
    """The clocks of services by name. They only go forward."""

    def __init__(self, doors: Mapping[str, HttpDoor]) -> None:
        self._doors = doors

    async def latest(self) -> datetime:
        """The latest business time of any service."""
        readings = await asyncio.gather(*(self._read(door) for door in self._doors.values()))
        return max(datetime.fromisoformat(reading["now"]) for reading in readings)

    async def drive(self, to: datetime, *services: str) -> None:
        """Move the clocks of `services`, of all when none is named, and fire what falls due.

        Raises `ClockTurnedBack` when a clock is later than that already.
        """
        names = services or tuple(self._doors)
        await asyncio.gather(*(self._drive(self._doors[name], to) for name in names))

    async def point(self, service: str, to: datetime) -> None:
        """Move one clock and go on at once: whoever acts next lets the time pass by that act."""
        answer = await self._doors[service].put("/clock", {"now": to.isoformat()})
        answer.accepted()

    async def caught_up(self) -> bool:
        """Whether no service has a timer that is due and has not fired."""
        readings = await asyncio.gather(*(self._read(door) for door in self._doors.values()))
        return not any(reading["timers_due"] for reading in readings)

    async def _drive(self, door: HttpDoor, to: datetime) -> None:
        answer = await door.put("/clock", {"now": to.isoformat()})
        if answer.reason == TURNED_BACK:
            raise ClockTurnedBack(f"the clock of {door.url} is past {to.isoformat()}")
        reading = answer.accepted()
        deadline = wall.monotonic() + CATCH_UP_SECONDS
        while reading["timers_due"]:
            if wall.monotonic() > deadline:
                raise ClockStuck(f"{door.url} has {reading['timers_due']} timers due and waiting")
            await asyncio.sleep(POLL_SECONDS)
            reading = await self._read(door)

    async def _read(self, door: HttpDoor) -> dict[str, Any]:
        reading: dict[str, Any] = (await door.get("/clock")).accepted()
        return reading
