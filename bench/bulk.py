"""Filling tables quickly: their indexes are made again when the rows are there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

SECONDS = 900.0
"""How long one statement may take."""


@asynccontextmanager
async def without_indexes(
    connection: asyncpg.Connection[asyncpg.Record], tables: Sequence[str]
) -> AsyncIterator[None]:
    """Tables without indexes within the block, except for keys that other tables refer to."""
    again = []
    for table in tables:
        for row in await connection.fetch(
            "SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint AS c"
            " WHERE conrelid = CAST($1 AS text)::regclass AND contype IN ('p', 'u')"
            " AND NOT EXISTS (SELECT FROM pg_constraint AS r WHERE r.confrelid = c.conrelid)",
            table,
        ):
            again.append(f"ALTER TABLE {table} ADD CONSTRAINT {row['conname']} {row['definition']}")
            await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {row['conname']}")
        for row in await connection.fetch(
            "SELECT indexname, indexdef, "
            " ARRAY(SELECT format('ALTER INDEX %I ALTER COLUMN %s SET STATISTICS %s',"
            "     indexname, attnum, attstattarget) FROM pg_attribute"
            "   WHERE attrelid = CAST(quote_ident(indexname) AS regclass)"
            "   AND attstattarget IS NOT NULL) AS statistics"
            " FROM pg_indexes WHERE tablename = $1 AND NOT EXISTS"
            " (SELECT FROM pg_constraint WHERE conname = indexname)",
            table,
        ):
            again += [row["indexdef"], *row["statistics"]]
            await connection.execute(f"DROP INDEX {row['indexname']}")
    yield
    for statement in again:
        await connection.execute(statement, timeout=SECONDS)
