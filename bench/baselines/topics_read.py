"""What segmentation reads: its topics, and the event class of each type that concerns it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from keyturn_chassis.cloudevents import decode, event_type
from keyturn_events import Event, Message
from segmentation.reactions import reactions

TOPICS: tuple[str, ...] = tuple(str(topic) for topic in reactions.topics)
CLASSES: dict[str, type[Event]] = {name: kind for name, (kind, _) in reactions.events.items()}


def bootstrap() -> str:
    """Where the broker is."""
    return os.environ["KEYTURN_KAFKA_BOOTSTRAP"]


def message_of(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> Message[Any] | None:
    """The typed event of a record; None for a type that is not read."""
    headers = tuple(headers)
    kind = CLASSES.get(event_type(headers) or "")
    return None if kind is None else decode(kind, headers, value)
