"""Kafka records in memory, and files of them that one process hands to another."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from keyturn_events import Message


class Record(NamedTuple):
    """A record as it is handed to a producer."""

    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @classmethod
    def of(cls, message: Message[Any]) -> Record:
        """The record of an event in its envelope."""
        return cls(str(message.event.topic), message.key, message.value, message.headers)


def write(path: Path, records: Iterable[Record]) -> None:
    """Keep records in a file."""
    path.write_bytes(pickle.dumps([tuple(record) for record in records]))


def read(path: Path) -> list[Record]:
    """The records of a file that `write` made."""
    return [Record(*fields) for fields in pickle.loads(path.read_bytes())]  # noqa: S301 - our own file
