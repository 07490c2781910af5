"""Reading: searches and lists of intake's API on a store of a million leads.

One API process, asked over a keep-alive connection by one client, which sends the next request when
it has the answer to the one before: as many a second as some thousand advisors make who look every
few seconds. Several such clients at once would keep both processors busy all the time, and what
they measure is the queue for them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import count
from urllib.parse import urlsplit

from bench.lead_population import Town
from bench.lead_store import fill
from bench.load import Job, Load
from bench.lookups import LIST, SEARCH, Enquiry
from bench.measures.subject import Sizes, Subject
from bench.rounds import Comparison, Run
from bench.stage import Stage

ALLOWED = "allowed"
LONGEST_MS = 20.0
"""What 99 of a hundred answers may take."""
CLIENTS = 1
WARM_UP_SECONDS = 2.0
FEWEST_ANSWERS = 2_000
"""Answers that a 99th percentile is taken of, at least, in a full run."""
MOST_A_SECOND = 1_500
"""Requests that are made beforehand for each second."""

_seeds = count(1)


@asynccontextmanager
async def contenders(stage: Stage, sizes: Sizes) -> AsyncIterator[Mapping[str, Run]]:
    """Fill the store; the contenders."""
    town = Town(sizes.leads, datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
    url = await stage.service_database("intake", "bench_reading")
    await fill(url, town)
    stage.note(f"{town.people:,} leads")

    def asking(kind: str) -> Run:
        async def run() -> float:
            async with stage.service("intake", "api", url):
                return (await ask(stage, kind, town, sizes.reading_seconds)).p99_ms

        return run

    async def allowed() -> float:
        return LONGEST_MS

    yield {SEARCH: asking(SEARCH), LIST: asking(LIST), ALLOWED: allowed}
    await stage.drop_database("bench_reading")


async def ask(stage: Stage, kind: str, town: Town, seconds: float) -> Load:
    """Lookups of one kind, from a process of its own.

    Raises:
        RuntimeError: a request was refused, or too few were answered to tell.
    """
    api = urlsplit(stage.stack.urls["intake-api"])
    job = Job(
        host=api.hostname or "",
        port=api.port or 0,
        path="/leads",
        token=await stage.token("intake", "leads:read"),
        connections=CLIENTS,
        warm_up=WARM_UP_SECONDS,
        seconds=seconds,
        requests=int(MOST_A_SECOND * (WARM_UP_SECONDS + seconds)),
        seed=next(_seeds),
    )
    enquiry = Enquiry(job, kind, town.people, town.until.isoformat())
    file = stage.scratch / "enquiry.json"
    file.write_text(json.dumps(asdict(enquiry)), encoding="utf-8")
    command = [sys.executable, "-m", "bench.lookups", str(file)]
    load = Load(**json.loads(await stage.run(command, {})))
    if load.refused:
        raise RuntimeError(f"{load.refused} lookups were refused")
    stage.note(
        f"{kind}: {load.answers:,} answers, half within {load.median_ms:.1f} ms, 99 % within"
        f" {load.p99_ms:.1f} ms, {load.rate:.0f} a second"
    )
    if load.answers < FEWEST_ANSWERS and seconds >= FEWEST_ANSWERS / MOST_A_SECOND:
        stage.note(f"that are fewer than the {FEWEST_ANSWERS:,} a percentile should be taken of")
    return load


SUBJECT = Subject(
    comparisons=(
        Comparison("intake_search_p99_ms", "ms", SEARCH, ALLOWED, 1, at_most=True),
        Comparison("intake_list_p99_ms", "ms", LIST, ALLOWED, 1, at_most=True),
    ),
    contenders=contenders,
    most_rounds=3,
)
