"""Wakes a loop of the worker when a transaction has left work for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import telemetry
from keyturn_chassis.database import Database, is_transient

RETRY_SECONDS: Final = 1.0
"""Pause before listening again after the database went away."""

_NOTIFY: Final = text("SELECT pg_notify(:channel, '')")
_log = telemetry.get_logger(__name__)


async def notify(connection: AsyncConnection, channel: str) -> None:
    """Wake whoever waits for `channel`, in any process of the service, when the commit comes."""
    await connection.execute(_NOTIFY, {"channel": channel})


class Wakeup:
    """A wait for work that a notification ends early.

    A notification can be lost with its connection, so a wait is never without a limit.
    """

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when somebody has notified since the last wait ended, at the latest in time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        self._woken.clear()

    def wake(self, *_: object) -> None:
        """End the wait."""
        self._woken.set()


@asynccontextmanager
async def listening(database: Database, channel: str) -> AsyncIterator[Wakeup]:
    """A `Wakeup` that `notify` on `channel` ends, on a connection of its own."""
    wakeup = Wakeup()
    listener = asyncio.create_task(_listen(database, channel, wakeup), name=f"listen-{channel}")
    try:
        yield wakeup
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def _listen(database: Database, channel: str, wakeup: Wakeup) -> None:
    while True:
        try:
            connection = await database.dedicated()
        except Exception as error:
            if not is_transient(error):
                raise
            _log.warning("listen_retry", channel=channel, error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
            continue
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _, lost=lost: lost.set())
            await connection.add_listener(channel, wakeup.wake)
            wakeup.wake()  # what came while nobody listened
            await lost.wait()
        finally:
            connection.terminate()
