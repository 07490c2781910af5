"""The transactional outbox: events become rows in the transaction that made them true.

It is a queue: the relay takes a row out once the broker has it. The columns fit the outbox event
router of Debezium, so that change-data-capture can take over from our relay: `aggregatetype` is the
topic, `aggregateid` the record key, `payload` the value, and each CloudEvents attribute that is not
the same for all events of the service is a column to be placed as a header.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import BigInteger, Column, DateTime, Identity, Table, Text, func
from sqlalchemy.dialects.postgresql import JSON, UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import chassis_metadata
from keyturn_chassis.driver import copy_rows, driver_of
from keyturn_chassis.inputs import Cause
from keyturn_events import Event
from keyturn_events.envelope import CONTENT_TYPE, SCHEMA_BASE, SPEC_VERSION

CHANNEL: Final = "outbox"
"""The NOTIFY channel that wakes the relay."""

outbox = Table(
    "outbox",
    chassis_metadata,
    Column("sequence", BigInteger, Identity(), primary_key=True),
    Column("id", UUID, nullable=False),
    Column("aggregatetype", Text, nullable=False),
    Column("aggregateid", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("time", Text, nullable=False),
    Column("recordedtime", Text, nullable=False),
    Column("causationid", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("payload", JSON),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

_NAMES: Final = (
    "id",
    "aggregatetype",
    "aggregateid",
    "type",
    "time",
    "recordedtime",
    "causationid",
    "traceparent",
    "payload",
)
_NOTIFY: Final = f"NOTIFY {CHANNEL}"

Row = tuple[str, str, str, str, str, str, str, str, str | None]
"""One event as a row, in the order of the columns."""


def rows_of(
    cause: Cause, events: Sequence[Event], recorded: datetime, traceparent: str
) -> list[Row]:
    """The rows of the events of one decision.

    Their ids follow from the cause and their place among its events. `traceparent` is the span of
    the decision; `recorded` the real time at which it was made.
    """
    time, recorded_time = written(cause.at), written(recorded)
    return [
        (
            cause.derive_id(event.type, number),
            event.topic,
            event.subject,
            event.type,
            time,
            recorded_time,
            cause.id,
            traceparent,
            None if event.tombstone else event.model_dump_json(exclude_none=True),
        )
        for number, event in enumerate(events)
    ]


def written(moment: datetime) -> str:
    """A time as RFC 3339, with Z for UTC."""
    return moment.isoformat().replace("+00:00", "Z")


async def append(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put rows into the outbox, in order, and wake the relay when the commit comes.

    Belongs into the transaction of the state change that they tell of: then there is neither an
    event without its change nor a change without its event.
    """
    if not rows:
        return
    await copy_rows(connection, outbox, _NAMES, rows)
    driver = await driver_of(connection)
    await driver.execute(_NOTIFY)


class OutboxRow(Protocol):
    """A row of the outbox as it is read."""

    def __getitem__(self, name: str, /) -> Any: ...


def headers_of(row: OutboxRow, source: bytes) -> list[tuple[str, bytes]]:
    """The record headers of a row: a CloudEvent in binary mode from the service `source`."""
    type_name = row["type"]
    return [
        ("content-type", _CONTENT_TYPE),
        ("ce_specversion", _SPEC_VERSION),
        ("ce_id", str(row["id"]).encode()),
        ("ce_source", source),
        ("ce_type", type_name.encode()),
        ("ce_subject", row["aggregateid"].encode()),
        ("ce_time", row["time"].encode()),
        ("ce_dataschema", f"{SCHEMA_BASE}{type_name}.json".encode()),
        ("ce_recordedtime", row["recordedtime"].encode()),
        ("ce_causationid", row["causationid"].encode()),
        ("ce_traceparent", row["traceparent"].encode()),
    ]


_CONTENT_TYPE: Final = CONTENT_TYPE.encode()
_SPEC_VERSION: Final = SPEC_VERSION.encode()
