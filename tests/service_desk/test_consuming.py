from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event

from keyturn_chassis.testing import Harness
from keyturn_events import Event, Message
from keyturn_events.intake import CompletionMoved, PurchaseRescinded, PurchaseSigned
from keyturn_events.service_desk import HandoverPlanned
from service_desk.reactions import reactions
from service_desk.service import service

Golden = Callable[[type[Event]], Message[Any]]
EVENT_TYPES = [event_type for event_type, _ in reactions.events.values()]


@pytest.fixture
async def harness(service_harness: Callable[..., Awaitable[Harness]]) -> Harness:
    return await service_harness(service)


async def test_the_golden_example_of_every_event_reacted_to_is_consumed(
    harness: Harness, golden: Golden, subtests: pytest.Subtests
) -> None:
    for event_type in EVENT_TYPES:
        with subtests.test(event_type.type):
            await harness.receive(golden(event_type))
            assert await harness.rows("SELECT code, detail FROM dead_letters") == []


async def test_a_redelivered_purchase_is_planned_once(harness: Harness, golden: Golden) -> None:
    message = golden(PurchaseSigned)
    await harness.receive(message)
    await harness.receive(message, message)
    (planned,) = await harness.messages(HandoverPlanned)
    assert planned.envelope.causationid == message.envelope.id
    assert planned.envelope.time == message.envelope.time


async def test_every_published_type_is_declared_and_owned(harness: Harness) -> None:
    assert {event_type.topic.owner for event_type in service.publishes} == {"service-desk"}


async def test_a_batch_takes_as_many_statements_as_a_single_event(
    harness: Harness, signed: Any, say: Any
) -> None:
    await harness.receive(say(signed("first-of-its-community")))
    counts = []
    for size in (1, 40):
        statements: list[str] = []

        def note(*call: Any, seen: list[str] = statements) -> None:
            seen.append(call[2])

        engine = harness.runtime.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        await harness.receive(*(say(signed(f"s{size}-{n}")) for n in range(size)))
        event.remove(engine, "before_cursor_execute", note)
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_an_unreadable_purchase_is_parked_and_its_later_events_wait(
    harness: Harness, golden: Golden, say: Any, signed: Any, rescinded: Any
) -> None:
    await harness.receive(say(signed(community_time_zone="Asia/Atlantis")), say(rescinded()))
    codes = await harness.rows("SELECT code FROM dead_letters ORDER BY id")
    assert codes[0].code == "unknown-time-zone"
    assert len(codes) == 2
    assert {PurchaseRescinded, CompletionMoved} <= set(EVENT_TYPES)
