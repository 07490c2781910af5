"""What every receipt of an erasure carries; each service has a receipt of its own type."""

from __future__ import annotations

from pydantic import Field

from keyturn_events.event import CustomerEvent
from keyturn_events.scalars import ErasureId
from keyturn_events.values import ErasureCount
from keyturn_events.vocabulary import ErasureTreatment

MOST_COUNTS = 50
"""Kinds of records that one receipt tells of, at most."""


class ErasureReceipt(CustomerEvent):
    """A service has erased or pseudonymised what it held under one customer id.

    Told once for each `CustomerErased` that is heard, also by a service that held nothing. When
    the erasure is told of again, the receipt is the same again: the counts are those of the first
    time.
    """

    erasure_id: ErasureId
    counts: tuple[ErasureCount, ...] = Field(default=(), max_length=MOST_COUNTS)
    """By kind of record; empty when nothing was held under this id."""


def counted(
    kind: str, treatment: ErasureTreatment, count: int, reason: str | None = None
) -> tuple[ErasureCount, ...]:
    """One line of a receipt; none when there was nothing of the kind."""
    if count == 0:
        return ()
    return (ErasureCount(kind=kind, treatment=treatment, count=count, reason=reason),)
