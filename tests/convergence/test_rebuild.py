"""Segmentation rebuilt from the first offset into an empty store equals the live one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from typer.testing import CliRunner, Result

from campaigns.service import service as campaigns
from keyturn_chassis.cli import command_line
from keyturn_chassis.consumer import Consumer
from keyturn_chassis.rebuild import rebuild, require_whole_history
from keyturn_chassis.testing import Harness
from keyturn_events import Message
from keyturn_events.refusal import Refusal
from keyturn_local.topics import ensure_topics
from segmentation.service import service

if TYPE_CHECKING:
    from keyturn_local.stack import Stack
    from tests.convergence.conftest import Story

LATER = datetime(2030, 1, 1, tzinfo=UTC)
PATIENCE = 30.0
OWN_TYPES = tuple(event.type for event in service.publishes)

HarnessFactory = Callable[..., Awaitable[Harness]]
Stories = Mapping[str, Callable[[Callable[[str], str]], "Story"]]


@pytest.fixture
async def live(service_harness: HarnessFactory, stack: Stack) -> Harness:
    """Segmentation with a consumer group of its own, so that it hears all that is on the topics."""
    await ensure_topics(stack.kafka_bootstrap)
    return await service_harness(replace(service, name=f"segmentation-{uuid4().hex[:8]}"))


@pytest.fixture
async def empty(service_harness: HarnessFactory) -> Harness:
    """An empty, migrated store of segmentation."""
    return await service_harness(service)


async def publish(stack: Stack, messages: Sequence[Message[Any]]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap) as producer:
        for message in messages:
            await producer.send(
                message.event.topic, message.value, key=message.key, headers=message.headers
            )


async def heard(harness: Harness, messages: Sequence[Message[Any]]) -> None:
    """Wait until the inbox has noted all of these."""
    missing = {message.envelope.id for message in messages}
    async with asyncio.timeout(PATIENCE):
        while True:
            missing -= {row.event_id for row in await harness.rows("SELECT event_id FROM inbox")}
            if not missing:
                return
            await asyncio.sleep(0.05)


async def lived(harness: Harness, stack: Stack, story: Story) -> None:
    """The story as it happens: the clock follows it, and some of it is delivered twice."""
    consumer = Consumer(harness.runtime)
    working = asyncio.create_task(consumer.run())
    try:
        for begin in range(0, len(story), 25):
            chapter = story[begin : begin + 25]
            await publish(stack, [*chapter, *chapter[::5]])
            await heard(harness, chapter)
            await harness.drive(max(message.envelope.time for message in chapter))
    finally:
        consumer.stop()
        with suppress(asyncio.CancelledError):
            await working
    await harness.drive(LATER)


async def kept(harness: Harness) -> Any:
    """All that the service keeps, but for what tells the way and not where it led.

    `since`, `caused_by` and `inputs` of a membership, and the lines that the service's own moves
    leave on the timeline, tell which move was made when; versions, how often a row was written.
    """
    files = await harness.rows("SELECT customer_id, survivor_id, facts, standing FROM customers")
    people = {}
    for file in files:
        standing = dict(file.standing)
        standing["memberships"] = {
            model: (known["segment"], known["rule"], known["version"], known["missing"])
            for model, known in standing["memberships"].items()
        }
        people[file.customer_id] = (file.survivor_id, file.facts, standing)
    timeline = await harness.rows(
        "SELECT customer_id, at, event_id, type, CAST(facts AS text) AS facts FROM timeline"
        " WHERE type <> ALL(CAST(:own AS text[]))",
        own=list(OWN_TYPES),
    )
    segments = await harness.rows("SELECT customer_id, model, segment FROM memberships")
    timers = await harness.rows("SELECT owner, kind, key, due_at FROM timers")
    models = await harness.rows("SELECT model, version FROM models")
    return {
        "people": people,
        "timeline": {tuple(row) for row in timeline},
        "segments": {tuple(row) for row in segments},
        "timers": {tuple(row) for row in timers},
        "models": {tuple(row) for row in models},
    }


async def run_rebuild(harness: Harness) -> Result:
    """`python -m segmentation rebuild`, on this store."""
    settings = harness.runtime.settings
    environment = {
        "KEYTURN_DATABASE_URL": str(settings.database_url),
        "KEYTURN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "KEYTURN_CLOCK": "driven",
    }
    return await asyncio.to_thread(
        CliRunner().invoke, command_line(service), ["rebuild"], env=environment
    )


async def test_a_rebuilt_store_equals_the_live_one_and_tells_nobody(
    live: Harness, empty: Harness, stack: Stack, stories: Stories
) -> None:
    story = sorted(
        (
            message
            for name in ("parted", "rivals", "erased", "undone")
            for message in told_apart(stories[name](str), name)
            if message.envelope.type in service.reactions.events
        ),
        key=lambda message: message.envelope.time,
    )
    await lived(live, stack, story)
    await empty.drive(LATER)

    result = await run_rebuild(empty)

    assert result.exit_code == 0, result.output
    assert "timers fired" in result.output
    assert await kept(empty) == await kept(live)
    assert await empty.published() == []
    assert len(await live.published()) > 0


async def test_what_a_worker_hears_again_after_a_rebuild_has_no_second_effect(
    live: Harness, empty: Harness, stack: Stack, stories: Stories
) -> None:
    story = [
        message
        for message in told_apart(stories["journey"](str), uuid4().hex[:8])
        if message.envelope.type in service.reactions.events
    ]
    await publish(stack, story)
    done = await rebuild(empty.runtime, lambda read, of: None)
    assert done.records >= len(story)
    before = await kept(empty)

    await empty.receive(*story)

    assert await kept(empty) == before
    assert await empty.published() == []


async def test_a_store_in_which_there_is_anything_is_left_as_it_is(
    empty: Harness, stories: Stories
) -> None:
    first, *_ = stories["journey"](str)
    await empty.receive(first)
    before = await kept(empty)

    result = await run_rebuild(empty)

    assert result.exit_code == 1
    assert "store-not-empty: There are rows in customers." in result.output
    assert await kept(empty) == before


async def test_a_service_that_decides_on_requests_too_cannot_be_rebuilt_from_events(
    service_harness: HarnessFactory,
) -> None:
    harness = await service_harness(campaigns)
    with pytest.raises(Refusal, match="not-rebuildable"):
        await rebuild(harness.runtime, lambda read, of: None)
    assert "rebuild" not in CliRunner().invoke(command_line(campaigns), ["--help"]).output


def test_a_history_whose_beginning_was_removed_is_refused_and_says_where() -> None:
    whole = {TopicPartition("intake.leads", number): 0 for number in range(6)}
    require_whole_history(whole)
    with pytest.raises(Refusal, match=r"history-incomplete: intake.leads/4 begins at offset 120"):
        require_whole_history(whole | {TopicPartition("intake.leads", 4): 120})


async def test_progress_counts_up_to_all_that_there_is(
    live: Harness, empty: Harness, stack: Stack, stories: Stories
) -> None:
    story = told_apart(stories["rivals"](str), uuid4().hex[:8])
    await publish(stack, story)
    told: list[tuple[int, int]] = []

    done = await rebuild(empty.runtime, lambda read, of: told.append((read, of)))

    assert told == sorted(told)
    assert told[-1] == (done.records, done.records)


def told_apart(story: Story, name: str) -> list[Message[Any]]:
    """The story of other people, with ids of its own."""
    people = {"ann", "bea", "cho", "dan", "eve", "gus"}
    told = []
    for message in story:
        event = message.event
        renamed = {
            field: f"{value}-{name}"
            for field, value in event
            if isinstance(value, str) and value in people
        }
        told.append(
            Message.of(
                event.model_copy(update=renamed),
                id=f"{message.envelope.id} {name}",
                source=message.envelope.source,
                time=message.envelope.time,
                recordedtime=message.envelope.recordedtime,
            )
        )
    return told
