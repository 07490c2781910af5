"""One fit from the file to the model and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from intake.domain.scoring.scoring_model import Estimate
from intake.learning.scoring.faults import refuse
from intake.learning.scoring.fields import Column, LeftOut, Shape, shape_of
from intake.learning.scoring.fit import (
    Design,
    Fitted,
    Measured,
    choose_prior,
    cross_validate,
    fit,
    held_out_auc,
    last_fifth,
)
from intake.learning.scoring.leaks import Leak, Suspect, leaks, suspects
from intake.learning.scoring.sample import MOST_ROWS, Outcome, Report, Sample, take_sample
from intake.learning.scoring.table import TableFile, open_table

EXAMPLES = 5
"""Rows whose scores are shown with their reasons, from the lowest to the highest."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row with its score and the reasons of it."""

    row: int
    """Where it stands in the file, from 1, the header not counted."""
    positive: bool
    estimate: Estimate
    reasons: tuple[tuple[str, str, float], ...]
    """Field, cell and contribution, the weightiest first."""


@dataclass(frozen=True, slots=True)
class Training:
    """A fitted model, and everything that is known of it."""

    table: TableFile
    outcome: Outcome
    sample: Sample
    time_ordered: bool
    fitted: Fitted
    kinds: Mapping[str, str]
    left_out: Mapping[str, str]
    unseen: Measured
    """By five folds."""
    last: Measured | None
    last_rows: int
    suspects: Sequence[Suspect]
    leaks: Sequence[Leak]
    unseen_without_leaks: Measured | None
    """By five folds again, without the fields that are warned of; None when there are none."""
    prior: float
    examples: tuple[Example, ...]


def train(
    path: Path,
    outcome: str,
    dropped: Sequence[str],
    name: str,
    report: Report,
    *,
    time_ordered: bool = False,
    most_rows: int = MOST_ROWS,
) -> Training:
    """Fit a model to a file.

    Raises `Refusal` for a file, column or outcome that nothing can be learned from.
    """
    table = open_table(path)
    wanted = Outcome.of(outcome, table.header)
    sample = take_sample(table, wanted, dropped, report, most_rows=most_rows)
    # More threads than one gain nothing here, and cost much where others need the processors.
    with threadpool_limits(limits=1):
        return replace(_trained(table, wanted, sample, name, report), time_ordered=time_ordered)


def _trained(
    table: TableFile, wanted: Outcome, sample: Sample, name: str, report: Report
) -> Training:
    report(f"{sample.rows:,} rows, {sample.positives:,} with {wanted.field}={wanted.value}")
    fields = []
    for column_name, cells in zip(sample.names, sample.columns, strict=True):
        column = Column.of(column_name, cells)
        fields.append((column, shape_of(column)))
    used = [(column, shape) for column, shape in fields if not isinstance(shape, LeftOut)]
    if not used:
        raise refuse(
            "nothing-to-learn-from",
            "No column can be learned from: "
            + "; ".join(f"{column.name}: {shape.why}" for column, shape in _left_out(fields))
            + ".",
        )
    design = Design.of(used, sample)
    prior = choose_prior(design, report)
    unseen = cross_validate(design, prior, report)
    report("the last fifth")
    last, last_rows = last_fifth(design, prior)
    report("looking for leaks")
    found = suspects(fields, sample.positive)
    warned = leaks(
        found,
        sample.positive,
        lambda names: held_out_auc(design.of_fields(names), sample.positive, prior),
    )
    leaking = {leak.field for leak in warned if leak.used}
    honest = [(column, shape) for column, shape in used if column.name not in leaking]
    without_leaks = None
    if leaking and honest:
        report("once more without the fields that look like leaks")
        without_leaks = cross_validate(Design.of(honest, sample), prior, report)
    report("fitting all rows")
    fitted = fit(design, prior, wanted, name)
    in_order = tuple(name for name in fitted.model.terms if name in leaking)
    fitted = replace(fitted, model=replace(fitted.model, leaks=in_order))
    return Training(
        table=table,
        outcome=wanted,
        sample=sample,
        time_ordered=False,
        fitted=fitted,
        kinds={column.name: shape.kind for column, shape in used},
        left_out={column.name: shape.why for column, shape in _left_out(fields)},
        unseen=unseen,
        last=last,
        last_rows=last_rows,
        suspects=found,
        leaks=warned,
        unseen_without_leaks=without_leaks,
        prior=prior,
        examples=_examples(fitted, sample),
    )


def _left_out(
    fields: Sequence[tuple[Column, Shape | LeftOut]],
) -> list[tuple[Column, LeftOut]]:
    return [(column, shape) for column, shape in fields if isinstance(shape, LeftOut)]


def _examples(fitted: Fitted, sample: Sample) -> tuple[Example, ...]:
    ascending = fitted.log_odds.argsort(kind="stable")
    last = len(ascending) - 1
    places = dict.fromkeys(
        int(ascending[round(last * step / (EXAMPLES - 1))]) for step in range(EXAMPLES)
    )
    examples = []
    for place in places:
        row = {name: cells[place] for name, cells in zip(sample.names, sample.columns, strict=True)}
        estimate = fitted.model.estimate(row)
        reasons = tuple(
            (name, row[name], given) for name, given in fitted.model.weightiest(estimate)
        )
        examples.append(
            Example(int(sample.row[place]), bool(sample.positive[place]), estimate, reasons)
        )
    return tuple(examples)
