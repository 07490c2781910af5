"""Reads a file of leads as it comes, piece by piece, into numbered rows.

A row that cannot be read is a row with a fault; it keeps no other back. Only the file as a whole
can fail: by its header, by broken compression, or by its size.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from intake.domain.imports import FileFormat, FileLayout
from intake.reading.columns import Columns
from keyturn_events import Refusal, RefusalKind

MOST_ROWS: Final = 1_000_000
"""Rows of one file."""
LONGEST_ROW: Final = 65_536
"""Bytes of one row, line breaks within quotes included."""
DECOMPRESSED_AT_ONCE: Final = 1_048_576
"""Bytes that one step of decompression makes at most, so that a small file cannot fill memory."""

_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\x84\x31\x95\x33")
_QUOTE: Final = b'"'


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, from 1: the form that it fills, or why it cannot be read."""

    number: int
    form: dict[str, Any] | None = None
    fault: Refusal | None = None


class RowReader:
    """Give it the bytes of a file in order; it gives the rows that are complete."""

    def __init__(self, layout: FileLayout) -> None:
        self._layout = layout
        self._inflate = _Inflate() if layout.gzip else None
        self._pending = b""
        self._at_start = True
        self._skipping = False
        self._columns: Columns | None = None
        self._rows = 0

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
            yield from self._rows_of(self._records(piece))

    def finish(self) -> Iterator[Row]:
        """The last row, when nothing ends it but the end of the file. Raises as `feed`."""
        if self._inflate is not None:
            self._inflate.finish()
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
        if self._at_start and len(data) >= len(max(_BYTE_ORDER_MARKS, key=len)):
            self._at_start = False
            for mark in _BYTE_ORDER_MARKS:
                data = data.removeprefix(mark)
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
            try:
                yield Row(self._rows, self._form(record))
            except Refusal as refusal:
                yield Row(self._rows, fault=refusal)

    def _header(self, record: bytes | None) -> Columns:
        try:
            cells = self._cells(record)
        except Refusal as refusal:
            raise _invalid("header-not-readable", f"The header: {refusal.detail}") from None
        layout = self._layout
        return Columns(cells, layout.columns, ignore_unknown=layout.ignore_unknown_columns)

    def _form(self, record: bytes | None) -> dict[str, Any]:
        layout = self._layout
        form = (
            self._columns.form(self._cells(record))
            if self._columns is not None
            else self._object(record)
        )
        form.setdefault("channel", layout.channel)
        if layout.community_id is not None:
            form.setdefault("community_id", layout.community_id)
        return form

    def _cells(self, record: bytes | None) -> list[str]:
        text = self._text(record)
        try:
            return next(csv.reader([text], delimiter=self._layout.delimiter, strict=True))
        except (csv.Error, StopIteration):
            raise _invalid(
                "malformed-row",
                "The quotes of the line do not match; double a quote that is part of a cell.",
            ) from None

    def _object(self, record: bytes | None) -> dict[str, Any]:
        try:
            value = orjson.loads(self._text(record))
        except orjson.JSONDecodeError:
            raise _invalid("malformed-row", "The line is not JSON.") from None
        if not isinstance(value, dict):
            raise _invalid("malformed-row", "The line is not a JSON object.")
        names = self._layout.columns
        return {names.get(key, key): inner for key, inner in value.items()} if names else value

    def _text(self, record: bytes | None) -> str:
        if record is None:
            raise _invalid("row-too-long", f"A row has {LONGEST_ROW} bytes at most.")
        try:
            return record.removesuffix(b"\r").decode(self._layout.encoding)
        except UnicodeDecodeError:
            raise _invalid("undecodable", f"The row is not {self._layout.encoding} text.") from None


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
