"""The rules for all sending, as data: when, how often, and what is taken when nothing is known."""

from __future__ import annotations

from dataclasses import dataclass, field

from campaigns.domain.frequency import Cap
from campaigns.domain.quiet_hours import Window
from keyturn_events.vocabulary import Purpose


@dataclass(frozen=True, slots=True)
class Policy:
    """What every send is held to. Each change of it counts `version` up."""

    version: int = 1
    window: Window = field(default_factory=Window)
    """When people may be written to, by the wall clock of their own zone."""
    time_zone: str = "Asia/Shanghai"
    """The zone of a person of whom neither a zone nor a community's zone is known."""
    language: str = "zh"
    """The language of a person of whom none is known: en or zh."""
    caps: tuple[Cap, ...] = (Cap(Purpose.MARKETING, 3, 7), Cap(Purpose.SURVEY, 1, 7))
