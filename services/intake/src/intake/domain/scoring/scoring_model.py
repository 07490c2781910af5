"""A trained scoring model: the log-odds of an outcome as a sum of one contribution a field.

The model is data: points to draw a line through for a number, a contribution for each level of a
category, and so on. Contributions are counted from the average row of the training table, so that
`base` is the log-odds of a row that is average in every field, a positive contribution speaks for
the outcome, and `base` plus all contributions is the log-odds, exactly.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import exp
from typing import Final, Protocol

from intake.domain.scoring.written_values import DateOrder, days_of, is_gap, moment_of, number_of

FORMAT: Final = "keyturn-scoring-model"
FORMAT_VERSION: Final = 1
"""Counts up when an older reader could not read a newer model."""


class Term(Protocol):
    """How one field counts."""

    def contribution(self, cell: str) -> float:
        """What a cell adds to the log-odds."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A contribution that follows a number: straight between its points, level beyond them."""

    at: tuple[float, ...]
    """Ascending, each once, at least one."""
    contributions: tuple[float, ...]

    def value(self, x: float) -> float:
        """The contribution of `x`."""
        index = bisect_right(self.at, x)
        if index == 0:
            return self.contributions[0]
        if index == len(self.at):
            return self.contributions[-1]
        before, after = self.at[index - 1], self.at[index]
        share = (x - before) / (after - before)
        return self.contributions[index - 1] * (1 - share) + self.contributions[index] * share


@dataclass(frozen=True, slots=True)
class NumberTerm:
    """A number; numbers that stand for something of their own, and words among them, apart."""

    line: Line
    exact: Mapping[float, float] = field(default_factory=dict)
    """Contributions of single numbers, such as a 999 that means never."""
    words: Mapping[str, float] = field(default_factory=dict)
    decimal_comma: bool = False
    missing: float = 0.0
    other: float = 0.0
    """The contribution of a cell that is no number and none of the words."""

    def contribution(self, cell: str) -> float:
        """What a cell adds to the log-odds."""
        if is_gap(cell):
            return self.missing
        number = number_of(cell, decimal_comma=self.decimal_comma)
        if number is None:
            return self.words.get(cell.strip(), self.other)
        exact = self.exact.get(number)
        return self.line.value(number) if exact is None else exact


@dataclass(frozen=True, slots=True)
class CategoryTerm:
    """A word of a list."""

    levels: Mapping[str, float]
    missing: float = 0.0
    other: float = 0.0
    """The contribution of a rare word, and of one that the training table has not."""

    def contribution(self, cell: str) -> float:
        """What a cell adds to the log-odds."""
        if is_gap(cell):
            return self.missing
        return self.levels.get(cell.strip(), self.other)


@dataclass(frozen=True, slots=True)
class DateTerm:
    """A date: how late it is, its month and its day of the week, added up."""

    order: DateOrder
    days: Line
    months: tuple[float, ...]
    """From January."""
    weekdays: tuple[float, ...]
    """From Monday."""
    missing: float = 0.0
    other: float = 0.0
    """The contribution of a cell that is no date."""

    def contribution(self, cell: str) -> float:
        """What a cell adds to the log-odds."""
        if is_gap(cell):
            return self.missing
        moment = moment_of(cell, self.order)
        if moment is None:
            return self.other
        day = self.days.value(days_of(moment))
        return day + self.months[moment.month - 1] + self.weekdays[moment.weekday()]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model says of one row."""

    probability: float
    """Between 0 and 1."""
    log_odds: float
    base: float
    contributions: Mapping[str, float]
    """By field, in the order of the model; with `base`, they add up to the log-odds."""


@dataclass(frozen=True, slots=True)
class ScoringModel:
    """A model as it was trained."""

    name: str
    outcome_field: str
    outcome_value: str
    base: float
    terms: Mapping[str, Term]
    """By field: all that the model asks for."""
    leaks: tuple[str, ...] = ()
    """Fields of the model that look as if they were known only after the outcome."""

    def estimate(self, row: Mapping[str, str]) -> Estimate:
        """Score one row; a field that it does not have is a gap."""
        contributions = {
            name: term.contribution(row.get(name, "")) for name, term in self.terms.items()
        }
        log_odds = self.base
        for contribution in contributions.values():
            log_odds += contribution
        return Estimate(probability_of(log_odds), log_odds, self.base, contributions)

    def weightiest(self, estimate: Estimate) -> Iterator[tuple[str, float]]:
        """The fields that moved the estimate, the weightiest first."""
        moved = [(name, given) for name, given in estimate.contributions.items() if given]
        moved.sort(key=lambda reason: (-abs(reason[1]), reason[0]))
        yield from moved


def probability_of(log_odds: float) -> float:
    """The probability that has these log-odds."""
    if log_odds >= 0:
        return 1 / (1 + exp(-log_odds))
    grown = exp(log_odds)
    return grown / (1 + grown)
