"""The file of a scoring model: JSON, read without believing it."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from intake.domain.scoring.scoring_model import (
    FORMAT,
    FORMAT_VERSION,
    CategoryTerm,
    DateTerm,
    Line,
    NumberTerm,
    ScoringModel,
    Term,
)
from intake.domain.scoring.written_values import LARGEST_NUMBER, DateOrder
from keyturn_events.scalars import TEXT_PATTERN, Code

MOST_FIELDS: Final = 2_000
MOST_LEVELS: Final = 1_000
MOST_POINTS: Final = 64
LONGEST_CELL: Final = 200
LARGEST_CONTRIBUTION: Final = 1_000.0
"""Of log-odds: far beyond what any table can tell."""

Contribution: TypeAlias = Annotated[
    float, Field(ge=-LARGEST_CONTRIBUTION, le=LARGEST_CONTRIBUTION, allow_inf_nan=False)
]
Number: TypeAlias = Annotated[
    float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER, allow_inf_nan=False)
]
Cell: TypeAlias = Annotated[str, Field(max_length=LONGEST_CELL, pattern=TEXT_PATTERN)]
FieldName: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=LONGEST_CELL, pattern=TEXT_PATTERN)
]
Pairs: TypeAlias = Annotated[tuple[tuple[Number, Contribution], ...], Field(max_length=MOST_POINTS)]
Levels: TypeAlias = Annotated[dict[Cell, Contribution], Field(max_length=MOST_LEVELS)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    missing: Contribution = 0.0
    other: Contribution = 0.0


def _line(points: Pairs) -> Line:
    return Line(tuple(at for at, _ in points), tuple(given for _, given in points))


def _points(line: Line) -> Pairs:
    return tuple(zip(line.at, line.contributions, strict=True))


def _check_ascending(points: Pairs) -> None:
    if not points or any(before[0] >= after[0] for before, after in pairwise(points)):
        raise ValueError("needs points in ascending order, at least one")


class NumberPart(_Part):
    """A number: a line through points, and numbers and words that stand apart from it."""

    kind: Literal["number"] = "number"
    points: Pairs
    exact: Pairs = ()
    words: Levels = {}
    decimal_comma: bool = False

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        _check_ascending(self.points)
        return self

    def term(self) -> Term:
        """The part as the domain has it."""
        return NumberTerm(
            _line(self.points),
            dict(self.exact),
            dict(self.words),
            self.decimal_comma,
            self.missing,
            self.other,
        )


class CategoryPart(_Part):
    """A word of a list."""

    kind: Literal["category"] = "category"
    levels: Levels

    def term(self) -> Term:
        """The part as the domain has it."""
        return CategoryTerm(dict(self.levels), self.missing, self.other)


class DatePart(_Part):
    """A date: a line through days since 1970, the twelve months, the seven weekdays."""

    kind: Literal["date"] = "date"
    order: DateOrder
    points: Pairs
    months: Annotated[tuple[Contribution, ...], Field(min_length=12, max_length=12)]
    weekdays: Annotated[tuple[Contribution, ...], Field(min_length=7, max_length=7)]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        _check_ascending(self.points)
        return self

    def term(self) -> Term:
        """The part as the domain has it."""
        return DateTerm(
            self.order, _line(self.points), self.months, self.weekdays, self.missing, self.other
        )


Part: TypeAlias = Annotated[NumberPart | CategoryPart | DatePart, Field(discriminator="kind")]


class OutcomePart(BaseModel):
    """What the model gives the chance of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: FieldName
    value: Cell


class TrainedPart(BaseModel):
    """What the model was trained on, for people to read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: Annotated[int, Field(ge=0)]
    positives: Annotated[int, Field(ge=0)]
    file_digest: Annotated[str, Field(max_length=80)] = ""
    """SHA-256 of the file as it was read."""
    trained_at: datetime | None = None


class ModelFile(BaseModel):
    """A model as it is written to a file and loaded from one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["keyturn-scoring-model"] = FORMAT
    format_version: Literal[1] = FORMAT_VERSION
    name: Code
    outcome: OutcomePart
    trained: TrainedPart | None = None
    leaks: Annotated[tuple[FieldName, ...], Field(max_length=MOST_FIELDS)] = ()
    """Fields of the model that look as if they were known only after the outcome."""
    base: Contribution
    fields: Annotated[dict[FieldName, Part], Field(max_length=MOST_FIELDS)]

    @classmethod
    def of(cls, model: ScoringModel, trained: TrainedPart | None = None) -> Self:
        """The file of a model."""
        return cls(
            name=model.name,
            outcome=OutcomePart(field=model.outcome_field, value=model.outcome_value),
            trained=trained,
            leaks=model.leaks,
            base=model.base,
            fields={name: _part(term) for name, term in model.terms.items()},
        )

    def model(self) -> ScoringModel:
        """The model of the file."""
        return ScoringModel(
            self.name,
            self.outcome.field,
            self.outcome.value,
            self.base,
            {name: part.term() for name, part in self.fields.items()},
            self.leaks,
        )


def _part(term: Term) -> NumberPart | CategoryPart | DatePart:
    match term:
        case NumberTerm():
            return NumberPart(
                points=_points(term.line),
                exact=tuple(term.exact.items()),
                words=dict(term.words),
                decimal_comma=term.decimal_comma,
                missing=term.missing,
                other=term.other,
            )
        case CategoryTerm():
            return CategoryPart(levels=dict(term.levels), missing=term.missing, other=term.other)
        case DateTerm():
            return DatePart(
                order=term.order,
                points=_points(term.days),
                months=term.months,
                weekdays=term.weekdays,
                missing=term.missing,
                other=term.other,
            )
        case _:
            raise TypeError(f"{type(term).__name__} has no place in a file")
