"""A peer: FastStream with SQLAlchemy, doing the same work.

A batch subscriber with a decoder that gives it typed events; one event, one transaction; the batch
is acknowledged when all of it is done. A subscriber of single messages would ask the broker to
commit after each, and was slower.

Run as `python -m bench.baselines.faststream_consumer <group>`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from bench.baselines.profile_orm import (
    deciding_models,
    engine_of_environment,
    sessions_with_tables,
    take_in,
)
from bench.baselines.topics_read import TOPICS, bootstrap, message_of
from keyturn_events import Message

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

BATCH_RECORDS = 100


async def typed(batch: KafkaMessage) -> list[Message[Any]]:
    """The typed events of a batch, without those of types that are not read."""
    records = cast("tuple[ConsumerRecord[bytes, bytes], ...]", batch.raw_message)
    messages = (message_of(record.headers, record.value) for record in records)
    return [message for message in messages if message is not None]


async def main(group: str) -> None:
    """Consume until SIGTERM."""
    engine = engine_of_environment()
    sessions = await sessions_with_tables(engine)
    models = deciding_models()
    # The decoder types what the handler gets; casting it once more would only cost time.
    broker = KafkaBroker(bootstrap(), apply_types=False)

    @broker.subscriber(
        *TOPICS,
        group_id=group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        batch=True,
        max_records=BATCH_RECORDS,
        decoder=typed,
    )
    async def on_events(messages: list[Message[Any]]) -> None:
        for message in messages:
            await take_in(sessions, models, message)

    try:
        await FastStream(broker).run()
    finally:
        await engine.dispose()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
