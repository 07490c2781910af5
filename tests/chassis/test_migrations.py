"""Migrations, and readiness when schema and code differ."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from keyturn_chassis import migrations
from keyturn_chassis.database import Database


@pytest.fixture
async def database(databases: Any) -> Any:
    url = await databases.empty()
    database = Database(url, pool_size=4)
    yield database
    await database.close()
    await databases.drop(url)


async def test_migrate_applies_what_is_missing_once(database: Database, tally_service: Any) -> None:
    assert sorted(await migrations.migrate(tally_service, database)) == [
        "chassis_0001",
        "tally_0001",
    ]
    assert await migrations.migrate(tally_service, database) == []


async def test_processes_that_migrate_at_once_do_not_disturb_each_other(
    database: Database, tally_service: Any
) -> None:
    applied = await asyncio.gather(*(migrations.migrate(tally_service, database) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, 2]


async def test_a_database_behind_the_code_is_not_current(
    database: Database, tally_service: Any
) -> None:
    async with database.transaction() as connection:
        with pytest.raises(migrations.SchemaBehind, match="chassis_0001, tally_0001"):
            await migrations.assert_current(connection, tally_service)


async def test_a_database_ahead_of_the_code_is_current_so_that_old_code_runs_on(
    database: Database, tally_service: Any
) -> None:
    await migrations.migrate(tally_service, database)
    async with database.transaction() as connection:
        from sqlalchemy import text

        await connection.execute(
            text(
                "UPDATE alembic_version SET version_num = 'tally_0002' WHERE version_num ~ 'tally'"
            )
        )
        await migrations.assert_current(connection, tally_service)
