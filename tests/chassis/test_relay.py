"""The relay against a real broker, at its crash points."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from keyturn_chassis.outbox import Row, append, written
from keyturn_chassis.relay import Relay
from keyturn_chassis.testing import Harness
from keyturn_events import Message
from keyturn_local.topics import ensure_topics


@pytest.fixture
async def tally(service_harness: Any, tally_service: Any, stack: Any) -> Harness:
    await ensure_topics(stack.kafka_bootstrap)
    harness: Harness = await service_harness(tally_service)
    return harness


@pytest.fixture
async def producer(stack: Any) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(
        bootstrap_servers=stack.kafka_bootstrap, enable_idempotence=True
    ) as producer:
        yield producer


def fresh(lead: Any, customer: str, number: int) -> Message[Any]:
    made: Message[Any] = lead(customer, f"l{number}", id=str(uuid4()))
    return made


async def consumed(bootstrap: str, ids: set[str]) -> list[str]:
    """The ids of our messages on the topic, in order, until each has been seen."""
    seen: list[str] = []
    async with (
        AIOKafkaConsumer(
            "intake.leads", bootstrap_servers=bootstrap, auto_offset_reset="earliest"
        ) as consumer,
        asyncio.timeout(20),
    ):
        while not ids <= set(seen):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found = (dict(record.headers)["ce_id"].decode() for record in batch)
                seen += [id for id in found if id in ids]
    return seen


def rows(*messages: Message[Any]) -> list[Row]:
    """The messages as outbox rows, under their own ids."""
    return [
        (
            message.envelope.id,
            message.event.topic.value,
            message.envelope.subject,
            message.event.type,
            written(message.envelope.time),
            written(message.envelope.time),
            "cause",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            message.event.model_dump_json(exclude_none=True),
        )
        for message in messages
    ]


async def outbox(tally: Harness, *messages: Message[Any]) -> None:
    async with tally.runtime.database.transaction() as connection:
        await append(connection, rows(*messages))


async def test_what_is_committed_is_published_in_order_and_taken_out(
    tally: Harness, lead: Any, stack: Any, producer: AIOKafkaProducer
) -> None:
    messages = [fresh(lead, "c1", number) for number in range(20)]
    await outbox(tally, *messages)
    connection = await tally.runtime.database.dedicated()

    assert len(await Relay(tally.runtime).publish(connection, producer)) == 20
    assert await tally.rows("SELECT sequence FROM outbox") == []
    await connection.close()

    ids = [message.envelope.id for message in messages]
    assert await consumed(stack.kafka_bootstrap, set(ids)) == ids


async def test_a_row_that_commits_late_is_published_although_later_rows_went_first(
    tally: Harness, lead: Any, stack: Any, producer: AIOKafkaProducer
) -> None:
    early, late = fresh(lead, "c1", 1), fresh(lead, "c2", 2)
    connection = await tally.runtime.database.dedicated()
    async with tally.runtime.database.transaction() as slow:
        await append(slow, rows(early))
        await outbox(tally, late)
        assert len(await Relay(tally.runtime).publish(connection, producer)) == 1

    assert len(await Relay(tally.runtime).publish(connection, producer)) == 1
    await connection.close()
    ids = {early.envelope.id, late.envelope.id}
    assert set(await consumed(stack.kafka_bootstrap, ids)) == ids


async def test_a_rolled_back_transaction_publishes_nothing(
    tally: Harness, lead: Any, producer: AIOKafkaProducer
) -> None:
    async with tally.runtime.database.transaction(dry_run=True) as connection:
        await append(connection, rows(fresh(lead, "c1", 1)))
    dedicated = await tally.runtime.database.dedicated()

    assert await Relay(tally.runtime).publish(dedicated, producer) == []
    await dedicated.close()


async def test_a_crash_between_acknowledgement_and_removal_publishes_again(
    tally: Harness, lead: Any, stack: Any, producer: AIOKafkaProducer
) -> None:
    message = fresh(lead, "c1", 1)
    await outbox(tally, message)
    connection = await tally.runtime.database.dedicated()
    async with asyncio.timeout(10):
        crash = connection.transaction()
        await crash.start()
        await Relay(tally.runtime).publish(connection, producer)
        await crash.rollback()
        await Relay(tally.runtime).publish(connection, producer)
    await connection.close()
    last = fresh(lead, "c1", 2)
    await producer.send_and_wait(
        "intake.leads", key=last.key, value=last.value, headers=last.headers
    )

    ids = await consumed(stack.kafka_bootstrap, {message.envelope.id, last.envelope.id})
    assert ids == [message.envelope.id, message.envelope.id, last.envelope.id]


async def test_one_relay_leads_and_another_takes_over_when_it_goes(
    tally: Harness, lead: Any, stack: Any
) -> None:
    relays = [asyncio.create_task(Relay(tally.runtime).run()) for _ in range(2)]
    first = fresh(lead, "c1", 1)
    await outbox(tally, first)
    await consumed(stack.kafka_bootstrap, {first.envelope.id})
    relays[0].cancel()
    second = fresh(lead, "c1", 2)
    await outbox(tally, second)

    ids = await consumed(stack.kafka_bootstrap, {first.envelope.id, second.envelope.id})
    assert list(dict.fromkeys(ids)) == [first.envelope.id, second.envelope.id]
    for relay in relays:
        relay.cancel()
    await asyncio.gather(*relays, return_exceptions=True)


async def test_more_than_fits_into_one_batch_of_records_keeps_its_order(
    tally: Harness, lead: Any, stack: Any, producer: AIOKafkaProducer, monkeypatch: Any
) -> None:
    monkeypatch.setattr(producer._message_accumulator, "_batch_size", 2_000)
    messages = [fresh(lead, "c1", number) for number in range(50)]
    await outbox(tally, *messages)
    connection = await tally.runtime.database.dedicated()

    await Relay(tally.runtime).publish(connection, producer)
    await connection.close()

    ids = [message.envelope.id for message in messages]
    assert await consumed(stack.kafka_bootstrap, set(ids)) == ids


async def test_a_backlog_is_published_in_order_and_what_commits_late_is_found_from_the_start(
    tally: Harness, lead: Any, stack: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("keyturn_chassis.relay.BATCH", 10)
    backlog = [fresh(lead, "c1", number) for number in range(95)]
    late = fresh(lead, "c2", 1)
    async with tally.runtime.database.transaction() as slow:
        await append(slow, rows(late))
        await outbox(tally, *backlog)
        relay = asyncio.create_task(Relay(tally.runtime).run())
        ids = [message.envelope.id for message in backlog]
        assert await consumed(stack.kafka_bootstrap, set(ids)) == ids

    assert await consumed(stack.kafka_bootstrap, {late.envelope.id}) == [late.envelope.id]
    for _ in range(200):
        if not await tally.rows("SELECT sequence FROM outbox"):
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the outbox was not emptied")
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)
