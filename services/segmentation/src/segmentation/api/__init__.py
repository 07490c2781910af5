"""The routes of segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from segmentation.api.routes import router

__all__ = ["SCOPES", "router"]

SCOPES: Final[Mapping[str, str]] = {
    "customers:read": "See profiles, timelines and segments of customers",
    "customers:export": "See everything that is held on one person",
    "segments:read": "See how many customers each segment has",
    "models:read": "See the segment models",
    "models:write": "Publish a new version of a segment model",
}
"""What each scope of segmentation allows."""
