"""Waits with many callers at once until their queue numbers are settled.

One look into the store serves everybody who waits in this process, and nobody holds a connection
meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import Final

from intake.queries.releases import StandingBody, settled
from keyturn_chassis.database import Database, is_transient

MOST_SECONDS: Final = 15
"""How long a caller may wait, at most: less than a stopping process lets its requests finish."""
LOOK_SECONDS: Final = 0.1
"""How long after it is settled a caller may hear of it."""

Key = tuple[str, int]
"""Release and number."""


class QueueWatch:
    """Who waits in this process for which queue number."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[Key, set[asyncio.Future[StandingBody]]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def settled(self, release_id: str, number: int, seconds: float) -> StandingBody | None:
        """How the number stands as soon as it is settled; None when the time is over before."""
        key = (release_id, number)
        heard: asyncio.Future[StandingBody] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(heard)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            await asyncio.wait((heard,), timeout=seconds)
            return heard.result() if heard.done() else None
        finally:
            waiting = self._waiting[key]
            waiting.discard(heard)
            if not waiting:
                del self._waiting[key]

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._waiting:
                return
            try:
                async with self._database.reading() as connection:
                    found = await settled(connection, list(self._waiting))
            except Exception as error:
                if not is_transient(error):
                    raise
                continue
            for key, standing in found.items():
                for heard in self._waiting.get(key, ()):
                    if not heard.done():
                        heard.set_result(standing)
