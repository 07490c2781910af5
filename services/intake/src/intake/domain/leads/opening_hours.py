"""Weekly hours in a community's time zone: when the showroom is open, when somebody is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from keyturn_events.refusal import Refusal, RefusalKind

MINUTES_A_DAY: Final = 1_440
LEAST_MINUTES: Final = 15
"""A period is at least this long, so that every deadline within opening hours comes soon."""
MOST_PERIODS: Final = 50
"""Periods of one week, at most."""
REMEMBERED_DEADLINES: Final = 1_024
"""Deadlines that are remembered: those who come in one batch come at one moment."""
MOST_DAYS: Final = 1_400
"""How many days a deadline within opening hours is looked for: the 2,880 minutes that a community
can set at most pass within 1,344 days, even if only one period of the least length is open a
week."""


@dataclass(frozen=True, slots=True)
class Period:
    """Part of one weekday, in minutes after midnight by the clocks of the place."""

    weekday: int
    """1 is Monday, 7 is Sunday (ISO 8601)."""
    opens: int
    closes: int
    """After `opens`; 1,440 is the end of the day."""

    def on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From when until when it is on that day, as points in time."""
        return _instant(day, self.opens, zone), _instant(day, self.closes, zone)


def ensure_week(periods: Sequence[Period], pointer: str) -> None:
    """Raises `Refusal` `invalid-hours` for a period that is too short or meets another."""
    by_start = sorted(periods, key=lambda period: (period.weekday, period.opens))
    for period in by_start:
        if period.closes - period.opens < LEAST_MINUTES:
            raise Refusal(
                "invalid-hours",
                f"A period ends on its own day, at least {LEAST_MINUTES} minutes after it begins.",
                kind=RefusalKind.INVALID,
                pointer=pointer,
            )
    for before, after in pairwise(by_start):
        if before.weekday == after.weekday and after.opens < before.closes:
            raise Refusal(
                "invalid-hours",
                "Two periods of one weekday overlap; make them one.",
                kind=RefusalKind.INVALID,
                pointer=pointer,
            )


def within(periods: Sequence[Period], zone: ZoneInfo, at: datetime) -> bool:
    """Whether one of the periods is on at that time."""
    local = at.astimezone(zone)
    minutes = local.hour * 60 + local.minute
    weekday = local.isoweekday()
    return any(p.weekday == weekday and p.opens <= minutes < p.closes for p in periods)


@lru_cache(maxsize=REMEMBERED_DEADLINES)
def after_open_minutes(
    periods: tuple[Period, ...], zone: ZoneInfo, start: datetime, minutes: int
) -> datetime:
    """When that many minutes within the periods have passed since `start`.

    Without periods every minute counts. Minutes are counted as they pass, so that a period with a
    change of the clocks in it is an hour shorter or longer.
    """
    left = timedelta(minutes=minutes)
    if not periods:
        return start + left
    first_day = start.astimezone(zone).date()
    in_order = sorted(periods, key=lambda period: period.opens)
    for day in (first_day + timedelta(days=number) for number in range(MOST_DAYS)):
        for period in in_order:
            if period.weekday != day.isoweekday():
                continue
            opens, closes = period.on(day, zone)
            begins = max(opens, start)
            if closes - begins >= left:
                return begins + left
            left -= max(closes - begins, timedelta(0))
    return start + timedelta(days=MOST_DAYS)


def _instant(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    days, minutes = divmod(minutes, MINUTES_A_DAY)
    local = datetime.combine(day + timedelta(days=days), time(minutes // 60, minutes % 60), zone)
    return local.astimezone(UTC)
