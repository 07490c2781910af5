"""Fills a service's outbox, by the names of its columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from bench.records import Record

Headers = dict[str, str]

COLUMNS: dict[str, Callable[[Record, Headers], Any]] = {
    "id": lambda _, headers: UUID(headers["ce_id"]),
    "aggregatetype": lambda record, _: record.topic,
    "aggregateid": lambda record, _: record.key.decode(),
    "type": lambda _, headers: headers["ce_type"],
    "time": lambda _, headers: headers["ce_time"],
    "recordedtime": lambda _, headers: headers["ce_recordedtime"],
    "causationid": lambda _, headers: headers["ce_causationid"],
    "traceparent": lambda _, headers: headers["ce_traceparent"],
    "headers": lambda _, headers: json.dumps(headers),
    "payload": lambda record, _: None if record.value is None else record.value.decode(),
}
"""How a record fills each column that an outbox may have; the others have defaults."""


async def fill_outbox(url: str, records: Sequence[Record], copies: int = 1) -> int:
    """Put each record into the outbox `copies` times, under ids of their own; how many rows."""
    connection = await asyncpg.connect(url)
    try:
        names = await _columns(connection)
        await connection.copy_records_to_table(
            "outbox", columns=names, records=list(_rows(records, names))
        )
        if copies > 1:
            listed = ", ".join(names)
            chosen = listed.replace("id,", "gen_random_uuid(),", 1)
            await connection.execute(
                f"INSERT INTO outbox ({listed}) SELECT {chosen} FROM outbox,"  # noqa: S608
                f" generate_series(2, {copies}) AS copy ORDER BY copy, sequence",
                timeout=600,
            )
        await connection.execute("VACUUM ANALYZE outbox", timeout=600)
    finally:
        await connection.close()
    return len(records) * copies


async def _columns(connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    rows = await connection.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'outbox'"
        " AND table_schema = 'public' ORDER BY ordinal_position"
    )
    known = {row["column_name"] for row in rows}
    return [name for name in COLUMNS if name in known]


def _rows(records: Sequence[Record], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    values = [COLUMNS[name] for name in names]
    for record in records:
        headers = {name: value.decode() for name, value in record.headers}
        yield tuple(value(record, headers) for value in values)
