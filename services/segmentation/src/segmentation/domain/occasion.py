"""When and why a decision is made, as far as the rules need to know."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Occasion(Protocol):
    """What led to a decision: its identity, and the business time at which it happened."""

    @property
    def id(self) -> str:
        """The id of the event, request or timer."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def recorded_at(self) -> datetime | None:
        """When its producer wrote it down."""

    def derive_id(self, *parts: object) -> str:
        """An id that is the same whenever the same input is decided again."""
