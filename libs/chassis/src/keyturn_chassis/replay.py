"""Gives parked events their effects after what was wrong has been mended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import dead_letters, inbox
from keyturn_chassis.consumer import Consumer, Delivery, decide, store_refused
from keyturn_chassis.database import is_transient
from keyturn_chassis.dead_letters import DeadLetter
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.settle import settle
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_events.refusal import Refusal

BATCH = 500
"""How many of a subject's events are handled in one transaction."""


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

    It leaves the same state as if nothing had failed. A long queue goes in several transactions;
    the subject stays parked between them, so that order holds. With `dry_run` it tells what would
    happen to the first `BATCH` and changes nothing.
    """
    handled, limit = 0, BATCH
    while True:
        try:
            outcome = await _contended(partial(_drain, runtime, subject, limit, dry_run=dry_run))
        except Exception as error:
            if is_transient(error):
                raise
            if limit > 1:
                limit = 1
                continue
            outcome = await _refused_by_store(runtime, subject, error)
        handled += outcome.handled
        if outcome.code is not None or outcome.remaining == 0 or dry_run:
            return replace(outcome, handled=handled)


async def discard(runtime: Runtime, id: int) -> Replayed:
    """Drop one dead letter for good, then handle those that waited behind it."""
    async with runtime.database.transaction() as connection:
        await dead_letters.hold_off_consumers(connection, runtime.service.name)
        letter = await dead_letters.find(connection, runtime.service.name, id)
        await dead_letters.remove(connection, [id])
    return await replay(runtime, letter.subject)


async def _contended(work: Callable[[], Awaitable[Replayed]]) -> Replayed:
    """Do `work`, again when others write the same rows."""
    outcome: list[Replayed] = []

    async def transact(_: Sequence[None]) -> None:
        outcome.append(await work())

    async def give_up(_: None, error: Exception) -> None:
        raise error

    await settle([None], transact, give_up)
    return outcome[-1]


async def _drain(runtime: Runtime, subject: str, limit: int, *, dry_run: bool) -> Replayed:
    name = runtime.service.name
    async with runtime.database.transaction(dry_run=dry_run) as connection:
        await dead_letters.hold_off_consumers(connection, name)
        letters = await dead_letters.of_subject(connection, name, subject, limit=limit)
        now = await runtime.clock.now(connection)
        deliveries = Consumer(runtime).deliveries([letter.record for letter in letters], now)
        by_record = {id(delivery.record): delivery for delivery in deliveries}
        unit = UnitOfWork(runtime.service, connection)
        await unit.load([d.input for d in deliveries if d.input is not None])
        handled: list[int] = []
        refusal: Refusal | None = None
        for letter in letters:
            delivery = by_record.get(id(letter.record))
            if delivery is not None and await _fresh(connection, name, letter, delivery):
                refusal = decide(unit, delivery)
                if refusal is not None:
                    await dead_letters.restate(connection, letter.id, delivery.identity, refusal)
                    break
            handled.append(letter.id)
        await unit.flush()
        await dead_letters.remove(connection, handled)
        remaining = await dead_letters.count(connection, name, subject)
    return _replayed(subject, len(handled), remaining, refusal)


async def _fresh(
    connection: AsyncConnection, consumer: str, letter: DeadLetter, delivery: Delivery
) -> bool:
    """Whether the event has not had its effects already.

    What could not be decoded was noted by its position; now that it has an id, that is noted.
    """
    if delivery.identity == letter.identity:
        return True
    return bool(await inbox.receive(connection, consumer, {delivery.identity}))


async def _refused_by_store(runtime: Runtime, subject: str, error: Exception) -> Replayed:
    name = runtime.service.name
    refusal = store_refused(error)
    async with runtime.database.transaction() as connection:
        await dead_letters.hold_off_consumers(connection, name)
        for letter in await dead_letters.of_subject(connection, name, subject, limit=1):
            await dead_letters.restate(connection, letter.id, letter.identity, refusal)
        remaining = await dead_letters.count(connection, name, subject)
    return _replayed(subject, 0, remaining, refusal)


def _replayed(subject: str, handled: int, remaining: int, refusal: Refusal | None) -> Replayed:
    return Replayed(
        subject,
        handled,
        remaining,
        refusal.code if refusal else None,
        refusal.detail if refusal else None,
    )
