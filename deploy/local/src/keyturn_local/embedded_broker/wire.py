"""Kafka's wire format: how requests and answers are laid out in bytes.

Only the fixed-width encodings are here. Every version of a request that the broker offers is one
from before Kafka's compact encodings, which all clients still speak.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

_INT8 = struct.Struct(">b")
_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")


class MalformedRequestError(Exception):
    """A request ends before its own layout says so, or contains what cannot be."""


class Reader:
    """Takes a request apart, field by field."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def int8(self) -> int:
        """A signed 8-bit number."""
        return self._number(_INT8)

    def int16(self) -> int:
        """A signed 16-bit number."""
        return self._number(_INT16)

    def int32(self) -> int:
        """A signed 32-bit number."""
        return self._number(_INT32)

    def int64(self) -> int:
        """A signed 64-bit number."""
        return self._number(_INT64)

    def boolean(self) -> bool:
        """One byte, 0 or 1."""
        return self.int8() != 0

    def nullable_string(self) -> str | None:
        """A string with its length before it; length -1 is null."""
        length = self.int16()
        return None if length < 0 else self._text(length)

    def string(self) -> str:
        """A string that may not be null."""
        text = self.nullable_string()
        if text is None:
            raise MalformedRequestError("a string that must be there is null")
        return text

    def blob(self) -> bytes:
        """Bytes with their length before them; null reads as empty."""
        return self._take(max(0, self.int32()))

    def nullable_array(self, item: Callable[[], T]) -> list[T] | None:
        """A counted sequence, each element read by `item`; count -1 is null."""
        count = self.int32()
        if count > len(self._data):
            raise MalformedRequestError(f"an array of {count} elements does not fit the request")
        return None if count < 0 else [item() for _ in range(count)]

    def array(self, item: Callable[[], T]) -> list[T]:
        """A counted sequence; null reads as empty."""
        return self.nullable_array(item) or []

    def _number(self, layout: struct.Struct) -> int:
        try:
            (value,) = layout.unpack_from(self._data, self._position)
        except struct.error as error:
            raise MalformedRequestError("the request ends in the middle of a number") from error
        self._position += layout.size
        return int(value)

    def _take(self, length: int) -> bytes:
        end = self._position + length
        if end > len(self._data):
            raise MalformedRequestError(f"{length} bytes are announced and are not there")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def _text(self, length: int) -> str:
        try:
            return self._take(length).decode()
        except UnicodeDecodeError as error:
            raise MalformedRequestError("a string is not UTF-8") from error


class Writer:
    """Puts an answer together, field by field."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def int16(self, value: int) -> Writer:
        """A signed 16-bit number."""
        self._parts.append(_INT16.pack(value))
        return self

    def int32(self, value: int) -> Writer:
        """A signed 32-bit number."""
        self._parts.append(_INT32.pack(value))
        return self

    def int64(self, value: int) -> Writer:
        """A signed 64-bit number."""
        self._parts.append(_INT64.pack(value))
        return self

    def boolean(self, value: bool) -> Writer:
        """One byte, 0 or 1."""
        self._parts.append(b"\1" if value else b"\0")
        return self

    def string(self, value: str | None) -> Writer:
        """A string with its length before it."""
        if value is None:
            return self.int16(-1)
        data = value.encode()
        self.int16(len(data))
        self._parts.append(data)
        return self

    def blob(self, value: bytes) -> Writer:
        """Bytes with their length before them."""
        self.int32(len(value))
        self._parts.append(value)
        return self

    def raw(self, data: bytes) -> Writer:
        """Bytes that are laid out already."""
        self._parts.append(data)
        return self

    def array(self, items: Iterable[T], write: Callable[[T], object]) -> Writer:
        """A counted sequence, each element written by `write`."""
        elements = list(items)
        self.int32(len(elements))
        for element in elements:
            write(element)
        return self

    def finish(self) -> bytes:
        """Everything written."""
        return b"".join(self._parts)
