"""Gives parked events their effects after what was wrong has been mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keyturn_chassis import dead_letters
from keyturn_chassis.consumer import Consumer, decide
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.settle import settle
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_events.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay of one subject came to."""

    subject: str
    handled: int
    """How many events have had their effects now."""
    remaining: int
    """How many are still parked or waiting; 0 when all is well again."""
    code: str | None = None
    detail: str | None = None
    """Why the first of the remaining ones is parked."""


async def replay(runtime: Runtime, subject: str, *, dry_run: bool = False) -> Replayed:
    """Handle all that is parked for `subject`, in order, up to the first that still fails.

    It leaves the same state as if nothing had failed. With `dry_run` it tells what would happen
    and changes nothing.
    """
    outcome: list[Replayed] = []

    async def transact(subjects: Sequence[str]) -> None:
        outcome.extend([await _replay(runtime, each, dry_run=dry_run) for each in subjects])

    async def give_up(_: str, error: Exception) -> None:
        raise error

    await settle([subject], transact, give_up)
    return outcome[-1]


async def discard(runtime: Runtime, id: int) -> Replayed:
    """Drop one dead letter for good, then handle those that waited behind it."""
    async with runtime.database.transaction() as connection:
        await dead_letters.hold_off_consumers(connection, runtime.service.name)
        letter = await dead_letters.find(connection, runtime.service.name, id)
        await dead_letters.remove(connection, [id])
    return await replay(runtime, letter.subject)


async def _replay(runtime: Runtime, subject: str, *, dry_run: bool) -> Replayed:
    name = runtime.service.name
    consumer = Consumer(runtime)
    async with runtime.database.transaction(dry_run=dry_run) as connection:
        await dead_letters.hold_off_consumers(connection, name)
        letters = await dead_letters.of_subject(connection, name, subject)
        deliveries = await consumer.deliveries([letter.record for letter in letters])
        by_record = {id(delivery.record): delivery for delivery in deliveries}
        unit = UnitOfWork(runtime.service, connection)
        await unit.load([d.input for d in deliveries if d.input is not None])
        handled: list[int] = []
        refusal: Refusal | None = None
        for letter in letters:
            delivery = by_record.get(id(letter.record))
            refusal = None if delivery is None else decide(unit, delivery)
            if refusal is not None:
                await dead_letters.restate(connection, letter.id, refusal)
                break
            handled.append(letter.id)
        await unit.flush()
        await dead_letters.remove(connection, handled)
    return Replayed(
        subject,
        len(handled),
        len(letters) - len(handled),
        refusal.code if refusal else None,
        refusal.detail if refusal else None,
    )
