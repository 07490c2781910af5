"""Removes messaging rows that nothing can ask for any more.

Inbox rows and stored answers would grow for ever. An inbox row must outlive
the longest time after which its event could be delivered again: the retention of the topics.
"""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import telemetry
from keyturn_chassis.database import is_transient
from keyturn_chassis.runtime import Runtime

EVERY_SECONDS = 600.0
"""How often it looks."""
BATCH = 5_000
"""How many rows of a table go in one transaction, so that no lock is held for long."""

_log = telemetry.get_logger(__name__)

_DELETES: Final = {
    "inbox": (
        "DELETE FROM inbox WHERE ctid IN (SELECT ctid FROM inbox"
        " WHERE processed_at < now() - make_interval(days => :days) LIMIT :batch)"
    ),
    "idempotency": (
        "DELETE FROM idempotency WHERE ctid IN (SELECT ctid FROM idempotency"
        " WHERE created_at < now() - make_interval(days => :days) LIMIT :batch)"
    ),
}


class Retention:
    """Keeps the messaging tables of one service from growing for ever."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        settings = runtime.settings
        self._days = {
            "inbox": settings.inbox_retention_days,
            "idempotency": settings.idempotency_retention_days,
        }

    async def run(self) -> None:
        """Prune now and then, until cancelled."""
        while True:
            try:
                removed = await self.prune()
                _log.info("pruned", **removed)
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("prune_retry", error=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    async def prune(self) -> dict[str, int]:
        """Remove all that has expired; rows removed, by table."""
        return {table: await self._prune(table) for table in _DELETES}

    async def _prune(self, table: str) -> int:
        total = 0
        while True:
            async with self._runtime.database.transaction() as connection:
                removed = await _delete(connection, table, self._days[table])
            total += removed
            if removed < BATCH:
                return total


async def _delete(connection: AsyncConnection, table: str, days: int) -> int:
    result = await connection.execute(text(_DELETES[table]), {"days": days, "batch": BATCH})
    return result.rowcount
