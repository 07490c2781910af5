from __future__ import annotations

from bench.rounds import Comparison, compared, turns

AT_LEAST = Comparison("some_vs_other", "events/s", "ours", "other", 0.75)
AT_MOST = Comparison("some_mb", "MB", "ours", "other", 1, at_most=True)


def test_every_round_goes_in_the_opposite_order_of_the_one_before() -> None:
    assert turns(["ours", "one", "two"], 3) == [
        ["ours", "one", "two"],
        ["two", "one", "ours"],
        ["ours", "one", "two"],
    ]


def test_a_result_has_medians_of_its_sides_and_the_median_of_the_ratios_within_rounds() -> None:
    figures = {"ours": [90.0, 100.0, 120.0], "other": [100.0, 200.0, 100.0]}

    result = compared(AT_LEAST, figures)

    assert (result.ours, result.baseline) == (100.0, 100.0)
    assert (result.least, result.ratio, result.most) == (0.5, 0.9, 1.2)


def test_a_smallest_ratio_is_reached_from_the_bound_on() -> None:
    assert AT_LEAST.holds(0.75)
    assert not AT_LEAST.holds(0.7499)


def test_a_largest_ratio_is_reached_up_to_the_bound() -> None:
    assert AT_MOST.holds(1.0)
    assert not AT_MOST.holds(1.0001)
