"""Fires timers that are due, in the order of their due times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import telemetry
from keyturn_chassis.clock import wall_now
from keyturn_chassis.database import dump_json, is_transient
from keyturn_chassis.inputs import Cause, Input, TimerFired
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.settle import settle
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_events.refusal import Refusal

BATCH = 200
"""How many timers fire in one transaction, at most."""
POLL_SECONDS = 0.25
"""How late a timer may be noticed when nothing is due."""
RETRY_AFTER = timedelta(seconds=30)
"""How long a timer whose decision failed unexpectedly is left alone."""

_log = telemetry.get_logger(__name__)


class TimerLoop:
    """Fires what is due. One worker of the service does at a time, so that order holds."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._kinds = sorted(runtime.service.reactions.timers)

    async def run(self) -> None:
        """Fire due timers until cancelled."""
        while True:
            try:
                fired = await self.fire_due()
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("timers_retry", error=type(error).__name__)
                fired = 0
            if fired == 0:
                await asyncio.sleep(POLL_SECONDS)

    async def fire_due(self) -> int:
        """Fire one batch, the earliest timer of each owner; how many fired.

        A timer whose decision refuses is no longer wanted and is dropped. One that fails
        unexpectedly stays, holds back its owner's later ones, and is tried again after a while;
        nobody else's are held up. Kinds that this version does not know are left to one that does.
        """
        if not self._kinds:
            return 0
        async with self._runtime.database.transaction() as connection:
            due = await self._due(connection)
        if not due:
            return 0
        fired: list[TimerFired] = []

        async def transact(timers: Sequence[TimerFired]) -> None:
            fired.extend(await self._fire(timers))

        await settle(due, transact, self._give_up)
        now = wall_now()
        for timer in fired:
            telemetry.TIMERS_FIRED.labels(timer.kind).inc()
            if not self._runtime.clock.driven:
                telemetry.TIMER_LATENESS.observe((now - timer.due_at).total_seconds())
        return len(fired)

    async def _due(self, connection: AsyncConnection) -> list[TimerFired]:
        now = await self._runtime.clock.now(connection)
        rows = await connection.execute(
            text(
                "SELECT owner, kind, key, due_at FROM ("
                " SELECT DISTINCT ON (owner) * FROM ("
                "  SELECT * FROM timers WHERE due_at <= :now"
                "  AND kind = ANY(CAST(:kinds AS text[])) ORDER BY due_at LIMIT :window"
                " ) AS earliest ORDER BY owner, due_at, kind, key"
                ") AS first_of_owner WHERE retry_at IS NULL OR retry_at <= now()"
                " ORDER BY due_at, owner LIMIT :batch"
            ),
            {"now": now, "kinds": self._kinds, "window": 10 * BATCH, "batch": BATCH},
        )
        return [TimerFired(row.owner, row.kind, row.key, row.due_at) for row in rows]

    async def _fire(self, timers: Sequence[TimerFired]) -> list[TimerFired]:
        """One transaction. Only timers that are still there after loading are decided."""
        async with self._runtime.database.transaction() as connection:
            alone = await connection.execute(
                text("SELECT pg_try_advisory_xact_lock(hashtext('timers'))")
            )
            if not alone.scalar_one():
                return []
            unit = UnitOfWork(self._runtime.service, connection)
            await unit.load([self._input(timer) for timer in timers])
            done, failed = [], []
            for timer in await _still_wanted(connection, timers):
                try:
                    unit.decide(self._input(timer))
                except Refusal as refusal:
                    _log.info("timer_dropped", kind=timer.kind, code=refusal.code)
                except Exception:  # noqa: BLE001 - a bug postpones its timer and stops no other
                    _log.exception("timer_failed", kind=timer.kind, owner=timer.owner)
                    failed.append(timer)
                    continue
                done.append(timer)
            await unit.flush()
            await _remove(connection, done)
            await _postpone(connection, failed)
        return done

    async def _give_up(self, timer: TimerFired, error: Exception) -> None:
        _log.error("timer_refused_by_store", kind=timer.kind, error=type(error).__name__)
        async with self._runtime.database.transaction() as connection:
            await _postpone(connection, [timer])

    def _input(self, timer: TimerFired) -> Input[TimerFired]:
        service = self._runtime.service
        cause = Cause(
            source=f"{service.name}/timers",
            id=f"{timer.owner}/{timer.kind}/{timer.key}/{timer.due_at.isoformat()}",
            at=timer.due_at,
        )
        return Input(timer, cause, service.reactions.timers[timer.kind])


_THESE = (
    " json_populate_recordset(NULL::timers, CAST(:these AS json)) AS these"
    " WHERE timers.owner = these.owner AND timers.kind = these.kind AND timers.key = these.key"
    " AND timers.due_at = these.due_at"
)


def _these(timers: Sequence[TimerFired]) -> dict[str, str]:
    return {
        "these": dump_json(
            [
                {"owner": t.owner, "kind": t.kind, "key": t.key, "due_at": t.due_at}
                for t in sorted(timers, key=lambda t: (t.owner, t.kind, t.key))
            ]
        )
    }


async def _still_wanted(
    connection: AsyncConnection, timers: Sequence[TimerFired]
) -> list[TimerFired]:
    rows = await connection.execute(
        text(f"SELECT timers.owner, timers.kind, timers.key FROM timers,{_THESE}"),  # noqa: S608
        _these(timers),
    )
    there = {(row.owner, row.kind, row.key) for row in rows}
    return [timer for timer in timers if (timer.owner, timer.kind, timer.key) in there]


async def _remove(connection: AsyncConnection, fired: Sequence[TimerFired]) -> None:
    """After the state was saved, so that every transaction takes locks in the same order."""
    if fired:
        await connection.execute(
            text(f"DELETE FROM timers USING{_THESE}"),  # noqa: S608
            _these(fired),
        )


async def _postpone(connection: AsyncConnection, failed: Sequence[TimerFired]) -> None:
    if failed:
        await connection.execute(
            text(
                "UPDATE timers SET failures = timers.failures + 1,"  # noqa: S608
                f" retry_at = now() + make_interval(secs => :seconds) FROM{_THESE}"
            ),
            _these(failed) | {"seconds": RETRY_AFTER.total_seconds()},
        )
