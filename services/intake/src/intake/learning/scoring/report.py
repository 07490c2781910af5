"""What is said of a fit: a document for programs, and a page for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from intake.learning.scoring.fit import Measured
from intake.learning.scoring.training import Example, Training

FORMAT: Final = "keyturn-scoring-report"
FORMAT_VERSION: Final = 1
RELIABILITY_ROWS: Final = 10
FEW_OUTCOMES: Final = 50
"""Rows of the rarer class under which the figures are rough."""
SHOWN_FIELDS: Final = 15
SHOWN_REASONS: Final = 5
DIGITS: Final = 6


def document(training: Training) -> dict[str, Any]:
    """The report as JSON.

    `auc_last_fifth` is of the last fifth of the file's rows, by a model of the rows before it; it
    is an out-of-time figure only where `time_ordered` is true, and null where the last fifth, or
    what stands before it, lacks rows of one class.
    """
    sample, unseen = training.sample, training.unseen
    honest = training.unseen_without_leaks
    table = reliability(unseen)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": training.fitted.model.name,
        "file": training.table.path.name,
        "file_digest": sample.digest,
        "outcome": {"field": training.outcome.field, "value": training.outcome.value},
        "rows": sample.rows,
        "positives": sample.positives,
        "base_rate": _rounded(sample.positives / sample.rows),
        "rows_trained_on": len(sample.row),
        "rows_without_outcome": sample.without_outcome,
        "rows_malformed": sample.malformed,
        "auc_cv": _rounded(unseen.auc),
        "auc_last_fifth": None if training.last is None else _rounded(training.last.auc),
        "time_ordered": training.time_ordered,
        "last_fifth_rows": training.last_rows,
        "brier": _rounded(unseen.brier),
        "brier_of_base_rate": _rounded(_brier_of_base_rate(unseen)),
        "brier_last_fifth": None if training.last is None else _rounded(training.last.brier),
        "calibration": table,
        "calibration_error": _rounded(
            sum(row["share"] * abs(row["predicted"] - row["observed"]) for row in table)
        ),
        "leak_warnings": [
            {
                "field": leak.field,
                "rule": leak.rule,
                "detail": leak.detail,
                "auc": leak.auc,
                "used": leak.used,
            }
            for leak in training.leaks
        ],
        "auc_cv_without_leaks": None if honest is None else _rounded(honest.auc),
        "fields": _fields(training),
        "left_out": [{"field": field, "why": why} for field, why in training.left_out.items()],
        "examples": [_example(example) for example in training.examples],
        "prior_variance": training.prior,
        "notes": list(notes(training)),
    }


def notes(training: Training) -> Iterator[str]:
    """What a reader of the figures should know."""
    sample = training.sample
    if training.last is None:
        yield "The last fifth of the rows, or the rest, lacks rows of one class; it has no AUC."
    elif not training.time_ordered:
        yield (
            "auc_last_fifth is of the last rows as the file has them; whether these are the latest"
            " is not known. Sort the file by time and say --time-order."
        )
    rarer = min(sample.positives, sample.rows - sample.positives)
    if rarer < FEW_OUTCOMES:
        yield f"Only {rarer} rows are of the rarer class; take every figure as rough."
    if not sample.whole:
        yield (
            f"Trained and measured on {len(sample.row):,} of {sample.rows:,} rows, drawn fairly"
            " from either class and weighted back."
        )
    if sample.without_outcome:
        yield f"{sample.without_outcome:,} rows say nothing of the outcome and were left out."
    if sample.malformed:
        yield (
            f"{sample.malformed:,} lines have another number of cells than the header and were left"
            " out."
        )


def reliability(measured: Measured) -> list[dict[str, Any]]:
    """Ten parts of the rows by ascending chance: what was predicted, and what came true."""
    order = np.argsort(measured.chance, kind="stable")
    weight = measured.weight[order]
    reached = np.cumsum(weight) / weight.sum()
    part = np.minimum((reached * RELIABILITY_ROWS - 1e-9).astype(int), RELIABILITY_ROWS - 1)
    table = []
    for number in range(RELIABILITY_ROWS):
        rows = order[part == number]
        if len(rows) == 0:
            continue
        weights = measured.weight[rows]
        table.append(
            {
                "from": _rounded(measured.chance[rows].min()),
                "to": _rounded(measured.chance[rows].max()),
                "rows": len(rows),
                "share": _rounded(weights.sum() / measured.weight.sum()),
                "predicted": _rounded(np.average(measured.chance[rows], weights=weights)),
                "observed": _rounded(np.average(measured.positive[rows], weights=weights)),
            }
        )
    return table


def page(training: Training) -> Iterator[str]:
    """The lines that a person reads after a fit."""
    told = document(training)
    sample = training.sample
    yield (
        f"{training.table.path.name}: {sample.rows:,} rows, {sample.positives:,} with"
        f" {training.outcome.field}={training.outcome.value} ({told['base_rate']:.1%})"
    )
    yield ""
    yield f"AUC, five folds       {told['auc_cv']:.4f}"
    order = "in time" if training.time_ordered else "in the file's order"
    last = told["auc_last_fifth"]
    yield f"AUC, last fifth       {'none' if last is None else f'{last:.4f}'}   {order}"
    yield (
        f"Brier score           {told['brier']:.4f}   a constant chance has"
        f" {told['brier_of_base_rate']:.4f}"
    )
    yield f"Calibration error     {told['calibration_error']:.4f}"
    if told["auc_cv_without_leaks"] is not None:
        yield f"AUC without leaks     {told['auc_cv_without_leaks']:.4f}"
    yield ""
    yield "Reliability: chance given, and what came true, by tenths of the rows"
    for row in told["calibration"]:
        yield f"  {row['predicted']:7.2%}  {row['observed']:7.2%}   {row['rows']:>9,} rows"
    yield ""
    yield from _page_of_fields(training)
    yield ""
    yield "What the scores of some rows are made of (log-odds; the base is the average row)"
    for example in training.examples:
        yield from _page_of_example(example)
    for leak in training.leaks:
        yield ""
        unused = "" if leak.used else " The model does not use it."
        yield f"LEAK? {leak.field}: {leak.detail}{unused}"
        if leak.used:
            yield f"      If it is known only after the outcome: --drop '{leak.field}'"
    for note in told["notes"]:
        yield ""
        yield f"Note: {note}"


def _page_of_fields(training: Training) -> Iterator[str]:
    importance = sorted(training.fitted.importance.items(), key=lambda field: -field[1])
    yield "How far each field moves a score, on average (log-odds)"
    for name, moves in importance[:SHOWN_FIELDS]:
        yield f"  {moves:6.3f}  {name}"
    if importance[SHOWN_FIELDS:]:
        yield f"  and {len(importance) - SHOWN_FIELDS} more, see the report"
    for name, why in list(training.left_out.items())[:SHOWN_FIELDS]:
        yield f"  left out: {name}, {why}"
    if len(training.left_out) > SHOWN_FIELDS:
        yield f"  and {len(training.left_out) - SHOWN_FIELDS} more left out, see the report"


def _page_of_example(example: Example) -> Iterator[str]:
    came = "came true" if example.positive else "did not"
    yield (
        f"  row {example.row:,}: {example.estimate.probability:.1%}, {came};"
        f" {example.estimate.log_odds:+.2f} = base {example.estimate.base:+.2f}"
    )
    for name, cell, given in example.reasons[:SHOWN_REASONS]:
        yield f"    {given:+.2f}  {name} = {cell[:40] or '(empty)'}"
    rest = example.reasons[SHOWN_REASONS:]
    if rest:
        yield f"    {sum(given for _, _, given in rest):+.2f}  {len(rest)} other fields"


def _fields(training: Training) -> list[dict[str, Any]]:
    alone = {suspect.column.name: suspect for suspect in training.suspects}
    fields = []
    for name, kind in training.kinds.items():
        column = alone[name].column
        empty = int(column.count[column.gap].sum())
        fields.append(
            {
                "field": name,
                "kind": kind,
                "moves": _rounded(training.fitted.importance[name]),
                "auc_alone": _rounded(alone[name].auc),
                "empty": _rounded(empty / len(column.code)),
                "different": len(column.cells),
            }
        )
    return sorted(fields, key=lambda field: -float(str(field["moves"])))


def _example(example: Example) -> dict[str, Any]:
    return {
        "row": example.row,
        "outcome": example.positive,
        "probability": example.estimate.probability,
        "log_odds": example.estimate.log_odds,
        "base": example.estimate.base,
        "reasons": [
            {"field": name, "value": cell, "contribution": given}
            for name, cell, given in example.reasons
        ],
    }


def _brier_of_base_rate(measured: Measured) -> float:
    rate = np.average(measured.positive, weights=measured.weight)
    return float(rate * (1 - rate))


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)
