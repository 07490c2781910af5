"""Frequency caps: how often one person may be written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyturn_events.vocabulary import Purpose


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `count` messages for `purpose` in any `days` days in a row."""

    purpose: Purpose
    count: int
    days: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.days < 1:
            raise ValueError("a cap allows at least one message in at least one day")


def first_free(at: datetime, sent: Sequence[datetime], caps: Sequence[Cap]) -> datetime:
    """The first moment, `at` or later, at which one more message breaks none of `caps`.

    `sent` are the times of the messages that count, in any order. The strictest cap wins, and a
    message that fits between two others is held against both.
    """
    moments = sorted(sent)
    candidates = sorted(
        {at, *(moment + timedelta(days=cap.days) for moment in moments for cap in caps)}
    )
    return next(
        candidate
        for candidate in candidates
        if candidate >= at and all(_fits(candidate, moments, cap) for cap in caps)
    )


def _fits(candidate: datetime, moments: Sequence[datetime], cap: Cap) -> bool:
    """Whether no span of `cap.days` that holds `candidate` holds more than `cap.count` messages."""
    length = timedelta(days=cap.days)
    together = sorted(
        [m for m in moments if candidate - length < m < candidate + length] + [candidate]
    )
    return all(
        together[i + cap.count] - together[i] >= length for i in range(len(together) - cap.count)
    )
