"""Advisors 置业顾问: where they work, what they speak and know, and when they are on duty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from intake.domain.communities import Community
from intake.domain.leads.opening_hours import Period, within

USUAL_CAPACITY: Final = 100
"""Open leads of an advisor, at most, where none is said."""
MOST_CAPACITY: Final = 1_000
"""The largest capacity that an advisor can have."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Part of every week in which an advisor is there for a community, by its clocks."""

    community_id: str
    period: Period


@dataclass(frozen=True, slots=True)
class DutyCall:
    """An advisor reported for duty, or off it: that goes before the shifts."""

    on_duty: bool
    until: datetime | None = None
    """When the shifts count again; without it, until the next call."""


@dataclass(frozen=True, slots=True)
class Advisor:
    """An advisor. An id and a name to show are all that is kept of the person."""

    advisor_id: str
    display_name: str
    communities: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    """BCP 47 tags; only the part before the first hyphen is compared."""
    skills: tuple[str, ...] = ()
    """Codes, such as the product lines that the advisor knows."""
    capacity: int = USUAL_CAPACITY
    """Open leads, at most."""
    daily_quota: int | None = None
    """Leads that a rule may give within any 24 hours, at most."""
    shifts: tuple[Shift, ...] = ()
    """Without a shift in a community, the advisor is always there."""
    duty_call: DutyCall | None = None
    left_on: datetime | None = None

    def on_duty(self, community: Community, at: datetime) -> bool:
        """Whether the advisor is there for the community at that time."""
        if self.left_on is not None:
            return False
        call = self.duty_call
        if call is not None and (call.until is None or at < call.until):
            return call.on_duty
        if not self.shifts:
            return True
        periods = [s.period for s in self.shifts if s.community_id == community.community_id]
        return not periods or within(periods, ZoneInfo(community.time_zone), at)

    def speaks(self, language: str) -> bool:
        """Whether the advisor speaks a language, whatever its region and script."""
        wanted = language.partition("-")[0]
        return any(spoken.partition("-")[0] == wanted for spoken in self.languages)


@dataclass(frozen=True, slots=True)
class Workload:
    """What an advisor has to do already, as far as the store and the batch so far know."""

    open: int = 0
    """Open leads."""
    today: int = 0
    """Leads that were given in the 24 hours before, counted for those with a daily quota."""
    lately: int = 0
    """How many of the community's latest leads were given to this advisor."""


IDLE: Final = Workload()


@dataclass(frozen=True, slots=True)
class Desk:
    """Who works for a community, with what they have to do already."""

    advisors: tuple[Advisor, ...] = ()
    workloads: Mapping[str, Workload] = field(default_factory=lambda: MappingProxyType({}))
    known_to: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """The advisors of each customer's other leads and purchases, by customer id, the latest
    first."""

    def find(self, advisor_id: str) -> Advisor | None:
        """One of them."""
        return next((each for each in self.advisors if each.advisor_id == advisor_id), None)

    def given(self, advisor_id: str) -> Desk:
        """The desk after one more lead was given to an advisor."""
        load = self.workloads.get(advisor_id, IDLE)
        more = Workload(load.open + 1, load.today + 1, load.lately + 1)
        return replace(self, workloads={**self.workloads, advisor_id: more})


NO_DESK: Final = Desk()
"""Of a community that has registered no advisors: its leads are given by hand alone."""
