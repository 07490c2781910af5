"""Group commit: commands that arrive together share one transaction.

While one transaction is on its way, commands gather; the next one takes them all. Nobody is made
to wait for company. One command's failure cannot touch another's: a refusal is made in memory
before anything is written, and a batch that the store refuses is tried again in halves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any

from keyturn_chassis import idempotency, telemetry
from keyturn_chassis.clock import Clock
from keyturn_chassis.database import Database
from keyturn_chassis.idempotency import Answer, RequestKey
from keyturn_chassis.inputs import Cause, Decision, Input
from keyturn_chassis.preconditions import Precondition
from keyturn_chassis.problems import unavailable
from keyturn_chassis.service import Service
from keyturn_chassis.settle import settle
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_events import Event

BATCH = 256
"""How many commands share a transaction, at most."""

MOST_WAITING = 5_000
"""How many commands may wait for their transaction; more are told to come back."""

Respond = Callable[[Any, Sequence[Event]], Answer]
"""Turns the decided state and its events into the answer."""


@dataclass(slots=True, eq=False)
class PendingCommand:
    """A command that waits for its transaction."""

    value: Any
    decide: Decision[Any, Any]
    respond: Respond
    request: RequestKey
    remembered: bool
    """Whether the answer is stored under the request's key."""
    traceparent: str | None
    precondition: Precondition | None = None
    """The versions of its state that it may be decided on."""
    answer: asyncio.Future[Answer] = field(default_factory=asyncio.Future)


class GroupCommit:
    """Takes commands from concurrent requests and commits them together."""

    def __init__(self, service: Service, database: Database, clock: Clock) -> None:
        self._service = service
        self._database = database
        self._clock = clock
        self._queue: deque[PendingCommand] = deque()
        self._waiting = asyncio.Event()

    async def execute(self, command: PendingCommand) -> Answer:
        """The answer to a command, after its commit.

        Raises `Refusal` when the decision says no, the database's error when it is away, and
        `Problem` (503) when too many commands wait already. A caller that goes away meanwhile does
        not undo the command.
        """
        if len(self._queue) >= MOST_WAITING:
            raise unavailable("Too many requests are waiting. Send this one again a little later.")
        self._queue.append(command)
        self._waiting.set()
        return await command.answer

    async def run(self) -> None:
        """Commit batches until cancelled."""
        while True:
            await self._waiting.wait()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH))]
            if not self._queue:
                self._waiting.clear()
            try:
                await settle(batch, self._transact, _fail)
            except Exception as error:  # noqa: BLE001 - everyone is told, nobody is stopped
                for command in batch:
                    if not command.answer.done():
                        await _fail(command, error)

    async def _transact(self, batch: Sequence[PendingCommand]) -> None:
        """Decide and commit; an answer that cannot be built undoes its command with the batch."""
        began = perf_counter()
        outcomes: list[tuple[PendingCommand, Answer | Exception]] = []
        answers: dict[RequestKey, Answer] = {}
        async with self._database.transaction() as connection:
            now = await self._clock.now(connection)
            unit = UnitOfWork(self._service, connection)
            moment = now.isoformat()
            inputs = [_input(command, now, moment) for command in batch]
            await unit.load(inputs)
            # Only now: whoever saw a twin's effect while loading also sees its answer.
            remembered = await idempotency.recall(
                connection, [command.request for command in batch if command.remembered]
            )
            for command, input in zip(batch, inputs, strict=True):
                known = remembered.get(command.request.identity)
                try:
                    if known is not None:
                        outcomes.append((command, known.answer_to(command.request)))
                        continue
                    decided = unit.decide(input, command.precondition)
                except Exception as error:  # noqa: BLE001 - it is this command's alone
                    outcomes.append((command, error))
                    continue
                answer = command.respond(*decided)
                outcomes.append((command, answer))
                if command.remembered:
                    answers[command.request] = answer
                    remembered[command.request.identity] = idempotency.Remembered(
                        command.request.digest, answer
                    )
            await unit.flush()
            await idempotency.remember(connection, answers)
        telemetry.BATCH_SIZE.labels("http").observe(len(batch))
        telemetry.BATCH_SECONDS.labels("http").observe(perf_counter() - began)
        for command, outcome in outcomes:
            if isinstance(outcome, Exception):
                await _fail(command, outcome)
            elif not command.answer.done():
                command.answer.set_result(outcome)


def _input(command: PendingCommand, now: datetime, moment: str) -> Input[Any]:
    # The cause names the moment too: a key that is used again after its answer was forgotten must
    # not give new events the ids of old ones.
    request = command.request
    cause = Cause(request.caller, f"{request.key}@{moment}", now, command.traceparent)
    return Input(command.value, cause, command.decide)


async def _fail(command: PendingCommand, error: Exception) -> None:
    if not command.answer.done():
        stops = isinstance(error, StopIteration)  # which a future does not take
        command.answer.set_exception(RuntimeError(repr(error)) if stops else error)
