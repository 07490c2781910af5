"""Reads a file of leads as it comes, piece by piece, into numbered rows.

A row that cannot be read is a row with a fault; it keeps no other back. Only the file as a whole
can fail: by its header, by broken compression, or by its size.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from intake.domain.imports.imports import FileFormat, FileLayout
from intake.reading.columns import Columns, without_marks
from intake.reading.encodings import Transcription
from keyturn_events import Refusal, RefusalKind

MOST_ROWS: Final = 1_000_000
"""Rows of one file."""
LONGEST_ROW: Final = 65_536
"""Bytes of one row, line breaks within quotes included."""
DECOMPRESSED_AT_ONCE: Final = 1_048_576
"""Bytes that one step of decompression makes at most, so that a small file cannot fill memory."""

UNKEPT: Final = "national_id"
"""The column of which no word is kept."""

_QUOTE: Final = b'"'


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, from 1: the form that it fills, or why it cannot be read."""

    number: int
    form: dict[str, Any] | None = None
    fault: Refusal | None = None
    text: str = ""
    """The line as it stands, as far as it can be read."""


class RowReader:
    """Give it the bytes of a file in order; it gives the rows that are complete."""

    def __init__(self, layout: FileLayout) -> None:
        self._layout = layout
        self._inflate = _Inflate() if layout.gzip else None
        self._transcription = Transcription(layout.encoding)
        self._pending = b""
        self._skipping = False
        self._columns: Columns | None = None
        self._rows = 0
        self.header: tuple[str, ...] = ()
        """The cells of the first line of a CSV file, once it has been read."""

    @property
    def header_read(self) -> bool:
        """Whether the header has been read and found good."""
        return self._columns is not None or self._layout.format is FileFormat.NDJSON

    def feed(self, content: bytes) -> Iterator[Row]:
        """The rows that `content` completes.

        Raises `Refusal` when the file cannot be read on: `broken-gzip`, `unknown-column`,
        `duplicate-column`, `header-not-readable` and `too-many-rows`.
        """
        pieces = [content] if self._inflate is None else self._inflate.pieces(content)
        for piece in pieces:
            yield from self._rows_of(self._records(self._transcription.feed(piece)))

    def finish(self) -> Iterator[Row]:
        """The last row, when nothing ends it but the end of the file.

        Raises as `feed`, and `Refusal` `cut-off-character`.
        """
        if self._inflate is not None:
            self._inflate.finish()
        yield from self._rows_of(self._records(self._transcription.finish()))
        last, self._pending = self._pending, b""
        if last and not self._skipping:
            yield from self._rows_of(iter([last]))
        if not self.header_read:
            raise _invalid(
                "header-not-readable", "The file is empty; its first line names the columns."
            )

    def _records(self, piece: bytes) -> Iterator[bytes | None]:
        """Complete records; None for one that is too long."""
        data = self._pending + piece
        quoted = self._layout.format is FileFormat.CSV
        start = search = quotes = 0
        while (end := data.find(b"\n", search)) >= 0:
            quotes += data.count(_QUOTE, search, end) if quoted else 0
            search = end + 1
            if self._skipping:
                self._skipping = False
            elif end - start > LONGEST_ROW:
                yield None
                search = data.index(b"\n", start) + 1
            elif quotes % 2:
                continue
            else:
                yield data[start:end]
            start, quotes = search, 0
        self._pending = data[start:]
        if len(self._pending) > LONGEST_ROW:
            # The row has not ended yet; what follows on its line belongs to it.
            self._pending = b""
            if not self._skipping:
                yield None
            self._skipping = True

    def _rows_of(self, records: Iterator[bytes | None]) -> Iterator[Row]:
        for record in records:
            if record is not None and not record.strip():
                continue
            if not self.header_read:
                self._columns = self._header(record)
                continue
            self._rows += 1
            if self._rows > MOST_ROWS:
                raise _invalid(
                    "too-many-rows", f"A file has {MOST_ROWS} rows at most; split it up."
                )
            yield self._row(record)

    def _row(self, record: bytes | None) -> Row:
        text = ""
        try:
            text = self._text(record)
            return Row(self._rows, self._form(text), text=text)
        except Refusal as refusal:
            if record is not None and not text:
                text = self._transcription.readable(record)
            return Row(self._rows, fault=refusal, text=text)

    def _header(self, record: bytes | None) -> Columns:
        try:
            cells = self._cells(self._text(record))
        except Refusal as refusal:
            raise _invalid("header-not-readable", f"The header: {refusal.detail}") from None
        layout = self._layout
        self.header = tuple(cells)
        return Columns(cells, layout.columns, ignore_unknown=layout.ignore_unknown_columns)

    def _form(self, text: str) -> dict[str, Any]:
        layout = self._layout
        form = (
            self._columns.form(self._cells(text))
            if self._columns is not None
            else self._object(text)
        )
        form.setdefault("channel", layout.channel)
        if layout.community_id is not None:
            form.setdefault("community_id", layout.community_id)
        return form

    def _cells(self, text: str) -> list[str]:
        try:
            return cells_of(text, self._layout.delimiter)
        except ValueError:
            raise _invalid(
                "malformed-row",
                "The quotes of the line do not match; double a quote that is part of a cell.",
            ) from None

    def _object(self, text: str) -> dict[str, Any]:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise _invalid("malformed-row", "The line is not JSON.") from None
        if not isinstance(value, dict):
            raise _invalid("malformed-row", "The line is not a JSON object.")
        names = self._layout.columns
        return without_marks({names.get(key, key): inner for key, inner in value.items()})

    def _text(self, record: bytes | None) -> str:
        if record is None:
            raise _invalid("row-too-long", f"A row has {LONGEST_ROW} bytes at most.")
        return self._transcription.text(record.removesuffix(b"\r"))


def kept_for_mending(text: str, layout: FileLayout, header: Sequence[str]) -> str | None:
    """A rejected line as it may be kept: without the number of an identity card.

    None of a line that cannot be taken apart when the file may have such numbers.
    """
    if layout.format is FileFormat.NDJSON:
        return _object_without_secret(text, layout)
    ours = [layout.columns.get(cell.strip(), cell.strip()) for cell in header]
    if UNKEPT not in ours:
        return text
    try:
        cells = cells_of(text, layout.delimiter)
    except ValueError:
        return None
    if len(cells) != len(ours):
        return None
    cells[ours.index(UNKEPT)] = ""
    line = io.StringIO()
    csv.writer(line, delimiter=layout.delimiter, lineterminator="").writerow(cells)
    return line.getvalue()


def _object_without_secret(text: str, layout: FileLayout) -> str | None:
    secret = next((theirs for theirs, ours in layout.columns.items() if ours == UNKEPT), UNKEPT)
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None if UNKEPT in text or secret in text else text
    if not isinstance(said, dict) or said.keys().isdisjoint({UNKEPT, secret}):
        return text
    rest = {name: value for name, value in said.items() if name not in (UNKEPT, secret)}
    return orjson.dumps(rest).decode()


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of a line. Raises ValueError when its quotes do not match."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        raise ValueError(line) from None


class _Inflate:
    """Decompresses gzip of one or several members, a bounded piece at a time."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._empty = True

    def pieces(self, content: bytes) -> Iterator[bytes]:
        """What `content` decompresses to."""
        self._empty = self._empty and not content
        piece = b""
        while content or len(piece) == DECOMPRESSED_AT_ONCE:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            try:
                piece = self._member.decompress(content, DECOMPRESSED_AT_ONCE)
            except zlib.error:
                raise _broken_gzip() from None
            yield piece
            ended = self._member.eof
            content = self._member.unused_data if ended else self._member.unconsumed_tail

    def finish(self) -> None:
        """Raise `Refusal` `broken-gzip` unless the last member is whole."""
        if self._empty or not self._member.eof:
            raise _broken_gzip()


def _broken_gzip() -> Refusal:
    return _invalid("broken-gzip", "The body is not gzip, or was cut off; compress it anew.")


def _invalid(code: str, detail: str) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.INVALID)
