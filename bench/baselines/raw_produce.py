"""Raw produce: the same messages from memory to the broker, with the same guarantees.

aiokafka's producer with `acks=all` and idempotence, as our relay has it; nothing is read from a
database and nothing is marked as done.

Run as `python -m bench.baselines.raw_produce <file of records> <times>`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import uvloop
from aiokafka import AIOKafkaProducer

from bench import records

IN_FLIGHT = 2_000
"""Messages that wait for their acknowledgement at once."""
BATCH_BYTES = 262_144
"""The default of 16 KiB was slower."""


async def main(path: Path, times: int) -> None:
    """Send all of it so many times."""
    messages = records.read(path) * times
    producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["KEYTURN_KAFKA_BOOTSTRAP"],
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
    )
    await producer.start()
    try:
        for first in range(0, len(messages), IN_FLIGHT):
            acknowledgements = [
                await producer.send(
                    message.topic, message.value, key=message.key, headers=message.headers
                )
                for message in messages[first : first + IN_FLIGHT]
            ]
            await asyncio.gather(*acknowledgements)
    finally:
        await producer.stop()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
