"""Quiet hours: the hours of the recipient's own day in which nobody may be written to.

A moment is judged by the wall clock of the recipient's zone, whatever daylight saving does to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_STEP: Final = timedelta(minutes=30)
"""No zone changes its offset twice within this time."""
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """The hours of the day in which sending is allowed: from `opens` until before `closes`."""

    opens: time = time(9)
    closes: time = time(21)

    def __post_init__(self) -> None:
        if self.opens >= self.closes:
            raise ValueError("a window opens before it closes, on the same day")

    def contains(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether the wall clock of `zone` shows a time inside the window."""
        return self.opens <= at.astimezone(zone).time() < self.closes


def zone_named(names: Iterable[str | None]) -> ZoneInfo | None:
    """The first of `names` that is a known IANA time zone; None when none of them is."""
    for name in names:
        if name is None:
            continue
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return None


def first_allowed(at: datetime, window: Window, zone: ZoneInfo) -> datetime:
    """The first moment, `at` or later, at which the wall clock of `zone` is inside the window.

    The answer is in UTC. Where daylight saving skips the opening time, it is the moment of the
    change; where an hour comes twice, it is the first of the two.
    """
    moment = at.astimezone(UTC)
    while not window.contains(moment, zone):
        opening = moment + _until(moment.astimezone(zone).time(), window.opens)
        change = _first_change(moment, opening, zone)
        moment = opening if change is None else change
    return moment


def _until(wall: time, opens: time) -> timedelta:
    """How long the wall clock runs from `wall` until it next shows `opens`."""
    return (_since_midnight(opens) - _since_midnight(wall)) % _DAY


def _since_midnight(wall: time) -> timedelta:
    return timedelta(
        hours=wall.hour,
        minutes=wall.minute,
        seconds=wall.second,
        microseconds=wall.microsecond,
    )


def _first_change(start: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment after `start`, and not after `end`, from which the offset is another."""
    before = start.astimezone(zone).utcoffset()
    low = start
    while low < end:
        high = min(low + _STEP, end)
        if high.astimezone(zone).utcoffset() != before:
            return _bisect(low, high, zone)
        low = high
    return None


def _bisect(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The moment between `low` and `high` at which the offset changes, to the whole second."""
    before = low.astimezone(zone).utcoffset()
    low = low.replace(microsecond=0)
    if high.microsecond:
        high = high.replace(microsecond=0) + _SECOND
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
