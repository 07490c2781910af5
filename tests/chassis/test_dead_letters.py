"""Dead letters seen, replayed and discarded through the API."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from keyturn_chassis.replay import replay
from keyturn_chassis.testing import Harness


@pytest.fixture
async def tally(service_harness: Any, tally_service: Any, lead: Any, mended: set[str]) -> Harness:
    harness: Harness = await service_harness(tally_service)
    await harness.receive(lead("c1", "poison-1"), lead("c1", "l2"), lead("c2", "poison-3"))
    return harness


async def call(tally: Harness, method: str, path: str, scope: str = "dead-letters:write") -> Any:
    response = await tally.client.request(method, path, headers=tally.headers(scope))
    return response.json() | {"status_code": response.status_code}


async def heads(tally: Harness) -> list[tuple[str, str, int]]:
    page = await call(tally, "GET", "/dead-letters", "dead-letters:read")
    return [(item["subject"], item["code"], item["waiting"]) for item in page["items"]]


async def leads(tally: Harness) -> dict[str, list[str]]:
    rows = await tally.rows("SELECT customer_id, leads FROM tallies ORDER BY 1")
    return {row.customer_id: row.leads for row in rows}


async def id_of(tally: Harness, subject: str) -> int:
    rows = await tally.rows(
        "SELECT min(id) AS id FROM dead_letters WHERE subject = :subject", subject=subject
    )
    return int(rows[0].id)


async def test_the_list_has_one_line_a_subject(tally: Harness) -> None:
    assert await heads(tally) == [("c1", "poison", 1), ("c2", "poison", 0)]


async def test_the_record_is_shown_as_it_came(tally: Harness) -> None:
    shown = await call(tally, "GET", f"/dead-letters/{await id_of(tally, 'c1')}")

    assert shown["headers"]["ce_type"] == "keyturn.lead.captured.v1"
    assert '"lead_id":"poison-1"' in shown["value"]


async def test_the_content_needs_a_stronger_scope_than_the_list(tally: Harness) -> None:
    path = f"/dead-letters/{await id_of(tally, 'c1')}"
    assert (await call(tally, "GET", path, "dead-letters:read"))["status_code"] == 403


async def test_a_replay_that_still_fails_says_why_and_changes_nothing(tally: Harness) -> None:
    outcome = await call(tally, "POST", f"/dead-letters/{await id_of(tally, 'c1')}/replay")

    assert (outcome["handled"], outcome["remaining"], outcome["code"]) == (0, 2, "poison")
    assert await leads(tally) == {}


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    tally: Harness, mended: set[str]
) -> None:
    mended.add("poison-1")
    path = f"/dead-letters/{await id_of(tally, 'c1')}/replay?dry_run=true"
    outcome = await call(tally, "POST", path)

    assert (outcome["handled"], outcome["remaining"], outcome["dry_run"]) == (2, 0, True)
    assert await leads(tally) == {}
    assert await heads(tally) == [("c1", "poison", 1), ("c2", "poison", 0)]


async def test_a_replay_after_mending_handles_all_that_waited_in_order(
    tally: Harness, mended: set[str]
) -> None:
    mended.add("poison-1")
    outcome = await call(tally, "POST", f"/dead-letters/{await id_of(tally, 'c1')}/replay")

    assert (outcome["handled"], outcome["remaining"]) == (2, 0)
    assert await leads(tally) == {"c1": ["poison-1", "l2"]}
    assert await heads(tally) == [("c2", "poison", 0)]


async def test_replaying_twice_at_once_has_the_effects_once(
    tally: Harness, mended: set[str]
) -> None:
    mended.add("poison-1")
    outcomes = await asyncio.gather(*(replay(tally.runtime, "c1") for _ in range(4)))

    assert sorted(outcome.handled for outcome in outcomes) == [0, 0, 0, 2]
    assert await leads(tally) == {"c1": ["poison-1", "l2"]}


async def test_events_that_arrive_during_a_replay_are_neither_lost_nor_stuck(
    tally: Harness, mended: set[str], lead: Any
) -> None:
    mended.add("poison-1")
    await asyncio.gather(
        replay(tally.runtime, "c1"), *(tally.receive(lead("c1", f"n{n}")) for n in range(5))
    )
    await replay(tally.runtime, "c1")

    found = (await leads(tally))["c1"]
    assert found[:2] == ["poison-1", "l2"]
    assert sorted(found[2:]) == [f"n{n}" for n in range(5)]
    assert await heads(tally) == [("c2", "poison", 0)]


async def test_a_discarded_event_lets_those_behind_it_through(tally: Harness) -> None:
    outcome = await call(tally, "POST", f"/dead-letters/{await id_of(tally, 'c1')}/discard")

    assert (outcome["handled"], outcome["remaining"]) == (1, 0)
    assert await leads(tally) == {"c1": ["l2"]}


async def test_an_unknown_dead_letter_is_not_found(tally: Harness) -> None:
    assert (await call(tally, "POST", "/dead-letters/999999/replay"))["status_code"] == 404


@pytest.mark.parametrize("id", ["0", "-1", str(2**63), "9" * 40])
async def test_an_id_that_no_dead_letter_can_have_is_refused(tally: Harness, id: str) -> None:
    for method, path in (
        ("GET", f"/dead-letters/{id}"),
        ("POST", f"/dead-letters/{id}/replay"),
        ("POST", f"/dead-letters/{id}/discard"),
    ):
        problem = await call(tally, method, path)
        assert (problem["status_code"], problem["errors"][0]["parameter"]) == (422, "id")


async def test_a_page_begins_after_an_id_that_there_can_be(tally: Harness) -> None:
    last = await call(tally, "GET", f"/dead-letters?after={2**63 - 1}", "dead-letters:read")
    beyond = await call(tally, "GET", f"/dead-letters?after={2**63}", "dead-letters:read")
    assert (last["status_code"], last["items"], beyond["status_code"]) == (200, [], 422)
