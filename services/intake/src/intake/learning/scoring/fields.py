"""What kind of field each column is, and into which slots its cells fall.

Nothing here looks at the outcome, so that folds need not repeat it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from intake.domain.scoring.scoring_model import CategoryTerm, DateTerm, Line, NumberTerm, Term
from intake.domain.scoring.written_values import DateOrder, days_of, is_gap, moment_of, number_of
from intake.reading.scoring_model_file import LONGEST_CELL
from keyturn_events.scalars import TEXT_PATTERN

FEW_NUMBERS: Final = 12
"""Different numbers up to which each one is a point of the line."""
MOST_KNOTS: Final = 10
ROWS_A_KNOT: Final = 25
MOST_STANDING_OUT: Final = 8
STANDS_OUT: Final = 0.05
"""Share of rows with one number, from which that number counts on its own."""
MOST_CATEGORY_LEVELS: Final = 200
MOST_WORDS: Final = 10
NUMBERS_AMONG: Final = 0.8
"""Share of the cells that are numbers, from which a field is one; the rest are words among them."""
DATES_AMONG: Final = 0.95
UNIQUE: Final = 0.9
"""Share of different values among the cells from which words are names or free text."""
UNIQUE_NUMBERS: Final = 0.99
FEW_ROWS: Final = 50

_is_text = re.compile(TEXT_PATTERN).match
_id_words: Final = frozenset(
    {"id", "ids", "key", "index", "idx", "rowname", "rownames", "rowid", "uuid", "guid", "no", "nr"}
    | {"ref", "reference", "number", "num", "code", "编号", "序号"}
)
_name_words = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+").findall

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Column:
    """The cells of one field, each different one once."""

    name: str
    cells: tuple[str, ...]
    code: Ints
    """For each row, which of `cells` it has."""
    count: Ints
    """How many rows have each of `cells`."""

    @classmethod
    def of(cls, name: str, cells: Sequence[str]) -> Column:
        """The column of these cells."""
        known: dict[str, int] = {}
        code = np.fromiter(
            (known.setdefault(cell, len(known)) for cell in cells), np.int64, len(cells)
        )
        return cls(name, tuple(known), code, np.bincount(code, minlength=len(known)))

    @property
    def gap(self) -> NDArray[np.bool_]:
        """Which of `cells` say nothing."""
        return np.array([is_gap(cell) for cell in self.cells], dtype=np.bool_)


class Shape(Protocol):
    """The slots of one field; a trained one gives each a coefficient."""

    @property
    def kind(self) -> str:
        """number, category or date."""
        ...

    @property
    def width(self) -> int:
        """How many slots there are."""
        ...

    def slots(self, cell: str) -> list[tuple[int, float]]:
        """Into which slots a cell falls, and how far."""
        ...

    def term(self, coefficients: Floats, mean: float, filled: NDArray[np.bool_]) -> Term:
        """The field as it counts, from its mean; what no row has counts nothing."""
        ...


@dataclass(frozen=True, slots=True)
class NumberShape:
    """Knots of a line, numbers and words that stand out, other words, gaps: in this order."""

    knots: tuple[float, ...]
    exact: tuple[float, ...]
    words: tuple[str, ...]
    decimal_comma: bool
    kind: str = "number"

    @property
    def width(self) -> int:
        """How many slots there are."""
        return len(self.knots) + len(self.exact) + len(self.words) + 2

    def slots(self, cell: str) -> list[tuple[int, float]]:
        """Into which slots a cell falls, and how far."""
        if is_gap(cell):
            return [(self.width - 1, 1.0)]
        number = number_of(cell, decimal_comma=self.decimal_comma)
        after_line = len(self.knots)
        if number is None:
            if cell in self.words:
                return [(after_line + len(self.exact) + self.words.index(cell), 1.0)]
            return [(self.width - 2, 1.0)]
        if number in self.exact:
            return [(after_line + self.exact.index(number), 1.0)]
        return along(self.knots, number)

    def term(self, coefficients: Floats, mean: float, filled: NDArray[np.bool_]) -> Term:
        """The field as it counts."""
        line_end = len(self.knots)
        exact_end = line_end + len(self.exact)
        given = (coefficients - mean).tolist()
        return NumberTerm(
            Line(self.knots, tuple(given[:line_end])),
            dict(zip(self.exact, given[line_end:exact_end], strict=True)),
            dict(zip(self.words, given[exact_end:-2], strict=True)),
            self.decimal_comma,
            missing=given[-1] if filled[-1] else 0.0,
            other=given[-2] if filled[-2] else 0.0,
        )


@dataclass(frozen=True, slots=True)
class CategoryShape:
    """The levels, all others, gaps: in this order."""

    levels: tuple[str, ...]
    kind: str = "category"

    @property
    def width(self) -> int:
        """How many slots there are."""
        return len(self.levels) + 2

    def slots(self, cell: str) -> list[tuple[int, float]]:
        """Into which slot a cell falls."""
        if is_gap(cell):
            return [(self.width - 1, 1.0)]
        if cell in self.levels:
            return [(self.levels.index(cell), 1.0)]
        return [(self.width - 2, 1.0)]

    def term(self, coefficients: Floats, mean: float, filled: NDArray[np.bool_]) -> Term:
        """The field as it counts."""
        given = (coefficients - mean).tolist()
        return CategoryTerm(
            dict(zip(self.levels, given[:-2], strict=True)),
            missing=given[-1] if filled[-1] else 0.0,
            other=given[-2] if filled[-2] else 0.0,
        )


@dataclass(frozen=True, slots=True)
class DateShape:
    """Knots of a line through the days, months, weekdays, what is no date, gaps."""

    knots: tuple[float, ...]
    order: DateOrder
    kind: str = "date"

    @property
    def width(self) -> int:
        """How many slots there are."""
        return len(self.knots) + 12 + 7 + 2

    def slots(self, cell: str) -> list[tuple[int, float]]:
        """Into which slots a cell falls, and how far."""
        if is_gap(cell):
            return [(self.width - 1, 1.0)]
        moment = moment_of(cell, self.order)
        if moment is None:
            return [(self.width - 2, 1.0)]
        after_line = len(self.knots)
        return [
            *along(self.knots, days_of(moment)),
            (after_line + moment.month - 1, 1.0),
            (after_line + 12 + moment.weekday(), 1.0),
        ]

    def term(self, coefficients: Floats, mean: float, filled: NDArray[np.bool_]) -> Term:
        """The field as it counts."""
        given = coefficients.tolist()
        line_end = len(self.knots)
        return DateTerm(
            self.order,
            Line(self.knots, tuple((coefficients[:line_end] - mean).tolist())),
            tuple(given[line_end : line_end + 12]),
            tuple(given[line_end + 12 : line_end + 19]),
            missing=given[-1] - mean if filled[-1] else 0.0,
            other=given[-2] - mean if filled[-2] else 0.0,
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a column is no field of the model."""

    why: str


def along(knots: Sequence[float], number: float) -> list[tuple[int, float]]:
    """The two knots that a number lies between, and how near it is to each."""
    after = int(np.searchsorted(knots, number, side="right"))
    if after == 0:
        return [(0, 1.0)]
    if after == len(knots):
        return [(len(knots) - 1, 1.0)]
    share = (number - knots[after - 1]) / (knots[after] - knots[after - 1])
    return [(after - 1, 1.0 - share), (after, share)]


def shape_of(column: Column) -> Shape | LeftOut:
    """What kind of field a column is."""
    gap = column.gap
    known = ~gap
    filled = int(column.count[known].sum())
    if filled == 0:
        return LeftOut("every cell is empty")
    if int(known.sum()) == 1 and not gap.any():
        return LeftOut("it is the same in every row")
    order = _date_order(column, known, filled)
    if order is not None:
        moments = [moment_of(cell, order) for cell in column.cells]
        return DateShape(
            _knots(
                np.array([np.nan if moment is None else days_of(moment) for moment in moments]),
                column.count,
                filled,
            ),
            order,
        )
    numbers, decimal_comma = _numbers(column, known)
    is_number = ~np.isnan(numbers)
    if column.count[is_number].sum() >= NUMBERS_AMONG * filled:
        return _number_shape(column, numbers, decimal_comma, filled)
    return _category_shape(column, known, filled)


def _date_order(column: Column, known: NDArray[np.bool_], filled: int) -> DateOrder | None:
    """The order in which nearly all cells are dates."""
    cells = [cell for cell, is_known in zip(column.cells, known, strict=True) if is_known]
    if all(len(cell) < 6 or not cell[0].isdigit() for cell in cells[:100]):
        return None
    counts = column.count[known]
    best: DateOrder | None = None
    most = DATES_AMONG * filled
    for order in DateOrder:
        are_dates = np.array([moment_of(cell, order) is not None for cell in cells])
        read = float(counts[are_dates].sum())
        if read >= most and (best is None or read > most):
            best, most = order, read
    return best


def _numbers(column: Column, known: NDArray[np.bool_]) -> tuple[Floats, bool]:
    """The number of each different cell, nan for none; and whether the comma is the decimal."""

    def read(*, decimal_comma: bool) -> Floats:
        numbers = (number_of(cell, decimal_comma=decimal_comma) for cell in column.cells)
        found = np.array([np.nan if number is None else number for number in numbers])
        found[~known] = np.nan
        return found

    with_point = read(decimal_comma=False)
    if not any("," in cell for cell in column.cells):
        return with_point, False
    with_comma = read(decimal_comma=True)
    better = column.count[~np.isnan(with_comma)].sum() > column.count[~np.isnan(with_point)].sum()
    return (with_comma, True) if better else (with_point, False)


def _number_shape(
    column: Column, numbers: Floats, decimal_comma: bool, filled: int
) -> Shape | LeftOut:
    is_number = ~np.isnan(numbers)
    values, place = np.unique(numbers[is_number], return_inverse=True)
    counts = np.bincount(place, weights=column.count[is_number], minlength=len(values))
    if _counts_rows(column, numbers, values, filled):
        return LeftOut("it numbers the rows")
    if len(values) == 1 and filled == column.count.sum() and is_number.all():
        return LeftOut("it is the same in every row")
    exact: tuple[float, ...] = ()
    if len(values) > FEW_NUMBERS:
        order = np.argsort(-counts, kind="stable")[:MOST_STANDING_OUT]
        standing_out = order[counts[order] >= STANDS_OUT * filled]
        exact = tuple(sorted(values[standing_out].tolist()))
        rest = np.ones(len(values), dtype=np.bool_)
        rest[standing_out] = False
        knots = _knots(values[rest], counts[rest], filled)
    else:
        knots = tuple(values.tolist())
    words = _frequent(column, np.isnan(numbers) & ~column.gap, MOST_WORDS)
    return NumberShape(knots, exact, words, decimal_comma)


def _category_shape(column: Column, known: NDArray[np.bool_], filled: int) -> Shape | LeftOut:
    different = int(known.sum())
    if different > FEW_ROWS and different >= UNIQUE * filled:
        return LeftOut("nearly every row has its own value: a name, a key or free text")
    levels = _frequent(column, known, MOST_CATEGORY_LEVELS)
    if not levels:
        return LeftOut("no value is frequent enough to learn from")
    return CategoryShape(levels)


def _frequent(column: Column, among: NDArray[np.bool_], most: int) -> tuple[str, ...]:
    """The cells that enough rows have, the most frequent first."""
    rows = int(column.count.sum())
    least = min(50, max(5, rows // 500))
    order = np.argsort(-column.count, kind="stable")
    frequent = [
        column.cells[index]
        for index in order[: most + 100]
        if among[index] and column.count[index] >= least
    ]
    return tuple(cell for cell in frequent if len(cell) <= LONGEST_CELL and _is_text(cell))[:most]


def _knots(values: Floats, counts: NDArray[np.generic], filled: int) -> tuple[float, ...]:
    """Numbers that part the rows evenly; the outermost hundredth lies beyond them."""
    is_number = ~np.isnan(values)
    order = np.argsort(values[is_number], kind="stable")
    ascending = values[is_number][order]
    below = np.cumsum(counts[is_number][order].astype(np.float64))
    number = int(min(MOST_KNOTS, max(2, filled // ROWS_A_KNOT)))
    wanted = np.linspace(0.01, 0.99, number) * below[-1]
    places = np.minimum(np.searchsorted(below, wanted), len(ascending) - 1)
    return tuple(np.unique(ascending[places]).tolist())


def _counts_rows(column: Column, numbers: Floats, values: Floats, filled: int) -> bool:
    """Whether a number tells a row apart and nothing else: a key or a row number."""
    if filled < FEW_ROWS or len(values) < UNIQUE_NUMBERS * filled:
        return False
    if not np.array_equal(values, np.round(values)):
        return False
    words = {word.lower() for word in _name_words(column.name)}
    if words & _id_words:
        return True
    steps = np.diff(numbers[column.code])
    return bool(len(steps) and np.nanmin(steps) == np.nanmax(steps))
