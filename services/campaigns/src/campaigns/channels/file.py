"""A channel that writes to a file: for the demo, and to see what would be sent.

One JSON line a message. A message that is handed over again under its id is not written again,
whichever process does it.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from pathlib import Path
from typing import BinaryIO, Final

from campaigns.channels.port import Outcome, Outgoing, Refused, Taken
from keyturn_events.vocabulary import FailureReason

_APPEND: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT
_PRIVATE: Final = 0o600
"""For the owner alone: the file holds contact details."""


class FileChannel:
    """Appends messages to the file at `path`, each once."""

    repeatable = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[str] = set()
        self._read_to = 0

    async def deliver(self, message: Outgoing) -> Outcome:
        """Append the message, unless it is there already."""
        try:
            await self._append_in_turn(message)
        except OSError:
            return Refused(FailureReason.UNREACHABLE, lasting=False)
        return Taken(f"file:{message.message_id}")

    async def _append_in_turn(self, message: Outgoing) -> None:
        """Append here, which takes microseconds, unless another process has the file.

        A thread would wait for milliseconds to be let run, while the loop is busy.
        """
        try:
            self._append(message, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.to_thread(self._append, message, fcntl.LOCK_EX)

    def _append(self, message: Outgoing, lock: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(self._path, _APPEND, _PRIVATE), "r+b") as file:
            fcntl.flock(file, lock)
            self._read_on(file)
            if message.message_id in self._known:
                return
            line = json.dumps(_line(message), ensure_ascii=False) + "\n"
            file.write(line.encode())
            file.flush()

    def _read_on(self, file: BinaryIO) -> None:
        """Learn which messages have been written since we last looked; mend a torn last line."""
        file.seek(self._read_to)
        for line in file.read().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                file.truncate(self._read_to)
                return
            self._read_to += len(line)
            self._known.add(json.loads(line)["message_id"])


def _line(message: Outgoing) -> dict[str, str | None]:
    return {
        "message_id": message.message_id,
        "channel": message.channel,
        "to": message.to,
        "language": message.language,
        "subject": message.subject,
        "body": message.body,
        "unsubscribe_url": message.unsubscribe_url,
    }
