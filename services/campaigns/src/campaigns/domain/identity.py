"""Ids that follow from what they name, so that deciding again gives the same ones."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("4b0f7d1c-6a57-5c1e-8b93-0d9a2f6e7c41")


def derive(*parts: str) -> str:
    """The id of the thing that `parts` name: the same parts, the same id."""
    return str(uuid5(_NAMESPACE, "\x1f".join(parts)))
