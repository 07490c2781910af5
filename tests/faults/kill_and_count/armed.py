"""Starts a process of a service that signals itself at an exact point of its own work.

`python -m tests.faults.kill_and_count.armed <service module> <role> <point> <call> <signal> <file>`

The signal is SIGKILL, or SIGSTOP for a process that is to become a zombie in the middle of things.

It runs the same main as any other process of that service. Only one function or method is wrapped
from outside, before anything runs; the product knows nothing of it. `<file>` is written just
before the signal, so that nobody mistakes another death for this one.
"""

from __future__ import annotations

import os
import re
import runpy
import signal
import sys
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer

from keyturn_chassis.group_commit import GroupCommit
from keyturn_chassis.unit_of_work import UnitOfWork

SESSION_MILLISECONDS: Final = 6_000

Method = Callable[..., Awaitable[Any]]


class Point(StrEnum):
    """Where a process dies, or stands still."""

    BEFORE_COMMIT = "before-commit"
    """Everything is decided and written, and the transaction is not committed."""
    BEFORE_OFFSETS = "before-offsets"
    """The database has committed a batch, the broker does not know."""
    BEFORE_OUTBOX = "before-outbox"
    """The broker has acknowledged a batch of events, the outbox still holds them."""
    BEFORE_ANSWER = "before-answer"
    """A command is committed, its answer not sent."""
    AFTER_SENDING = "after-sending"
    """A channel has taken a message, and nobody has written that down."""


REMOVES_FROM_OUTBOX: Final = re.compile(r"\s*DELETE\s+FROM\s+outbox\b", re.IGNORECASE)
"""The relay's statement for what the broker has acknowledged."""


class Trigger:
    """Signals this process at the n-th call."""

    def __init__(self, call: int, number: signal.Signals, witness: Path) -> None:
        self._left = call
        self._number = number
        self._witness = witness

    def pull(self) -> None:
        """Count a call; at the n-th the signal comes before anything else can happen."""
        self._left -= 1
        if self._left == 0:
            self._witness.touch()
            os.kill(os.getpid(), self._number)


def arm(point: Point, trigger: Trigger) -> None:
    """Wrap what lies at the point."""
    match point:
        case Point.BEFORE_COMMIT:
            wrap(UnitOfWork, "flush", after=trigger)
        case Point.BEFORE_OFFSETS:
            wrap(AIOKafkaConsumer, "commit", before=trigger)
        case Point.BEFORE_OUTBOX:
            for name in ("execute", "fetch", "fetchval", "fetchrow"):
                wrap(asyncpg.Connection, name, before=trigger, only=REMOVES_FROM_OUTBOX)
        case Point.BEFORE_ANSWER:
            wrap(GroupCommit, "execute", after=trigger)
        case Point.AFTER_SENDING:
            from campaigns.tasks.sender import Shift

            wrap(Shift, "_deliver", after=trigger)


def wrap(
    owner: type[Any],
    name: str,
    *,
    before: Trigger | None = None,
    after: Trigger | None = None,
    only: re.Pattern[str] | None = None,
) -> None:
    """Pull a trigger before or after each call of a coroutine method.

    With `only`, calls count whose first argument is text that it matches.
    """
    inner: Method = getattr(owner, name)

    async def wrapped(self: Any, *args: Any, **named: Any) -> Any:
        concerned = only is None or bool(args and only.match(str(args[0])))
        if before is not None and concerned:
            before.pull()
        result = await inner(self, *args, **named)
        if after is not None and concerned:
            after.pull()
        return result

    setattr(owner, name, wrapped)


def shorten_session() -> None:
    """Let the group miss this process sooner when it is gone, as soon as any broker allows."""
    inner = AIOKafkaConsumer.__init__

    def init(self: AIOKafkaConsumer, *topics: str, **options: Any) -> None:
        inner(self, *topics, **{"session_timeout_ms": SESSION_MILLISECONDS, **options})

    AIOKafkaConsumer.__init__ = init


def main() -> None:
    """Arm, and become the service's process."""
    module, role, point, call, number, witness = sys.argv[1:]
    arm(Point(point), Trigger(int(call), signal.Signals[number], Path(witness)))
    shorten_session()
    sys.argv = [module, role]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
