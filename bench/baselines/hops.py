"""The hops alone: two broker round trips and three commits, one after the other, nothing else.

It is the least that lies between an accepted lead and a campaign's decision on it: a commit, the
way through the broker, a commit, the sender's commit, and the way of the decision through the
broker. A round trip ends when a consumer has the record; a commit is a transaction of one insert.

Run as `python -m bench.baselines.hops <times> <topic>`; it prints the 99th percentile of the sum in
milliseconds.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

COMMITS, ROUND_TRIPS = 3, 2
WARM_UP = 50
PAYLOAD = b"x" * 300


async def main(times: int, topic: str) -> float:
    """The 99th percentile."""
    bootstrap = os.environ["KEYTURN_KAFKA_BOOTSTRAP"]
    connection = await asyncpg.connect(os.environ["KEYTURN_DATABASE_URL"])
    await connection.execute("CREATE TABLE hops (payload bytea NOT NULL)")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    consumer: AIOKafkaConsumer[Any, Any] = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="latest"
    )
    await producer.start()
    await consumer.start()
    try:
        await consumer.seek_to_end()
        taken = []
        for _ in range(WARM_UP + times):
            began = time.perf_counter()
            for _ in range(COMMITS):
                async with connection.transaction():
                    await connection.execute("INSERT INTO hops VALUES ($1)", PAYLOAD)
            for _ in range(ROUND_TRIPS):
                await producer.send_and_wait(topic, PAYLOAD, key=b"hops")
                await consumer.getone()
            taken.append(time.perf_counter() - began)
    finally:
        await consumer.stop()
        await producer.stop()
        await connection.close()
    return sorted(taken[WARM_UP:])[times * 99 // 100] * 1e3


if __name__ == "__main__":
    print(uvloop.run(main(int(sys.argv[1]), sys.argv[2])))  # noqa: T201 - its result
