from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.frequency import Cap, first_free
from keyturn_events.vocabulary import Purpose

DAY = timedelta(days=1)
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
THREE_A_WEEK = Cap(Purpose.MARKETING, 3, 7)

caps = st.lists(
    st.builds(
        Cap,
        purpose=st.just(Purpose.MARKETING),
        count=st.integers(1, 4),
        days=st.integers(1, 20),
    ),
    min_size=1,
    max_size=3,
)
hours = st.integers(0, 24 * 60).map(lambda n: MONDAY + timedelta(hours=n))


def most_in_any_span(moments: list[datetime], days: int) -> int:
    return max(sum(start <= m < start + days * DAY for m in moments) for start in moments)


@given(caps=caps, wishes=st.lists(hours, max_size=15))
def test_no_cap_is_ever_exceeded_whatever_the_order_of_the_wishes(
    caps: list[Cap], wishes: list[datetime]
) -> None:
    sent: list[datetime] = []
    for wish in wishes:
        moment = first_free(wish, sent, caps)
        assert moment >= wish
        sent.append(moment)
        for cap in caps:
            assert most_in_any_span(sent, cap.days) <= cap.count


@given(caps=caps, wishes=st.lists(hours, max_size=8), wish=hours)
def test_the_slot_that_is_found_is_the_first_that_there_is(
    caps: list[Cap], wishes: list[datetime], wish: datetime
) -> None:
    sent: list[datetime] = []
    for earlier in wishes:
        sent.append(first_free(earlier, sent, caps))
    found = first_free(wish, sent, caps)
    moment = wish
    while moment < found:
        assert any(most_in_any_span([*sent, moment], cap.days) > cap.count for cap in caps)
        moment += timedelta(hours=7)


def test_the_fourth_of_a_week_waits_until_the_first_is_seven_days_old() -> None:
    sent = [MONDAY, MONDAY + DAY, MONDAY + 2 * DAY]
    assert first_free(MONDAY + 3 * DAY, sent, [THREE_A_WEEK]) == MONDAY + 7 * DAY
    assert first_free(MONDAY + 7 * DAY, sent, [THREE_A_WEEK]) == MONDAY + 7 * DAY


def test_of_two_caps_the_stricter_one_decides() -> None:
    daily = Cap(Purpose.MARKETING, 1, 1)
    monthly = Cap(Purpose.MARKETING, 2, 30)
    sent = [MONDAY, MONDAY + 2 * DAY]
    assert first_free(MONDAY + 4 * DAY, sent, [daily, monthly]) == MONDAY + 30 * DAY


def test_a_cap_of_none_at_all_is_refused_when_it_is_set() -> None:
    with pytest.raises(ValueError, match="at least one message"):
        Cap(Purpose.MARKETING, 0, 7)
