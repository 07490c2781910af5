"""Timers: derived from state, fired once and in order, late without consequence."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from keyturn_chassis.testing import Harness
from keyturn_chassis.timer_loop import TimerLoop
from keyturn_events.intake import LeadStalled

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = NOON + timedelta(days=2)


@pytest.fixture
async def tally(service_harness: Any, tally_service: Any) -> Harness:
    harness: Harness = await service_harness(tally_service)
    return harness


async def timers(tally: Harness) -> list[tuple[str, datetime]]:
    rows = await tally.rows("SELECT owner, due_at FROM timers ORDER BY owner")
    return [(row.owner, row.due_at) for row in rows]


async def test_a_state_has_the_timers_that_it_asks_for(tally: Harness, lead: Any) -> None:
    await tally.receive(lead("c1", "l1"), lead("c2", "l2"))

    assert await timers(tally) == [("c1", DUE), ("c2", DUE)]


async def test_a_timer_fires_at_its_due_time_and_not_before(tally: Harness, lead: Any) -> None:
    await tally.receive(lead("c1", "l1"))
    await tally.drive(DUE - timedelta(microseconds=1))
    assert await tally.published(LeadStalled) == []

    await tally.drive(DUE)
    assert [event.lead_id for event in await tally.published(LeadStalled)] == ["l1"]
    assert await timers(tally) == []


async def test_a_late_timer_decides_by_its_due_time(tally: Harness, lead: Any) -> None:
    await tally.receive(lead("c1", "l1"))
    await tally.drive(DUE + timedelta(days=400))

    [stalled] = await tally.messages(LeadStalled)
    assert stalled.envelope.time == DUE
    assert stalled.event.idle_since == NOON


async def test_two_workers_fire_a_timer_once(tally: Harness, lead: Any) -> None:
    await tally.receive(*(lead(f"c{n}", f"l{n}") for n in range(30)))
    async with tally.runtime.database.transaction() as connection:
        await tally.clock.drive(connection, DUE)

    fired = await asyncio.gather(*(TimerLoop(tally.runtime).fire_due() for _ in range(5)))

    assert sum(fired) == 30
    assert len(await tally.published(LeadStalled)) == 30


async def test_the_clock_does_not_turn_back(tally: Harness) -> None:
    headers = tally.headers("clock:drive")
    forward = await tally.client.put("/clock", json={"now": NOON.isoformat()}, headers=headers)
    back = await tally.client.put(
        "/clock", json={"now": (NOON - timedelta(days=1)).isoformat()}, headers=headers
    )

    assert (forward.status_code, forward.json()["timers_due"]) == (200, 0)
    assert back.status_code == 422
    assert back.json()["errors"][0]["pointer"] == "/now"


async def plant(tally: Harness, owner: str, kind: str, due_at: datetime) -> None:
    async with tally.runtime.database.transaction() as connection:
        await connection.execute(
            text("INSERT INTO timers (owner, kind, key, due_at) VALUES (:o, :k, :o, :d)"),
            {"o": owner, "k": kind, "d": due_at},
        )


async def test_a_kind_that_this_version_does_not_know_stops_nobody_and_stays(
    tally: Harness, lead: Any
) -> None:
    await plant(tally, "c0", "from-the-next-version", NOON)
    await tally.receive(lead("c1", "l1"))
    await tally.drive(DUE)

    assert len(await tally.published(LeadStalled)) == 1
    assert [owner for owner, _ in await timers(tally)] == ["c0"]


async def test_a_timer_that_fails_is_postponed_and_stops_nobody(tally: Harness, lead: Any) -> None:
    await plant(tally, "nobody", "remind", NOON)
    await tally.receive(lead("c1", "l1"))
    await tally.drive(DUE)

    assert len(await tally.published(LeadStalled)) == 1
    [row] = await tally.rows("SELECT owner, failures, retry_at > now() AS later FROM timers")
    assert (row.owner, row.failures, row.later) == ("nobody", 1, True)


async def test_a_timer_that_the_store_refuses_is_postponed_and_stops_nobody(
    tally: Harness, lead: Any
) -> None:
    await tally.receive(*(lead(f"c{n}", f"l{n}") for n in range(5)))
    async with tally.runtime.database.transaction() as connection:
        await connection.execute(
            text("ALTER TABLE tallies ADD CHECK (customer_id <> 'c3' OR remind_at IS NOT NULL)")
        )
    await tally.drive(DUE)

    assert len(await tally.published(LeadStalled)) == 4
    assert [owner for owner, _ in await timers(tally)] == ["c3"]


async def test_a_timer_that_an_earlier_one_of_its_owner_cancels_does_not_fire(
    tally: Harness, lead: Any
) -> None:
    await tally.receive(lead("c1", "l1"))
    await plant(tally, "c1", "remind", DUE + timedelta(days=1))
    await tally.drive(DUE + timedelta(days=30))

    assert len(await tally.published(LeadStalled)) == 1
    assert await timers(tally) == []
