"""Migrations, and readiness when schema and code differ."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import text

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
        "chassis_0002",
        "chassis_0003",
        "chassis_0004",
        "tally_0001",
    ]
    assert await migrations.migrate(tally_service, database) == []


async def test_processes_that_migrate_at_once_do_not_disturb_each_other(
    database: Database, tally_service: Any
) -> None:
    applied = await asyncio.gather(*(migrations.migrate(tally_service, database) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, 5]


async def test_a_database_behind_the_code_is_not_current(
    database: Database, tally_service: Any
) -> None:
    async with database.transaction() as connection:
        with pytest.raises(
            migrations.SchemaBehind,
            match="chassis_0001, chassis_0002, chassis_0003, chassis_0004, tally_0001",
        ):
            await migrations.assert_current(connection, tally_service)


async def test_a_database_ahead_of_the_code_is_current_so_that_old_code_runs_on(
    database: Database, tally_service: Any
) -> None:
    await migrations.migrate(tally_service, database)
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE alembic_version SET version_num = 'tally_0002' WHERE version_num ~ 'tally'"
            )
        )
        await migrations.assert_current(connection, tally_service)


async def test_what_was_not_published_before_the_outbox_became_a_queue_still_is(
    database: Database, tally_service: Any
) -> None:
    async with database.transaction() as connection:
        for statement in import_module(
            "keyturn_chassis.revisions.chassis_0001_messaging"
        ).STATEMENTS:
            await connection.execute(text(statement))
        await connection.execute(
            text(
                "INSERT INTO outbox (id, aggregatetype, aggregateid, type, headers, payload,"
                " published_at) SELECT gen_random_uuid(), 'intake.leads', customer,"
                " 'keyturn.lead.captured.v1', CAST(:headers AS json), '{}', published"
                " FROM (VALUES ('c1', now()), ('c2', NULL)) AS given (customer, published)"
            ),
            {
                "headers": '{"ce_time": "2026-03-01T09:00:00Z", "ce_recordedtime":'
                ' "2026-03-01T09:00:01Z", "ce_causationid": "cause", "ce_traceparent": "00-1-2-01"}'
            },
        )
        for statement in import_module(
            "keyturn_chassis.revisions.chassis_0002_outbox_queue"
        ).STATEMENTS:
            await connection.execute(text(statement))
        rows = (await connection.execute(text("SELECT * FROM outbox"))).all()

    assert [
        (row.aggregateid, row.time, row.recordedtime, row.causationid, row.traceparent)
        for row in rows
    ] == [("c2", "2026-03-01T09:00:00Z", "2026-03-01T09:00:01Z", "cause", "00-1-2-01")]
