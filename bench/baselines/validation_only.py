"""Reading and validating without any effect: the most that a consumer in Python could do.

Run as `python -m bench.baselines.validation_only <group>`.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop
from aiokafka import AIOKafkaConsumer

from bench.baselines.topics_read import TOPICS, bootstrap, message_of

POLL_RECORDS = 500


async def main(group: str) -> None:
    """Read until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
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
                    message_of(record.headers, record.value)
            if batches:
                await consumer.commit()
    finally:
        await consumer.stop()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
