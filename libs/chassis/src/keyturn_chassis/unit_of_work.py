"""A unit of work: load what a batch of inputs needs, decide each, save it all, say it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import outbox, telemetry, timers
from keyturn_chassis.clock import wall_now
from keyturn_chassis.inputs import Input
from keyturn_chassis.service import Service, WorkingSet
from keyturn_events import Event


class UnitOfWork:
    """The decisions of one transaction.

    Its caller opens the transaction, dedupes the inputs, calls `load` once, `decide` for each in
    order, and `flush` at the end. The number of SQL statements does not depend on how many
    inputs there are.
    """

    def __init__(self, service: Service, connection: AsyncConnection) -> None:
        self._service = service
        self._connection = connection
        self._working_set: WorkingSet
        self._rows: list[outbox.Row] = []
        self._spans = telemetry.DecisionSpans()

    async def load(self, inputs: Sequence[Input[Any]]) -> None:
        """Load the state that `inputs` look at."""
        self._working_set = await self._service.store.load(self._connection, inputs)

    def decide(self, input: Input[Any]) -> tuple[Any, Sequence[Event]]:
        """Make one decision in memory; the new state and the events.

        Raises `Refusal`, or whatever the decision raises; then nothing of it is kept.
        """
        cause = input.cause
        state, events = input.decide(self._working_set.state_for(input), input.value, cause)
        rows = []
        if events or telemetry.collected():
            traceparent = self._spans.of(input.value, cause.traceparent)
            rows = outbox.rows_of(cause, events, wall_now(), traceparent)
        self._working_set.put(state)
        self._rows += rows
        return state, events

    async def flush(self) -> None:
        """Write state, timers and outbox; the caller's commit makes them true."""
        await self._service.store.save(self._connection, self._working_set)
        await timers.synchronise(self._connection, self._working_set.deadlines())
        await outbox.append(self._connection, self._rows)
        self._spans.end()
