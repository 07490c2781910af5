"""Fires timers that are due, in the order of their due times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import telemetry
from keyturn_chassis.clock import wall_now
from keyturn_chassis.database import dump_json, is_conflict, is_transient
from keyturn_chassis.inputs import Cause, Input, TimerFired
from keyturn_chassis.runtime import Runtime
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

    async def run(self) -> None:
        """Fire due timers until cancelled."""
        while True:
            try:
                fired = await self.fire_due()
            except Exception as error:
                if not (is_transient(error) or is_conflict(error)):
                    raise
                _log.warning("timers_retry", error=type(error).__name__)
                fired = 0
            if fired == 0:
                await asyncio.sleep(POLL_SECONDS)

    async def fire_due(self) -> int:
        """Fire one batch in one transaction; how many fired.

        A timer whose decision refuses is no longer wanted and is dropped. One whose decision
        fails unexpectedly stays and is tried again later; the others are not held up.
        """
        async with self._runtime.database.transaction() as connection:
            rows = await self._due(connection)
            if not rows:
                return 0
            unit = UnitOfWork(self._runtime.service, connection)
            inputs = [self._input(row) for row in rows]
            await unit.load(inputs)
            done, failed = [], []
            for row in inputs:
                try:
                    unit.decide(row)
                except Refusal as refusal:
                    _log.info("timer_dropped", kind=row.value.kind, code=refusal.code)
                except Exception:  # noqa: BLE001 - a bug postpones its timer and stops no other
                    _log.exception("timer_failed", kind=row.value.kind, owner=row.value.owner)
                    failed.append(row.value)
                    continue
                done.append(row.value)
            await _remove(connection, done)
            await _postpone(connection, failed)
            await unit.flush()
        now = wall_now()
        for timer in done:
            telemetry.TIMERS_FIRED.labels(timer.kind).inc()
            if not self._runtime.clock.driven:
                telemetry.TIMER_LATENESS.observe((now - timer.due_at).total_seconds())
        return len(done)

    async def _due(self, connection: AsyncConnection) -> list[TimerFired]:
        alone = await connection.execute(
            text("SELECT pg_try_advisory_xact_lock(hashtext('timers'))")
        )
        if not alone.scalar_one():
            return []
        now = await self._runtime.clock.now(connection)
        rows = await connection.execute(
            text(
                "SELECT owner, kind, key, due_at FROM timers"
                " WHERE due_at <= :now AND (retry_at IS NULL OR retry_at <= now())"
                " ORDER BY due_at, owner, kind, key LIMIT :batch"
            ),
            {"now": now, "batch": BATCH},
        )
        return [TimerFired(row.owner, row.kind, row.key, row.due_at) for row in rows]

    def _input(self, timer: TimerFired) -> Input[TimerFired]:
        service = self._runtime.service
        cause = Cause(
            source=f"{service.name}/timers",
            id=f"{timer.owner}/{timer.kind}/{timer.key}/{timer.due_at.isoformat()}",
            at=timer.due_at,
        )
        return Input(timer, cause, service.reactions.timers[timer.kind])


def _keys(fired: Sequence[TimerFired]) -> dict[str, str]:
    return {"fired": dump_json([[timer.owner, timer.kind, timer.key] for timer in fired])}


_FIRED = (
    " WHERE (owner, kind, key) IN"
    " (SELECT f->>0, f->>1, f->>2 FROM json_array_elements(CAST(:fired AS json)) AS f)"
)


async def _remove(connection: AsyncConnection, fired: Sequence[TimerFired]) -> None:
    if fired:
        await connection.execute(text(f"DELETE FROM timers{_FIRED}"), _keys(fired))  # noqa: S608


async def _postpone(connection: AsyncConnection, failed: Sequence[TimerFired]) -> None:
    if failed:
        await connection.execute(
            text(
                "UPDATE timers SET failures = failures + 1,"  # noqa: S608
                f" retry_at = now() + make_interval(secs => :seconds){_FIRED}"
            ),
            _keys(failed) | {"seconds": RETRY_AFTER.total_seconds()},
        )
