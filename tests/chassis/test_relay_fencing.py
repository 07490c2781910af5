"""What a relay that lost its lock still has on the network cannot come after newer records."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced

from keyturn_chassis.relay import LAST_EPOCH, Relay
from keyturn_chassis.testing import Harness
from keyturn_events import Topic
from keyturn_local.topics import ensure_topics


@pytest.fixture
async def tally(service_harness: Any, tally_service: Any, stack: Any) -> Harness:
    await ensure_topics(stack.kafka_bootstrap)
    harness: Harness = await service_harness(tally_service)
    return harness


async def tell(producer: AIOKafkaProducer, value: bytes) -> int:
    told = await producer.send_and_wait(
        Topic.INTAKE_CONTACTS.value, value, key=b"fenced", partition=0
    )
    return int(told.offset)


async def values_from(stack: Any, offset: int) -> list[bytes]:
    place = TopicPartition(Topic.INTAKE_CONTACTS.value, 0)
    async with AIOKafkaConsumer(bootstrap_servers=stack.kafka_bootstrap) as consumer:
        consumer.assign([place])
        consumer.seek(place, offset)
        [end] = (await consumer.end_offsets([place])).values()
        values: list[bytes] = []
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                values += [record.value for record in records]
        return values


async def identity(tally: Harness) -> tuple[int, int]:
    [row] = await tally.rows("SELECT producer_id, epoch FROM relay_producer")
    return row.producer_id, row.epoch


async def test_a_record_of_a_relay_that_lost_its_lock_never_stands_behind_a_newer_one(
    tally: Harness, stack: Any
) -> None:
    connection = await tally.runtime.database.dedicated()
    relay = Relay(tally.runtime)
    async with relay._producer(connection) as former, relay._producer(connection) as leader:
        first = await tell(former, b"older")
        await tell(leader, b"newer")
        with pytest.raises(ProducerFenced):
            await tell(former, b"older, too late")
        await tell(leader, b"newest")
    await connection.close()

    assert await values_from(stack, first) == [b"older", b"newer", b"newest"]


async def test_each_relay_goes_on_with_the_producer_id_of_the_one_before_at_a_higher_epoch(
    tally: Harness,
) -> None:
    connection = await tally.runtime.database.dedicated()
    relay = Relay(tally.runtime)
    async with relay._producer(connection):
        producer_id, epoch = await identity(tally)
    async with relay._producer(connection):
        assert await identity(tally) == (producer_id, epoch + 1)
    await connection.close()


async def test_after_the_last_epoch_comes_a_new_producer_id(tally: Harness) -> None:
    connection = await tally.runtime.database.dedicated()
    relay = Relay(tally.runtime)
    async with relay._producer(connection):
        producer_id, _ = await identity(tally)
    await connection.execute("UPDATE relay_producer SET epoch = $1", LAST_EPOCH)
    async with relay._producer(connection) as producer:
        assert (await identity(tally))[1] == 0
        assert (await identity(tally))[0] != producer_id
        assert await tell(producer, b"under a new id") >= 0
    await connection.close()
