"""Importing a file of leads, against validate-and-COPY, and how much memory a million rows take.

Ours recognises people, records consents and tells all of it in events. The file comes in through
`POST /imports`; intake's worker works through it. The pace is that of the rows that
`GET /imports/{id}` tells as done, from the first that are.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx

from bench.measures.subject import Sizes, Subject
from bench.people import csv_lines
from bench.progress import Count, pace
from bench.rounds import Comparison, Run
from bench.stage import Stage, resident_megabytes

IMPORT, COPY = "import", "copy"
GROWTH, ALLOWED = "growth", "allowed"
LARGEST_GROWTH = 100.0
"""MB by which worker and API may grow."""

LONGEST_SECONDS = 120.0
PIECE = 65_536
SEED = 13


async def write_file(stage: Stage, rows: int) -> Path:
    """A file of leads."""
    path = stage.scratch / f"leads-{rows}.csv"

    def write() -> None:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(csv_lines(Random(SEED), 0, rows))

    await asyncio.to_thread(write)
    return path


class Door:
    """The file door of intake's API."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {token}"}

    async def upload(self, path: Path) -> str:
        """Send a file; the id of its import."""

        async def pieces() -> AsyncIterator[bytes]:
            with path.open("rb") as file:
                while piece := await asyncio.to_thread(file.read, PIECE):
                    yield piece

        headers = self._headers | {"content-type": "text/csv"}
        answer = await self._client.post("/imports", content=pieces(), headers=headers)
        answer.raise_for_status()
        return str(answer.json()["import_id"])

    def rows_done(self, import_id: str) -> Count:
        """Counts the rows that are done.

        Raises `RuntimeError` when a row was rejected: the file has none to reject.
        """

        async def count() -> int:
            answer = await self._client.get(f"/imports/{import_id}", headers=self._headers)
            answer.raise_for_status()
            job = answer.json()
            if job["rejected"] or job["fault_code"]:
                raise RuntimeError(f"the import goes wrong: {job}")
            return int(job["rows"])

        return count


@asynccontextmanager
async def door(stage: Stage) -> AsyncIterator[Door]:
    """The file door of the API that runs."""
    token = await stage.token("intake", "imports:write", "imports:read")
    url = stage.stack.urls["intake-api"]
    async with httpx.AsyncClient(base_url=url, timeout=120.0) as client:
        yield Door(client, token)


@asynccontextmanager
async def contenders(stage: Stage, sizes: Sizes) -> AsyncIterator[Mapping[str, Run]]:
    """Import and copy."""
    file = await write_file(stage, sizes.import_rows)

    async def imported() -> float:
        url = await stage.service_database("intake", "bench_import")
        await stage.settle_database()
        async with stage.service("intake", "api", url), door(stage) as files:
            import_id = await files.upload(file)
            count = files.rows_done(import_id)
            async with stage.service("intake", "worker", url, ready=False) as worker:
                taken = await pace(worker, count, sizes.import_rows, seconds=LONGEST_SECONDS)
                return taken.rate

    async def copied() -> float:
        url = await stage.empty_database("bench_copy")
        await stage.settle_database()
        command = [sys.executable, "-m", "bench.baselines.validate_and_copy", str(file)]
        return float(await stage.run(command, {"KEYTURN_DATABASE_URL": url}))

    yield {IMPORT: imported, COPY: copied}
    file.unlink()


@asynccontextmanager
async def growth_contenders(stage: Stage, sizes: Sizes) -> AsyncIterator[Mapping[str, Run]]:
    """How much worker and API grow while they take in the largest file."""
    file = await write_file(stage, sizes.growth_rows)

    async def growth() -> float:
        url = await stage.service_database("intake", "bench_growth")
        async with (
            stage.service("intake", "api", url) as api,
            stage.service("intake", "worker", url) as worker,
            door(stage) as files,
        ):
            # What both take at their first row is not growth.
            warm_up = await write_file(stage, sizes.growth_warm_up_rows)
            count = files.rows_done(await files.upload(warm_up))
            await pace(worker, count, sizes.growth_warm_up_rows, seconds=LONGEST_SECONDS)
            before = resident_megabytes(api) + resident_megabytes(worker)
            peak = before

            async def watch() -> None:
                nonlocal peak
                while True:
                    await asyncio.sleep(0.2)
                    peak = max(peak, resident_megabytes(api) + resident_megabytes(worker))

            watching = asyncio.create_task(watch())
            try:
                count = files.rows_done(await files.upload(file))
                await pace(worker, count, sizes.growth_rows, seconds=sizes.growth_seconds)
            finally:
                watching.cancel()
            stage.note(f"{await count():,} rows; from {before:.0f} MB to {peak:.0f} MB")
            return peak - before

    async def allowed() -> float:
        return LARGEST_GROWTH

    yield {GROWTH: growth, ALLOWED: allowed}
    file.unlink()


SUBJECT = Subject(
    comparisons=(Comparison("import_vs_copy", "rows/s", IMPORT, COPY, 0.25),),
    contenders=contenders,
    most_rounds=3,
)
GROWTH_SUBJECT = Subject(
    comparisons=(Comparison("import_growth_mb", "MB", GROWTH, ALLOWED, 1, at_most=True),),
    contenders=growth_contenders,
    most_rounds=1,
)
