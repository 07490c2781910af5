"""Reads the whole state of every service: all rows of all tables, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import asyncpg
import orjson

from keyturn_local.services import SERVICES
from tests.faults.kill_and_count.canonical import Snapshot, Table

_TABLES: Final = """
    SELECT c.relname AS name, coalesce(array_agg(a.attname ORDER BY k.place)
        FILTER (WHERE a.attname IS NOT NULL), '{}') AS key
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    LEFT JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place) ON true
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    GROUP BY c.relname
"""


async def take(admin_url: str) -> Snapshot:
    """Every row of every table of every service; nothing may be under way meanwhile."""
    server = admin_url.rpartition("/")[0]
    snapshot: dict[str, Mapping[str, Table]] = {}
    for service in SERVICES:
        connection = await asyncpg.connect(
            f"{server}/{service.database}", server_settings={"TimeZone": "UTC"}
        )
        try:
            snapshot[service.name] = await _tables(connection)
        finally:
            await connection.close()
    return snapshot


async def _tables(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for table in await connection.fetch(_TABLES):
        rows: list[dict[str, Any]] = [
            orjson.loads(row["document"])
            for row in await connection.fetch(
                f'SELECT to_jsonb(t)::text AS document FROM "{table["name"]}" AS t'
            )
        ]
        tables[table["name"]] = Table(tuple(table["key"]), rows)
    return tables
