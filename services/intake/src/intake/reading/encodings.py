"""How the characters of a file are written, and how its bytes become text that rows are read from.

A byte order mark is part of no cell, and it is a better witness than the caller: a file that begins
with one is read as its mark says. UTF-16 is rewritten piece by piece, because the byte of a line
break may be half of another character in it; every other encoding here keeps line breaks and
quotes apart from the rest of its bytes.
"""

from __future__ import annotations

import codecs
from typing import Final

from intake.domain.imports.imports import Encoding
from keyturn_events import Refusal, RefusalKind

_CODECS: Final = {
    Encoding.UTF_8: "utf-8",
    Encoding.UTF_16: "utf-16",
    Encoding.GB18030: "gb18030",
    Encoding.BIG5: "big5hkscs",
    Encoding.SHIFT_JIS: "cp932",
    Encoding.EUC_JP: "euc_jp",
    Encoding.EUC_KR: "cp949",
    Encoding.WINDOWS_1250: "cp1250",
    Encoding.WINDOWS_1251: "cp1251",
    Encoding.WINDOWS_1252: "cp1252",
}
"""What Python calls them; of two forms of one encoding the wider one, which Windows writes."""
_MARKS: Final = (
    (codecs.BOM_UTF8, Encoding.UTF_8, "utf-8"),
    (b"\x84\x31\x95\x33", Encoding.GB18030, "gb18030"),
    (codecs.BOM_UTF16_LE, Encoding.UTF_16, "utf-16-le"),
    (codecs.BOM_UTF16_BE, Encoding.UTF_16, "utf-16-be"),
)
_LONGEST_MARK: Final = max(len(mark) for mark, _, _ in _MARKS)


class Transcription:
    """Turns the bytes of a file, piece by piece, into bytes in which rows can be found."""

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        """The encoding, by the file's mark once its beginning has been read."""
        self._codec = _CODECS[encoding]
        self._beginning: bytes | None = b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, piece: bytes) -> bytes:
        """What `piece` adds; nothing before the beginning is long enough to show its mark."""
        if self._beginning is not None:
            piece = self._beginning + piece
            if len(piece) < _LONGEST_MARK:
                self._beginning = piece
                return b""
            piece = self._begin(piece)
        return self._transcribed(piece, final=False)

    def finish(self) -> bytes:
        """What is left at the end of the file. Raises `Refusal` `cut-off-character`."""
        rest = b"" if self._beginning is None else self._begin(self._beginning)
        return self._transcribed(rest, final=True)

    def text(self, record: bytes) -> str:
        """One row as text. Raises `Refusal` `undecodable`, with the place and what to do."""
        try:
            return record.decode(self._codec)
        except UnicodeDecodeError as error:
            raise _undecodable(record, error, self.encoding) from None

    def readable(self, record: bytes) -> str:
        """One row as far as it can be read, a mark in place of what cannot."""
        return record.decode(self._codec, "replace")

    def _begin(self, beginning: bytes) -> bytes:
        self._beginning = None
        mark, self.encoding, self._codec = next(
            (known for known in _MARKS if beginning.startswith(known[0])),
            (b"", self.encoding, self._codec),
        )
        if self.encoding is Encoding.UTF_16:
            # Without a mark it is as Windows writes it.
            order = "utf-16-le" if self._codec == "utf-16" else self._codec
            self._decoder = codecs.getincrementaldecoder(order)("surrogatepass")
            self._codec = "utf-8"
        return beginning[len(mark) :]

    def _transcribed(self, piece: bytes, *, final: bool) -> bytes:
        if self._decoder is None:
            return piece
        try:
            # Half a surrogate pair is found again in its row, and only that row is rejected.
            return self._decoder.decode(piece, final).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise Refusal(
                "cut-off-character",
                "The file ends in the middle of a character; send the whole file, in the encoding"
                " that `encoding` names.",
                kind=RefusalKind.INVALID,
            ) from None


def _undecodable(record: bytes, error: UnicodeDecodeError, encoding: Encoding) -> Refusal:
    if encoding is Encoding.UTF_16:
        place = len(record[: error.start].decode("utf-8", "replace")) + 1
        what = f"Character {place} of the row is half a surrogate pair"
    else:
        wrong = record[error.start : error.end].hex(" ").upper()
        what = f"Byte {error.start + 1} of the row ({wrong}) is not {encoding} text"
    return Refusal(
        "undecodable",
        f"{what}; save the file as UTF-8, or name the encoding it has with `encoding`: "
        + ", ".join(Encoding)
        + ".",
        kind=RefusalKind.INVALID,
    )
