from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from intake.domain.leads.leads_today import AHEAD, NEW_FOR, Due, Moments, Reason, due_today

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
OLD = NOW - timedelta(days=30)
INSTANT = timedelta(microseconds=1)


def due(**moments: datetime | tuple[datetime, ...]) -> list[Due]:
    return due_today(Moments(**({"captured_at": OLD} | moments)), NOW)  # type: ignore[arg-type]  # each test names its own


def test_a_lead_of_which_nothing_ends_needs_nothing() -> None:
    assert due() == []


def test_a_first_response_is_due_within_a_day_and_then_overdue() -> None:
    assert due(response_due=NOW + AHEAD + INSTANT) == []
    assert due(response_due=NOW + AHEAD) == [Due(Reason.FIRST_RESPONSE_DUE, NOW + AHEAD)]
    assert due(response_due=NOW + INSTANT) == [Due(Reason.FIRST_RESPONSE_DUE, NOW + INSTANT)]
    assert due(response_due=NOW) == [Due(Reason.FIRST_RESPONSE_OVERDUE, NOW)]


def test_an_overdue_response_stays_overdue_once_that_was_noted() -> None:
    assert due(overdue_since=OLD) == [Due(Reason.FIRST_RESPONSE_OVERDUE, OLD)]


def test_what_has_ended_is_nothing_to_do_and_what_ends_within_a_day_is() -> None:
    for reason, ends in (
        (Reason.RESERVATION_EXPIRING, "reservations_expire"),
        (Reason.COOLING_OFF_ENDING, "cooling_off_ends"),
    ):
        assert due(**{ends: (NOW,)}) == []
        assert due(**{ends: (NOW + AHEAD + INSTANT,)}) == []
        assert due(**{ends: (NOW + AHEAD,)}) == [Due(reason, NOW + AHEAD)]
    assert due(protected_until=NOW) == []
    assert due(protected_until=NOW + AHEAD) == [Due(Reason.PROTECTION_ENDING, NOW + AHEAD)]


def test_a_lead_about_to_stall_needs_something_and_so_does_one_past_it() -> None:
    assert due(stalls_at=NOW + AHEAD + INSTANT) == []
    assert due(stalls_at=NOW + AHEAD) == [Due(Reason.STALLING, NOW + AHEAD)]
    assert due(stalls_at=OLD) == [Due(Reason.STALLING, OLD)]


def test_a_lead_is_new_for_a_day() -> None:
    assert due(captured_at=NOW - NEW_FOR) == []
    assert due(captured_at=NOW - NEW_FOR + INSTANT) == [Due(Reason.NEW, NOW - NEW_FOR + INSTANT)]
    assert due(captured_at=NOW + INSTANT) == []


@given(
    st.builds(
        Moments,
        captured_at=st.datetimes(timezones=st.just(UTC)),
        response_due=st.none() | st.just(NOW),
        protected_until=st.none() | st.just(NOW + AHEAD / 2),
        stalls_at=st.none() | st.datetimes(timezones=st.just(UTC)),
        reservations_expire=st.lists(st.just(NOW + AHEAD / 3), max_size=2).map(tuple),
    )
)
def test_the_most_urgent_comes_first(moments: Moments) -> None:
    listed = due_today(moments, NOW)

    assert all(before.urgency <= after.urgency for before, after in pairwise(listed))
