"""Set-based writing: new rows by COPY, changed ones by their version, all in one transaction."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from sqlalchemy import Table, text

from keyturn_chassis.database import (
    ConcurrentUpdate,
    Database,
    insert_rows,
    is_conflict,
    is_transient,
    save_versioned,
)
from keyturn_chassis.driver import driver_of
from keyturn_chassis.testing import Harness


@pytest.fixture
async def tally(service_harness: Any, tally_service: Any) -> Harness:
    harness: Harness = await service_harness(tally_service)
    return harness


def table(tally: Harness) -> Table:
    return tally.runtime.service.store.metadata.tables["tallies"]


def row(customer: str, version: int, notes: int = 0, leads: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "version": version,
        "leads": leads,
        "notes": notes,
        "remind_at": None,
    }


async def save(tally: Harness, *rows: dict[str, Any]) -> None:
    async with tally.runtime.database.transaction() as connection:
        await save_versioned(connection, table(tally), rows)


async def saved(tally: Harness) -> list[tuple[Any, ...]]:
    rows = await tally.rows("SELECT customer_id, version, notes, leads FROM tallies ORDER BY 1")
    return [tuple(row) for row in rows]


async def test_new_and_changed_rows_are_written_together(tally: Harness) -> None:
    await save(tally, row("c2", 1), row("c1", 1, leads=("l1",)))
    await save(tally, row("c3", 1, notes=3), row("c1", 2, notes=1, leads=("l1", "张")))

    assert await saved(tally) == [
        ("c1", 2, 1, ["l1", "张"]),
        ("c2", 1, 0, []),
        ("c3", 1, 3, []),
    ]


@pytest.mark.parametrize("version", [1, 2, 4])
async def test_a_row_that_somebody_else_wrote_is_a_concurrent_update_and_nothing_is_kept(
    tally: Harness, version: int
) -> None:
    await save(tally, row("c1", 1))
    await save(tally, row("c1", 2))
    with pytest.raises(ConcurrentUpdate):
        await save(tally, row("c0", 1), row("c1", version, notes=9))

    assert await saved(tally) == [("c1", 2, 0, [])]


async def test_a_broken_unique_key_of_the_driver_counts_as_a_conflict(tally: Harness) -> None:
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        async with tally.runtime.database.transaction() as connection:
            await insert_rows(connection, table(tally), [row("c1", 1), row("c1", 1)])

    assert is_conflict(caught.value)
    assert await saved(tally) == []


async def test_a_row_that_is_there_can_be_left_alone(tally: Harness) -> None:
    await save(tally, row("c1", 1, notes=1))
    async with tally.runtime.database.transaction() as connection:
        both = [row("c1", 1, notes=2), row("c2", 1, notes=2)]
        written = await insert_rows(connection, table(tally), both, on_conflict="DO NOTHING")

    assert written == 1
    assert await saved(tally) == [("c1", 1, 1, []), ("c2", 1, 2, [])]


async def test_the_driver_is_in_the_transaction_even_when_it_comes_first(tally: Harness) -> None:
    async with tally.runtime.database.transaction(dry_run=True) as connection:
        driver = await driver_of(connection)
        await driver.execute("INSERT INTO tallies VALUES ('c1', 1, '[]', 0, NULL)")
        seen = await connection.execute(text("SELECT count(*) FROM tallies"))
        assert seen.scalar_one() == 1

    assert await saved(tally) == []


async def test_a_connection_lost_in_the_hands_of_the_driver_can_be_tried_again(
    tally: Harness,
) -> None:
    database = Database(str(tally.runtime.settings.database_url), pool_size=1)

    async def lose() -> None:
        async with database.transaction() as connection:
            lost = (await driver_of(connection)).get_server_pid()
            await tally.rows("SELECT pg_terminate_backend(:pid)", pid=lost)
            await insert_rows(connection, table(tally), [row("c1", 1)])

    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is for is_transient to say
        await lose()
    async with database.transaction() as connection:
        await insert_rows(connection, table(tally), [row("c2", 1)])
    await database.close()

    assert is_transient(caught.value)
    assert await saved(tally) == [("c2", 1, 0, [])]


async def test_a_glance_takes_no_transaction_and_leaves_the_next_reader_its_own(
    tally: Harness,
) -> None:
    database = Database(tally.runtime.database.url.render_as_string(False), pool_size=1)
    try:
        async with database.glancing() as connection:
            driver = await driver_of(connection)
            assert await driver.fetchval("SELECT 1") == 1
            assert not driver.is_in_transaction()
        async with database.reading() as connection:
            driver = await driver_of(connection)
            assert await driver.fetchval("SHOW transaction_read_only") == "on"
            assert driver.is_in_transaction()
    finally:
        await database.close()
