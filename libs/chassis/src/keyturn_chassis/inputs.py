"""What a decision is made on: an event, a command or a fired timer, each with its cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from keyturn_events import Event

S = TypeVar("S")
V = TypeVar("V")

_NAMESPACE = UUID("6f0c3c0e-3d0a-5d0e-9a5e-0d1f6f1c7a10").bytes


@dataclass(frozen=True, slots=True)
class Cause:
    """What led to a decision.

    `source` and `id` identify the input (CloudEvents source and id; for a request the caller and
    its idempotency key; for a timer its owner and kind). `at` is business time: when the fact
    happened, when the request came, when the timer was due. Nothing else tells a decision the
    time, so that deciding again gives the same answer. `recorded_at` is when an event's producer
    wrote it down: it puts events of the same business time in order, and is good for nothing else.
    """

    source: str
    id: str
    at: datetime
    traceparent: str | None = None
    recorded_at: datetime | None = None

    def derive_id(self, *parts: object) -> str:
        """An id that is the same whenever the same input is decided again (a UUID, version 5)."""
        name = "\x1f".join((self.source, self.id, *map(str, parts)))
        digest = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
        # Written out by hand: the uuid module takes thrice as long, and every event has an id.
        variant = "89ab"[int(digest[16], 16) & 3]
        return (
            f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
        )


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A deadline that passed. `due_at` is the time that counts, however late it fires."""

    owner: str
    kind: str
    key: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record of an untrusted topic, as it came: nothing about it has been checked."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


Decision: TypeAlias = Callable[[S, V, Cause], tuple[S, Sequence[Event]]]
"""`(state, input, cause) -> (new state, events)`: pure. It raises `Refusal` to say no."""


@dataclass(frozen=True, slots=True)
class Input(Generic[V]):
    """A value to decide on, why it is there, and the decision that is to be made."""

    value: V
    cause: Cause
    decide: Decision[Any, V]
