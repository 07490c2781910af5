"""The club's terms, as data: what a referral earns, how long points hold, where the tiers begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from keyturn_events.vocabulary import Tier


@dataclass(frozen=True, slots=True)
class Programme:
    """The terms of the member club 万客会."""

    referral_points: int = 10_000
    """What an owner earns for a purchase by somebody they recommended."""
    survey_points: int = 100
    """What answering a survey earns."""
    points_hold_years: int = 2
    """How many years after they were given points expire."""
    time_zone: str = "Asia/Shanghai"
    """The zone in which the club's days end."""
    tiers: Mapping[Tier, int] = field(
        default_factory=lambda: {
            Tier.BLUE: 0,
            Tier.SILVER: 5_000,
            Tier.GOLD: 20_000,
            Tier.BLACK: 60_000,
        }
    )
    """From how many points earned in all, reversals taken off, a tier begins; in rising order."""


PROGRAMME: Final = Programme()
"""The terms that hold now."""
