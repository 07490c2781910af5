"""The topics there are, and the logs of their partitions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from keyturn_local.embedded_broker.errors import ErrorCode, Rejected
from keyturn_local.embedded_broker.partition_log import PartitionLog

MAX_TOPIC_NAME = 249
MAX_PARTITIONS = 200
DEFAULT_PARTITIONS = 1
PRODUCER_IDS_PER_START = 1_000_000
"""Producer ids are not reused after a restart: every start begins a block of its own."""

_TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]+")


class Catalogue:
    """All topics of the broker, kept in `topics.json` and one file a partition."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "topics.json"
        self._topics: dict[str, list[PartitionLog]] = {}
        directory.mkdir(parents=True, exist_ok=True)
        if self._file.exists():
            counts: dict[str, int] = json.loads(self._file.read_text(encoding="utf-8"))
            for name, partitions in counts.items():
                self._topics[name] = self._open(name, partitions)
        used = max((log.highest_producer_id for log in self._logs()), default=-1)
        self._next_producer_id = self._reserve_producer_ids(used)

    def names(self) -> list[str]:
        """The topics' names, in the order they were created."""
        return list(self._topics)

    def partitions(self, topic: str) -> list[PartitionLog] | None:
        """The logs of a topic's partitions; None if there is no such topic."""
        return self._topics.get(topic)

    def log(self, topic: str, partition: int) -> PartitionLog:
        """One partition.

        Raises:
            Rejected: there is no such topic or partition.
        """
        logs = self._topics.get(topic, [])
        if not 0 <= partition < len(logs):
            raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return logs[partition]

    def create(self, topic: str, partitions: int, replication: int, *, pretend: bool) -> None:
        """Create a topic; with `pretend`, only check whether it could be.

        Raises:
            Rejected: the name or a number is not allowed, or the topic is there.
        """
        count = DEFAULT_PARTITIONS if partitions == -1 else partitions
        if not _TOPIC_NAME.fullmatch(topic) or topic in (".", "..") or len(topic) > MAX_TOPIC_NAME:
            raise Rejected(ErrorCode.INVALID_TOPIC)
        if topic in self._topics:
            raise Rejected(ErrorCode.TOPIC_ALREADY_EXISTS)
        if not 1 <= count <= MAX_PARTITIONS:
            raise Rejected(ErrorCode.INVALID_PARTITIONS)
        if replication not in (-1, 1):
            raise Rejected(ErrorCode.INVALID_REPLICATION_FACTOR)
        if not pretend:
            self._topics[topic] = self._open(topic, count)
            self._save()

    def delete(self, topic: str) -> None:
        """Remove a topic and its records.

        Raises:
            Rejected: there is no such topic.
        """
        logs = self._topics.pop(topic, None)
        if logs is None:
            raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        self._save()
        for partition, log in enumerate(logs):
            log.close()
            self._path(topic, partition).unlink()

    def new_producer_id(self) -> int:
        """An id that no producer had before."""
        self._next_producer_id += 1
        return self._next_producer_id - 1

    def close(self) -> None:
        """Close all files."""
        for log in self._logs():
            log.close()

    def _logs(self) -> Iterator[PartitionLog]:
        for logs in self._topics.values():
            yield from logs

    def _path(self, topic: str, partition: int) -> Path:
        return self._directory / f"{topic}-{partition}.log"

    def _open(self, topic: str, partitions: int) -> list[PartitionLog]:
        return [PartitionLog(self._path(topic, partition)) for partition in range(partitions)]

    def _save(self) -> None:
        counts = {name: len(logs) for name, logs in self._topics.items()}
        _replace(self._file, json.dumps(counts, indent=2))

    def _reserve_producer_ids(self, used: int) -> int:
        file = self._directory / "producer-ids"
        earlier = int(file.read_text(encoding="utf-8")) if file.exists() else 0
        first = max(earlier, used + 1)
        _replace(file, str(first + PRODUCER_IDS_PER_START))
        return first


def _replace(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    draft = file.with_name(f"{file.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)
