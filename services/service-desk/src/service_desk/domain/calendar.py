"""Business calendars: when a community's desk works, and arithmetic with its working time.

All arithmetic is on instants, so that the days on which clocks change are exactly as long as they
are. An interval of work includes its closing instant: one hour from Friday 16:00 falls due on
Friday 17:00, the next second of work on Monday.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from keyturn_events import Refusal, RefusalKind

MINUTES_A_DAY = 24 * 60
MOST_SHIFTS_A_DAY = 6
SEARCH_DAYS = 3_660
"""How far ahead work is looked for; a calendar that is closed for longer never opens."""
NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True, order=True)
class Shift:
    """An unbroken stretch of work, in minutes after local midnight; 1440 closes at midnight."""

    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class Pause:
    """A time during which the clock of a promise stands still; without an end it still does."""

    began: datetime
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class CalendarRef:
    """Which version of which calendar counts, read in which time zone."""

    code: str
    version: int
    zone: str


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """A week of shifts, Monday first, and the days that differ from it.

    A holiday is a day without shifts, a make-up working day (调休) one with shifts of its own.
    Versions never change: another week or another holiday is another version.
    """

    code: str
    version: int
    zone: str
    week: tuple[tuple[Shift, ...], ...]
    exceptions: Mapping[date, tuple[Shift, ...]] = field(default_factory=dict)

    @property
    def ref(self) -> CalendarRef:
        """What a case keeps, to reckon by the same calendar for as long as it lives."""
        return CalendarRef(self.code, self.version, self.zone)

    def in_zone(self, zone: str | None) -> BusinessCalendar:
        """The same hours by another community's clock."""
        return self if zone is None else replace(self, zone=zone)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name; raises `Refusal` when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refusal(
            "unknown-time-zone",
            "Give an IANA time zone name, such as Asia/Shanghai.",
            kind=RefusalKind.INVALID,
            pointer="/time_zone",
        ) from None


def checked(calendar: BusinessCalendar) -> BusinessCalendar:
    """The calendar, if working time can be reckoned by it; raises `Refusal` otherwise."""
    zone_of(calendar.zone)
    for weekday, shifts in enumerate(calendar.week):
        _check_shifts(shifts, f"/week/{weekday}")
    for day, shifts in calendar.exceptions.items():
        _check_shifts(shifts, f"/exceptions/{day.isoformat()}")
    if not any(calendar.week):
        raise Refusal(
            "calendar-never-opens",
            "Give at least one weekday a shift, or no promise would ever fall due.",
            kind=RefusalKind.INVALID,
            pointer="/week",
        )
    return calendar


def _check_shifts(shifts: Sequence[Shift], pointer: str) -> None:
    bounds = [bound for shift in shifts for bound in (shift.opens, shift.closes)]
    in_order = all(a <= b for a, b in pairwise(bounds))
    lasting = all(shift.opens < shift.closes for shift in shifts)
    inside = all(0 <= bound <= MINUTES_A_DAY for bound in bounds)
    if not (in_order and lasting and inside and len(shifts) <= MOST_SHIFTS_A_DAY):
        raise Refusal(
            "shifts-out-of-order",
            f"Give at most {MOST_SHIFTS_A_DAY} shifts a day, each closing after it opens and none "
            "before the one ahead of it has closed.",
            kind=RefusalKind.INVALID,
            pointer=pointer,
        )


def add_working_time(calendar: BusinessCalendar, start: datetime, amount: timedelta) -> datetime:
    """The instant at which `amount` of working time has passed since `start`.

    Nothing to add gives `start` itself while the desk works, and the next opening otherwise.
    """
    left, start = amount, start.astimezone(UTC)
    for opens, closes in _working_intervals(calendar, start):
        begins = max(opens, start)
        if begins > closes:
            continue
        if left <= closes - begins:
            return begins + left
        left -= closes - begins
    raise Refusal(
        "calendar-never-opens",
        f"Calendar {calendar.code} has too little working time within ten years.",
        kind=RefusalKind.INVALID,
    )


def working_time_between(calendar: BusinessCalendar, start: datetime, end: datetime) -> timedelta:
    """How much of the time from `start` to `end` the desk works; nothing when it ends first."""
    total = NOTHING
    for opens, closes in _working_intervals(calendar, start):
        if opens >= end:
            break
        total += max(NOTHING, min(closes, end) - max(opens, start))
    return total


def due(
    calendar: BusinessCalendar, start: datetime, budget: timedelta, pauses: Sequence[Pause] = ()
) -> datetime | None:
    """When a promise of `budget` working time, made at `start`, falls due.

    Pauses, in order and apart, do not count. None while the clock stands still: then there is no
    telling.
    """
    left = budget
    begins = start
    for pause in pauses:
        if pause.ended is not None and pause.ended <= begins:
            continue
        if pause.began > begins:
            worked = working_time_between(calendar, begins, pause.began)
            if worked >= left:
                break
            left -= worked
        if pause.ended is None:
            return None
        begins = max(begins, pause.ended)
    return add_working_time(calendar, begins, left)


def _working_intervals(
    calendar: BusinessCalendar, start: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """The stretches of work from the day of `start` on, as instants, in order."""
    zone = zone_of(calendar.zone)
    day = start.astimezone(zone).date()
    # Where clocks skip an hour, a shift inside it is worked after it and may meet the next shift.
    worked_until = datetime.min.replace(tzinfo=UTC)
    for _ in range(SEARCH_DAYS):
        for shift in calendar.exceptions.get(day, calendar.week[day.weekday()]):
            opens = max(_instant(day, shift.opens, zone), worked_until)
            closes = _instant(day, shift.closes, zone)
            if opens < closes:
                worked_until = closes
                yield opens, closes
        day += timedelta(days=1)


def _instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    if minute == MINUTES_A_DAY:
        day, minute = day + timedelta(days=1), 0
    return datetime.combine(day, time(minute // 60, minute % 60), zone).astimezone(UTC)
