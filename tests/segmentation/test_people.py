from __future__ import annotations

from itertools import permutations

from segmentation.domain.facts import Facts, learn
from segmentation.domain.people import survivors


def _told(*tellings: tuple[str, str, str, str]) -> dict[str, Facts]:
    """Files by id, from (customer, stamp, fact name, value)."""
    files: dict[str, Facts] = {"ann": {}, "bea": {}, "cho": {}}
    for customer_id, stamp, name, value in tellings:
        files[customer_id] = learn(files[customer_id], {name: value}, stamp)
    return files


def test_without_merges_everybody_means_themself() -> None:
    assert survivors(_told()) == {"ann": "ann", "bea": "bea", "cho": "cho"}


def test_a_merged_customer_means_the_survivor() -> None:
    assert survivors(_told(("ann", "1", "merge/m1", "bea"))) == {
        "ann": "ann",
        "bea": "ann",
        "cho": "cho",
    }


def test_a_chain_of_merges_means_the_last_survivor() -> None:
    files = _told(("ann", "1", "merge/m1", "bea"), ("cho", "2", "merge/m2", "ann"))
    assert survivors(files) == {"ann": "cho", "bea": "cho", "cho": "cho"}


def test_undoing_the_first_of_two_merges_leaves_the_second() -> None:
    files = _told(
        ("ann", "1", "merge/m1", "bea"),
        ("cho", "2", "merge/m2", "ann"),
        ("cho", "3", "unmerge/m1", "bea"),
    )
    assert survivors(files) == {"ann": "cho", "bea": "bea", "cho": "cho"}


def test_merging_the_other_way_round_after_an_un_merge_is_no_circle() -> None:
    tellings = [
        ("ann", "1", "merge/m1", "bea"),
        ("ann", "2", "unmerge/m1", "bea"),
        ("bea", "3", "merge/m2", "ann"),
    ]
    for order in permutations(tellings):
        assert survivors(_told(*order)) == {"ann": "bea", "bea": "bea", "cho": "cho"}


def test_a_circle_of_merges_still_has_one_survivor() -> None:
    files = _told(("ann", "1", "merge/m1", "bea"), ("bea", "2", "merge/m2", "ann"))
    assert survivors(files) == {"ann": "bea", "bea": "bea", "cho": "cho"}
