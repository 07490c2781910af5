"""What Keyturn relies on in a broker, asked of each kind through an ordinary client."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    TopicAlreadyExistsError,
)

from keyturn_events.topics import Topic
from keyturn_local.stack import Stack

PARTITIONS = 3
DEADLINE = 30.0
"""Seconds that any wait of these tests may take."""

needs_java = pytest.mark.skipif(
    shutil.which("java") is None or shutil.which("mvn") is None,
    reason="Apache Kafka needs Java 17 and Maven, which are not both on PATH here",
)


@pytest.fixture(
    scope="module",
    params=["embedded", pytest.param("apache", marks=[pytest.mark.java, needs_java])],
)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The servers, on each kind of broker in turn."""
    stack = Stack(tmp_path_factory.mktemp("broker"), broker=request.param, durable=False)
    try:
        stack.up(services=False)
        yield stack
    finally:
        stack.clean()


@pytest.fixture
async def topic(stack: Stack) -> str:
    """A new topic."""
    name = f"test.{uuid4()}"
    async with admin(stack) as client:
        await client.create_topics([NewTopic(name, PARTITIONS, 1)])
    return name


@asynccontextmanager
async def admin(stack: Stack) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def producing(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.kafka_bootstrap,
        enable_idempotence=True,
        acks="all",
        max_request_size=10_000_000,
        retry_backoff_ms=50,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def consuming(stack: Stack, topic: str, group: str | None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=stack.kafka_bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        heartbeat_interval_ms=100,
        session_timeout_ms=6_000,
        metadata_max_age_ms=1_000,
        retry_backoff_ms=50,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def send(stack: Stack, topic: str, numbers: range) -> None:
    async with producing(stack) as producer:
        sent = [
            await producer.send(topic, str(number).encode(), key=str(number % 7).encode())
            for number in numbers
        ]
        await asyncio.gather(*sent)


async def read(consumer: AIOKafkaConsumer, count: int) -> list[int]:
    """Read at least `count` records."""
    values: list[int] = []
    async with asyncio.timeout(DEADLINE):
        while len(values) < count:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                values += [int(record.value) for record in records]
    return values


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await condition():  # noqa: ASYNC110 -- the condition itself waits for records
            await asyncio.sleep(0)


def test_every_declared_topic_is_there_and_creating_them_again_is_harmless(stack: Stack) -> None:
    assert stack.ensure_topics() == [topic.value for topic in Topic]


async def test_declared_topics_have_their_partitions(stack: Stack) -> None:
    async with admin(stack) as client:
        described = await client.describe_topics([topic.value for topic in Topic])
    assert {entry["topic"]: len(entry["partitions"]) for entry in described} == {
        topic.value: topic.partitions for topic in Topic
    }


async def test_a_topic_cannot_be_created_twice(stack: Stack, topic: str) -> None:
    async with admin(stack) as client:
        response = await client.create_topics([NewTopic(topic, 1, 1)])
    assert response.topic_errors[0][1] == TopicAlreadyExistsError.errno


async def test_records_of_one_key_arrive_once_and_in_order(stack: Stack, topic: str) -> None:
    await send(stack, topic, range(2_000))
    async with consuming(stack, topic, None) as consumer:
        values = await read(consumer, 2_000)
    assert sorted(values) == list(range(2_000))
    for key in range(7):
        of_key = [value for value in values if value % 7 == key]
        assert of_key == sorted(of_key)


async def test_a_consumer_that_waits_is_woken_by_a_new_record(stack: Stack, topic: str) -> None:
    async with consuming(stack, topic, None) as consumer:
        waiting = asyncio.create_task(consumer.getone())
        await send(stack, topic, range(1))
        async with asyncio.timeout(DEADLINE):
            assert (await waiting).value == b"0"


async def test_a_group_continues_where_it_committed(stack: Stack, topic: str) -> None:
    group = str(uuid4())
    await send(stack, topic, range(100))
    async with consuming(stack, topic, group) as consumer:
        assert len(await read(consumer, 100)) == 100
        await consumer.commit()
    await send(stack, topic, range(100, 110))
    async with consuming(stack, topic, group) as consumer:
        assert sorted(await read(consumer, 10)) == list(range(100, 110))


async def test_members_of_a_group_share_the_partitions_and_take_over_from_who_leaves(
    stack: Stack, topic: str
) -> None:
    group = str(uuid4())

    async def shares(*consumers: AIOKafkaConsumer) -> list[int]:
        for consumer in consumers:
            await consumer.getmany(timeout_ms=10)
        return sorted(len(consumer.assignment()) for consumer in consumers)

    async with consuming(stack, topic, group) as first:
        async with consuming(stack, topic, group) as second:

            async def both_have_some() -> bool:
                return await shares(first, second) == [1, 2]

            await until(both_have_some)

        async def first_has_all() -> bool:
            return await shares(first) == [PARTITIONS]

        await until(first_has_all)


async def test_kill_9_of_the_broker_loses_and_doubles_nothing_acknowledged(
    stack: Stack, topic: str
) -> None:
    group, sent = str(uuid4()), 0
    async with producing(stack) as producer:

        async def send_wave() -> None:
            nonlocal sent
            wave = range(sent, sent + 200)
            sent = wave.stop
            await asyncio.gather(
                *(producer.send_and_wait(topic, str(n).encode(), key=str(n).encode()) for n in wave)
            )

        await send_wave()
        async with consuming(stack, topic, group) as consumer:
            assert sorted(await read(consumer, 200)) == list(range(200))
            await consumer.commit()
        crash = asyncio.create_task(asyncio.to_thread(stack.kill, "broker"))
        interrupted = asyncio.create_task(send_wave())
        await crash
        await asyncio.to_thread(stack.start, "broker")
        async with asyncio.timeout(DEADLINE):
            await interrupted
            await send_wave()
    async with consuming(stack, topic, group) as consumer:
        assert sorted(await read(consumer, 400)) == list(range(200, 600))
        ends = await consumer.end_offsets([TopicPartition(topic, n) for n in range(PARTITIONS)])
    assert sum(ends.values()) == 600


async def test_a_record_larger_than_a_mebibyte_is_refused(stack: Stack, topic: str) -> None:
    async with producing(stack) as producer:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(topic, b"x" * 1_100_000)
        await producer.send_and_wait(topic, b"x" * 1_000_000)


async def test_an_offset_that_does_not_exist_is_refused(stack: Stack, topic: str) -> None:
    await send(stack, topic, range(1))
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka_bootstrap, auto_offset_reset="none")
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 1_000)
        with pytest.raises(OffsetOutOfRangeError):
            await consumer.getmany(timeout_ms=5_000)
    finally:
        await consumer.stop()


async def test_offsets_are_found_by_time(stack: Stack, topic: str) -> None:
    partition = TopicPartition(topic, 0)
    async with producing(stack) as producer:
        for timestamp in (1_000, 2_000, 3_000):
            await producer.send_and_wait(topic, b"0", partition=0, timestamp_ms=timestamp)
    async with consuming(stack, topic, None) as consumer:
        assert await consumer.beginning_offsets([partition]) == {partition: 0}
        assert await consumer.end_offsets([partition]) == {partition: 3}
        found = await consumer.offsets_for_times({partition: 1_500})
        late = await consumer.offsets_for_times({partition: 3_001})
    assert found[partition].offset == 1
    assert late[partition] is None
