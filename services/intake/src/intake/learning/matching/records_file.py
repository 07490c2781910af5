"""Reads the records of a table: which column fills which field, their ids, and the truth."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from intake.domain.people.matching import Field
from intake.learning.scoring.faults import refuse, unknown_column
from intake.learning.scoring.table import open_table
from intake.reading.person_records import NAME, PersonRecord, person_record, says_day_first

MOST_RECORDS: Final = 1_000_000
"""Records of one file."""
FIELDS: Final = (NAME, *Field)
"""What a column may be mapped to."""
_PARTS_OF_NAME: Final = (Field.GIVEN_NAME, Field.FAMILY_NAME)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns fill which field, and which tell the id and the truth."""

    columns: Mapping[str, tuple[str, ...]]
    id_column: str | None = None
    truth_column: str | None = None
    truth_pattern: re.Pattern[str] | None = None
    """What to take of the truth column: its first group, or all that matches."""
    delimiter: str | None = None


@dataclass(frozen=True, slots=True)
class RecordsFile:
    """The records of a file in its order."""

    ids: Sequence[str]
    """The id of each record: its number, from 1, when no column tells it."""
    records: Sequence[PersonRecord]
    truth: Sequence[str | None] | None
    """Who each record truly is, as far as it is known; None when no column was named."""


def layout(
    mappings: Iterable[str],
    id_column: str | None = None,
    truth: str | None = None,
    delimiter: str | None = None,
) -> Layout:
    """Read what was said on the command line.

    Raises `Refusal` `invalid-mapping`, `unknown-field`, `invalid-truth` and `invalid-delimiter`.
    """
    columns: dict[str, tuple[str, ...]] = {}
    for mapping in mappings:
        field, equals, names = (part.strip() for part in mapping.partition("="))
        parts = tuple(name.strip() for name in names.split("+"))
        if not equals or not all(parts):
            raise refuse(
                "invalid-mapping",
                f"--map {mapping!r}: write field=column, or field=column+column to join columns.",
            )
        if field not in FIELDS:
            raise refuse(
                "unknown-field",
                f"--map {mapping!r}: there is no field {field!r}. The fields: {', '.join(FIELDS)}.",
            )
        if field in columns:
            raise refuse("invalid-mapping", f"--map names {field} twice; join columns with +.")
        columns[field] = parts
    if not columns:
        raise refuse(
            "invalid-mapping",
            f"Say with --map field=column what to compare. The fields: {', '.join(FIELDS)}.",
        )
    if NAME in columns and any(part in columns for part in _PARTS_OF_NAME):
        raise refuse("invalid-mapping", "Map either name, or given_name and family_name.")
    if delimiter is not None:
        delimiter = {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter).strip(" ") or " "
        if len(delimiter) != 1:
            raise refuse("invalid-delimiter", "--delimiter is one character, such as ; or \\t.")
    column, pattern = _truth(truth)
    return Layout(columns, id_column, column, pattern, delimiter)


def _truth(truth: str | None) -> tuple[str | None, re.Pattern[str] | None]:
    if truth is None:
        return None, None
    column, tilde, pattern = truth.partition("~")
    if not tilde:
        return column.strip(), None
    try:
        return column.strip(), re.compile(pattern)
    except re.error as error:
        raise refuse("invalid-truth", f"--truth: {pattern!r} is no pattern: {error}.") from error


def read_records(path: Path, how: Layout) -> RecordsFile:
    """The records of a file.

    Raises `Refusal`: `file-not-found`, `table-not-readable`, `unknown-column`, `no-records`,
    `too-many-records`, `wrong-number-of-cells`, `missing-id`, `duplicate-id` and `invalid-truth`.
    """
    table = open_table(path, how.delimiter)
    places = {name: place for place, name in enumerate(table.header)}

    def place(column: str, option: str) -> int:
        if column not in places:
            raise unknown_column(column, table.header, option)
        return places[column]

    fields = {
        field: [place(column, "--map") for column in columns]
        for field, columns in how.columns.items()
    }
    id_place = None if how.id_column is None else place(how.id_column, "--id")
    truth_place = None if how.truth_column is None else place(how.truth_column, "--truth")
    said: list[dict[str, str]] = []
    ids: dict[str, int] = {}
    truth: list[str | None] = []
    for number, row in enumerate(table.rows(), start=1):
        if row is None:
            raise refuse(
                "wrong-number-of-cells",
                f"Record {number:,} of {path} has not the {len(table.header)} cells of the header;"
                " put cells that contain the delimiter into double quotes.",
            )
        if number > MOST_RECORDS:
            raise refuse("too-many-records", f"{path} has more than {MOST_RECORDS:,} records.")
        _take_id(ids, str(number) if id_place is None else row[id_place], number)
        said.append(
            {
                field: " ".join(filter(None, (row[place] for place in columns)))
                for field, columns in fields.items()
            }
        )
        if truth_place is not None:
            truth.append(_who(row[truth_place], how.truth_pattern))
    if not said:
        raise refuse("no-records", f"{path} has no records below its header.")
    if truth_place is not None:
        _check_truth(truth, how)
    day_first = says_day_first([each.get(Field.BIRTH_DATE, "") for each in said])
    records = [person_record(each, day_first=day_first) for each in said]
    return RecordsFile(tuple(ids), records, None if truth_place is None else truth)


def _take_id(ids: dict[str, int], record_id: str, number: int) -> None:
    if not record_id:
        raise refuse("missing-id", f"Record {number:,} has no id; leave --id out to number them.")
    if record_id in ids:
        raise refuse(
            "duplicate-id",
            f"Records {ids[record_id]:,} and {number:,} have the same id {record_id!r}; name"
            " another column with --id, or leave it out to number the records.",
        )
    ids[record_id] = number


def _who(text: str, pattern: re.Pattern[str] | None) -> str | None:
    if pattern is None:
        return text or None
    found = pattern.search(text)
    if found is None:
        return None
    return found[1] if pattern.groups else found[0]


def _check_truth(truth: Sequence[str | None], how: Layout) -> None:
    known = [who for who in truth if who is not None]
    if len(set(known)) == len(known):
        raise refuse(
            "invalid-truth",
            f"--truth {how.truth_column}: no two records have the same value there, so it does not"
            " say who is one person. Take a part of the column with a pattern, such as"
            f" --truth '{how.truth_column}~rec-(\\d+)'.",
        )
