"""The short form of `make faults`: deaths at exact points, and nothing is lost or doubled."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from tests.faults.kill_and_count.options import FORMS
from tests.faults.kill_and_count.report import show, write
from tests.faults.kill_and_count.run import kill_and_count

ISSUE = (
    "broker", "seconds", "faults", "accepted", "effects", "lost", "doubled", "parked", "poison",
    "state_equal",
)  # fmt: skip
"""What `faults.json` must hold."""


@pytest.fixture
def quiet_clients() -> Iterator[None]:
    """While processes die, Kafka's clients have a lot to say."""
    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


async def test_nothing_is_lost_or_doubled_and_the_state_is_that_of_a_run_without_faults(
    tmp_path: Path, quiet_clients: None
) -> None:
    console = Console(file=io.StringIO(), width=120)
    verdict = await kill_and_count(
        tmp_path,
        broker="embedded",
        seed=1,
        size=FORMS["short"],
        console=console,
        logs=tmp_path / "logs",
    )
    figures = orjson.loads(write(verdict, tmp_path / "build").read_bytes())
    told = [figures["lost"], figures["doubled"], figures["first_difference"], figures["missed"]]
    assert told == [0, 0, None, []], figures
    assert verdict.sound
    assert figures.keys() >= set(ISSUE)
    assert figures["accepted"] == figures["effects"] > 30
    assert figures["poison"] == 1
    assert figures["parked"] == figures["parked_without_faults"] > 0
    assert sum(figures["faults"].values()) == len(figures["faults"]) == 5
    show(verdict, console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "the state of every service equals that of the run without faults" in said
    assert "make faults SEED=1 BROKER=embedded" in said
