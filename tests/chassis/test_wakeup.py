"""A loop that waits for work is woken by whoever leaves it some."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from sqlalchemy import text

from keyturn_chassis.wakeup import listening, notify

LONG = 30.0


async def test_a_committed_notification_ends_the_wait_and_one_that_is_rolled_back_does_not(
    service_harness: Any, tally_service: Any
) -> None:
    database = (await service_harness(tally_service)).runtime.database
    async with listening(database, "work") as wakeup:
        await wakeup.wait(LONG)  # it listens

        async with database.transaction(dry_run=True) as connection:
            await notify(connection, "work")
        began = monotonic()
        await wakeup.wait(0.2)
        assert monotonic() - began >= 0.2

        async with database.transaction() as connection:
            await notify(connection, "work")
        began = monotonic()
        await wakeup.wait(LONG)
        assert monotonic() - began < LONG / 2


async def test_a_notification_before_the_wait_is_not_lost(
    service_harness: Any, tally_service: Any
) -> None:
    database = (await service_harness(tally_service)).runtime.database
    async with listening(database, "work") as wakeup:
        await wakeup.wait(LONG)
        async with database.transaction() as connection:
            await notify(connection, "work")
        await asyncio.sleep(0.1)

        began = monotonic()
        await wakeup.wait(LONG)
        assert monotonic() - began < LONG / 2


async def test_it_listens_again_after_its_connection_was_lost(
    service_harness: Any, tally_service: Any
) -> None:
    tally = await service_harness(tally_service)
    database = tally.runtime.database
    async with listening(database, "work") as wakeup:
        await wakeup.wait(LONG)
        lost = await tally.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        assert len(lost) == 1
        await wakeup.wait(LONG)  # it listens anew, and says so

        async with database.transaction() as connection:
            await connection.execute(text("SELECT pg_notify('work', '')"))
        began = monotonic()
        await wakeup.wait(LONG)
        assert monotonic() - began < LONG / 2
