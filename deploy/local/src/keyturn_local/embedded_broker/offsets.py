"""How far each consumer group has read: the committed offsets."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Commit:
    """A committed offset: the next one to read, and what the consumer noted with it."""

    offset: int
    note: str


class CommittedOffsets:
    """A file of lines, the last one of a group and partition counts; shortened at every start."""

    def __init__(self, path: Path) -> None:
        self._commits: dict[str, dict[tuple[str, int], Commit]] = {}
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                # A crash can leave half a line at the end, which was never acknowledged.
                if line.endswith(b"\n"):
                    group, topic, partition, offset, note = json.loads(line)
                    self._remember(group, topic, partition, Commit(offset, note))
        draft = path.with_name(f"{path.name}.draft")
        draft.write_bytes(
            b"".join(
                _line(group, topic, partition, commit)
                for group, commits in self._commits.items()
                for (topic, partition), commit in commits.items()
            )
        )
        draft.replace(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def commit(self, group: str, commits: dict[tuple[str, int], Commit]) -> None:
        """Commit the offsets of several partitions in one write."""
        lines = b"".join(
            _line(group, topic, partition, commit) for (topic, partition), commit in commits.items()
        )
        os.write(self._file, lines)
        for (topic, partition), commit in commits.items():
            self._remember(group, topic, partition, commit)

    def of_group(self, group: str) -> dict[tuple[str, int], Commit]:
        """A group's commits by topic and partition."""
        return dict(self._commits.get(group, {}))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _remember(self, group: str, topic: str, partition: int, commit: Commit) -> None:
        self._commits.setdefault(group, {})[topic, partition] = commit


def _line(group: str, topic: str, partition: int, commit: Commit) -> bytes:
    return json.dumps([group, topic, partition, commit.offset, commit.note]).encode() + b"\n"
