"""Consuming: segmentation's worker against three other ways to read the same events.

`customers` whole histories wait in the topics. Each contender reads them from the start, in its own
process, on a database of its own, as its own consumer group; its pace is that of the offsets that
it commits, from the first commit on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bench.histories import histories
from bench.measures.subject import Sizes, Subject
from bench.progress import committed, pace
from bench.rounds import Comparison, Run
from bench.stage import Stage, Stretch, resident_megabytes

WORKER, TEXTBOOK, FASTSTREAM, VALIDATION = "worker", "textbook", "faststream", "validation"
RESIDENT, ALLOWED = "resident", "allowed"
LARGEST_WORKER = 200.0
"""MB that a worker may take."""

LONGEST_SECONDS = 60.0
BASELINE_SECONDS = 6.0
"""A slow baseline need not reach the end: its rate shows long before."""
STEADY_SECONDS = 2.0
SEED = 7


@asynccontextmanager
async def contenders(stage: Stage, sizes: Sizes) -> AsyncIterator[Mapping[str, Run]]:
    """Fill the topics; the contenders."""
    stretch = await stage.fill(await asyncio.to_thread(histories, sizes.customers, seed=SEED))
    stage.note(f"{stretch.length:,} events of {sizes.customers:,} customers")

    async def worker() -> float:
        url = await stage.service_database("segmentation", "bench_segmentation")
        await stage.rewind("segmentation", stretch.start)
        return await segmentation_pace(stage, url, stretch)

    async def resident() -> float:
        url = await stage.service_database("segmentation", "bench_segmentation")
        await stage.rewind("segmentation", stretch.start)
        async with stage.service("segmentation", "worker", url, ready=False) as process:
            async with committed(stage, "segmentation", stretch) as count:
                await pace(process, count, stretch.length, seconds=LONGEST_SECONDS)
            await asyncio.sleep(STEADY_SECONDS)
            return resident_megabytes(process)

    def baseline(name: str) -> Run:
        async def run() -> float:
            url = await stage.empty_database(f"bench_{name}")
            group = f"bench-{name}"
            await stage.rewind(group, stretch.start)
            env = stage.stack.env("segmentation") | {"KEYTURN_DATABASE_URL": url}
            command = [sys.executable, "-m", f"bench.baselines.{name}", group]
            await stage.settle_database()
            async with (
                stage.process(name, command, env) as process,
                committed(stage, group, stretch) as count,
            ):
                taken = await pace(process, count, stretch.length, seconds=BASELINE_SECONDS)
                return taken.rate

        return run

    async def allowed() -> float:
        return LARGEST_WORKER

    yield {
        WORKER: worker,
        TEXTBOOK: baseline("textbook_consumer"),
        FASTSTREAM: baseline("faststream_consumer"),
        VALIDATION: baseline("validation_only"),
        RESIDENT: resident,
        ALLOWED: allowed,
    }


async def segmentation_pace(stage: Stage, url: str, stretch: Stretch) -> float:
    """Events a second of a segmentation worker that starts on `url`."""
    await stage.settle_database()
    async with (
        stage.service("segmentation", "worker", url, ready=False) as process,
        committed(stage, "segmentation", stretch) as count,
    ):
        return (await pace(process, count, stretch.length, seconds=LONGEST_SECONDS)).rate


SUBJECT = Subject(
    comparisons=(
        Comparison("consume_vs_textbook", "events/s", WORKER, TEXTBOOK, 15),
        Comparison("consume_vs_faststream", "events/s", WORKER, FASTSTREAM, 10),
        Comparison("consume_vs_validation", "events/s", WORKER, VALIDATION, 0.35),
        Comparison("worker_rss_mb", "MB", RESIDENT, ALLOWED, 1, at_most=True),
    ),
    contenders=contenders,
)
