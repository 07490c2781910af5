"""A trained model as data: what a cell contributes, and that contributions add up."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from intake.domain.scoring.scoring_model import (
    CategoryTerm,
    DateTerm,
    Line,
    NumberTerm,
    ScoringModel,
    probability_of,
)
from intake.domain.scoring.scoring_models import LoadedModel
from intake.domain.scoring.written_values import (
    GAPS,
    LARGEST_NUMBER,
    DateOrder,
    days_of,
    is_gap,
    moment_of,
    number_of,
)
from intake.reading.scoring_model_file import (
    LARGEST_CONTRIBUTION,
    MOST_LEVELS,
    MOST_POINTS,
    ModelFile,
)

contributions = st.floats(-20, 20)
cells = st.one_of(
    st.sampled_from([*sorted(GAPS), "web", "walk-in", "9999", "2026-03-02", "x"]),
    st.integers(-50, 10_000).map(str),
    st.floats(-1e9, 1e9).map(str),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(str),
    st.text(max_size=12),
)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    at = sorted(draw(st.sets(st.floats(-1e6, 1e6), min_size=1, max_size=10)))
    given = draw(st.lists(contributions, min_size=len(at), max_size=len(at)))
    return Line(tuple(at), tuple(given))


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8)
levels = st.dictionaries(words, contributions, max_size=5)
terms = st.one_of(
    st.builds(
        NumberTerm,
        lines(),
        st.dictionaries(st.integers(-99, 9999).map(float), contributions, max_size=4),
        levels,
        st.booleans(),
        contributions,
        contributions,
    ),
    st.builds(CategoryTerm, levels, contributions, contributions),
    st.builds(
        DateTerm,
        st.sampled_from(DateOrder),
        lines(),
        st.tuples(*[contributions] * 12),
        st.tuples(*[contributions] * 7),
        contributions,
        contributions,
    ),
)
models = st.builds(
    ScoringModel,
    st.just("a-model"),
    st.just("outcome"),
    st.just("won"),
    contributions,
    st.dictionaries(st.sampled_from(["channel", "budget", "age", "day"]), terms, max_size=4),
)
rows = st.dictionaries(st.sampled_from(["channel", "budget", "age", "day", "other"]), cells)


@given(models, rows)
def test_base_and_contributions_add_up_to_the_log_odds(
    model: ScoringModel, row: dict[str, str]
) -> None:
    estimate = model.estimate(row)

    total = math.fsum([estimate.base, *estimate.contributions.values()])
    assert estimate.log_odds == pytest.approx(total, abs=1e-9)
    assert estimate.probability == pytest.approx(1 / (1 + math.exp(-estimate.log_odds)), abs=1e-12)
    assert list(estimate.contributions) == list(model.terms)


@given(models, rows)
def test_a_model_scores_the_same_after_its_way_through_a_file(
    model: ScoringModel, row: dict[str, str]
) -> None:
    read = ModelFile.model_validate_json(ModelFile.of(model).model_dump_json()).model()

    assert read == model
    assert read.estimate(row) == model.estimate(row)


@given(models, rows)
def test_a_remembered_judgement_is_the_first_one(model: ScoringModel, row: dict[str, str]) -> None:
    loaded = LoadedModel(model, 1)

    score, reasons = loaded.judge(row)

    assert loaded.judge(row) == (score, reasons)
    assert 0 <= score <= 100
    assert all(abs(a.points) >= abs(b.points) for a, b in pairwise(reasons))


@given(lines(), st.floats(-2e6, 2e6))
def test_a_line_stays_between_its_points(line: Line, x: float) -> None:
    slack = 1e-9
    assert min(line.contributions) - slack <= line.value(x) <= max(line.contributions) + slack


def test_a_line_passes_through_its_points_and_is_level_beyond_them() -> None:
    line = Line((0.0, 10.0, 20.0), (1.0, 3.0, -1.0))

    assert [line.value(x) for x in (-5, 0, 5, 10, 15, 20, 99)] == [1, 1, 2, 3, 1, -1, -1]


def test_a_number_that_stands_apart_counts_on_its_own_and_words_among_numbers_too() -> None:
    term = NumberTerm(
        Line((0.0, 10.0), (0.0, 1.0)), {999.0: -2.0}, {"unknown": 0.5}, missing=-0.25, other=0.75
    )

    cells = ("5", "999", "999.0", "unknown", "", "NA", "what")
    assert [term.contribution(cell) for cell in cells] == [0.5, -2, -2, 0.5, -0.25, -0.25, 0.75]


def test_a_category_that_was_never_seen_counts_as_the_others() -> None:
    term = CategoryTerm({"web": 0.4}, missing=-0.1, other=-0.7)

    assert [term.contribution(cell) for cell in (" web ", "fax", "?")] == [0.4, -0.7, -0.1]


def test_a_date_adds_up_its_day_its_month_and_its_weekday() -> None:
    monday_in_march = datetime(2026, 3, 2)  # noqa: DTZ001
    term = DateTerm(
        DateOrder.YEAR_FIRST,
        Line((days_of(monday_in_march),), (1.0,)),
        (0.0, 0.0, 0.5, *[0.0] * 9),
        (0.25, *[0.0] * 6),
        missing=-1.0,
        other=-2.0,
    )

    cells = ("2026-03-02", "2026-04-07", "", "soon")
    assert [term.contribution(cell) for cell in cells] == [1.75, 1.0, -1.0, -2.0]


def test_a_field_that_the_row_has_not_is_a_gap() -> None:
    model = ScoringModel("m", "y", "1", 0.5, {"age": CategoryTerm({}, missing=-0.25)})

    assert model.estimate({}).log_odds == 0.25


@pytest.mark.parametrize("log_odds", [-800.0, -1.0, 0.0, 1.0, 800.0])
def test_a_probability_needs_no_number_beyond_bounds(log_odds: float) -> None:
    assert 0 <= probability_of(log_odds) <= 1
    assert probability_of(log_odds) + probability_of(-log_odds) == pytest.approx(1)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12", 12), (" -3.5 ", -3.5), ("1e3", 1000), ("1,234,567.5", 1234567.5), ("$1,200", 1200),
        ("¥ 88", 88), ("12%", 12), ("12,5", None), ("a", None), ("inf", None), ("1e400", None),
        ("1e101", None), (str(LARGEST_NUMBER), LARGEST_NUMBER),
    ],
)  # fmt: skip
def test_a_number_is_read_with_separators_and_signs(cell: str, number: float | None) -> None:
    assert number_of(cell) == number


@pytest.mark.parametrize(
    ("cell", "number"), [("12,5", 12.5), ("1.234,5", 1234.5), ("7", 7), ("1.5", None), ("a", None)]
)
def test_a_decimal_comma_is_read_where_it_is_the_custom(cell: str, number: float | None) -> None:
    assert number_of(cell, decimal_comma=True) == number


@pytest.mark.parametrize(
    ("cell", "order", "moment"),
    [
        ("2026-03-02", DateOrder.YEAR_FIRST, (2026, 3, 2)),
        ("2026-03-02T09:30:00+08:00", DateOrder.YEAR_FIRST, (2026, 3, 2, 9, 30)),
        ("20141013T000000", DateOrder.YEAR_FIRST, (2014, 10, 13)),
        ("2026年3月2日", DateOrder.YEAR_FIRST, (2026, 3, 2)),
        ("03/02/2026 01:05:00 PM", DateOrder.MONTH_FIRST, (2026, 3, 2, 13, 5)),
        ("2.3.26", DateOrder.DAY_FIRST, (2026, 3, 2)),
        ("31/12/70", DateOrder.DAY_FIRST, (1970, 12, 31)),
        ("31/12/2026", DateOrder.MONTH_FIRST, None),
        ("2026-02-30", DateOrder.YEAR_FIRST, None),
        ("0001-01-01", DateOrder.YEAR_FIRST, None),
        ("9999-12-31", DateOrder.YEAR_FIRST, None),
        ("03/02/2026 13:05 PM", DateOrder.MONTH_FIRST, None),
        ("soon", DateOrder.YEAR_FIRST, None),
    ],
)
def test_a_date_is_read_as_the_clock_on_the_wall(
    cell: str, order: DateOrder, moment: tuple[int, ...] | None
) -> None:
    wanted = None if moment is None else datetime(*moment)  # type: ignore[arg-type]  # noqa: DTZ001 - as many parts as are given
    assert moment_of(cell, order) == wanted


@given(st.datetimes(datetime(1850, 1, 1), datetime(2150, 1, 1)))  # noqa: DTZ001
def test_days_follow_time(moment: datetime) -> None:
    assert days_of(moment + timedelta(days=1)) == pytest.approx(days_of(moment) + 1)


@given(st.text(max_size=20))
def test_whatever_a_cell_holds_it_is_read_without_an_error(cell: str) -> None:
    is_gap(cell)
    number_of(cell)
    number_of(cell, decimal_comma=True)
    for order in DateOrder:
        moment_of(cell, order)


GOOD = {
    "format": "keyturn-scoring-model",
    "format_version": 1,
    "name": "m",
    "outcome": {"field": "y", "value": "1"},
    "base": 0.0,
    "fields": {"age": {"kind": "number", "points": [[1, 0.5]]}},
}


@pytest.mark.parametrize(
    "fault",
    [
        {"format": "pickle"},
        {"format_version": 2},
        {"name": "Ä"},
        {"base": "nan"},
        {"base": LARGEST_CONTRIBUTION + 1},
        {"more": 1},
        {"fields": {"": {"kind": "category", "levels": {}}}},
        {"fields": {"age": {"kind": "number", "points": []}}},
        {"fields": {"age": {"kind": "number", "points": [[2, 0], [1, 0]]}}},
        {"fields": {"age": {"kind": "number", "points": [[1, 0], [1, 0]]}}},
        {"fields": {"age": {"kind": "number", "points": [[n, 0] for n in range(MOST_POINTS + 1)]}}},
        {"fields": {"age": {"kind": "number", "points": [[1e101, 0]]}}},
        {"fields": {"age": {"kind": "forest"}}},
        {"fields": {"a": {"kind": "category", "levels": {"\x00": 1}}}},
        {
            "fields": {
                "a": {"kind": "category", "levels": {str(n): 0 for n in range(MOST_LEVELS + 1)}}
            }
        },
        {"fields": {"a": {"kind": "date", "order": "ymd", "points": [[1, 0]], "months": [0]}}},
    ],
)
def test_a_file_that_is_no_model_is_refused(fault: dict[str, object]) -> None:
    ModelFile.model_validate(GOOD)
    with pytest.raises(ValidationError):
        ModelFile.model_validate(GOOD | fault)
