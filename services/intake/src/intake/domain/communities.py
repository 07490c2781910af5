"""The rules that a community sets for its leads and purchases, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from keyturn_events.vocabulary import LeadStage

STALLED_AFTER_DAYS: Mapping[LeadStage, int] = MappingProxyType(
    {LeadStage.NEW: 3, LeadStage.CONTACTED: 7, LeadStage.VISITED: 14, LeadStage.QUEUED: 30}
)
"""Idle days after which an open lead has stalled. A lead with a claim on a home never stalls."""


@dataclass(frozen=True, slots=True)
class Community:
    """What intake must know of a community 楼盘; one that is not registered has the defaults."""

    community_id: str | None = None
    name: str | None = None
    time_zone: str = "Asia/Shanghai"
    region: str = "CN"
    """ISO 3166 country in which a phone number without country code is read."""
    cooling_off_days: int = 7
    """Whole days after the day of signing within which the buyer may rescind without reason."""
    stalled_after_days: Mapping[LeadStage, int] = field(default_factory=lambda: STALLED_AFTER_DAYS)

    def stalls_at(self, stage: LeadStage, idle_since: datetime) -> datetime | None:
        """When a lead that has been idle since then has stalled; None when its stage never does."""
        days = self.stalled_after_days.get(stage)
        return None if days is None else idle_since + timedelta(days=days)

    def today(self, at: datetime) -> date:
        """The calendar day of `at` in the community."""
        return at.astimezone(ZoneInfo(self.time_zone)).date()

    def cooling_off_ends(self, signed_on: date) -> datetime:
        """The end of the last day on which the buyer may rescind, in the community's time zone."""
        first_day_after = signed_on + timedelta(days=self.cooling_off_days + 1)
        return datetime.combine(first_day_after, time(), ZoneInfo(self.time_zone))

    def within_cooling_off(self, signed_on: date, day: date) -> bool:
        """Whether `day` is one on which the buyer may still rescind without reason."""
        return day <= signed_on + timedelta(days=self.cooling_off_days)


ANY_COMMUNITY = Community()
"""The rules where no community is named or registered."""
