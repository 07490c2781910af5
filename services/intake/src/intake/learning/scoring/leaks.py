"""Fields that look as if they were known only after the outcome.

No table says when a cell was filled, so three signs are looked for: a field that tells the outcome
by itself, a field that tells more than all weaker ones together, and a state of a field (filled,
above zero, one of its words) that one of the two classes never has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import sqrt
from typing import Final

import numpy as np

from intake.domain.scoring.written_values import days_of, is_gap, moment_of, number_of
from intake.learning.scoring.fields import (
    Column,
    DateShape,
    Floats,
    Ints,
    LeftOut,
    NumberShape,
    Shape,
)
from intake.learning.scoring.fit import Bools, auc, fold_of

TELLS_ALL: Final = 0.98
"""AUC of one field, from which it is the outcome in other words."""
TELLS_MUCH: Final = 0.80
"""AUC of one field, from which it is held against all weaker ones together."""
SURELY_MUCH: Final = 0.75
"""What that AUC must be at least, its possible error considered."""
TELLS_MOST: Final = 0.90
"""The same for a category, and where there are too few weaker fields to compare with: an honest
category often tells more than the rest."""
FEW_OTHERS: Final = 3
WEAKER_BY: Final = 0.02
DEVIATIONS: Final = 2.0
"""Standard errors by which an AUC must be beyond its threshold."""
BEYOND_CHANCE: Final = 4.0
"""Standard errors by which it must be beyond what a field that tells nothing may reach."""
EXPECTED: Final = 20.0
"""Rows of a class that a state would have by chance, from which it is strange that it has none."""
EXCEPTIONS: Final = 0.005
"""Share of the expected rows that may be there all the same, by mistakes of writing."""
COVERAGE: Final = 0.05
"""Share of the other class that the state must account for."""
COVERAGE_OF_MOST: Final = 0.5
"""The same for a field that is empty or zero, and for a word that rows with the outcome never
have: some honest fields are like that for some of the rows."""
BINS: Final = 64
ROWS_A_BIN: Final = 20
LETTERS: Final = 12
"""Places from either end of a key that are looked at."""
MOST_DATES: Final = 6
KEY_LIKE: Final = 0.5
"""Share of different values from which a field may be a key whose letters are looked at."""

Together = Callable[[Sequence[str]], float]
"""The AUC that these fields reach together."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A warning of one field."""

    field: str
    rule: str
    """tells-all, tells-most or excludes-a-class."""
    detail: str
    auc: float
    """What the field reaches by itself."""
    used: bool
    """Whether the model asks for it."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A field, and what it tells by itself."""

    column: Column
    shape: Shape | LeftOut
    auc: float
    at_least: float
    """The AUC less its possible error."""

    @property
    def used(self) -> bool:
        """Whether the model asks for it."""
        return not isinstance(self.shape, LeftOut)


def suspects(fields: Sequence[tuple[Column, Shape | LeftOut]], positive: Bools) -> list[Suspect]:
    """What each field tells by itself, the most telling first."""
    fold = fold_of(positive)
    lags = _lags(fields)
    found = []
    for column, shape in fields:
        views = [*_views(column, shape), *lags.get(column.name, ())]
        best = max((_auc_alone(view, positive, fold) for view in views), default=0.5)
        if isinstance(shape, NumberShape):
            best = max(best, _auc_by_size(_numbers(column, shape)[column.code], positive))
        found.append(Suspect(column, shape, best, _at_least(best, positive)))
    return sorted(found, key=lambda suspect: -suspect.auc)


def leaks(found: Sequence[Suspect], positive: Bools, together: Together) -> list[Leak]:
    """The fields to be warned of, the most telling first."""
    warned = []
    for suspect in found:
        warning = _tells_all(suspect) or _excludes(suspect, positive)
        warning = warning or _tells_most(suspect, found, together)
        if warning is not None:
            rule, detail = warning
            name = suspect.column.name
            warned.append(Leak(name, rule, detail, round(suspect.auc, 4), suspect.used))
    return warned


def _tells_all(suspect: Suspect) -> tuple[str, str] | None:
    if suspect.at_least < TELLS_ALL:
        return None
    return (
        "tells-all",
        (
            f"By itself it tells nearly every row's outcome (AUC {suspect.auc:.3f}); it is likely"
            " to be written after the outcome, or from it."
        ),
    )


def _tells_most(
    suspect: Suspect, found: Sequence[Suspect], together: Together
) -> tuple[str, str] | None:
    if suspect.auc < TELLS_MUCH or suspect.at_least < SURELY_MUCH:
        return None
    is_line = isinstance(suspect.shape, NumberShape | DateShape)
    weaker = [
        other.column.name for other in found if other.used and other.auc < suspect.auc - WEAKER_BY
    ]
    if len(weaker) < FEW_OTHERS or not is_line:
        if suspect.at_least < TELLS_MOST:
            return None
        return (
            "tells-most",
            (
                f"By itself it reaches an AUC of {suspect.auc:.3f}, more than is to be expected of"
                " anything that is known beforehand."
            ),
        )
    reached = together(weaker)
    if suspect.auc < reached:
        return None
    return (
        "tells-most",
        (
            f"By itself it reaches an AUC of {suspect.auc:.3f}, the {len(weaker)} weaker fields"
            f" together {reached:.3f}; is it known before the outcome?"
        ),
    )


def _excludes(suspect: Suspect, positive: Bools) -> tuple[str, str] | None:
    """A state that only rows of one class are in."""
    of_rows = len(positive)
    base = float(positive.mean())
    with_it = int(positive.sum())
    without_it = of_rows - with_it
    for name, covering, state in _states(suspect.column, suspect.shape):
        rows = int(state.sum())
        hits = int(positive[state].sum())
        for wanted, there, expected, least in (
            ("with", hits, rows * (1 - base), with_it * covering[0]),
            ("without", rows - hits, rows * base, without_it * covering[1]),
        ):
            exceptions = rows - there
            if expected >= EXPECTED and exceptions <= EXCEPTIONS * expected and there >= least:
                return (
                    "excludes-a-class",
                    (
                        f"It is {name} in {rows:,} rows, {there:,} of them {wanted} the outcome,"
                        f" where {expected:,.0f} of the other kind were to be expected."
                    ),
                )
    return None


def _states(
    column: Column, shape: Shape | LeftOut
) -> Iterator[tuple[str, tuple[float, float], Bools]]:
    """Simple states of a field, what each must cover of either class, and the rows in it."""
    gap = column.gap
    said, unsaid = (COVERAGE, COVERAGE), (COVERAGE_OF_MOST, COVERAGE_OF_MOST)
    if gap.any() and not gap.all():
        yield "filled", said, ~gap[column.code]
        yield "empty", unsaid, gap[column.code]
    if isinstance(shape, NumberShape):
        numbers = _numbers(column, shape)
        zero = numbers == 0
        if zero.any() and (~zero & ~np.isnan(numbers)).any():
            yield "other than zero", said, (~zero & ~np.isnan(numbers))[column.code]
            yield "zero", unsaid, zero[column.code]
    elif not isinstance(shape, LeftOut | DateShape):
        for index in np.flatnonzero(~gap & (column.count >= EXPECTED)):
            yield repr(column.cells[index]), (COVERAGE, COVERAGE_OF_MOST), column.code == index


def _views(column: Column, shape: Shape | LeftOut) -> Iterator[Ints]:
    """Ways to sort the rows by one field, each a group number a row."""
    known = int(column.count[~column.gap].sum())
    if known == 0 or len(column.cells) < 2:
        return
    if isinstance(shape, NumberShape):
        numbers = _numbers(column, shape)
        yield _binned(numbers, column)[column.code]
    elif isinstance(shape, DateShape):
        moments = [moment_of(cell, shape.order) for cell in column.cells]
        days = np.array([np.nan if moment is None else days_of(moment) for moment in moments])
        yield _binned(days, column)[column.code]
    else:
        yield column.code
        numbers = _plain_numbers(column)
        if np.isnan(numbers).sum() < len(numbers) / 2:
            yield _binned(numbers, column)[column.code]
    if len(column.cells) >= KEY_LIKE * known and _may_be_key(column, shape):
        yield from _letters(column)


def _may_be_key(column: Column, shape: Shape | LeftOut) -> bool:
    """Whether it is words or whole numbers; the digits of a measurement say nothing alone."""
    if isinstance(shape, DateShape):
        return False
    if not isinstance(shape, NumberShape):
        return True
    numbers = _numbers(column, shape)
    known = numbers[~np.isnan(numbers)]
    return bool((known == np.round(known)).all())


def _letters(column: Column) -> Iterator[Ints]:
    """Groups by the letter at each place, from the front and from the end, and by the length."""
    cells = column.cells
    yield np.array([len(cell) for cell in cells])[column.code]
    for place in range(LETTERS):
        for at in (place, -1 - place):
            letters = [cell[at] if -len(cell) <= at < len(cell) else "" for cell in cells]
            known = {letter: number for number, letter in enumerate(dict.fromkeys(letters))}
            if len(known) > 1:
                yield np.array([known[letter] for letter in letters])[column.code]


def _lags(fields: Sequence[tuple[Column, Shape | LeftOut]]) -> dict[str, list[Ints]]:
    """For each date, groups by the days from every other date to it."""
    dates = [(column, shape) for column, shape in fields if isinstance(shape, DateShape)][
        :MOST_DATES
    ]
    days = {}
    for column, shape in dates:
        moments = [moment_of(cell, shape.order) for cell in column.cells]
        known = np.array([np.nan if moment is None else days_of(moment) for moment in moments])
        days[column.name] = known[column.code]
    lags: dict[str, list[Ints]] = {}
    for (later, day), (_, day_before) in permutations(days.items(), 2):
        lag = day - day_before
        if not np.isnan(lag).all() and np.nanmedian(lag) >= 0:
            lags.setdefault(later, []).append(_bins(lag))
    return lags


def _numbers(column: Column, shape: NumberShape) -> Floats:
    numbers = (
        None if is_gap(cell) else number_of(cell, decimal_comma=shape.decimal_comma)
        for cell in column.cells
    )
    return np.array([np.nan if number is None else number for number in numbers])


def _plain_numbers(column: Column) -> Floats:
    numbers = (None if is_gap(cell) else number_of(cell) for cell in column.cells)
    return np.array([np.nan if number is None else number for number in numbers])


def _binned(numbers: Floats, column: Column) -> Ints:
    """A group for each different cell: even bins of numbers, and gaps and words apart."""
    per_row = numbers[column.code]
    edges = _edges(per_row)
    return np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="right")) + 1


def _bins(numbers: Floats) -> Ints:
    edges = _edges(numbers)
    return np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="right")) + 1


def _edges(numbers: Floats) -> Floats:
    known = numbers[~np.isnan(numbers)]
    if len(known) == 0:
        return np.zeros(0)
    bins = min(BINS, max(2, len(known) // ROWS_A_BIN))
    return np.unique(np.quantile(known, np.linspace(0, 1, bins + 1), method="nearest"))


def _auc_alone(group: Ints, positive: Bools, fold: Ints) -> float:
    """What the groups tell of rows in one fold by the rows in the others."""
    groups = int(group.max()) + 1
    folds = int(fold.max()) + 1
    place = fold * groups + group
    rows = np.bincount(place, minlength=folds * groups).reshape(folds, groups)
    hits = np.bincount(place, weights=positive, minlength=folds * groups).reshape(folds, groups)
    base = float(positive.mean())
    other_rows = rows.sum(axis=0) - rows
    other_hits = hits.sum(axis=0) - hits
    rate = (other_hits + base) / (other_rows + 1.0)
    return auc(positive, rate[fold, group])


def _auc_by_size(numbers: Floats, positive: Bools) -> float:
    """What a number tells by its size alone, either way; a gap is in the middle."""
    known = ~np.isnan(numbers)
    if not known.any():
        return 0.5
    area = auc(positive, np.where(known, numbers, np.median(numbers[known])))
    return max(area, 1 - area)


def _at_least(area: float, positive: Bools) -> float:
    """The AUC less its possible error; nothing when chance alone may reach it."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    by_chance = sqrt((positives + negatives + 1) / (12 * positives * negatives))
    if area - 0.5 < BEYOND_CHANCE * by_chance:
        return 0.0
    return area - DEVIATIONS * _standard_error(area, positives, negatives)


def _standard_error(area: float, positives: int, negatives: int) -> float:
    """Of an AUC, after Hanley and McNeil (1982)."""
    twice_positive = area / (2 - area)
    twice_negative = 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area)
        + (positives - 1) * (twice_positive - area**2)
        + (negatives - 1) * (twice_negative - area**2)
    ) / (positives * negatives)
    return sqrt(max(0.0, variance))
