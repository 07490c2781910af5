"""Armed processes: the signal comes at the point, at the call, and nowhere else."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from keyturn_chassis import relay
from tests.faults.kill_and_count.armed import REMOVES_FROM_OUTBOX, Trigger, wrap


class Worker:
    """Something whose methods are wrapped."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def run(self, what: str) -> str:
        self.done.append(what)
        return what.upper()


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, signal.Signals]]:
    """What this process would have been sent."""
    sent: list[tuple[int, signal.Signals]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(Worker, "run", Worker.run)
    return Worker()


async def test_the_signal_comes_at_the_nth_call_and_only_then(
    worker: Worker, signals: list[tuple[int, signal.Signals]], tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    wrap(Worker, "run", before=Trigger(2, signal.SIGKILL, witness))
    assert await worker.run("a") == "A"
    assert (signals, witness.exists()) == ([], False)
    await worker.run("b")
    await worker.run("c")
    assert signals == [(os.getpid(), signal.SIGKILL)]
    assert witness.exists()


async def test_before_means_that_nothing_was_done_and_after_that_it_was(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done_by_then: list[list[str]] = []
    monkeypatch.setattr(os, "kill", lambda *_: done_by_then.append(list(worker.done)))
    wrap(Worker, "run", before=Trigger(1, signal.SIGKILL, tmp_path / "before"))
    wrap(Worker, "run", after=Trigger(1, signal.SIGSTOP, tmp_path / "after"))
    await worker.run("a")
    assert done_by_then == [[], ["a"]]


async def test_statements_that_are_not_meant_do_not_count(
    worker: Worker, signals: list[tuple[int, signal.Signals]], tmp_path: Path
) -> None:
    trigger = Trigger(1, signal.SIGKILL, tmp_path / "witness")
    wrap(Worker, "run", before=trigger, only=REMOVES_FROM_OUTBOX)
    await worker.run("SELECT 1 FROM outbox")
    assert signals == []
    await worker.run("DELETE FROM outbox WHERE sequence = 1")
    assert len(signals) == 1


def test_the_statement_that_takes_published_events_away_is_recognised() -> None:
    assert REMOVES_FROM_OUTBOX.match(relay._REMOVE)
    assert not REMOVES_FROM_OUTBOX.match(relay._SELECT)
