"""Parking one customer delays no other: what the others' events cost does not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event

from keyturn_chassis.consumer import Consumer
from keyturn_chassis.testing import Harness, record
from keyturn_events import Message
from keyturn_events.intake import LeadCaptured, LeadScored

CUSTOMERS = 100
"""Of whom one is parked: one in a hundred."""
PARKED = "c0"

Lead = Callable[..., Message[LeadCaptured]]


@pytest.fixture
async def tally(service_harness: Any, tally_service: Any) -> Harness:
    harness: Harness = await service_harness(tally_service)
    return harness


@pytest.fixture
def round_of(lead: Lead) -> Callable[[int], list[Message[LeadCaptured]]]:
    """`round_of(n)`: everybody's n-th lead; the first one of one customer is poison."""

    def make(number: int) -> list[Message[LeadCaptured]]:
        return [
            lead(
                f"c{customer}",
                "poison" if (f"c{customer}", number) == (PARKED, 0) else f"l{customer}-{number}",
            )
            for customer in range(CUSTOMERS)
        ]

    return make


async def queue(tally: Harness) -> list[str]:
    rows = await tally.rows(
        "SELECT code FROM dead_letters WHERE subject = :s ORDER BY id", s=PARKED
    )
    return [row.code for row in rows]


@contextmanager
def counted_statements(tally: Harness) -> Iterator[list[str]]:
    """The SQL statements that are sent meanwhile, but for rows that are copied in.

    Some go through SQLAlchemy and some through its driver alone.
    """
    statements: list[str] = []
    methods = {name: getattr(asyncpg.Connection, name) for name in ("execute", "fetch")}

    def noting(method: Any) -> Any:
        async def send(self: Any, query: str, *values: Any, **options: Any) -> Any:
            statements.append(query)
            return await method(self, query, *values, **options)

        return send

    def note(*call: Any) -> None:
        statements.append(call[2])

    engine = tally.runtime.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    for name, method in methods.items():
        setattr(asyncpg.Connection, name, noting(method))
    try:
        yield statements
    finally:
        for name, method in methods.items():
            setattr(asyncpg.Connection, name, method)
        event.remove(engine, "before_cursor_execute", note)


async def test_the_others_are_handled_while_the_queue_of_one_grows(
    tally: Harness, round_of: Callable[[int], list[Message[LeadCaptured]]]
) -> None:
    for number in range(6):
        await tally.receive(*round_of(number))

        rows = await tally.rows("SELECT customer_id, leads FROM tallies")
        counts = {row.customer_id: len(row.leads) for row in rows}
        assert counts == {f"c{customer}": number + 1 for customer in range(1, CUSTOMERS)}
        assert await queue(tally) == ["poison", *["behind-parked"] * number]


async def test_what_the_others_effects_say_is_the_same_as_if_nobody_were_parked(
    tally: Harness,
    round_of: Callable[[int], list[Message[LeadCaptured]]],
    service_harness: Any,
    tally_service: Any,
) -> None:
    well: Harness = await service_harness(tally_service)
    for number in range(3):
        await tally.receive(*round_of(number))
        await well.receive(*(m for m in round_of(number) if m.event.customer_id != PARKED))

    said, expected = await tally.messages(LeadScored), await well.messages(LeadScored)
    assert [(m.envelope.id, m.event) for m in said] == [(m.envelope.id, m.event) for m in expected]


async def test_parked_customers_cost_a_batch_one_statement_at_most_however_long_their_queues(
    tally: Harness, round_of: Callable[[int], list[Message[LeadCaptured]]], lead: Lead
) -> None:
    others = [message for message in round_of(1) if message.event.customer_id != PARKED]
    with counted_statements(tally) as without:
        await tally.receive(*others)
    await tally.receive(lead(PARKED, "poison"))
    taken = []
    for length in (10, 400):
        await tally.receive(*(lead(PARKED, f"w{length}-{n}") for n in range(length)))
        with counted_statements(tally) as statements:
            await tally.receive(*round_of(length))
        taken.append(len(statements))

    assert taken[0] == taken[1] <= len(without) + 1
    assert len(await queue(tally)) == 413


async def test_a_customer_on_the_partition_of_a_parked_one_is_handled_in_the_same_batch(
    tally: Harness, lead: Lead
) -> None:
    poison, behind, neighbour = lead(PARKED, "poison"), lead(PARKED, "l1"), lead("c1", "l2")
    records = [
        record(message, offset=offset, partition=3)
        for offset, message in enumerate((poison, behind, neighbour))
    ]

    assert await Consumer(tally.runtime).handle(records)

    assert [row.customer_id for row in await tally.rows("SELECT customer_id FROM tallies")] == [
        "c1"
    ]


async def test_replaying_one_customer_leaves_the_queues_of_the_others_as_they_are(
    tally: Harness, lead: Lead, mended: set[str]
) -> None:
    await tally.receive(lead(PARKED, "poison"), lead(PARKED, "l1"), lead("c1", "poison-b"))
    mended.add("poison")

    replayed = await tally.replay(PARKED)

    assert (replayed.handled, replayed.remaining) == (2, 0)
    rows = await tally.rows("SELECT subject, code FROM dead_letters")
    assert [(row.subject, row.code) for row in rows] == [("c1", "poison")]
