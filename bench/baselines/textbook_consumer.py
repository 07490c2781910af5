"""The textbook consumer: one event, one transaction, an inbox row with it.

Offsets are committed after each poll, not after each event: the inbox makes a second delivery
harmless, so a round trip to the broker for every event would be wasted.

Run as `python -m bench.baselines.textbook_consumer <group>`.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop
from aiokafka import AIOKafkaConsumer

from bench.baselines.profile_orm import (
    deciding_models,
    engine_of_environment,
    sessions_with_tables,
    take_in,
)
from bench.baselines.topics_read import TOPICS, bootstrap, message_of

POLL_RECORDS = 100


async def main(group: str) -> None:
    """Consume until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    engine = engine_of_environment()
    sessions = await sessions_with_tables(engine)
    models = deciding_models()
    consumer = AIOKafkaConsumer(
        *TOPICS,
        bootstrap_servers=bootstrap(),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        while not stopping.is_set():
            batches = await consumer.getmany(timeout_ms=250, max_records=POLL_RECORDS)
            for records in batches.values():
                for record in records:
                    message = message_of(record.headers, record.value)
                    if message is not None:
                        await take_in(sessions, models, message)
            if batches:
                await consumer.commit()
    finally:
        await consumer.stop()
        await engine.dispose()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
