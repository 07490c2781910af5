"""The file door: a file goes up in one piece and is worked through in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from keyturn_demo.doors.http import HttpDoor

POLL_SECONDS: Final = 0.1
IMPORT_SECONDS: Final = 300.0


class ImportStuck(Exception):
    """An import did not come to its end in time."""


async def import_file(
    intake: HttpDoor,
    content: bytes,
    key: str,
    *,
    community_id: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Send a gzipped CSV file and wait until all its rows are done; the finished import.

    Raises `ImportStuck` when that takes longer than `IMPORT_SECONDS`.
    """
    path = "/imports" if community_id is None else f"/imports?community_id={community_id}"
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip", "Idempotency-Key": key}
    started: dict[str, Any] = (await intake.send("POST", path, content, headers)).accepted()
    deadline = time.monotonic() + IMPORT_SECONDS
    while True:
        job: dict[str, Any] = (await intake.get(f"/imports/{started['import_id']}")).accepted()
        progress(job["rows"])
        if job["status"] in ("done", "failed"):
            return job
        if time.monotonic() > deadline:
            raise ImportStuck(f"import {job['import_id']} stands at row {job['rows']}")
        await asyncio.sleep(POLL_SECONDS)
