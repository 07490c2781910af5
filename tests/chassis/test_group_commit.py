"""Commands: group commit, and one answer for each Idempotency-Key."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, text

from keyturn_chassis.database import Database
from keyturn_chassis.testing import Harness


@pytest.fixture
async def tally(service_harness: Any, tally_service: Any) -> Harness:
    harness: Harness = await service_harness(tally_service)
    return harness


async def post(tally: Harness, customer: str, words: str, key: str | None = None) -> Any:
    headers = tally.headers("notes:write")
    if key is not None:
        headers["idempotency-key"] = key
    return await tally.client.post(
        f"/tallies/{customer}/notes", json={"words": words}, headers=headers
    )


async def notes(tally: Harness) -> dict[str, int]:
    rows = await tally.rows("SELECT customer_id, notes FROM tallies ORDER BY 1")
    return {row.customer_id: row.notes for row in rows}


async def test_the_answer_comes_after_the_commit(tally: Harness) -> None:
    response = await post(tally, "c1", "hello")

    assert (response.status_code, response.json()) == (201, {"notes": 1})
    assert await notes(tally) == {"c1": 1}


async def test_commands_that_arrive_together_share_transactions(tally: Harness) -> None:
    commits = 0

    def count(*_: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(tally.runtime.commands._database.engine.sync_engine, "commit", count)
    responses = await asyncio.gather(*(post(tally, f"c{n % 5}", "hello") for n in range(60)))

    assert [response.status_code for response in responses] == [201] * 60
    assert await notes(tally) == {f"c{n}": 12 for n in range(5)}
    assert commits <= 20


async def test_a_refused_command_touches_nobody_else_in_its_transaction(tally: Harness) -> None:
    responses = await asyncio.gather(
        *(post(tally, f"c{n}", "no" if n % 3 == 0 else "yes") for n in range(9))
    )

    assert [r.status_code for r in responses] == [409, 201, 201] * 3
    assert sorted(await notes(tally)) == ["c1", "c2", "c4", "c5", "c7", "c8"]
    problem = responses[0].json()
    assert problem["detail"] == "Say something else."
    assert problem["errors"] == [{"pointer": "/words", "detail": "Say something else."}]


async def test_a_command_that_the_store_refuses_touches_nobody_else(tally: Harness) -> None:
    responses = await asyncio.gather(
        *(post(tally, f"c{n}", "nul" if n == 3 else "yes") for n in range(6))
    )

    assert [r.status_code for r in responses] == [201, 201, 201, 500, 201, 201]
    assert sorted(await notes(tally)) == ["c0", "c1", "c2", "c4", "c5"]


async def test_the_same_key_and_body_get_the_same_answer_and_no_second_effect(
    tally: Harness,
) -> None:
    first = await post(tally, "c1", "hello", key="k1")
    again = await post(tally, "c1", "hello", key="k1")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert await notes(tally) == {"c1": 1}


async def test_the_same_key_with_another_body_is_refused(tally: Harness) -> None:
    await post(tally, "c1", "hello", key="k1")
    other = await post(tally, "c1", "goodbye", key="k1")

    assert other.status_code == 422
    assert other.json()["type"].endswith("idempotency-key-reused")
    assert await notes(tally) == {"c1": 1}


async def test_the_same_key_sent_many_times_at_once_has_one_effect(tally: Harness) -> None:
    responses = await asyncio.gather(*(post(tally, "c1", "hello", key="k1") for _ in range(20)))

    assert {(r.status_code, r.text) for r in responses} == {(201, '{"notes":1}')}
    assert await notes(tally) == {"c1": 1}


async def test_a_refusal_is_not_remembered_so_that_the_request_may_succeed_later(
    tally: Harness,
) -> None:
    assert (await post(tally, "c1", "no", key="k1")).status_code == 409
    rows = await tally.rows("SELECT count(*) AS n FROM idempotency")
    assert rows[0].n == 0


@pytest.mark.parametrize("key", ["", "x" * 129, "with space"])
async def test_a_key_that_is_out_of_bounds_is_refused(tally: Harness, key: str) -> None:
    response = await post(tally, "c1", "hello", key=key)

    assert response.status_code == 422
    assert [error["parameter"] for error in response.json()["errors"]] == ["idempotency-key"]
    assert await notes(tally) == {}


async def test_the_api_document_tells_of_the_key_of_every_command(tally: Harness) -> None:
    document = (await tally.client.get("/openapi.json")).json()
    posted = document["paths"]["/tallies/{customer_id}/notes"]["post"]

    (key,) = [one for one in posted["parameters"] if one["name"] == "idempotency-key"]
    assert (key["in"], key["required"], key["schema"]["maxLength"]) == ("header", False, 128)


async def test_while_the_database_is_away_commands_are_told_to_come_back(tally: Harness) -> None:
    real = tally.runtime.commands._database
    tally.runtime.commands._database = Database("postgresql://nobody@127.0.0.1:1/nowhere")
    away = await post(tally, "c1", "hello", key="k1")
    tally.runtime.commands._database = real
    back = await post(tally, "c1", "hello", key="k1")

    assert away.status_code == 503
    assert int(away.headers["retry-after"]) >= 1
    assert (back.status_code, await notes(tally)) == (201, {"c1": 1})


async def test_a_command_whose_answer_cannot_be_built_has_no_effect(
    tally: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no such answer")

    with monkeypatch.context() as broken:
        broken.setattr("keyturn_chassis.commands.Answer", fail)
        assert (await post(tally, "c1", "hello", key="k1")).status_code == 500
    assert await notes(tally) == {}
    assert (await post(tally, "c1", "hello", key="k1")).status_code == 201
    assert await notes(tally) == {"c1": 1}


async def test_a_key_used_again_after_its_answer_was_forgotten_gives_new_events(
    tally: Harness,
) -> None:
    for minute in (0, 1):
        await tally.drive(datetime(2026, 3, 1, 12, minute, tzinfo=UTC))
        await post(tally, "c1", "say it", key="k1")
        async with tally.runtime.database.transaction() as connection:
            await connection.execute(text("DELETE FROM idempotency"))
    rows = await tally.rows("SELECT count(DISTINCT id) AS ids FROM outbox")

    assert rows[0].ids == 2
    assert await notes(tally) == {"c1": 2}


async def test_readers_who_hold_every_connection_do_not_keep_commands_from_committing(
    tally: Harness,
) -> None:
    async with AsyncExitStack() as readers:
        for _ in range(tally.runtime.settings.database_pool_size):
            await readers.enter_async_context(tally.runtime.database.reading())
        async with asyncio.timeout(5):
            assert (await post(tally, "c1", "hello")).status_code == 201


async def test_more_commands_than_may_wait_are_told_to_come_back(
    tally: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyturn_chassis.group_commit.MOST_WAITING", 0)
    response = await post(tally, "c1", "hello")

    assert (response.status_code, response.headers["retry-after"].isdigit()) == (503, True)
