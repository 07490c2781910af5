"""Gets a batch through its transactions so that the failure of one item touches no other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from keyturn_chassis.database import is_conflict, is_transient

T = TypeVar("T")

ATTEMPTS_TOGETHER = 3
"""How often a batch is tried as one when others write the same rows, before it is halved."""
ATTEMPTS_ALONE = 8
"""How often one item is tried alone before its conflict counts as its own fault."""
PAUSE_SECONDS = 0.01
"""The first pause between attempts; it doubles, with jitter."""


async def settle(
    items: Sequence[T],
    transact: Callable[[Sequence[T]], Awaitable[None]],
    give_up: Callable[[T, Exception], Awaitable[None]],
) -> None:
    """Run `transact` on all `items`, if need be on halves of them, down to a single one.

    A conflict is tried again, because everything is loaded afresh. An item that fails alone is
    handed to `give_up`. An error that is not the input's fault is raised, contention that does not
    end included; what has been committed by then stays committed.
    """
    failure = await _attempt(items, transact)
    if failure is None:
        return
    if len(items) == 1:
        if is_transient(failure):
            raise failure
        await give_up(items[0], failure)
        return
    middle = len(items) // 2
    await settle(items[:middle], transact, give_up)
    await settle(items[middle:], transact, give_up)


async def _attempt(
    items: Sequence[T], transact: Callable[[Sequence[T]], Awaitable[None]]
) -> Exception | None:
    failure: Exception | None = None
    for attempt in range(ATTEMPTS_ALONE if len(items) == 1 else ATTEMPTS_TOGETHER):
        try:
            await transact(items)
            return None
        except Exception as error:
            if not is_conflict(error):
                if is_transient(error):
                    raise
                return error
            failure = error
        await asyncio.sleep(PAUSE_SECONDS * 2**attempt * random.random())  # noqa: S311
    return failure
