"""Makes a segmentation store of any size: real profiles, copied set by set under new ids."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

import asyncpg

from bench.bulk import SECONDS, without_indexes

TIMELINE_LINES = 3
"""Lines of the timeline that are copied with a profile, the latest."""
INBOX_ROWS = 3
"""Handled events that the inbox remembers for each profile."""
TABLES = ("customers", "memberships", "timers", "timeline", "inbox")
"""What is filled."""
OWNERS = frozenset({"customer_id", "survivor_id", "owner"})
"""Columns that name the customer."""
NEW_ID = "CAST(CAST(md5(s.{owner} || '/' || n) AS uuid) AS text)"


@dataclass(frozen=True, slots=True)
class Store:
    """A store of copies: for each original, `copies` profiles under ids that follow from its id."""

    url: str
    originals: Sequence[str]
    copies: int

    def sample(self, random: Random, number: int) -> list[str]:
        """The ids of `number` different profiles of the store."""
        chosen = random.sample(range(len(self.originals) * self.copies), number)
        return [
            copy_id(self.originals[place // self.copies], place % self.copies + 1)
            for place in chosen
        ]


def copy_id(original: str, number: int) -> str:
    """The id of a copy; what `NEW_ID` says in SQL."""
    digest = hashlib.md5(f"{original}/{number}".encode(), usedforsecurity=False).digest()
    return str(UUID(bytes=digest))


async def multiply(url: str, profiles: int) -> Store:
    """Copy the profiles of a store, with all that belongs to them, until there are `profiles`."""
    connection = await asyncpg.connect(url, server_settings={"maintenance_work_mem": "512MB"})
    try:
        rows = await connection.fetch("SELECT customer_id FROM customers ORDER BY customer_id")
        originals = [row["customer_id"] for row in rows]
        copies = -(-profiles // len(originals))
        async with without_indexes(connection, TABLES):
            for table, owner in (("customers", "customer_id"), ("memberships", "customer_id")):
                await _copy(connection, table, table, owner, copies)
            await _copy(connection, "timers", "timers", "owner", copies)
            latest = (
                "(SELECT * FROM (SELECT *, row_number() OVER"  # noqa: S608 - the number is ours
                " (PARTITION BY customer_id ORDER BY at DESC, event_id) AS place FROM timeline)"
                f" AS t WHERE place <= {TIMELINE_LINES})"
            )
            await _copy(connection, "timeline", latest, "customer_id", copies)
            await connection.execute(
                "INSERT INTO inbox (consumer, source, event_id)"  # noqa: S608
                " SELECT 'segmentation', 'intake', CAST(gen_random_uuid() AS text)"
                f" FROM generate_series(1, {profiles * INBOX_ROWS})",
                timeout=SECONDS,
            )
        await connection.execute("VACUUM ANALYZE", timeout=SECONDS)
        await connection.execute("CHECKPOINT", timeout=SECONDS)
    finally:
        await connection.close()
    return Store(url, originals, copies)


async def _copy(
    connection: asyncpg.Connection[asyncpg.Record], table: str, source: str, owner: str, copies: int
) -> None:
    rows = await connection.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $1"
        " AND table_schema = 'public' AND is_identity = 'NO' ORDER BY ordinal_position",
        table,
    )
    names = [row["column_name"] for row in rows]
    chosen = [NEW_ID.format(owner=owner) if name in OWNERS else f"s.{name}" for name in names]
    await connection.execute(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(chosen)}"  # noqa: S608
        f" FROM {source} AS s CROSS JOIN generate_series(1, {copies}) AS n",
        timeout=SECONDS,
    )
