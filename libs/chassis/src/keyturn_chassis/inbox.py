"""The inbox of an idempotent consumer: which events have had their effects already.

Delivery is at least once; the inbox row is written in the transaction of the effects, so that
processing is effectively once.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Column, DateTime, Index, Table, Text, func, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import chassis_metadata, dump_json

inbox = Table(
    "inbox",
    chassis_metadata,
    Column("consumer", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("processed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("inbox_processed_at", "processed_at"),
)


async def receive(
    connection: AsyncConnection, consumer: str, events: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Note `(source, event id)` pairs as processed; the ones that had not been before.

    A concurrent transaction that noted one of them first is waited for: a worker that was
    suspended and wakes up again finds its events taken, and cannot double their effects.
    """
    if not events:
        return set()
    fresh = await connection.execute(
        text(
            "INSERT INTO inbox (consumer, source, event_id)"
            " SELECT :consumer, e->>0, e->>1 FROM json_array_elements(CAST(:events AS json)) AS e"
            " ORDER BY 2, 3"
            " ON CONFLICT DO NOTHING RETURNING source, event_id"
        ),
        {"consumer": consumer, "events": dump_json(sorted(events))},
    )
    return {(row.source, row.event_id) for row in fresh}
