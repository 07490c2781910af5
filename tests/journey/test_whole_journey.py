"""A small neighbourhood on a stack of its own, while processes are killed."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from keyturn_demo.event_log import EventLog
from keyturn_demo.generated import live
from keyturn_demo.options import Options
from keyturn_demo.run import write
from keyturn_demo.session import SETTINGS, open_world
from keyturn_demo.world import SERVICES, World
from keyturn_events.intake import LeadCaptured, PurchaseSigned
from keyturn_local.stack import Stack

PATIENCE_SECONDS = 60.0


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "stack", broker="embedded", durable=False, settings=SETTINGS)
    try:
        yield stack
    finally:
        stack.clean()


async def kill_when(
    world: World, stack: Stack, name: str, holds: Callable[[EventLog], bool]
) -> None:
    assert await world.auditor.until(lambda: holds(world.log), PATIENCE_SECONDS)
    await asyncio.to_thread(stack.kill, name)


async def test_nothing_is_lost_or_doubled_though_processes_are_killed(
    own_stack: Stack, tmp_path: Path
) -> None:
    console = Console(file=io.StringIO())
    async with open_world(own_stack, console) as world:
        journey = asyncio.create_task(live(world, Options(households=12), time.monotonic()))
        await kill_when(world, own_stack, "intake-api", lambda log: bool(log.of(LeadCaptured)))
        await kill_when(
            world, own_stack, "segmentation-worker", lambda log: bool(log.of(PurchaseSigned))
        )
        figures = await journey
        assert (figures.audit.lost, figures.audit.doubled) == ([], [])
        assert figures.audit.parked == 0
        assert world.restarted == ["intake-api", "segmentation-worker"]
        async with httpx.AsyncClient(timeout=10) as client:
            for service in SERVICES:
                for path in ("/health/ready", "/docs", "/asyncapi", "/metrics"):
                    answer = await client.get(own_stack.urls[f"{service}-api"] + path)
                    assert answer.status_code == 200, (service, path)
    effects = figures.effects
    assert effects.customers == effects.timelines == effects.segmented >= 12
    assert effects.handovers >= figures.completed > 0
    assert figures.tally.rejections().keys() >= {"API", "API batch", "partner events"}
    written = write(figures, tmp_path / "build")
    assert "lost 0 · doubled 0 · parked 0" in (written / "journey.txt").read_text("utf-8")
