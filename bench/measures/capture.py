"""Capturing leads: a durable `POST /leads` against an empty endpoint and the textbook handler.

Each contender is a real API process of intake, started for the run on a fresh database, behind the
same middleware and authorisation; 64 connections in a closed loop. The answer to ours comes after
the commit, with events in the outbox and the Idempotency-Key remembered.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from itertools import count
from urllib.parse import urlsplit

from bench.load import Job, Load
from bench.measures.subject import Sizes, Subject
from bench.rounds import Comparison, Run
from bench.stage import Stage

OURS, EMPTY, TEXTBOOK = "capture", "empty", "textbook handler"
CONNECTIONS = 64
WARM_UP_SECONDS = 1.5
MOST_A_SECOND = 4_000
"""Requests that are made beforehand for each second."""

_seeds = count(1)


async def drive(stage: Stage, path: str, seconds: float, *, connections: int = CONNECTIONS) -> Load:
    """Load on intake's API, from a process of its own.

    Raises:
        RuntimeError: a request was refused.
    """
    api = urlsplit(stage.stack.urls["intake-api"])
    job = Job(
        host=api.hostname or "",
        port=api.port or 0,
        path=path,
        token=await stage.token("intake", "leads:write"),
        connections=connections,
        warm_up=WARM_UP_SECONDS,
        seconds=seconds,
        requests=int(MOST_A_SECOND * (WARM_UP_SECONDS + seconds)),
        seed=next(_seeds),
    )
    file = stage.scratch / "load.json"
    file.write_text(json.dumps(asdict(job)), encoding="utf-8")
    load = Load(**json.loads(await stage.run([sys.executable, "-m", "bench.load", str(file)], {})))
    if load.refused:
        raise RuntimeError(f"{load.refused} requests to {path} were refused")
    stage.note(
        f"{path}: half within {load.median_ms:.0f} ms, 99 % within {load.p99_ms:.0f} ms; the"
        f" generator took {load.processor:.0%} of a processor"
    )
    return load


@asynccontextmanager
async def contenders(stage: Stage, sizes: Sizes) -> AsyncIterator[Mapping[str, Run]]:
    """The contenders."""

    def contender(path: str, module: str | None) -> Run:
        async def run() -> float:
            url = await stage.service_database("intake", "bench_intake")
            await stage.settle_database()
            async with stage.service("intake", "api", url, module=module):
                return (await drive(stage, path, sizes.capture_seconds)).rate

        return run

    yield {
        OURS: contender("/leads", None),
        EMPTY: contender("/empty", "bench.baselines.empty_endpoint"),
        TEXTBOOK: contender("/textbook", "bench.baselines.textbook_handler"),
    }


SUBJECT = Subject(
    comparisons=(
        Comparison("lead_capture_vs_empty", "leads/s", OURS, EMPTY, 0.75),
        Comparison("lead_capture_vs_textbook", "leads/s", OURS, TEXTBOOK, 5),
    ),
    contenders=contenders,
)
