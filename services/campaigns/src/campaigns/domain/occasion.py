"""When and why a decision is made, as far as the rules need to know."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Occasion(Protocol):
    """What led to a decision: the part of it that a rule may look at."""

    @property
    def id(self) -> str:
        """The id of the event, request or timer."""
        ...

    @property
    def at(self) -> datetime:
        """Business time."""
        ...

    @property
    def traceparent(self) -> str | None:
        """The trace that the input belongs to: carried along, never looked at."""
        ...

    def derive_id(self, *parts: object) -> str:
        """An id that is the same whenever the same input is decided again."""
        ...
