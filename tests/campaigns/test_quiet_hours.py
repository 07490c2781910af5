from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.domain.quiet_hours import Window, first_allowed, zone_named

WINDOW = Window(time(9), time(21))
ZONES = sorted(available_timezones())
SECOND = timedelta(seconds=1)

moments = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2037, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
hours = st.times().map(lambda t: t.replace(microsecond=0, tzinfo=None, fold=0))
windows = (
    st.tuples(hours, hours)
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: Window(min(pair), max(pair)))
)


def local(moment: str, zone: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))


@given(at=moments, zone=st.sampled_from(ZONES), window=windows)
@example(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "Europe/London", Window(time(1, 30), time(4)))
@example(datetime(2026, 10, 25, 0, 10, tzinfo=UTC), "Europe/London", Window(time(1, 5), time(4)))
@example(datetime(2026, 4, 4, 14, 0, tzinfo=UTC), "Australia/Lord_Howe", Window(time(2), time(3)))
@example(datetime(2011, 12, 30, 9, 0, tzinfo=UTC), "Pacific/Apia", WINDOW)
def test_a_send_falls_inside_the_window_at_the_first_moment_that_does(
    at: datetime, zone: str, window: Window
) -> None:
    there = ZoneInfo(zone)
    sent = first_allowed(at, window, there)
    assert sent >= at
    assert window.contains(sent, there)
    if sent > at:
        assert not window.contains(at, there)
        assert not window.contains(sent - SECOND, there) or sent - SECOND < at
        step = (sent - at) / 97
        assert not any(window.contains(at + step * i, there) for i in range(97))


@pytest.mark.parametrize(
    ("wall", "expected"),
    [
        ("2026-03-04T09:00:00", "2026-03-04T09:00:00"),
        ("2026-03-04T20:59:59", "2026-03-04T20:59:59"),
        ("2026-03-04T21:00:00", "2026-03-05T09:00:00"),
        ("2026-03-04T08:59:59", "2026-03-04T09:00:00"),
        ("2026-03-04T18:13:00", "2026-03-04T18:13:00"),
    ],
)
def test_a_message_waits_for_nine_in_the_recipients_own_morning(wall: str, expected: str) -> None:
    zone = "Asia/Tokyo"
    assert first_allowed(local(wall, zone), WINDOW, ZoneInfo(zone)) == local(expected, zone)


def test_where_the_clock_jumps_over_the_opening_the_moment_of_the_jump_is_the_first() -> None:
    zone = "Europe/Berlin"
    window = Window(time(2, 30), time(6))
    night = local("2026-03-29T01:00:00", zone)
    assert first_allowed(night, window, ZoneInfo(zone)) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_where_an_hour_comes_twice_the_first_of_the_two_is_taken() -> None:
    zone = "Europe/Berlin"
    window = Window(time(2, 30), time(6))
    night = local("2026-10-25T01:00:00", zone)
    assert first_allowed(night, window, ZoneInfo(zone)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_first_known_zone_is_taken_and_nonsense_is_none() -> None:
    assert zone_named([None, "Mars/Olympus", "Asia/Tokyo", "UTC"]) == ZoneInfo("Asia/Tokyo")
    assert zone_named([None, "../etc/passwd", "Asia", ""]) is None


def test_a_window_has_to_open_before_it_closes() -> None:
    with pytest.raises(ValueError, match="opens before it closes"):
        Window(time(21), time(9))
