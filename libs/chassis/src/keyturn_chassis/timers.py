"""Timers: rows with a due time, derived from the state of their owners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import chassis_metadata, dump_json
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
    wanted = dump_json(
        [
            {"owner": owner, "kind": deadline.kind, "key": deadline.key, "due_at": deadline.due_at}
            for owner, of_owner in deadlines.items()
            for deadline in of_owner
        ]
    )
    # NOT IN is answered from a hash of what is wanted; NOT EXISTS may become a nested loop, whose
    # cost grows with the square of the batch.
    await connection.execute(
        text(
            "DELETE FROM timers WHERE owner = ANY(CAST(:owners AS text[]))"
            " AND (owner, kind, key) NOT IN (SELECT owner, kind, key"
            " FROM json_populate_recordset(NULL::timers, CAST(:wanted AS json)))"
        ),
        {"owners": sorted(deadlines), "wanted": wanted},
    )
    await connection.execute(
        text(
            "INSERT INTO timers (owner, kind, key, due_at)"
            " SELECT owner, kind, key, due_at"
            " FROM json_populate_recordset(NULL::timers, CAST(:wanted AS json))"
            " ON CONFLICT (owner, kind, key) DO UPDATE"
            " SET due_at = excluded.due_at, failures = 0, retry_at = NULL"
            " WHERE timers.due_at <> excluded.due_at"
        ),
        {"wanted": wanted},
    )


async def count_due(connection: AsyncConnection, now: datetime) -> int:
    """How many timers are due at `now` and have not fired yet."""
    due = await connection.execute(
        text("SELECT count(*) FROM timers WHERE due_at <= :now"), {"now": now}
    )
    return int(due.scalar_one())
