"""The rows of a table that a model is trained on: all of them, or a fair sample of a long one."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intake.domain.scoring.written_values import is_gap, number_of
from intake.learning.scoring.faults import refuse, unknown_column
from intake.learning.scoring.table import MOST_MALFORMED, TableFile

MOST_ROWS: Final = 200_000
"""Rows that are kept of one table, half of them of either class when there are enough."""
MOST_CELLS: Final = 6_000_000
"""Cells that are kept of one table; with many columns it is fewer rows."""
LEAST_OF_A_CLASS: Final = 5
"""Rows that have the outcome, and rows that have not, without which five folds cannot be made."""
MOST_OUTCOMES: Final = 1_000
"""Different values of the outcome column that are counted."""
PROGRESS_ROWS: Final = 50_000
SEED: Final = 20_260

Report = Callable[[str], None]
"""Says how far the work is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be predicted: this value of this column, against every other value."""

    field: str
    value: str

    @classmethod
    def of(cls, written: str, names: Sequence[str]) -> Outcome:
        """The outcome as `column=value`.

        Raises `Refusal` `outcome-not-readable` and `unknown-column`.
        """
        if "=" not in written:
            raise refuse(
                "outcome-not-readable", f"--outcome {written!r}: write column=value, such as y=yes."
            )
        # A name may hold an equals sign itself.
        cuts = [index for index, letter in enumerate(written) if letter == "="]
        for cut in cuts:
            name, value = written[:cut].strip(), written[cut + 1 :].strip()
            if name in names:
                if not value:
                    raise refuse(
                        "outcome-not-readable",
                        f"--outcome {written!r}: name the value of {name} to predict.",
                    )
                return cls(name, value)
        raise unknown_column(written[: cuts[0]].strip(), names, "--outcome")

    def holds(self, cell: str) -> bool | None:
        """Whether a cell is the outcome; None when it says nothing."""
        if cell == self.value:
            return True
        if is_gap(cell):
            return None
        wanted, number = number_of(self.value), number_of(cell)
        return wanted is not None and wanted == number


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows that were kept, by column, in the order of the file."""

    names: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    positive: NDArray[np.bool_]
    weight: NDArray[np.float64]
    """How many rows of the file each one stands for."""
    row: NDArray[np.int64]
    """Where it stands in the file, from 1, the header not counted."""
    rows: int
    """Rows of the file whose outcome is known."""
    positives: int
    without_outcome: int
    malformed: int
    digest: str
    """SHA-256 of the file's bytes as they are."""

    @property
    def whole(self) -> bool:
        """Whether every row was kept."""
        return len(self.row) == self.rows


class _Unused(NamedTuple):
    """Rows that are not learned from: without an outcome, and of another length."""

    without: int
    malformed: int


class _Reservoir:
    """Keeps a fair sample of what it is given, however much that is."""

    def __init__(self, capacity: int, random: Random) -> None:
        self.kept: list[tuple[int, list[str]]] = []
        self.seen = 0
        self._capacity = capacity
        self._random = random

    def offer(self, number: int, row: list[str]) -> None:
        self.seen += 1
        if len(self.kept) < self._capacity:
            self.kept.append((number, row))
            return
        place = int(self._random.random() * self.seen)
        if place < self._capacity:
            self.kept[place] = (number, row)


def take_sample(
    table: TableFile,
    outcome: Outcome,
    dropped: Sequence[str],
    report: Report,
    *,
    most_rows: int = MOST_ROWS,
) -> Sample:
    """Read the table once, and keep what the model is trained on.

    Raises `Refusal`: `unknown-column` and `nothing-to-learn-from` for the columns, `no-rows`,
    `table-not-readable`, `outcome-not-found`, `one-class` and `too-few-rows` for the rows.
    """
    places = _places(table, outcome, dropped)
    outcome_place = table.header.index(outcome.field)
    report(f"reading {table.path}")
    half = max(1, min(most_rows, MOST_CELLS // max(1, len(places))) // 2)
    random = Random(SEED)  # noqa: S311 - a sample, not a secret
    reservoirs = {answer: _Reservoir(half, random) for answer in (True, False)}
    answers: dict[str, bool | None] = {}
    values: Counter[str] = Counter()
    number = without = malformed = 0
    for row in table.rows():
        number += 1
        if number % PROGRESS_ROWS == 0:
            report(f"read {number:,} rows")
        if row is None:
            malformed += 1
            continue
        cell = row[outcome_place]
        if cell in values or len(values) < MOST_OUTCOMES:
            values[cell] += 1
        if cell not in answers:
            if len(answers) >= MOST_OUTCOMES:
                answers.clear()
            answers[cell] = outcome.holds(cell)
        answer = answers[cell]
        if answer is None:
            without += 1
        else:
            reservoirs[answer].offer(number, row)
    _check(table, outcome, reservoirs, values, _Unused(without, malformed))
    return _sample(table, places, reservoirs, without, malformed)


def _places(table: TableFile, outcome: Outcome, dropped: Sequence[str]) -> dict[str, int]:
    """Where the cells of each field stand."""
    for name in dropped:
        if name not in table.header:
            raise unknown_column(name, table.header, "--drop")
        if name == outcome.field:
            raise refuse(
                "outcome-dropped", f"--drop {name}: it is the outcome; nothing would be learned."
            )
    left = {
        name: place
        for place, name in enumerate(table.header)
        if name != outcome.field and name not in dropped
    }
    if not left:
        raise refuse(
            "nothing-to-learn-from",
            f"{table.path} has no column beside {', '.join([outcome.field, *dropped])}; was the"
            f" delimiter {table.delimiter!r} taken rightly?",
        )
    return left


def _check(
    table: TableFile,
    outcome: Outcome,
    reservoirs: dict[bool, _Reservoir],
    values: Counter[str],
    unused: _Unused,
) -> None:
    without, malformed = unused
    positives, negatives = reservoirs[True].seen, reservoirs[False].seen
    rows = positives + negatives + without + malformed
    if rows == 0:
        raise refuse("no-rows", f"{table.path} has a header and no rows.")
    if malformed > MOST_MALFORMED * rows:
        raise refuse(
            "table-not-readable",
            f"{table.path}: {malformed:,} of {rows:,} lines have another number of cells than the"
            f" header, which has {len(table.header)} by the delimiter {table.delimiter!r}. Put"
            " cells that contain the delimiter into double quotes.",
        )
    seen = _listed(values)
    if positives == 0:
        near = [cell for cell in values if cell.lower() == outcome.value.lower()]
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise refuse(
            "outcome-not-found",
            f"No row has {outcome.field}={outcome.value}.{meant} Its values: {seen}.",
        )
    if negatives == 0:
        gaps = (
            f" {without:,} rows say nothing of it and are left out; if that means no, write it so."
            if without
            else ""
        )
        raise refuse(
            "one-class",
            f"All {positives:,} rows with a known outcome have {outcome.field}={outcome.value};"
            f" there is nothing to tell them from.{gaps}",
        )
    if min(positives, negatives) < LEAST_OF_A_CLASS:
        raise refuse(
            "too-few-rows",
            f"{positives:,} rows have {outcome.field}={outcome.value} and {negatives:,} have not;"
            f" five folds need {LEAST_OF_A_CLASS} of each at least. Its values: {seen}.",
        )


def _listed(values: Counter[str]) -> str:
    common = values.most_common(10)
    listed = ", ".join(f"{cell or '(empty)'} ({count:,})" for cell, count in common)
    return listed + (" and others" if len(values) > len(common) else "")


def _sample(
    table: TableFile,
    places: dict[str, int],
    reservoirs: dict[bool, _Reservoir],
    without: int,
    malformed: int,
) -> Sample:
    merged = sorted(
        (number, answer, row)
        for answer, reservoir in reservoirs.items()
        for number, row in reservoir.kept
    )
    positive = np.array([answer for _, answer, _ in merged], dtype=np.bool_)
    stands_for = {
        answer: reservoir.seen / len(reservoir.kept) for answer, reservoir in reservoirs.items()
    }
    return Sample(
        names=tuple(places),
        columns=tuple(tuple(row[place] for _, _, row in merged) for place in places.values()),
        positive=positive,
        weight=np.where(positive, stands_for[True], stands_for[False]),
        row=np.array([number for number, _, _ in merged], dtype=np.int64),
        rows=sum(reservoir.seen for reservoir in reservoirs.values()),
        positives=reservoirs[True].seen,
        without_outcome=without,
        malformed=malformed,
        digest=_digest(table.path),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
