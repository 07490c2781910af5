from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyturn_events import Refusal
from service_desk.domain.calendar import (
    NOTHING,
    BusinessCalendar,
    Pause,
    Shift,
    add_working_time,
    checked,
    due,
    working_time_between,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
HOUR = timedelta(hours=1)

NINE_TO_FIVE = (Shift(9 * 60, 17 * 60),)
SPLIT = (Shift(9 * 60, 12 * 60), Shift(13 * 60 + 30, 18 * 60))
NIGHT = (Shift(0, 3 * 60), Shift(3 * 60, 6 * 60), Shift(22 * 60, 24 * 60))


def weekdays(shifts: tuple[Shift, ...], zone: str = "Asia/Shanghai") -> BusinessCalendar:
    return BusinessCalendar("c", 1, zone, (shifts,) * 5 + ((), ()))


def at(*parts: int, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime(*parts, tzinfo=zone)  # type: ignore[misc,arg-type]  # year to minute


calendars = st.builds(
    lambda shifts, zone, closed: BusinessCalendar(
        "c", 1, zone, (shifts,) * 5 + ((), ()), dict.fromkeys(closed, ())
    ),
    st.sampled_from([NINE_TO_FIVE, SPLIT, NIGHT]),
    st.sampled_from(["Asia/Shanghai", "America/New_York", "Europe/London", "UTC"]),
    st.sets(st.dates(date(2026, 3, 1), date(2026, 4, 30)), max_size=10),
)
moments = st.integers(0, 45 * 24 * 60).map(
    lambda minutes: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
amounts = st.timedeltas(NOTHING, timedelta(hours=60))
some = settings(max_examples=60, deadline=None)


def test_friday_half_past_four_plus_one_hour_is_monday_half_past_nine() -> None:
    due_at = add_working_time(weekdays(NINE_TO_FIVE), at(2026, 7, 3, 16, 30), HOUR)
    assert due_at == at(2026, 7, 6, 9, 30)


def test_the_last_hour_of_a_day_falls_due_when_the_desk_closes() -> None:
    due_at = add_working_time(weekdays(NINE_TO_FIVE), at(2026, 7, 3, 16), HOUR)
    assert due_at == at(2026, 7, 3, 17)


def test_a_lunch_break_does_not_count() -> None:
    due_at = add_working_time(weekdays(SPLIT), at(2026, 7, 1, 11, 30), HOUR)
    assert due_at == at(2026, 7, 1, 14)


def test_a_holiday_does_not_count_and_a_make_up_working_day_does() -> None:
    calendar = BusinessCalendar(
        "cn",
        1,
        "Asia/Shanghai",
        weekdays(NINE_TO_FIVE).week,
        {date(2026, 10, 9): (), date(2026, 10, 10): NINE_TO_FIVE},
    )
    due_at = add_working_time(calendar, at(2026, 10, 8, 16), 2 * HOUR)
    assert due_at == at(2026, 10, 10, 10)


def test_a_message_in_the_night_is_received_when_the_desk_opens() -> None:
    opens = at(2026, 7, 2, 9)
    assert add_working_time(weekdays(NINE_TO_FIVE), at(2026, 7, 2, 3), NOTHING) == opens


def test_an_hour_that_the_clock_skips_is_not_worked() -> None:
    calendar = BusinessCalendar("ny", 1, "America/New_York", ((Shift(0, 24 * 60),),) * 7)
    spring = [at(2026, 3, day, zone=NEW_YORK).astimezone(UTC) for day in (8, 9)]
    autumn = [at(2026, 11, day, zone=NEW_YORK).astimezone(UTC) for day in (1, 2)]
    assert working_time_between(calendar, *spring) == 23 * HOUR
    assert working_time_between(calendar, *autumn) == 25 * HOUR


def test_nine_o_clock_is_nine_o_clock_on_both_sides_of_a_clock_change() -> None:
    calendar = weekdays(NINE_TO_FIVE, "America/New_York")
    friday = at(2026, 3, 6, 16, 30, zone=NEW_YORK)
    assert add_working_time(calendar, friday, HOUR) == at(2026, 3, 9, 9, 30, zone=NEW_YORK)


@some
@given(calendars, moments, amounts, amounts)
def test_adding_working_time_twice_is_adding_it_at_once(
    calendar: BusinessCalendar, start: datetime, first: timedelta, second: timedelta
) -> None:
    at_once = add_working_time(calendar, start, first + second)
    assert add_working_time(calendar, add_working_time(calendar, start, first), second) == at_once


@some
@given(calendars, moments, amounts, amounts)
def test_more_working_time_is_never_due_earlier(
    calendar: BusinessCalendar, start: datetime, less: timedelta, more: timedelta
) -> None:
    less, more = sorted((less, more))
    assert add_working_time(calendar, start, less) <= add_working_time(calendar, start, more)


@some
@given(calendars, moments, moments, amounts)
def test_a_later_start_is_never_due_earlier(
    calendar: BusinessCalendar, one: datetime, other: datetime, amount: timedelta
) -> None:
    early, late = sorted((one, other))
    assert add_working_time(calendar, early, amount) <= add_working_time(calendar, late, amount)


@some
@given(calendars, moments, amounts)
def test_a_due_time_never_lands_outside_working_hours(
    calendar: BusinessCalendar, start: datetime, amount: timedelta
) -> None:
    due_at = add_working_time(calendar, start, amount)
    instant = timedelta(microseconds=1)
    assert working_time_between(calendar, due_at - instant, due_at + instant) > NOTHING


@some
@given(calendars, moments, amounts)
def test_exactly_the_promised_working_time_passes_until_it_is_due(
    calendar: BusinessCalendar, start: datetime, amount: timedelta
) -> None:
    due_at = add_working_time(calendar, start, amount)
    assert working_time_between(calendar, start, due_at) == amount


@some
@given(calendars, moments, amounts, st.lists(amounts, min_size=2, max_size=6))
def test_pauses_shift_a_due_time_by_exactly_their_working_time(
    calendar: BusinessCalendar, start: datetime, budget: timedelta, steps: list[timedelta]
) -> None:
    marks = [start]
    for step in steps:
        marks.append(marks[-1] + step)
    pauses = [Pause(began, ended) for began, ended in zip(marks[1::2], marks[2::2], strict=False)]
    due_at = due(calendar, start, budget, pauses)
    assert due_at is not None
    paused = sum(
        (
            working_time_between(calendar, pause.began, min(pause.ended, due_at))
            for pause in pauses
            if pause.ended is not None and pause.began < due_at
        ),
        NOTHING,
    )
    assert working_time_between(calendar, start, due_at) == budget + paused


def test_nothing_is_due_while_the_clock_stands_still(office: BusinessCalendar) -> None:
    start = at(2026, 7, 1, 9)
    assert due(office, start, 8 * HOUR, [Pause(at(2026, 7, 1, 12))]) is None


def test_what_fell_due_before_the_pause_stays_due(office: BusinessCalendar) -> None:
    start = at(2026, 7, 1, 9)
    assert due(office, start, HOUR, [Pause(at(2026, 7, 1, 12))]) == at(2026, 7, 1, 10)


@pytest.mark.parametrize(
    "shifts",
    [
        (Shift(600, 600),),
        (Shift(700, 600),),
        (Shift(540, 720), Shift(700, 900)),
        (Shift(-1, 600),),
        (Shift(540, 1441),),
        tuple(Shift(n * 100, n * 100 + 50) for n in range(7)),
    ],
)
def test_shifts_that_cannot_be_worked_are_refused(shifts: tuple[Shift, ...]) -> None:
    with pytest.raises(Refusal) as refused:
        checked(BusinessCalendar("c", 1, "UTC", (shifts,) + ((),) * 6))
    assert (refused.value.code, refused.value.pointer) == ("shifts-out-of-order", "/week/0")


def test_a_calendar_that_never_opens_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        checked(BusinessCalendar("c", 1, "UTC", ((),) * 7))
    assert refused.value.code == "calendar-never-opens"


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        checked(weekdays(NINE_TO_FIVE, "Asia/Atlantis"))
    assert refused.value.code == "unknown-time-zone"
