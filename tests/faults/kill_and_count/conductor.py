"""Keeps the load and the faults in step: a fault strikes at its place among the writes."""

from __future__ import annotations

import asyncio


class Conductor:
    """Counts the writes of a load, and holds the load back where the next fault is not ready."""

    def __init__(self) -> None:
        self.writes = 0
        """Requests that change something, and partners' records, that were begun."""
        self.finished = False
        self._limit: int | None = None
        self._changed = asyncio.Condition()

    async def pass_one(self) -> int:
        """Let one write begin, when its turn comes; its number, from 1."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._limit is None or self.writes < self._limit,
            )
            self.writes += 1
            self._changed.notify_all()
            return self.writes

    async def reached(self, place: int) -> bool:
        """Wait for the write of this number; False when the load has ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.finished or self.writes >= place)
            return not self.finished

    async def hold_at(self, limit: int | None) -> None:
        """Let no more than so many writes begin; None lets all."""
        async with self._changed:
            self._limit = limit
            self._changed.notify_all()

    async def give(self, writes: int) -> None:
        """Let so many more writes begin than the limit allows, if it has been reached."""
        async with self._changed:
            if self._limit is not None and self.writes >= self._limit:
                self._limit = self.writes + writes
                self._changed.notify_all()

    async def finish(self) -> None:
        """The load has made its last write."""
        async with self._changed:
            self.finished = True
            self._changed.notify_all()
