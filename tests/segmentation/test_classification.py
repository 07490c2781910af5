from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn_events import Affordability, Household, HouseholdMember, Money
from keyturn_events.refusal import Refusal
from keyturn_events.vocabulary import Incomes, MaritalStatus, ProductLine, Relationship
from segmentation.domain.answers import Circumstances, age_on, answer, birthday, circumstances
from segmentation.domain.classification import Classification, classify, next_change
from segmentation.domain.facts import Facts
from segmentation.domain.models import UNCLASSIFIED, SegmentModel, checked
from segmentation.store.documents import MODEL

ON = date(2026, 3, 1)


def _person(relationship: Relationship, age: int | None) -> HouseholdMember:
    born = None if age is None else date(ON.year - age, 1, 15)
    return HouseholdMember(relationship=relationship, birth_date=born)


def _household(
    age: int | None = 35,
    *,
    status: MaritalStatus | None = MaritalStatus.MARRIED,
    partner: bool = True,
    children: tuple[int | None, ...] = (),
    incomes: Incomes | None = Incomes.DUAL,
    relocating: bool | None = False,
    homes_owned: int | None = 1,
) -> Household:
    members = [_person(Relationship.SELF, age)]
    if partner:
        members.append(_person(Relationship.PARTNER, 36))
    members += [_person(Relationship.CHILD, child) for child in children]
    return Household(
        members=tuple(members),
        marital_status=status,
        incomes=incomes,
        relocating=relocating,
        homes_owned=homes_owned,
    )


def _means(down_payment: int) -> Affordability:
    def yuan(amount: int) -> Money:
        return Money(amount=Decimal(amount), currency="CNY")

    return Affordability(
        annual_income=yuan(0), monthly_debts=yuan(0), down_payment=yuan(down_payment)
    )


def _given(
    pulte: SegmentModel,
    household: Household,
    affordability: Affordability | None = None,
    homes_bought: int = 0,
) -> Circumstances:
    return Circumstances(
        household, affordability or Affordability(), homes_bought, ON, pulte.affordability
    )


SINGLE: dict[str, Any] = {"status": MaritalStatus.SINGLE, "partner": False}


@pytest.mark.parametrize(
    ("household", "affordability", "segment"),
    [
        (_household(28, homes_owned=0), None, "first-time-buyer"),
        (_household(31, **SINGLE, relocating=True), None, "relocating-professional"),
        (_household(42, **SINGLE), None, "established-single"),
        (_household(33, incomes=Incomes.SINGLE), None, "single-income-couple"),
        (_household(33), None, "dual-income-couple"),
        (_household(33, children=(1, 6)), None, "couple-with-infant"),
        (_household(38, **SINGLE, children=(8,)), None, "single-parent"),
        (_household(44, children=(8, 14)), _means(2_000_000), "established-family"),
        (_household(44, children=(8,)), _means(7_000_000), "affluent-established-family"),
        (_household(50, children=(19, 24)), None, "empty-nester"),
        (_household(55, children=(25,)), None, "active-adult"),
        (_household(61, **SINGLE), None, "active-adult"),
        (_household(57, children=(15,)), _means(2_000_000), "established-family"),
    ],
)
def test_each_of_the_eleven_segments_has_its_household(
    pulte: SegmentModel, household: Household, affordability: Affordability | None, segment: str
) -> None:
    assert classify(pulte, _given(pulte, household, affordability)).segment == segment


def test_the_eleven_segments_have_their_names_and_lines(pulte: SegmentModel) -> None:
    named = [(s.labels.zh, s.product_line) for s in pulte.segments]
    assert named == [
        ("首次置业者", ProductLine.FIRST_HOME),
        ("常年工作流动人士", ProductLine.FIRST_HOME),
        ("大龄单身贵族", ProductLine.FIRST_MOVE_UP),
        ("单人工作的丁克家庭", ProductLine.FIRST_HOME),
        ("双人工作的丁克家庭", ProductLine.FIRST_MOVE_UP),
        ("有婴儿的夫妇", ProductLine.FIRST_MOVE_UP),
        ("单亲家庭", ProductLine.FIRST_MOVE_UP),
        ("成熟家庭", ProductLine.SECOND_MOVE_UP),
        ("富足成熟家庭", ProductLine.SECOND_MOVE_UP),
        ("空巢家庭", ProductLine.ACTIVE_ADULT),
        ("活跃长者", ProductLine.ACTIVE_ADULT),
    ]


def test_ability_to_pay_rises_as_published(pulte: SegmentModel) -> None:
    ranked = sorted((s.ability_rank, s.segment) for s in pulte.segments if s.ability_rank)
    assert [segment for _, segment in ranked] == [
        "single-income-couple",
        "couple-with-infant",
        "single-parent",
        "established-family",
        "empty-nester",
        "dual-income-couple",
        "affluent-established-family",
    ]


def test_a_classification_names_its_rule_and_what_it_looked_at(pulte: SegmentModel) -> None:
    given = _given(pulte, _household(44, children=(8,)), _means(7_000_000))
    assert classify(pulte, given) == Classification(
        "affluent-established-family",
        "family-with-premium-reach",
        {
            "minor_child": True,
            "couple": True,
            "ability_to_pay": "premium",
            "price_reach": 7_000_000,
            "price_currency": "CNY",
        },
        (),
    )


def test_who_has_told_nothing_is_unclassified_and_owes_the_answers(pulte: SegmentModel) -> None:
    assert classify(pulte, _given(pulte, Household())) == Classification(
        UNCLASSIFIED,
        "missing-answers",
        {},
        (
            "birth_date",
            "household_members",
            "homes_owned",
            "marital_status",
            "annual_income",
            "monthly_debts",
            "down_payment",
            "relocating",
            "incomes",
        ),
    )


def test_age_and_marital_status_alone_leave_the_other_questions_open(pulte: SegmentModel) -> None:
    household = _household(40, partner=False, incomes=None, relocating=None, homes_owned=None)
    classification = classify(pulte, _given(pulte, household))
    assert classification.segment == UNCLASSIFIED
    assert classification.inputs == {"age": 40, "couple": True}
    assert classification.missing == (
        "homes_owned",
        "household_members",
        "annual_income",
        "monthly_debts",
        "down_payment",
        "relocating",
        "incomes",
    )


def test_a_family_without_known_means_owes_them_and_nothing_else(pulte: SegmentModel) -> None:
    classification = classify(pulte, _given(pulte, _household(44, children=(8,))))
    assert classification.segment == UNCLASSIFIED
    assert classification.missing == ("annual_income", "monthly_debts", "down_payment")


def test_a_child_without_birth_date_leaves_open_whether_it_is_grown(pulte: SegmentModel) -> None:
    given = _given(pulte, _household(50, children=(None,)))
    assert classify(pulte, given).missing == (
        "child_birth_date",
        "annual_income",
        "monthly_debts",
        "down_payment",
    )


def test_a_purchase_answers_whether_a_home_is_owned(pulte: SegmentModel) -> None:
    household = _household(33, homes_owned=None)
    assert classify(pulte, _given(pulte, household)).missing == ("homes_owned",)
    bought = _given(pulte, household, homes_bought=1)
    assert classify(pulte, bought).segment == "dual-income-couple"


def test_a_rescinded_purchase_leaves_no_home() -> None:
    facts: Facts = {"purchase/1/signed": ("1", {}), "purchase/2/signed": ("1", {})}
    assert circumstances(facts, ON, None).homes_bought == 2
    rescinded = {**facts, "purchase/1/rescinded": ("0", {})}
    assert circumstances(rescinded, ON, None).homes_bought == 1


members = st.builds(
    HouseholdMember,
    relationship=st.sampled_from(Relationship),
    birth_date=st.none() | st.dates(date(1930, 1, 1), date(2027, 1, 1)),
)
households = st.builds(
    Household,
    members=st.lists(members, max_size=5).map(tuple),
    marital_status=st.none() | st.sampled_from(MaritalStatus),
    incomes=st.none() | st.sampled_from(Incomes),
    relocating=st.none() | st.booleans(),
    homes_owned=st.none() | st.integers(0, 3),
)
amounts = st.none() | st.builds(
    Money,
    amount=st.decimals(0, 10**8, places=2),
    currency=st.sampled_from(["CNY", "CNY", "CNY", "EUR", "CHF"]),
)
means = st.builds(Affordability, annual_income=amounts, monthly_debts=amounts, down_payment=amounts)
days = st.dates(date(1990, 1, 1), date(2060, 1, 1))


@given(households, means, st.integers(0, 2), days)
def test_everybody_is_in_exactly_one_segment_or_owes_answers(
    pulte: SegmentModel, household: Household, affordability: Affordability, bought: int, on: date
) -> None:
    given = Circumstances(household, affordability, bought, on, pulte.affordability)
    found = classify(pulte, given)
    assert found == classify(pulte, given)
    codes = {segment.segment for segment in pulte.segments}
    if found.segment == UNCLASSIFIED:
        assert found.rule == "missing-answers"
        assert found.missing
        assert len(set(found.missing)) == len(found.missing)
    else:
        assert found.segment in codes
        assert found.missing == ()
        assert {rule.segment for rule in pulte.rules if rule.rule == found.rule} == {found.segment}


@given(households, means, days, st.integers(0, 40_000))
def test_before_the_next_change_time_moves_nobody(
    pulte: SegmentModel, household: Household, affordability: Affordability, on: date, later: int
) -> None:
    terms = pulte.affordability
    given = Circumstances(household, affordability, 0, on, terms)
    change = next_change(pulte, given)
    until = date(2130, 1, 1) if change is None else change
    day = date.fromordinal(min(on.toordinal() + later, until.toordinal() - 1))
    if day < on:
        return
    then = Circumstances(household, affordability, 0, day, terms)
    assert classify(pulte, then).segment == classify(pulte, given).segment


def test_the_next_change_is_the_nearest_birthday_that_matters(pulte: SegmentModel) -> None:
    given = _given(pulte, _household(44, children=(2, 17)))
    assert next_change(pulte, given) == date(2027, 1, 15)
    grown = _given(pulte, _household(44, children=(19,)))
    assert next_change(pulte, grown) == date(2037, 1, 15)
    assert next_change(pulte, _given(pulte, _household(60))) is None


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        (date(2014, 3, 1), date(2026, 2, 28), 11),
        (date(2014, 3, 1), date(2026, 3, 1), 12),
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2027, 1, 1), date(2026, 3, 1), 0),
    ],
)
def test_age_counts_completed_years(born: date, on: date, years: int) -> None:
    assert age_on(born, on) == years


def test_who_was_born_on_a_leap_day_turns_on_the_first_of_march() -> None:
    assert birthday(date(2008, 2, 29), 18) == date(2026, 3, 1)
    assert birthday(date(2008, 2, 29), 20) == date(2028, 2, 29)


def test_a_single_person_who_lists_themself_has_no_children(pulte: SegmentModel) -> None:
    assert answer("minor_child", _given(pulte, _household(40, **SINGLE))) is False


def test_a_rule_that_is_undecided_does_not_hide_one_with_the_same_segment() -> None:
    model = _model(
        {"rule": "by-income", "segment": "a", "when": [_condition("incomes", "equals", "dual")]},
        {"rule": "by-homes", "segment": "a", "when": [_condition("homes_owned", "at-least", 1)]},
    )
    given = Circumstances(Household(homes_owned=2), Affordability(), 0, ON, None)
    assert classify(model, given).rule == "by-homes"


def test_who_meets_no_rule_is_unclassified_without_missing_answers() -> None:
    model = _model({"rule": "r", "segment": "a", "when": [_condition("homes_owned", "below", 1)]})
    given = Circumstances(Household(homes_owned=2), Affordability(), 0, ON, None)
    assert classify(model, given) == Classification(UNCLASSIFIED, "no-rule", {"homes_owned": 2}, ())


def test_equality_with_an_age_may_change_a_year_later_too() -> None:
    model = _model({"rule": "r", "segment": "a", "when": [_condition("age", "equals", 44)]})
    given = Circumstances(_household(44), Affordability(), 0, ON, None)
    assert next_change(model, given) == date(2027, 1, 15)


def _condition(input: str, compare: str, value: object) -> dict[str, object]:
    return {"input": input, "compare": compare, "value": value}


def _model(*rules: dict[str, Any], **more: Any) -> SegmentModel:
    labels = {"en": "A", "zh": "甲"}
    model = MODEL.validate_python(
        {
            "model": "m",
            "version": 1,
            "labels": labels,
            "segments": [{"segment": "a", "labels": labels}],
            "rules": list(rules),
            **more,
        }
    )
    assert isinstance(model, SegmentModel)
    return model


def test_the_shipped_model_is_sound(pulte: SegmentModel) -> None:
    assert checked(pulte) is pulte


@pytest.mark.parametrize(
    ("condition", "detail"),
    [
        (_condition("shoe_size", "equals", 40), "There is no input shoe_size"),
        (_condition("age", "equals", True), "age is held against a whole number"),
        (_condition("age", "at-least", 151), "a number from 0 to 150"),
        (_condition("age", "at-least", -1), "a number from 0 to 150"),
        (_condition("couple", "equals", "yes"), "couple is held against true or false"),
        (_condition("incomes", "below", "dual"), "below is for numbers"),
        (_condition("ability_to_pay", "equals", "premium"), "needs the model's affordability"),
    ],
)
def test_a_model_that_cannot_decide_is_refused_with_the_place(
    condition: dict[str, object], detail: str
) -> None:
    model = _model({"rule": "r", "segment": "a", "when": [condition]})
    with pytest.raises(Refusal, match=detail) as refusal:
        checked(model)
    assert refusal.value.pointer == "/rules/0/when/0"


def test_a_rule_to_nowhere_a_double_name_and_falling_prices_are_refused() -> None:
    rule = {"rule": "r", "segment": "a", "when": [_condition("age", "below", 9)]}
    with pytest.raises(Refusal, match="none of the segments"):
        checked(_model({**rule, "segment": "b"}))
    with pytest.raises(Refusal, match="2 rules are called r"):
        checked(_model(rule, rule))
    terms = {
        "front_ratio": "0.28",
        "back_ratio": "0.36",
        "annual_rate": "0.04",
        "term_months": 360,
        "bands": ["low", "middle", "high"],
        "markets": {"CNY": ["2", "1"]},
    }
    with pytest.raises(Refusal, match="CNY needs 2 rising prices"):
        checked(_model(rule, affordability=terms))
