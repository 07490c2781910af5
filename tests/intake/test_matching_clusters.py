"""Which pairs are compared, which links are made, and which records they join into people."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("rapidfuzz")
pytest.importorskip("numpy")

from hypothesis import given, settings
from hypothesis import strategies as st

from intake.domain.people.matching import (
    LINK_PROBABILITY,
    Explanation,
    Field,
    Level,
    Verdict,
    Weight,
)
from intake.learning.matching import pairs
from intake.learning.matching.clusters import Link, clusters
from intake.learning.matching.evaluation import quality
from intake.learning.matching.pairs import candidate_pairs
from intake.learning.matching.resolution import within_budget
from intake.reading.person_records import person_record


def verdict_of(bits: float, *different: Field) -> Verdict:
    weights = tuple(Weight(field, Level.DIFFERENT, -5.0) for field in different)
    return Verdict(bits, Explanation.STRANGERS, 0.0, weights)


def test_one_strong_link_does_not_chain_two_people_together() -> None:
    # 0-1 and 2-3 are two people; a link between 1 and 2 stands alone against three others.
    links = [Link(0, 1, 15.0), Link(2, 3, 14.0), Link(1, 2, 8.0)]
    known = {(0, 1): 15.0, (2, 3): 14.0, (1, 2): 8.0}

    def judge(first: int, second: int) -> Verdict:
        return verdict_of(known.get((first, second), -12.0))

    assert clusters(4, links, judge) == [0, 0, 2, 2]


def test_duplicates_of_duplicates_are_one_person() -> None:
    links = [Link(0, 1, 12.0), Link(1, 2, 12.0), Link(2, 3, 12.0)]

    def judge(first: int, second: int) -> Verdict:
        return verdict_of(12.0 if second - first == 1 else 1.0)

    assert clusters(4, links, judge) == [0, 0, 0, 0]


def test_groups_that_contradict_each_other_stay_apart() -> None:
    links = [Link(0, 1, 15.0), Link(1, 2, 9.0)]

    def judge(first: int, second: int) -> Verdict:
        if (first, second) == (0, 2):
            return verdict_of(2.0, Field.GIVEN_NAME, Field.BIRTH_DATE)
        return verdict_of(9.0)

    assert clusters(3, links, judge) == [0, 0, 2]


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12))
@settings(deadline=None)
def test_the_order_of_the_links_makes_no_difference(pairs: list[tuple[int, int]]) -> None:
    links = [
        Link(min(pair), max(pair), float(sum(pair))) for pair in set(pairs) if pair[0] != pair[1]
    ]

    def judge(first: int, second: int) -> Verdict:
        return verdict_of(3.0 if (first + second) % 3 else -4.0)

    assert clusters(8, links, judge) == clusters(8, reversed(links), judge)


def test_quality_counts_pairs_and_leaves_out_who_is_not_known() -> None:
    found = quality(["a", "a", "b", "b", None], [0, 0, 0, 3, 3], [(2, 3), (0, 4)])
    assert (found.found, found.true, found.right) == (4, 2, 2)
    assert found.precision == 0.5
    assert found.recall == 1.0
    assert found.f1 == pytest.approx(2 / 3)


def test_a_key_that_too_many_share_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "LARGEST_BLOCK", 3)
    crowd = [person_record({"birth_date": "1980-05-03"}) for _ in range(4)]
    assert len(candidate_pairs(crowd)[0]) == 0
    assert len(candidate_pairs(crowd[:3])[0]) == 3


def test_no_more_pairs_are_compared_than_there_is_time_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pairs, "FEWEST_PAIRS", 2)
    monkeypatch.setattr(pairs, "PAIRS_PER_RECORD", 0)
    rare = [person_record({"email": f"shan{number // 2}@example.com"}) for number in range(4)]
    crowd = [person_record({"birth_date": "1980-05-03"}) for _ in range(9)]
    first, second = candidate_pairs([*crowd, *rare])
    # The rarest keys come first, and the limit ends the rest.
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == {(9, 10), (11, 12)}


def sure(place: int, probability: float) -> Link:
    return Link(place, place + 1, math.log2(probability / (1 - probability)))


def test_less_sure_links_are_made_only_where_few_are_expected_to_be_wrong() -> None:
    certain = [sure(place, 0.9999) for place in range(100)]
    doubtful = [sure(200 + place, 0.9) for place in range(20)]
    # 100 certain ones bear seven doubtful ones, and equally sure ones stay together.
    assert within_budget([*certain, *doubtful[:7]]) == [*certain, *doubtful[:7]]
    assert within_budget([*certain, *doubtful]) == certain
    alone = [sure(place, LINK_PROBABILITY + 0.001) for place in range(5)]
    assert within_budget(alone) == alone
    assert within_budget(doubtful) == []
