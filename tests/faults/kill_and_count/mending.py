"""After the load: poison is discarded, and what waited behind it is handled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keyturn_demo.doors.http import HttpDoor

WAITING = "behind-parked"


async def parked(doors: Mapping[str, HttpDoor]) -> int:
    """Records that are parked or wait behind one that is, in all services."""
    total = 0
    for door in doors.values():
        page: dict[str, Any] = (await door.get("/dead-letters")).accepted()
        total += int(page["total"])
    return total


async def mend(doors: Mapping[str, HttpDoor]) -> int:
    """Discard what is broken for good, so that the rest is handled; how many were discarded."""
    discarded = 0
    for door in doors.values():
        while heads := (await door.get("/dead-letters", limit=200)).accepted()["items"]:
            for head in heads:
                path = f"/dead-letters/{head['id']}/discard"
                (await door.send("POST", path, None, {})).accepted()
                discarded += 1
    return discarded
