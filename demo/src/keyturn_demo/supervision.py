"""Starts again what dies while the demo runs, as an orchestrator would."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from keyturn_local.errors import StackError
from keyturn_local.stack import Stack

LOOK_SECONDS: Final = 1.0
"""How often the processes are looked at."""


class Supervisor:
    """Watches the processes of a stack."""

    def __init__(self, stack: Stack, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._say = say
        self.restarted: list[str] = []
        """Names of the processes that were started again, in order."""

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for status in await asyncio.to_thread(self._stack.status):
                if status.pid is None:
                    await self._start(status.name)

    async def _start(self, name: str) -> None:
        self._say(f"{name} has ended; starting it again")
        try:
            await asyncio.to_thread(self._stack.start, name)
        except StackError as error:
            self._say(f"{name} does not start yet: {str(error).splitlines()[0]}")
        else:
            self.restarted.append(name)


@asynccontextmanager
async def supervised(stack: Stack, say: Callable[[str], None]) -> AsyncIterator[Supervisor]:
    """A supervisor that watches until the end of the block."""
    supervisor = Supervisor(stack, say)
    watching = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
