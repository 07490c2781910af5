"""The records of one partition: a file of record batches, exactly as they travel.

A batch is written whole before it is acknowledged. What a crash leaves half written at the end of
the file was never acknowledged, and is cut off when the file is opened.
"""

from __future__ import annotations

import asyncio
import os
import struct
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from keyturn_local.embedded_broker.errors import ErrorCode, Rejected

MAX_BATCH_BYTES = 1_048_588
"""Largest accepted batch: Apache Kafka's default."""
REMEMBERED_BATCHES = 5
"""How many batches back a producer's repetition is recognised: the protocol's number."""
SEQUENCE_MASK = 0x7FFF_FFFF
MAGIC = 2
LATEST = -1
EARLIEST = -2

# Base offset, length, leader epoch, magic, checksum, attributes, last offset delta,
# first and last timestamp, producer id and epoch, base sequence, record count.
_HEADER = struct.Struct(">qiibIhiqqqhii")
_BASE_OFFSET = struct.Struct(">q")
_LENGTH_END = 12
"""The length field counts what follows it; base offset and length themselves take 12 bytes."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What the log must know of a batch."""

    size: int
    last_offset_delta: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int

    @property
    def last_sequence(self) -> int:
        return (self.base_sequence + self.last_offset_delta) & SEQUENCE_MASK


@dataclass(slots=True)
class _Producer:
    """The last batches of an idempotent producer: first and last sequence, base offset."""

    epoch: int
    recent: deque[tuple[int, int, int]] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED_BATCHES)
    )


class PartitionLog:
    """Append and read the record batches of one partition."""

    def __init__(self, path: Path) -> None:
        self.end_offset = 0
        """The offset that the next record will get."""
        self.highest_producer_id = -1
        self._base_offsets: list[int] = []
        self._positions: list[int] = []
        self._timestamps: list[int] = []
        self._size = 0
        self._producers: dict[int, _Producer] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._recover()

    def append(self, data: bytes) -> int:
        """Append the batches of one produce request.

        Returns:
            The offset of the first record; of the earlier copy when a producer repeats itself.

        Raises:
            Rejected: the data is no record batch, too large, or out of the producer's sequence.
        """
        first_offset: int | None = None
        position = 0
        while position < len(data):
            batch = _parse(data, position)
            if batch is None:
                raise Rejected(ErrorCode.CORRUPT_MESSAGE)
            if batch.size > MAX_BATCH_BYTES:
                raise Rejected(ErrorCode.MESSAGE_TOO_LARGE)
            offset = self._offset_of_repetition(batch)
            if offset is None:
                offset = self.end_offset
                self._write(data[position : position + batch.size])
                self._remember(batch)
            first_offset = offset if first_offset is None else first_offset
            position += batch.size
        if first_offset is None:
            raise Rejected(ErrorCode.CORRUPT_MESSAGE)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        return first_offset

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Whole batches from the one that holds `offset`; at least one, however large.

        Returns:
            The batches; empty at the end of the log.

        Raises:
            Rejected: no record ever had, or next will have, this offset.
        """
        if not 0 <= offset <= self.end_offset:
            raise Rejected(ErrorCode.OFFSET_OUT_OF_RANGE)
        if offset == self.end_offset:
            return b""
        first = bisect_right(self._base_offsets, offset) - 1
        start = self._positions[first]
        beyond = bisect_right(self._positions, start + max_bytes)
        # The last batch that begins within the limit may end beyond it.
        if start + max_bytes < self._size:
            beyond = max(beyond - 1, first + 1)
        end = self._positions[beyond] if beyond < len(self._positions) else self._size
        return os.pread(self._file, end - start, start)

    def bytes_from(self, offset: int) -> int:
        """How many bytes `read` could return from this offset; 0 when there is nothing to read."""
        if not 0 <= offset < self.end_offset:
            return 0
        return self._size - self._positions[bisect_right(self._base_offsets, offset) - 1]

    def offset_at(self, timestamp: int) -> tuple[int, int]:
        """Where to start reading for records from `timestamp` (milliseconds) on.

        Returns:
            The timestamp and offset of the first batch that reaches it, or (-1, -1) if none does.
            The special timestamps -1 and -2 ask for the end and for the beginning.
        """
        if timestamp == LATEST:
            return -1, self.end_offset
        if timestamp == EARLIEST:
            return -1, 0
        for position, latest in enumerate(self._timestamps):
            if latest >= timestamp:
                return latest, self._base_offsets[position]
        return -1, -1

    def watch(self, future: asyncio.Future[None]) -> None:
        """Have `future` completed when something is appended."""
        self._waiting.add(future)

    def unwatch(self, future: asyncio.Future[None]) -> None:
        """Forget a future given to `watch`."""
        self._waiting.discard(future)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _recover(self) -> None:
        data_size = os.fstat(self._file).st_size
        while header := os.pread(self._file, _HEADER.size, self._size):
            batch = _parse_header(header)
            if batch is None or self._size + batch.size > data_size:
                os.ftruncate(self._file, self._size)
                break
            self._remember(batch)

    def _write(self, batch: bytes) -> None:
        """Write one batch at the end, numbered from the end offset; undo it if it fails."""
        numbered = _BASE_OFFSET.pack(self.end_offset) + batch[_BASE_OFFSET.size :]
        written = 0
        try:
            while written < len(numbered):
                written += os.pwrite(self._file, numbered[written:], self._size + written)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise

    def _remember(self, batch: _Batch) -> None:
        """Note a batch that is in the file: index, producer, end."""
        self._base_offsets.append(self.end_offset)
        self._positions.append(self._size)
        self._timestamps.append(batch.max_timestamp)
        if batch.producer_id >= 0:
            self.highest_producer_id = max(self.highest_producer_id, batch.producer_id)
            producer = self._producers.get(batch.producer_id)
            if producer is None or producer.epoch != batch.producer_epoch:
                producer = self._producers[batch.producer_id] = _Producer(batch.producer_epoch)
            producer.recent.append((batch.base_sequence, batch.last_sequence, self.end_offset))
        self.end_offset += batch.last_offset_delta + 1
        self._size += batch.size

    def _offset_of_repetition(self, batch: _Batch) -> int | None:
        """The offset of the batch if the log has it already; None if it is the next in order."""
        producer = self._producers.get(batch.producer_id)
        if producer is None:
            return None
        if batch.producer_epoch < producer.epoch:
            raise Rejected(ErrorCode.INVALID_PRODUCER_EPOCH)
        if batch.producer_epoch > producer.epoch:
            expected = 0
        else:
            for first, last, offset in producer.recent:
                if (first, last) == (batch.base_sequence, batch.last_sequence):
                    return offset
            expected = (producer.recent[-1][1] + 1) & SEQUENCE_MASK
        if batch.base_sequence != expected:
            raise Rejected(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
        return None


def _parse(data: bytes, position: int) -> _Batch | None:
    """The batch at `position`; None if there is no whole one."""
    batch = _parse_header(data[position : position + _HEADER.size])
    return batch if batch is not None and position + batch.size <= len(data) else None


def _parse_header(header: bytes) -> _Batch | None:
    if len(header) < _HEADER.size:
        return None
    fields = _HEADER.unpack(header)
    length, magic, last_offset_delta = fields[1], fields[3], fields[6]
    size = _LENGTH_END + length
    if magic != MAGIC or size < _HEADER.size or last_offset_delta < 0:
        return None
    return _Batch(size, last_offset_delta, fields[8], fields[9], fields[10], fields[11])
