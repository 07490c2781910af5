"""When and why a decision is made, as far as the rules need to know."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Occasion(Protocol):
    """The cause of a decision: it tells the time, and gives ids that a repetition gives again."""

    @property
    def at(self) -> datetime:
        """Business time, with its offset."""
        ...

    def derive_id(self, *parts: object) -> str:
        """An id that is the same whenever the same input is decided again."""
        ...
