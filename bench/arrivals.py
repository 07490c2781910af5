"""From an accepted lead to the decision of a campaign on it, lead by lead.

Leads come at a steady rate, whether or not earlier ones are answered. Of each it is noted when the
API had accepted it (201) and when the first record about the customer arrived on
`campaigns.messages`; the difference is the latency.

Run as `python -m bench.arrivals <file of a Schedule as JSON>`; it prints an `Arrivals` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import uvloop
from aiokafka import AIOKafkaConsumer

from bench.load import HEAD_ENDS, Job, answer_ends, requests
from keyturn_events import Topic

DECISION_SECONDS = 30.0
"""How long the last decisions may take."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What to do: the requests of `job`, at `rate` a second."""

    job: Job
    rate: float
    """0 for as fast as the connections allow."""
    bootstrap: str


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What came of it."""

    leads: int
    seconds: float
    """From the first request to the last decision."""
    median_ms: float
    p99_ms: float
    undecided: int
    """Leads on which no decision came in time."""


class Door(asyncio.Protocol):
    """One connection; gives the id of the customer that an answer names, and when it came."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[bytes]
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Take the answer in."""
        self._received += data
        if answer_ends(self._received):
            received, self._received = self._received, b""
            self._answer.set_result(received)

    async def send(self, request: bytes) -> tuple[bytes, float]:
        """Send a request; the customer's id, and when the answer was there.

        Raises:
            RuntimeError: the lead was not accepted.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answer
        now = time.perf_counter()
        if answer[9:12] != b"201":
            raise RuntimeError(answer.decode())
        return json.loads(answer.partition(HEAD_ENDS)[2])["customer_id"].encode(), now

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


class Watch:
    """Notes when the first record about each customer arrives."""

    def __init__(self, consumer: AIOKafkaConsumer[Any, Any]) -> None:
        self._consumer = consumer
        self._news = asyncio.Event()
        self.decided: dict[bytes, float] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        async for record in self._consumer:
            self.decided.setdefault(record.key, time.perf_counter())
            self._news.set()

    async def decisions_on(self, customers: Collection[bytes]) -> None:
        """Wait until there is a record about each of the customers."""
        while not self.decided.keys() >= set(customers):
            self._news.clear()
            await self._news.wait()


async def main(schedule: Schedule) -> Arrivals:
    """Send, watch, and reckon."""
    made = requests(schedule.job)
    consumer: AIOKafkaConsumer[Any, Any] = AIOKafkaConsumer(
        str(Topic.CAMPAIGNS_MESSAGES),
        bootstrap_servers=schedule.bootstrap,
        auto_offset_reset="latest",
    )
    await consumer.start()
    await consumer.seek_to_end()
    watch = Watch(consumer)
    watching = asyncio.create_task(watch.run())
    try:
        began = time.perf_counter()
        accepted = await _send(schedule, made)
        with suppress(TimeoutError):
            await asyncio.wait_for(watch.decisions_on(accepted), DECISION_SECONDS)
    finally:
        watching.cancel()
        await consumer.stop()
    decided = accepted.keys() & watch.decided.keys()
    if not decided:
        raise RuntimeError("no campaign decided on any of the leads")
    waits = sorted(watch.decided[customer] - accepted[customer] for customer in decided)
    return Arrivals(
        leads=len(accepted),
        seconds=max(watch.decided[customer] for customer in decided) - began,
        median_ms=waits[len(waits) // 2] * 1e3,
        p99_ms=waits[len(waits) * 99 // 100] * 1e3,
        undecided=len(accepted) - len(decided),
    )


async def _send(schedule: Schedule, made: list[bytes]) -> dict[bytes, float]:
    """Send each request when it is due; when each customer's first lead was accepted."""
    loop, job = asyncio.get_running_loop(), schedule.job
    accepted: dict[bytes, float] = {}
    pending: Iterator[tuple[int, bytes]] = enumerate(made)
    began = time.perf_counter()

    async def visit() -> None:
        _, door = await loop.create_connection(Door, job.host, job.port)
        for number, request in pending:
            if schedule.rate:
                await asyncio.sleep(max(0.0, began + number / schedule.rate - time.perf_counter()))
            customer, now = await door.send(request)
            accepted.setdefault(customer, now)
        door.close()

    await asyncio.gather(*(visit() for _ in range(job.connections)))
    return accepted


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    task = Schedule(Job(**told.pop("job")), **told)
    print(json.dumps(asdict(uvloop.run(main(task)))))  # noqa: T201 - its result
