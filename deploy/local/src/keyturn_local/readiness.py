"""Wait for processes to be ready, and say which one is not and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from keyturn_local.errors import StackError
from keyturn_local.processes import is_running, listens_on, tail
from keyturn_local.state import ProcessRecord

READY_SECONDS = 60.0
POLL_SECONDS = 0.1
HEALTH_PATH = "/health/ready"


async def wait_until_ready(
    records: Sequence[ProcessRecord], urls: Mapping[str, str], *, seconds: float = READY_SECONDS
) -> None:
    """Wait until every process answers its readiness check.

    Args:
        records: the processes.
        urls: base URL by process name.
        seconds: how long they may take together.

    Raises:
        StackError: one ended, or did not get ready in time; with the end of its log.
    """
    deadline = time.monotonic() + seconds
    async with httpx.AsyncClient(timeout=5.0) as client:
        await asyncio.gather(
            *(_wait(client, record, urls[record.name], deadline) for record in records)
        )


async def is_ready(urls: Mapping[str, str]) -> dict[str, bool]:
    """Which of the processes answer their readiness check now, by name."""
    async with httpx.AsyncClient(timeout=2.0) as client:
        answers = await asyncio.gather(*(_ask(client, url) for url in urls.values()))
    return {name: answer is None for name, answer in zip(urls, answers, strict=True)}


async def _wait(
    client: httpx.AsyncClient, record: ProcessRecord, url: str, deadline: float
) -> None:
    while (complaint := await _ask(client, url)) is not None:
        if not is_running(record):
            raise failure(record, "ended while it was starting")
        if time.monotonic() > deadline:
            raise failure(record, f"does not get ready ({complaint})")
        await asyncio.sleep(POLL_SECONDS)
    # Somebody else may answer on the port of a process that failed to take it.
    while not listens_on(record, urlsplit(url).port or 0):
        if not is_running(record):
            raise failure(record, "ended while it was starting")
        if time.monotonic() > deadline:
            raise failure(record, f"does not listen on {url}")
        await asyncio.sleep(POLL_SECONDS)


async def _ask(client: httpx.AsyncClient, url: str) -> str | None:
    """None when ready, else what it said."""
    try:
        response = await client.get(url + HEALTH_PATH)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return None if response.is_success else f"{response.status_code}: {response.text[:500]}"


def failure(record: ProcessRecord, what: str) -> StackError:
    """An error that names the process and shows the end of its log."""
    return StackError(f"{record.name} {what}. The end of {record.log}:\n{tail(Path(record.log))}")
