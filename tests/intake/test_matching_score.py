"""A score can be taken apart, is the same both ways round, and keeps a household apart."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.people.matching import (
    SHARED,
    Explanation,
    Field,
    FieldModel,
    Finding,
    Level,
    MatchModel,
    Odds,
    Proposal,
    propose,
    score,
)


def field_model(same: float, by_chance: float, rare: float = 0.0) -> FieldModel:
    return FieldModel(
        levels={
            Level.SAME: Odds(same, by_chance),
            Level.SWAPPED: Odds(0.001, 0.0001),
            Level.CLOSE: Odds(0.05, 0.001),
            Level.SIMILAR: Odds(0.02, 0.01),
            Level.DIFFERENT: Odds(0.02, 0.98),
        },
        rare=rare,
        frequencies={"wang": 0.08},
    )


MODEL = MatchModel(
    same_person=1e-5,
    priors={
        Explanation.STRANGERS: 0.9,
        Explanation.NEIGHBOURS: 0.01,
        Explanation.RELATIVES: 1e-5,
    },
    fields={
        Field.GIVEN_NAME: field_model(0.9, 0.002),
        Field.FAMILY_NAME: field_model(0.95, 0.02, rare=0.0001),
        Field.BIRTH_DATE: field_model(0.95, 0.00005),
        Field.PHONE: field_model(0.8, 0.00001),
        Field.STREET: field_model(0.7, 0.0002),
        Field.CITY: field_model(0.8, 0.05),
    },
)

FINDINGS = st.lists(
    st.builds(Finding, st.sampled_from(list(Field)), st.sampled_from(list(Level)), st.just("x")),
    unique_by=lambda finding: finding.field,
)


@given(FINDINGS)
def test_the_weights_and_what_was_known_before_add_up_to_the_score(found: list[Finding]) -> None:
    verdict = score(MODEL, found)
    total = math.fsum([verdict.prior, *(weight.bits for weight in verdict.weights)])
    assert verdict.bits == total
    assert {weight.field for weight in verdict.weights} == {
        finding.field for finding in found if finding.field in MODEL.fields
    }


@given(FINDINGS, st.randoms())
def test_the_order_of_the_fields_makes_no_difference(found: list[Finding], chance: Random) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    assert score(MODEL, found).bits == score(MODEL, shuffled).bits


def test_an_agreement_weighs_the_logarithm_of_how_much_commoner_it_is_in_one_person() -> None:
    verdict = score(MODEL, [Finding(Field.BIRTH_DATE, Level.SAME)])
    assert verdict.against is Explanation.STRANGERS
    assert verdict.prior == pytest.approx(math.log2(1e-5 / 0.9))
    assert verdict.weights[0].bits == pytest.approx(math.log2(0.95 / 0.00005))


def test_a_rare_family_name_says_more_than_a_common_one() -> None:
    common = score(MODEL, [Finding(Field.FAMILY_NAME, Level.SAME, "wang")])
    rare = score(MODEL, [Finding(Field.FAMILY_NAME, Level.SAME, "shan")])
    assert common.weights[0].bits == pytest.approx(math.log2(0.95 / 0.08))
    assert rare.weights[0].bits == pytest.approx(math.log2(0.95 / 0.0001))


AT_HOME = [
    Finding(Field.FAMILY_NAME, Level.SAME, "shan"),
    Finding(Field.PHONE, Level.SAME),
    Finding(Field.STREET, Level.SAME),
    Finding(Field.CITY, Level.SAME),
]


def test_members_of_a_household_stay_apart_though_they_share_all_but_themselves() -> None:
    verdict = score(
        MODEL,
        [
            *AT_HOME,
            Finding(Field.GIVEN_NAME, Level.DIFFERENT),
            Finding(Field.BIRTH_DATE, Level.DIFFERENT),
        ],
    )
    assert verdict.against is Explanation.RELATIVES
    assert propose(verdict) is Proposal.APART


def test_a_shared_telephone_home_and_family_name_never_link_by_themselves() -> None:
    assert propose(score(MODEL, AT_HOME)) is not Proposal.LINK


def test_the_same_person_at_home_is_linked() -> None:
    verdict = score(
        MODEL,
        [
            *AT_HOME,
            Finding(Field.GIVEN_NAME, Level.SAME),
            Finding(Field.BIRTH_DATE, Level.CLOSE),
        ],
    )
    assert propose(verdict) is Proposal.LINK


def test_two_contradictions_make_a_question_of_whatever_the_rest_says() -> None:
    sure = FieldModel(levels={level: Odds(0.9, 1e-7) for level in Level})
    model = MatchModel(1e-5, MODEL.priors, {**MODEL.fields, Field.EMAIL: sure})
    verdict = score(
        model,
        [
            Finding(Field.GIVEN_NAME, Level.DIFFERENT),
            Finding(Field.BIRTH_DATE, Level.DIFFERENT),
            Finding(Field.EMAIL, Level.SAME),
            Finding(Field.CITY, Level.SAME),
            Finding(Field.FAMILY_NAME, Level.SAME, "shan"),
        ],
    )
    assert propose(verdict) is not Proposal.LINK


def test_relatives_share_at_least_what_neighbours_share() -> None:
    for field, share in SHARED[Explanation.NEIGHBOURS].items():
        assert SHARED[Explanation.RELATIVES][field] >= share
