from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from keyturn_chassis import health
from keyturn_chassis.health import CheckFailed, Checks, worker_app


async def passes() -> None:
    """All is well."""


async def fails() -> None:
    raise CheckFailed("the schema is at 3, the code needs 4")


async def breaks() -> None:
    raise ConnectionRefusedError("postgresql://keyturn:hunter2@10.0.0.7/keyturn")


async def hangs() -> None:
    await asyncio.Event().wait()


async def ask(app: FastAPI, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path)


async def ready(checks: Checks) -> httpx.Response:
    return await ask(worker_app(checks), "/health/ready")


async def test_a_process_that_answers_is_live_whatever_its_checks_say() -> None:
    answer = await ask(worker_app({"database": fails}), "/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_it_is_ready_when_every_check_passes() -> None:
    answer = await ready({"database": passes, "broker": passes})
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"database": "ok", "broker": "ok"}}


async def test_a_failed_check_is_named_with_its_reason() -> None:
    answer = await ready({"schema": fails, "broker": passes})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "https://schemas.keyturn.example/problems/unready",
        "title": "The service is not ready",
        "status": 503,
        "detail": "Not ready: schema.",
        "checks": {"schema": "the schema is at 3, the code needs 4", "broker": "ok"},
    }


async def test_an_unforeseen_failure_gives_away_no_secret() -> None:
    answer = await ready({"database": breaks})
    assert answer.json()["checks"] == {"database": "failed: ConnectionRefusedError"}


async def test_a_check_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.01)
    answer = await ready({"broker": hangs, "database": passes})
    assert answer.json()["checks"] == {"broker": "no answer within 0.01 s", "database": "ok"}


async def test_checks_run_side_by_side() -> None:
    barrier = asyncio.Barrier(2)

    async def meets() -> None:
        await barrier.wait()

    assert (await ready({"one": meets, "two": meets})).status_code == 200


async def test_a_worker_shows_its_metrics() -> None:
    answer = await ask(worker_app({}), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE keyturn_outbox_age_seconds gauge" in answer.text


async def test_a_worker_serves_nothing_else() -> None:
    assert (await ask(worker_app({}), "/docs")).status_code == 404
    assert (await ask(worker_app({}), "/openapi.json")).status_code == 404
