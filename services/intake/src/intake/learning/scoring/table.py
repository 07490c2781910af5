"""Opens any table of text, whatever its compression, encoding and delimiter, row by row."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from intake.learning.scoring.faults import refuse

_Content: TypeAlias = io.BufferedReader | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile

SNIFFED_BYTES: Final = 262_144
SNIFFED_ROWS: Final = 100
DELIMITERS: Final = ",;\t|^:~ "
"""Candidates, the likelier first."""
LONGEST_CELL: Final = 1_048_576
LONGEST_NAME: Final = 180
"""Letters of a column's name that are kept."""
MOST_COLUMNS: Final = 2_000
MOST_MALFORMED: Final = 0.2
"""Share of lines with another number of cells than the header; with more, it is no table."""

_UNPACKERS: Final[dict[bytes, Callable[[Path], _Content]]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_ENCODINGS: Final = ("utf-8-sig", "gb18030", "cp1252", "latin-1")
_WIDE_MARKS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_NOT_TEXT: Final = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
}


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file and how it is to be read."""

    path: Path
    encoding: str
    delimiter: str
    header: tuple[str, ...]

    def rows(self) -> Iterator[list[str] | None]:
        """The rows after the header, their cells stripped; None for a line of another length.

        Raises `Refusal` `table-not-readable` where the file cannot be read on.
        """
        width = len(self.header)
        with io.TextIOWrapper(
            _unpacked(self.path), encoding=self.encoding, errors="replace", newline=""
        ) as stream:
            reader = csv.reader(stream, delimiter=self.delimiter, skipinitialspace=True)
            rows = iter(reader)
            seen_header = False
            while True:
                try:
                    row = next(rows, None)
                except (csv.Error, EOFError, OSError, UnicodeError, lzma.LZMAError) as error:
                    raise refuse(
                        "table-not-readable",
                        f"{self.path}, line {reader.line_num + 1}: {error}. Mend the file, or cut"
                        " it off there.",
                    ) from error
                if row is None:
                    return
                if not row or (len(row) == 1 and not row[0].strip() and width > 1):
                    continue
                if not seen_header:
                    seen_header = True
                elif len(row) == width:
                    yield [cell.strip() for cell in row]
                elif len(row) == width + 1 and not row[-1].strip():
                    yield [cell.strip() for cell in row[:-1]]
                else:
                    yield None


def open_table(path: Path, delimiter: str | None = None) -> TableFile:
    """Find out how a file is to be read; its delimiter too, unless it is given.

    Raises `Refusal`: `file-not-found`, `table-not-readable` for what is no table of text, and
    `too-many-columns`.
    """
    if path.is_dir():
        raise refuse("file-not-found", f"{path} is a directory; name a file in it.")
    if not path.is_file():
        raise refuse("file-not-found", f"There is no file {path}.")
    csv.field_size_limit(LONGEST_CELL)
    head = _head(path)
    for magic, what in _NOT_TEXT.items():
        if head.startswith(magic):
            raise refuse(
                "table-not-readable",
                f"{path} is {what}; save the table as CSV (gzip, bz2 or xz is fine).",
            )
    encoding = _encoding(head)
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    if "\x00" in text:
        raise refuse("table-not-readable", f"{path} holds NUL bytes; it is no table of text.")
    if not text.strip():
        raise refuse("table-not-readable", f"{path} is empty; its first line names the columns.")
    cut_off = len(head) >= SNIFFED_BYTES
    delimiter = delimiter or _delimiter(text, cut_off=cut_off)
    header = _names(next(_parsed(text, delimiter, 1)))
    if len(header) > MOST_COLUMNS:
        raise refuse(
            "too-many-columns",
            f"The header names {len(header):,} columns; {MOST_COLUMNS:,} are read at most.",
        )
    return TableFile(path, encoding, delimiter, header)


def _head(path: Path) -> bytes:
    try:
        with _unpacked(path) as content:
            return content.read(SNIFFED_BYTES)
    except (EOFError, OSError, lzma.LZMAError) as error:
        raise refuse("table-not-readable", f"{path} cannot be read: {error}") from error


def _unpacked(path: Path) -> _Content:
    with path.open("rb") as raw:
        magic = raw.read(8)
    for mark, unpack in _UNPACKERS.items():
        if magic.startswith(mark):
            return unpack(path)
    return path.open("rb")


def _encoding(head: bytes) -> str:
    for mark, encoding in _WIDE_MARKS.items():
        if head.startswith(mark):
            return encoding
    # The last bytes may be the first half of a letter.
    whole = head if len(head) < SNIFFED_BYTES else head[: head.rfind(b"\n") + 1] or head
    for encoding in _ENCODINGS:
        try:
            whole.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _delimiter(text: str, *, cut_off: bool) -> str:
    """The delimiter by which the lines have the same number of cells, and most of them."""

    def fitness(candidate: str) -> tuple[float, int]:
        widths = [len(row) for row in _parsed(text, candidate, SNIFFED_ROWS)]
        if cut_off and len(widths) > 1 and len(widths) < SNIFFED_ROWS:
            widths.pop()
        width, rows = Counter(widths).most_common(1)[0]
        if width < 2 or widths[0] not in {width, width - 1}:
            return (0.0, 0)
        return (round(rows / len(widths), 1), width)

    fits = {candidate: fitness(candidate) for candidate in DELIMITERS}
    best = max(DELIMITERS[:-2], key=lambda candidate: fits[candidate])
    if fits[best][1] >= 2:
        return best
    return max(DELIMITERS, key=lambda candidate: fits[candidate])


def _parsed(text: str, delimiter: str, most: int) -> Iterator[list[str]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    read = 0
    try:
        for row in rows:
            if row and any(cell.strip() for cell in row):
                yield row
                read += 1
                if read == most:
                    return
    except csv.Error:
        pass
    if read == 0:
        yield [text.splitlines()[0]]


def _names(cells: Sequence[str]) -> tuple[str, ...]:
    """A name for each column: its own, numbered when it has none or another has it too."""
    if len(cells) > 1 and not cells[-1].strip():
        cells = cells[:-1]
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        said = "".join(letter for letter in " ".join(cell.split()) if letter.isprintable())
        name = said[:LONGEST_NAME] or f"column {number}"
        repeated = name
        count = 2
        while repeated in names:
            repeated = f"{name} ({count})"
            count += 1
        names.append(repeated)
    return tuple(names)
