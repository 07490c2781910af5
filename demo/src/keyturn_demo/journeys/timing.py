"""When things of the generated neighbourhood happen, in business time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keyturn_demo.neighbourhood import Touch

OPEN_MINUTES: Final = 480
"""Opening hours a day."""


def came_at(touch: Touch, opening: datetime) -> datetime:
    """When a person came: some time during the opening hours of their day."""
    minute = sum(touch.reference.encode()) * 7 % OPEN_MINUTES
    return opening + timedelta(days=touch.day, minutes=minute)
