"""How the desk works in a community: its time zone, its calendar, its handover template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from service_desk.domain.calendar import BusinessCalendar, Shift, checked, zone_of
from service_desk.domain.templates import TemplateGate

STANDARD: Final = "standard"
"""Code of the calendar and of the template that every desk has from the beginning."""
DEFAULT_ZONE: Final = "UTC"


@dataclass(frozen=True, slots=True)
class Community:
    """What is set for one community; what is not set is the standard."""

    community_id: str
    zone: str | None = None
    """As somebody set it."""
    heard_zone: str | None = None
    """As purchases tell it."""
    calendar: str = STANDARD
    template: str = STANDARD

    @property
    def time_zone(self) -> str | None:
        """The zone that counts: what was set before what was heard; None when neither was."""
        return self.zone or self.heard_zone


@dataclass(frozen=True, slots=True)
class SetCommunity:
    """Somebody sets how the desk works in a community."""

    community_id: str
    zone: str | None
    calendar: str
    template: str


@dataclass(frozen=True, slots=True)
class SetCalendar:
    """Somebody writes a calendar, or another version of it."""

    code: str
    zone: str
    week: tuple[tuple[Shift, ...], ...]
    exceptions: Mapping[date, tuple[Shift, ...]]


@dataclass(frozen=True, slots=True)
class SetTemplate:
    """Somebody writes a handover template, or another version of it."""

    code: str
    gates: tuple[TemplateGate, ...]
    completion_days: int


def heard_zone(community: Community, zone: str | None) -> Community:
    """`community` after a purchase told its time zone.

    Purchases that disagree are a mistake somewhere; then the first by name counts, so that the
    order in which they are heard does not.
    """
    if zone is None:
        return community
    name = zone_of(zone).key
    return replace(community, heard_zone=min(community.heard_zone or name, name))


def set_community(community: Community, command: SetCommunity) -> Community:
    """The community with its new settings; raises `Refusal` for an unknown time zone."""
    zone = None if command.zone is None else zone_of(command.zone).key
    return replace(community, zone=zone, calendar=command.calendar, template=command.template)


def next_calendar(known: BusinessCalendar | None, command: SetCalendar) -> BusinessCalendar:
    """The calendar as it is now to be: the known version when nothing differs, else another."""
    wanted = checked(
        BusinessCalendar(
            command.code,
            known.version if known else 1,
            zone_of(command.zone).key,
            command.week,
            dict(command.exceptions),
        )
    )
    if known is None or wanted == known:
        return wanted
    return replace(wanted, version=known.version + 1)
