"""Growth: segmentation's worker on a store of a million profiles, and on one of ten thousand.

Both stores are filled with copies of profiles that segmentation itself has built, with their
memberships, timers, latest timeline lines and inbox rows. The events are news of customers who are
in the store, chosen at random over all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from random import Random

from bench.histories import histories, news
from bench.measures.consume import LONGEST_SECONDS, STEADY_SECONDS, segmentation_pace
from bench.measures.subject import Sizes, Subject
from bench.profile_store import Store, multiply
from bench.progress import committed, pace
from bench.rounds import Comparison, Run
from bench.stage import Stage

LARGE, SMALL = "large store", "small store"
ORIGINALS = 400
EVENTS_EACH = 4
SEED = 17


async def build(stage: Stage, name: str, profiles: int) -> Store:
    """A store of `profiles` profiles, copied from some that a worker has made of events."""
    url = await stage.service_database("segmentation", name)
    stretch = await stage.fill(await asyncio.to_thread(histories, ORIGINALS, seed=SEED))
    await stage.rewind("segmentation", stretch.start)
    async with (
        stage.service("segmentation", "worker", url, ready=False) as worker,
        committed(stage, "segmentation", stretch) as done,
    ):
        await pace(worker, done, stretch.length, seconds=LONGEST_SECONDS)
        # Timers that are due already fire now, and not in a thousand copies.
        await asyncio.sleep(STEADY_SECONDS)
    return await multiply(url, profiles)


@asynccontextmanager
async def contenders(stage: Stage, sizes: Sizes) -> AsyncIterator[Mapping[str, Run]]:
    """Build both stores; the contenders."""
    small = await build(stage, "bench_small", sizes.small_store)
    large = await build(stage, "bench_large", sizes.large_store)
    seeds = count(1)

    def on(store: Store) -> Run:
        async def run() -> float:
            seed = next(seeds)
            visitors = store.sample(Random(seed), sizes.visitors)
            records = await asyncio.to_thread(news, visitors, EVENTS_EACH, seed=seed)
            stretch = await stage.fill(records)
            await stage.rewind("segmentation", stretch.start)
            return await segmentation_pace(stage, store.url, stretch)

        return run

    yield {LARGE: on(large), SMALL: on(small)}
    await stage.drop_database("bench_large")


SUBJECT = Subject(
    comparisons=(Comparison("growth_1m_vs_10k", "events/s", LARGE, SMALL, 0.8),),
    contenders=contenders,
    most_rounds=3,
)
