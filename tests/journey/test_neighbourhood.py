"""The generated neighbourhood: the same again for the same seed, and plausible."""

from __future__ import annotations

from collections import Counter
from datetime import date

import phonenumbers
import pytest

from keyturn_demo.neighbourhood import MOST_HOUSEHOLDS, Door, generate
from keyturn_demo.people import PEOPLE_PER_RUN, RUN_SECONDS, Run
from keyturn_events.vocabulary import Severity

RUN = Run.at(1_790_000_000)
OPENING = date(2026, 11, 23)


def test_the_same_seed_gives_the_same_neighbourhood() -> None:
    assert generate(40, seed=3, run=RUN, opening=OPENING) == generate(
        40, seed=3, run=RUN, opening=OPENING
    )


def test_another_seed_gives_another_neighbourhood() -> None:
    one = generate(40, seed=3, run=RUN, opening=OPENING)
    other = generate(40, seed=4, run=RUN, opening=OPENING)
    assert [f.person.name for f in one.families] != [f.person.name for f in other.families]


def test_another_run_has_the_same_families_under_other_names_and_numbers() -> None:
    one = generate(40, seed=3, run=RUN, opening=OPENING)
    other = generate(40, seed=3, run=Run(RUN.number + 1), opening=OPENING)
    assert [f.kind for f in one.families] == [f.kind for f in other.families]
    assert not {f.person.phone for f in one.families} & {f.person.phone for f in other.families}
    assert not {f.person.email for f in one.families} & {f.person.email for f in other.families}
    assert not {f.sale.home_id for f in one.buyers if f.sale} & {
        f.sale.home_id for f in other.buyers if f.sale
    }


def test_every_household_comes_and_some_come_again_through_another_door() -> None:
    hood = generate(300, seed=1, run=RUN, opening=OPENING)
    assert len(hood.families) == 300
    assert {touch.door for touch in hood.touches} == {
        Door.API,
        Door.BATCH,
        Door.PARTNER,
        Door.FILE,
    }
    again = [family for family in hood.families if len(family.touches) == 2]
    assert 30 < len(again) < 80
    for family in again:
        first, second = family.touches
        assert first.door is not second.door
        assert first.day <= second.day


def test_shares_are_plausible_and_every_kind_of_household_is_there() -> None:
    hood = generate(1000, seed=1, run=RUN, opening=OPENING)
    assert len({family.kind.code for family in hood.families}) == 11
    buyers = hood.buyers
    assert 400 < len(buyers) < 500
    assert len({family.sale.home_id for family in buyers if family.sale}) == len(buyers)
    severities = Counter(family.snag.severity for family in buyers if family.snag)
    assert set(severities) == set(Severity)


def test_who_rescinds_has_nothing_to_complain_about() -> None:
    hood = generate(1000, seed=1, run=RUN, opening=OPENING)
    rescinded = [family for family in hood.buyers if family.sale and family.sale.rescinded]
    assert rescinded
    for family in rescinded:
        assert (family.snag, family.grievance, family.refers) == (None, None, False)


def test_invented_numbers_look_like_mobile_numbers_and_are_unique() -> None:
    numbers = [RUN.mobile(person) for person in range(0, PEOPLE_PER_RUN, 9_999)]
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        assert phonenumbers.is_valid_number(phonenumbers.parse(number, "CN")), number


def test_a_run_has_no_more_numbers_than_people() -> None:
    RUN.mobile(PEOPLE_PER_RUN - 1)
    with pytest.raises(ValueError, match="100000 people"):
        RUN.mobile(PEOPLE_PER_RUN)


def test_runs_are_told_apart_by_the_time_they_begin() -> None:
    assert Run.at(1_000_000.0) == Run.at(1_000_000.0 + RUN_SECONDS - 11)
    assert Run.at(1_000_000.0).tag != Run.at(1_000_000.0 + RUN_SECONDS).tag


@pytest.mark.parametrize("households", [0, MOST_HOUSEHOLDS + 1])
def test_a_neighbourhood_has_its_limits(households: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 5000"):
        generate(households, seed=1, run=RUN, opening=OPENING)
