"""The transactional outbox: events become rows in the transaction that made them true.

The columns fit the outbox event router of Debezium, so that change-data-capture can take over
from our relay: `aggregatetype` is the topic, `aggregateid` the record key, `payload` the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSON, UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import chassis_metadata, insert_rows
from keyturn_events import Message

CHANNEL = "outbox"
"""The NOTIFY channel that wakes the relay."""

outbox = Table(
    "outbox",
    chassis_metadata,
    Column("id", UUID, primary_key=True),
    Column("sequence", BigInteger, Identity(), nullable=False),
    Column("aggregatetype", Text, nullable=False),
    Column("aggregateid", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("payload", JSON),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("published_at", DateTime(timezone=True)),
    Index("outbox_unpublished", "sequence", postgresql_where=text("published_at IS NULL")),
)


async def append(connection: AsyncConnection, messages: Sequence[Message[Any]]) -> None:
    """Put `messages` into the outbox, in order, and wake the relay when the commit comes.

    Belongs into the transaction of the state change that the messages tell of: then there is
    neither a message without its change nor a change without its message.
    """
    if not messages:
        return
    await insert_rows(connection, outbox, [_row(message) for message in messages])
    await connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


def _row(message: Message[Any]) -> dict[str, Any]:
    value = message.value
    return {
        "id": message.envelope.id,
        "aggregatetype": message.event.topic,
        "aggregateid": message.envelope.subject,
        "type": message.envelope.type,
        "headers": message.attributes,
        "payload": None if value is None else orjson.Fragment(value),
    }
