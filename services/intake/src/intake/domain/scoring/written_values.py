"""What a cell of a table says: a gap, a number, a point in time, or a word.

A scoring model is trained on cells and scores cells, so that both read them by these functions.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Final

GAPS: Final = frozenset(
    {"", "na", "n/a", "n.a.", "#n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "missing"}
)
"""Words, in lower case, that say that nothing is known."""

LARGEST_NUMBER: Final = 1e100
"""Numbers beyond it, either way, are not read as numbers."""

FIRST_YEAR: Final = 1800
LAST_YEAR: Final = 2200

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - cells are read as the clock on the wall
_DAY: Final = 86_400.0
_PIVOT: Final = 69
"""Two-digit years up to it belong to this century."""

_grouped = re.compile(r"[-+]?[$€£¥￥]?\s?[-+]?\d{1,3}(,\d{3})*(\.\d+)?\s?%?").fullmatch
_plain = re.compile(r"[-+]?[$€£¥￥]?\s?[-+]?\d+(\.\d+)?\s?%?").fullmatch
_comma = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?\s?[€%]?").fullmatch
_ornaments = str.maketrans("", "", "$€£¥￥%, ")
_written_day = re.compile(
    r"(\d{1,4})[-/.年](\d{1,2})[-/.月](\d{1,4})日?"
    r"(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([AaPp][Mm])?)?"
).fullmatch


class DateOrder(StrEnum):
    """In which order the parts of a date are written."""

    YEAR_FIRST = "ymd"
    MONTH_FIRST = "mdy"
    DAY_FIRST = "dmy"


def is_gap(cell: str) -> bool:
    """Whether the cell says that nothing is known."""
    return not cell or cell.strip().lower() in GAPS


def number_of(cell: str, *, decimal_comma: bool = False) -> float | None:
    """The number of a cell, with or without thousands separators, currency sign and per cent.

    None when it is no number. With `decimal_comma`, 1.234,5 is one thousand and a bit.
    """
    text = cell.strip()
    if not decimal_comma:
        try:
            value = float(text)
        except ValueError:
            if _plain(text) is None and _grouped(text) is None:
                return None
            value = float(text.translate(_ornaments))
    elif _comma(text) is not None:
        value = float(text.rstrip("€% ").replace(".", "").replace(",", "."))
    else:
        return None
    return value if -LARGEST_NUMBER <= value <= LARGEST_NUMBER else None


def moment_of(cell: str, order: DateOrder) -> datetime | None:
    """The point in time that a cell names, as the clock on the wall showed it; None if none."""
    text = cell.strip()
    match = _written_day(text)
    if match is None:
        return _iso(text) if order is DateOrder.YEAR_FIRST else None
    first, second, third, hour, minute, seconds, half = match.groups()
    if order is DateOrder.YEAR_FIRST:
        year, month, day = first, second, third
    elif order is DateOrder.MONTH_FIRST:
        month, day, year = first, second, third
    else:
        day, month, year = first, second, third
    if len(year) not in {2, 4}:
        return None
    try:
        return _within(
            datetime(  # noqa: DTZ001 - as above
                _full_year(int(year), len(year)),
                int(month),
                int(day),
                _hour(int(hour or 0), half),
                int(minute or 0),
                int(seconds or 0),
            )
        )
    except ValueError:
        return None


def days_of(moment: datetime) -> float:
    """Days since 1970, with their fraction."""
    return (moment - _EPOCH).total_seconds() / _DAY


def _iso(text: str) -> datetime | None:
    try:
        return _within(datetime.fromisoformat(text).replace(tzinfo=None))
    except ValueError:
        return None


def _within(moment: datetime) -> datetime | None:
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else None


def _full_year(year: int, digits: int) -> int:
    if digits == 4:
        return year
    return year + (2000 if year <= _PIVOT else 1900)


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half.lower() == "pm" else 0)
