"""The baselines do the same work as ours; else the comparison would say nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import TypeAdapter
from sqlalchemy import text

from bench.baselines import empty_endpoint, profile_orm, textbook_handler
from bench.baselines.intake_with import intake_with
from bench.baselines.topics_read import message_of
from bench.histories import histories
from bench.people import leads
from intake.service import service as intake
from keyturn_chassis.app import create_app
from keyturn_chassis.testing import Harness
from keyturn_events import Event, Message
from segmentation.domain.standing import Standing
from segmentation.service import service as segmentation

HarnessFactory = Callable[..., Awaitable[Harness]]


@pytest.fixture(scope="module")
def messages() -> list[Message[Any]]:
    read = (message_of(record.headers, record.value) for record in histories(4, seed=3))
    return [message for message in read if message is not None]


@pytest.fixture
async def sessions(
    databases: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[profile_orm.Sessions]:
    url = await databases.empty()
    monkeypatch.setenv("KEYTURN_DATABASE_URL", url)
    engine = profile_orm.engine_of_environment()
    yield await profile_orm.sessions_with_tables(engine)
    await engine.dispose()
    await databases.drop(url)


async def rows(sessions: profile_orm.Sessions, sql: str) -> list[Any]:
    async with sessions() as session:
        return list(await session.execute(text(sql)))


def profile(row: Any) -> tuple[Any, ...]:
    """A profile, however its moments are written."""
    return row.customer_id, row.survivor_id, row.facts, STANDING.validate_python(row.standing)


STANDING = TypeAdapter(Standing)
PROFILES = "SELECT customer_id, survivor_id, facts, standing FROM customers ORDER BY customer_id"
TIMELINE = "SELECT customer_id, at, event_id, type FROM timeline ORDER BY 1, 2, 3"
SEGMENTS = "SELECT customer_id, model, segment, since FROM memberships ORDER BY 1, 2"
TIMERS = "SELECT owner, kind, due_at FROM timers ORDER BY 1, 2"


async def test_the_textbook_consumer_leaves_what_segmentation_leaves(
    service_harness: HarnessFactory,
    sessions: profile_orm.Sessions,
    messages: list[Message[Any]],
) -> None:
    ours = await service_harness(segmentation)
    await ours.receive(*messages)
    models = profile_orm.deciding_models()
    for message in messages:
        await profile_orm.take_in(sessions, models, message)

    found, expected = await rows(sessions, PROFILES), await ours.rows(PROFILES)
    assert [profile(row) for row in found] == [profile(row) for row in expected]
    for table in (TIMELINE, SEGMENTS, TIMERS):
        assert await rows(sessions, table) == list(await ours.rows(table))
    events: list[Event] = await ours.published()
    published = Counter(event.type for event in events)
    written = await rows(sessions, "SELECT headers->>'ce_type' AS type FROM outbox")
    assert Counter(row.type for row in written) == published


async def test_the_textbook_consumer_takes_an_event_in_once(
    sessions: profile_orm.Sessions, messages: list[Message[Any]]
) -> None:
    models = profile_orm.deciding_models()
    for message in (messages[0], messages[0]):
        await profile_orm.take_in(sessions, models, message)

    assert [tuple(row) for row in await rows(sessions, "SELECT version FROM customers")] == [(1,)]


def sent(form: dict[str, Any], harness: Harness) -> dict[str, Any]:
    headers = harness.headers("leads:write") | {"idempotency-key": str(uuid4())}
    return {"json": form, "headers": headers}


async def test_the_empty_endpoint_validates_the_same_body_and_answers_as_much(
    service_harness: HarnessFactory,
) -> None:
    harness = await service_harness(intake_with(empty_endpoint.router))
    (form,) = leads(Random(1), 0, 1)

    ours = await harness.client.post("/leads", **sent(form, harness))
    empty = await harness.client.post("/empty", **sent(form, harness))
    bad = await harness.client.post("/empty", **sent(form | {"channel": "moon"}, harness))
    stranger = await harness.client.post("/empty", json=form)

    assert (ours.status_code, empty.status_code) == (201, 201)
    assert len(ours.content) == len(empty.content)
    assert (bad.status_code, stranger.status_code) == (422, 401)


async def test_the_textbook_handler_recognises_writes_and_tells_as_ours_does(
    service_harness: HarnessFactory,
) -> None:
    ours = await service_harness(intake)
    theirs = await service_harness(intake_with(textbook_handler.router))
    app = create_app(theirs.runtime.service, theirs.runtime)
    forms = list(leads(Random(1), 0, 40))

    async with textbook_handler.lifespan(app) as state:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        transport = httpx.ASGITransport(with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            for form in forms:
                first = await ours.client.post("/leads", **sent(form, ours))
                second = await client.post("/textbook", **sent(form, theirs))
                assert (first.status_code, second.status_code) == (201, 201)
                assert first.json()["outcome"] == second.json()["outcome"]

    for table in ("customers", "identifiers", "leads", "touches", "timers", "idempotency"):
        count = "SELECT count(*) FROM {}"
        (expected,) = await ours.rows(count.format(table))
        (found,) = await theirs.rows(count.format(f"textbook.{table}"))
        assert (table, *found) == (table, *expected)
    told = await theirs.rows("SELECT headers->>'ce_type' AS type FROM textbook.outbox")
    events: list[Event] = await ours.published()
    published = Counter(event.type for event in events)
    assert Counter(row.type for row in told) == published
