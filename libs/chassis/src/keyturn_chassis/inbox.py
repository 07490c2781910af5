"""The inbox of an idempotent consumer: which events have had their effects already.

Delivery is at least once; the inbox row is written in the transaction of the effects, so that
processing is effectively once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import Column, DateTime, Index, Table, Text, func, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import chassis_metadata

inbox = Table(
    "inbox",
    chassis_metadata,
    Column("consumer", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("processed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("inbox_processed_at", "processed_at"),
)


_RECEIVE: Final = text(
    "WITH given AS MATERIALIZED (SELECT * FROM unnest(CAST(:sources AS text[]),"
    " CAST(:ids AS text[])) AS given (source, event_id)),"
    " fresh AS (INSERT INTO inbox (consumer, source, event_id)"
    " SELECT :consumer, source, event_id FROM given"
    " ON CONFLICT DO NOTHING RETURNING source, event_id)"
    " SELECT source, event_id FROM given EXCEPT ALL SELECT source, event_id FROM fresh"
)
"""Tells what was known, which is hardly ever anything, rather than what was not."""


async def receive(
    connection: AsyncConnection, consumer: str, events: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Note `(source, event id)` pairs as processed; the ones that had not been before.

    A concurrent transaction that noted one of them first is waited for: a worker that was
    suspended and wakes up again finds its events taken, and cannot double their effects. They are
    written in order, so that two such transactions cannot deadlock.
    """
    unseen = set(events)
    if not unseen:
        return unseen
    sources, ids = zip(*sorted(unseen), strict=True)
    known = await connection.execute(
        _RECEIVE, {"consumer": consumer, "sources": sources, "ids": ids}
    )
    unseen.difference_update((row.source, row.event_id) for row in known)
    return unseen
