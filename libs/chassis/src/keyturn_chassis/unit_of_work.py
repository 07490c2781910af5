"""A unit of work: load what a batch of inputs needs, decide each, save it all, say it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import erasure, outbox, telemetry, timers
from keyturn_chassis.clock import wall_now
from keyturn_chassis.inputs import Input
from keyturn_chassis.preconditions import Precondition
from keyturn_chassis.service import Service, VersionedWorkingSet, WorkingSet
from keyturn_events import Event
from keyturn_events.intake import CustomerErased


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
        self._receipts: erasure.Receipts | None = None
        self._rows: list[outbox.Row] = []
        self._spans = telemetry.DecisionSpans()

    async def load(self, inputs: Sequence[Input[Any]]) -> None:
        """Load the state that `inputs` look at."""
        self._working_set = await self._service.store.load(self._connection, inputs)
        erasing = self._service.erasing
        self._receipts = await erasure.load_receipts(self._connection, erasing, inputs)

    def discarded(self, subject: str, records: int) -> None:
        """Note that parked records of who is to be forgotten are gone: the receipt counts them."""
        if self._receipts is not None:
            before = self._receipts.discarded.get(subject, 0)
            self._receipts.discarded[subject] = before + records

    def decide(
        self, input: Input[Any], precondition: Precondition | None = None
    ) -> tuple[Any, Sequence[Event]]:
        """Make one decision in memory; the new state and the events.

        Raises `Refusal`, or whatever the decision raises; then nothing of it is kept.
        """
        cause = input.cause
        if precondition is not None:
            precondition.check(cast("VersionedWorkingSet", self._working_set).version_for(input))
        state, events = input.decide(self._working_set.state_for(input), input.value, cause)
        if events and self._service.outgoing is not None:
            events = self._service.outgoing(self._working_set, state, events)
        if self._receipts is not None and isinstance(input.value, CustomerErased):
            events = self._receipts.settled(input.value, events)
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
        await erasure.save_receipts(self._connection, self._receipts)
        await outbox.append(self._connection, self._rows)
        self._spans.end()
