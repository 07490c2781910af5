"""Which segment the desk takes somebody to be in, of moves that came in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

from keyturn_events.segmentation import CustomerSegmented
from service_desk.domain.customers import Customer, Family, segmented

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
WRITTEN = datetime(2026, 11, 21, 9, tzinfo=UTC)

Move = tuple[str, datetime, datetime]


def in_segment(*moves: Move) -> str:
    customer = Customer("c1")
    for segment, at, recorded_at in moves:
        event = CustomerSegmented(
            customer_id="c1",
            model="pulte",
            model_version=1,
            to_segment=segment,
            rule="family",
            caused_by="e1",
        )
        customer = segmented(customer, event, at, recorded_at)
    [(_, segment)] = Family({"c1": customer}).segments("c1")
    return segment


def test_of_moves_at_one_business_time_the_one_that_was_written_down_last_holds() -> None:
    first = ("unclassified", NOON, WRITTEN)
    second = ("established-family", NOON, WRITTEN + timedelta(milliseconds=1))
    assert {in_segment(*order) for order in permutations((first, second))} == {"established-family"}


def test_a_later_business_time_holds_whenever_it_was_written_down() -> None:
    earlier = ("empty-nester", NOON, WRITTEN + timedelta(days=1))
    later = ("active-adult", NOON + timedelta(seconds=1), WRITTEN)
    assert {in_segment(*order) for order in permutations((earlier, later))} == {"active-adult"}
