"""What the desk promises on a case: data, by severity, in working time.

A case keeps the promises that were made when it was opened; a later policy binds later cases only.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from keyturn_events.vocabulary import Priority, Severity, SlaTarget


@dataclass(frozen=True, slots=True)
class Promises:
    """Working time for each target; None where nothing was promised."""

    first_response: timedelta | None
    next_update: timedelta | None
    resolution: timedelta | None

    def budget(self, target: SlaTarget) -> timedelta | None:
        """The working time promised for `target`."""
        match target:
            case SlaTarget.FIRST_RESPONSE:
                return self.first_response
            case SlaTarget.NEXT_UPDATE:
                return self.next_update
            case SlaTarget.RESOLUTION:
                return self.resolution


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung of the escalation ladder: who answers, so much working time after a breach."""

    after: timedelta
    role: str


def _hours(number: int) -> timedelta:
    return timedelta(hours=number)


POLICY: Final[Mapping[Severity, Promises]] = {
    Severity.CRITICAL: Promises(_hours(1), _hours(4), _hours(24)),
    Severity.MAJOR: Promises(_hours(4), _hours(16), _hours(40)),
    Severity.MINOR: Promises(_hours(8), _hours(40), _hours(80)),
}
"""By default: a critical case is answered within a working hour and solved within three days."""

NO_PROMISES: Final = Promises(None, None, None)
"""For a case that brings its own due date, or none, from the system that it was kept in."""

LADDER: Final = (
    Rung(_hours(0), "team-lead"),
    Rung(_hours(8), "desk-manager"),
    Rung(_hours(24), "community-director"),
)
"""Levels 1 to 3, climbed for each broken promise on its own."""

SILENCE_CLOSES: Final = _hours(40)
"""Working time that the owner has to give a verdict before a resolved case closes by itself."""

MENDING: Final[Mapping[Severity, timedelta]] = {
    Severity.CRITICAL: _hours(24),
    Severity.MAJOR: _hours(80),
    Severity.MINOR: _hours(160),
}
"""Working time for mending a defect for which no deadline was given."""

ACT_ON_SURVEY: Final = _hours(16)
"""Working time within which the desk acts on a bad answer (closed loop)."""

_SOONER: Final = frozenset(
    {
        ("pulte", "active-adult"),
        ("pulte", "couple-with-infant"),
        ("vanke-five", "health-minded-elders"),
        ("vanke-five", "wealthy"),
    }
)
"""Segments whose playbook asks for care at once: elders, infants, and named service."""

_BY_SEVERITY: Final = {
    Severity.CRITICAL: Priority.URGENT,
    Severity.MAJOR: Priority.HIGH,
    Severity.MINOR: Priority.NORMAL,
}


def priority_of(severity: Severity, segments: AbstractSet[tuple[str, str]]) -> Priority:
    """How soon a case is taken up: by severity, one step sooner for some segments."""
    steps = (Priority.URGENT, Priority.HIGH, Priority.NORMAL, Priority.LOW)
    step = steps.index(_BY_SEVERITY[severity])
    return steps[max(0, step - 1)] if segments & _SOONER else steps[step]
