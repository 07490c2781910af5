"""How fast something goes on, seen from outside: the same yardstick for ours and for baselines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient

from bench.stage import Offsets, Stage, Stretch
from keyturn_local import processes
from keyturn_local.readiness import failure
from keyturn_local.state import ProcessRecord

POLL_SECONDS = 0.05
START_SECONDS = 60.0

Count = Callable[[], Awaitable[int]]
"""How many are done by now."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many were done in how long, counted from the first that were seen done."""

    done: int
    seconds: float

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.done / self.seconds


async def pace(process: ProcessRecord, count: Count, target: int, *, seconds: float) -> Pace:
    """Watch `count` from its first step until it reaches `target`, or for `seconds`.

    Start-up is not measured: the clock begins with the first step, whose items do not count.

    Raises:
        StackError: `process`, which should do it, ended or did nothing; with the end of its log.
    """
    begin = await count()
    waiting = time.perf_counter()
    while (first := await count()) == begin:
        if not processes.is_running(process):
            raise failure(process, "ended before it did anything")
        if time.perf_counter() - waiting > START_SECONDS:
            raise failure(process, f"did nothing within {START_SECONDS:.0f} s")
        await asyncio.sleep(POLL_SECONDS / 5)
    start = moment = time.perf_counter()
    done = first
    while done < target and time.perf_counter() - start < seconds:
        await asyncio.sleep(POLL_SECONDS)
        now = await count()
        if now != done:
            done, moment = now, time.perf_counter()
    if done == first:
        raise failure(process, f"stopped after {first} of {target}")
    return Pace(done - first, moment - start)


@asynccontextmanager
async def committed(stage: Stage, group: str, stretch: Stretch) -> AsyncIterator[Count]:
    """Counts the records of `stretch` whose offsets the consumer group has committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.bootstrap)
    await admin.start()
    partitions = list(stretch.start)

    async def count() -> int:
        offsets = await admin.list_consumer_group_offsets(group, partitions=partitions)
        return stretch.covered({partition: known.offset for partition, known in offsets.items()})

    try:
        yield count
    finally:
        await admin.close()


@asynccontextmanager
async def appended(stage: Stage, topics: list[str]) -> AsyncIterator[Count]:
    """Counts the records that are written to `topics` from now on."""
    async with Offsets(stage.bootstrap) as offsets:
        partitions = await offsets.partitions(topics)
        before = await offsets.ends(partitions)

        async def count() -> int:
            now = await offsets.ends(partitions)
            return sum(now[partition] - first for partition, first in before.items())

        yield count
