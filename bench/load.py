"""The load generator: a closed loop over keep-alive connections, cheap enough to share two cores.

Each connection sends a request, waits for the whole answer, and sends the next. Requests are bytes
that were made beforehand; of an answer, the status and the length are read and nothing else. What
the generator itself takes of a processor is told with its figures.

Run as `python -m bench.load <file of a Job as JSON>`; it prints a `Load` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import cast
from uuid import UUID

import uvloop

from bench.people import RETURNING, leads

HEAD_ENDS = b"\r\n\r\n"
LENGTH = b"content-length: "
ANSWER_SECONDS = 20.0
"""How long the last answers may take."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to do."""

    host: str
    port: int
    path: str
    token: str
    connections: int
    warm_up: float
    """Seconds before the measuring begins."""
    seconds: float
    """Seconds that are measured."""
    requests: int
    """How many are made beforehand; the run ends early when they are used up."""
    seed: int
    returning: float = RETURNING
    """Share of the leads whose person came before."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it, over the measured seconds."""

    answers: int
    seconds: float
    refused: int
    """Answers that are no success, over the whole run."""
    median_ms: float
    p99_ms: float
    processor: float
    """Share of one processor that the generator itself took."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def requests(job: Job) -> list[bytes]:
    """The requests: leads of invented people, each with an Idempotency-Key of its own."""
    random = Random(job.seed)
    head = (
        f"POST {job.path} HTTP/1.1\r\nhost: {job.host}:{job.port}\r\n"
        f"authorization: Bearer {job.token}\r\ncontent-type: application/json\r\n"
    )
    made = []
    first = job.seed * 1_000_000 % 10**9
    for form in leads(random, first, job.requests, returning=job.returning):
        body = json.dumps(form, ensure_ascii=False).encode()
        key = UUID(int=random.getrandbits(128), version=4)
        lines = f"{head}idempotency-key: {key}\r\ncontent-length: {len(body)}\r\n\r\n"
        made.append(lines.encode() + body)
    return made


class _Connection(asyncio.Protocol):
    """One connection: sends a request as soon as the answer to the one before is there."""

    def __init__(self, pending: Iterator[bytes], tally: _Tally) -> None:
        self._pending = pending
        self._tally = tally
        self._received = b""
        self._sent_at = 0.0
        self._transport: asyncio.WriteTransport
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are writable without being asyncio.WriteTransport.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        if not answer_ends(received):
            self._received = received
            return
        self._received = b""
        self._tally.add(received[9:10] == b"2", self._sent_at)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        request = None if self._tally.over else next(self._pending, None)
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


def answer_ends(received: bytes) -> bool:
    """Whether what was received is a whole answer."""
    head = received.find(HEAD_ENDS)
    if head < 0:
        return False
    start = received.index(LENGTH, 0, head + 2) + len(LENGTH)
    length = int(received[start : received.index(b"\r", start)])
    return len(received) >= head + len(HEAD_ENDS) + length


class _Tally:
    """Counts answers once the warm-up is over."""

    def __init__(self, job: Job) -> None:
        self._from = time.perf_counter() + job.warm_up
        self._until = self._from + job.seconds
        self._waits: list[float] = []
        self._last = self._from
        self._processor: float | None = None
        self._refused = 0

    @property
    def over(self) -> bool:
        """Whether the measured seconds are over."""
        return time.perf_counter() >= self._until

    def add(self, accepted: bool, sent_at: float) -> None:
        """Count an answer."""
        now = time.perf_counter()
        self._refused += not accepted
        if self._from <= now < self._until:
            if self._processor is None:
                self._processor = time.process_time()
            self._waits.append(now - sent_at)
            self._last = now

    def load(self) -> Load:
        """The figures."""
        waits = sorted(self._waits)
        if not waits or self._processor is None:
            raise RuntimeError("no answer came in the measured seconds")
        seconds = self._last - self._from
        return Load(
            answers=len(waits),
            seconds=seconds,
            refused=self._refused,
            median_ms=waits[len(waits) // 2] * 1e3,
            p99_ms=waits[len(waits) * 99 // 100] * 1e3,
            processor=(time.process_time() - self._processor) / seconds,
        )


async def drive(job: Job, made: Sequence[bytes]) -> Load:
    """Send the requests; what came of it."""
    loop = asyncio.get_running_loop()
    tally, pending = _Tally(job), iter(made)
    connections = []
    for _ in range(job.connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(pending, tally), job.host, job.port
        )
        connections.append(connection.done)
    async with asyncio.timeout(job.warm_up + job.seconds + ANSWER_SECONDS):
        await asyncio.gather(*connections)
    return tally.load()


if __name__ == "__main__":
    task = Job(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    made_beforehand = requests(task)
    print(json.dumps(asdict(uvloop.run(drive(task, made_beforehand)))))  # noqa: T201 - its result
