"""The rules that a community sets for its leads and purchases, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from intake.domain.consent.consents import ConsentSubject
from intake.domain.leads.opening_hours import Period, after_open_minutes
from intake.domain.leads.ownership import ContactKind
from keyturn_events.vocabulary import LeadStage, Purpose

STALLED_AFTER_DAYS: Mapping[LeadStage, int] = MappingProxyType(
    {LeadStage.NEW: 3, LeadStage.CONTACTED: 7, LeadStage.VISITED: 14, LeadStage.QUEUED: 30}
)
"""Idle days after which an open lead has stalled. A lead with a claim on a home never stalls."""

PROTECTION_DAYS: Mapping[ContactKind, int] = MappingProxyType(
    {ContactKind.PHONE: 15, ContactKind.VISIT: 7, ContactKind.FOLLOW_UP: 30}
)
"""Days for which a contact protects a lead 判客; a message protects none."""

FIRST_RESPONSE_MINUTES: Final = 1_440
"""Within which a new lead is to be contacted, where a community sets nothing else."""
MOST_RESPONSE_MINUTES: Final = 2_880
"""The longest time within opening hours that a community can set for it."""
REMEMBERED_UNREGISTERED: Final = 1_024
"""Communities with the default rules that are remembered; leads may name whatever they like."""


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
    stalled_after_days: Mapping[LeadStage, int] = field(
        default_factory=lambda: dict(STALLED_AFTER_DAYS)
    )
    opening_hours: tuple[Period, ...] = ()
    """When the showroom is open; without any, always."""
    first_response_minutes: int = FIRST_RESPONSE_MINUTES
    """Within opening hours, until somebody is alerted that a lead was not contacted."""
    reassigns_overdue: bool = False
    """Whether a lead that was not contacted in time then goes to another advisor."""
    protection_days: Mapping[ContactKind, int] = field(
        default_factory=lambda: dict(PROTECTION_DAYS)
    )
    staffed: bool = False
    """Whether advisors are registered for it, to whom its leads are given."""

    double_opt_in: tuple[ConsentSubject, ...] = ()
    """The channels and purposes whose consent holds only once the person has confirmed it."""
    contract_allows: tuple[Purpose, ...] = (Purpose.SERVICE,)
    """The purposes for which a signed contract implies consent 合同."""
    reservation_days: int | None = None
    """Days after which a reservation runs out that names no end; None when it never does."""

    def reservation_ends(self, at: datetime) -> datetime | None:
        """When a home is free again that was reserved at that time and not subscribed since."""
        return None if self.reservation_days is None else at + timedelta(self.reservation_days)

    def stalls_at(self, stage: LeadStage, idle_since: datetime) -> datetime | None:
        """When a lead that has been idle since then has stalled; None when its stage never does."""
        days = self.stalled_after_days.get(stage)
        return None if days is None else idle_since + timedelta(days=days)

    def response_due(self, came_at: datetime) -> datetime:
        """Until when somebody who came then is to be contacted."""
        return after_open_minutes(
            self.opening_hours, ZoneInfo(self.time_zone), came_at, self.first_response_minutes
        )

    def protects(self, contact: ContactKind) -> int:
        """For how many days such a contact protects a lead; 0 for not at all."""
        return self.protection_days.get(contact, 0)

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


@lru_cache(maxsize=REMEMBERED_UNREGISTERED)
def unregistered(community_id: str | None) -> Community:
    """The rules of a community that is not registered: the defaults."""
    return Community(community_id)


ANY_COMMUNITY = Community()
"""The rules where no community is named or registered."""
