"""Timers: rows with a due time, derived from the state of their owners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import chassis_metadata
from keyturn_chassis.driver import driver_of
from keyturn_chassis.service import Deadline

timers = Table(
    "timers",
    chassis_metadata,
    Column("owner", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("retry_at", DateTime(timezone=True)),
    Index("timers_due_at", "due_at"),
)


async def synchronise(
    connection: AsyncConnection, deadlines: Mapping[str, Sequence[Deadline]]
) -> None:
    """Make the timers of each owner those that `deadlines` says, and no others."""
    if not deadlines:
        return
    wanted = sorted(
        (owner, deadline.kind, deadline.key, deadline.due_at)
        for owner, of_owner in deadlines.items()
        for deadline in of_owner
    )
    columns = zip(*wanted, strict=True) if wanted else ((), (), (), ())
    driver = await driver_of(connection)
    await driver.execute(_SYNCHRONISE, sorted(deadlines), *columns)


# NOT IN is answered from a hash of what is wanted; NOT EXISTS may become a nested loop, whose cost
# grows with the square of the batch.
_SYNCHRONISE: Final = (
    "WITH wanted AS (SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[])"
    " AS wanted (owner, kind, key, due_at)),"
    " gone AS (DELETE FROM timers WHERE owner = ANY($1::text[])"
    " AND (owner, kind, key) NOT IN (SELECT owner, kind, key FROM wanted))"
    " INSERT INTO timers (owner, kind, key, due_at) SELECT owner, kind, key, due_at FROM wanted"
    " ON CONFLICT (owner, kind, key) DO UPDATE"
    " SET due_at = excluded.due_at, failures = 0, retry_at = NULL"
    " WHERE timers.due_at <> excluded.due_at"
)


async def count_due(connection: AsyncConnection, now: datetime) -> int:
    """How many timers are due at `now` and have not fired yet."""
    due = await connection.execute(
        text("SELECT count(*) FROM timers WHERE due_at <= :now"), {"now": now}
    )
    return int(due.scalar_one())
