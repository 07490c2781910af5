"""The only reader of the wall clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_events.refusal import Refusal, RefusalKind


def wall_now() -> datetime:
    """The real time, in UTC: for latencies and lifetimes, never for a decision."""
    return datetime.now(UTC)


class Clock(Protocol):
    """Business time: what decisions, deadlines and timers go by."""

    driven: bool

    async def now(self, connection: AsyncConnection) -> datetime:
        """The business time as seen by the transaction of `connection`."""
        ...


class SystemClock:
    """Business time is real time."""

    driven = False

    async def now(self, connection: AsyncConnection) -> datetime:  # noqa: ARG002 - a Clock
        """The real time, in UTC."""
        return wall_now()


class DrivenClock:
    """Business time is a row that `drive` moves, so that a replay can relive past years.

    Until it is first driven it tells the real time. All processes of the service read the same
    row.
    """

    driven = True

    async def now(self, connection: AsyncConnection) -> datetime:
        """The driven time, or the real time before the first drive."""
        row = (await connection.execute(text("SELECT now FROM driven_clock"))).one_or_none()
        return wall_now() if row is None else row.now

    async def drive(self, connection: AsyncConnection, to: datetime) -> None:
        """Move business time forward to `to`.

        Raises `Refusal` when that would turn the clock back: timers that fired stay fired.
        """
        moved = await connection.execute(
            text(
                "INSERT INTO driven_clock (id, now) VALUES (1, :to)"
                " ON CONFLICT (id) DO UPDATE SET now = excluded.now"
                " WHERE driven_clock.now <= excluded.now RETURNING now"
            ),
            {"to": to},
        )
        if moved.one_or_none() is None:
            current = await self.now(connection)
            raise Refusal(
                "clock-turned-back",
                f"The clock stands at {current.isoformat()}; drive it to that time or later.",
                kind=RefusalKind.INVALID,
                pointer="/now",
            )
