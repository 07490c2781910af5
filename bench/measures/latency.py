"""Latency: from an accepted lead to the decision of a campaign on it, against the hops alone.

Intake's API and worker and campaigns' worker run as they do in production. First a burst shows how
many leads a second the whole way sustains; then leads come at half of that, and the 99th percentile
is taken from the 201 to the arrival of the decision's record on `campaigns.messages`. The hops are
measured on the same stack while it is idle.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from itertools import count
from urllib.parse import urlsplit

from bench.arrivals import Arrivals, Schedule
from bench.load import Job
from bench.measures.subject import Sizes, Subject
from bench.rounds import Comparison, Run
from bench.stage import Stage
from keyturn_events import ALL_TOPICS, Topic

LEAD, HOPS = "lead to campaign", "hops"
CONNECTIONS = 64
WARM_UP_LEADS = 200


@asynccontextmanager
async def contenders(stage: Stage, sizes: Sizes) -> AsyncIterator[Mapping[str, Run]]:
    """Start the services and find the sustainable rate; the contenders."""
    token = await stage.token("intake", "leads:write")
    seeds = count(500)
    intake = await stage.service_database("intake", "bench_intake")
    campaigns = await stage.service_database("campaigns", "bench_campaigns")
    # What other measures have left in the topics is not campaigns' affair.
    await stage.rewind("campaigns", await stage.ends(ALL_TOPICS))

    async def arrivals(leads: int, rate: float) -> Arrivals:
        api = urlsplit(stage.stack.urls["intake-api"])
        job = Job(
            host=api.hostname or "",
            port=api.port or 0,
            path="/leads",
            token=token,
            connections=CONNECTIONS,
            warm_up=0.0,
            seconds=0.0,
            requests=leads,
            seed=next(seeds),
            returning=0.0,
        )
        file = stage.scratch / "schedule.json"
        schedule = Schedule(job, rate, stage.bootstrap)
        file.write_text(json.dumps(asdict(schedule)), encoding="utf-8")
        printed = await stage.run([sys.executable, "-m", "bench.arrivals", str(file)], {})
        came = Arrivals(**json.loads(printed))
        if came.undecided:
            raise RuntimeError(f"campaigns did not decide on {came.undecided} of {came.leads}")
        return came

    async with (
        stage.service("intake", "api", intake),
        stage.service("intake", "worker", intake),
        stage.service("campaigns", "worker", campaigns),
    ):
        await arrivals(WARM_UP_LEADS, 0.0)
        burst = await arrivals(sizes.burst, 0.0)
        rate = burst.leads / burst.seconds / 2
        stage.note(f"sustained: {2 * rate:.0f} leads/s")

        async def lead() -> float:
            came = await arrivals(int(rate * sizes.latency_seconds), rate)
            stage.note(f"{came.leads:,} leads: half decided within {came.median_ms:.0f} ms")
            return came.p99_ms

        async def hops() -> float:
            env = {
                "KEYTURN_KAFKA_BOOTSTRAP": stage.bootstrap,
                "KEYTURN_DATABASE_URL": await stage.empty_database("bench_hops"),
            }
            module, topic = "bench.baselines.hops", str(Topic.SEGMENTATION_CUSTOMERS)
            return float(
                await stage.run([sys.executable, "-m", module, str(sizes.hops), topic], env)
            )

        yield {LEAD: lead, HOPS: hops}


SUBJECT = Subject(
    comparisons=(Comparison("lead_to_campaign_p99_vs_hops", "ms", LEAD, HOPS, 5, at_most=True),),
    contenders=contenders,
    most_rounds=3,
)
