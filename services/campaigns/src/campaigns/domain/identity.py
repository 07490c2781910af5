"""Ids that follow from what they name, so that deciding again gives the same ones."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("4b0f7d1c-6a57-5c1e-8b93-0d9a2f6e7c41")


class Cause(Protocol):
    """What led to a decision: the part of it that a rule may look at."""

    @property
    def id(self) -> str:
        """The id of the event, request or timer."""
        ...

    @property
    def at(self) -> datetime:
        """Business time."""
        ...

    def derive_id(self, *parts: object) -> str:
        """An id that is the same whenever the same input is decided again."""
        ...


def derive(*parts: str) -> str:
    """The id of the thing that `parts` name: the same parts, the same id."""
    return str(uuid5(_NAMESPACE, "\x1f".join(parts)))
