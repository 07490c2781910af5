"""Crises (群诉): complaints of one place rose so far that promotion to its owners pauses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypedDict

from keyturn_events import Event, Refusal
from keyturn_events.service_desk import CrisisDeclared, CrisisLifted

BASELINE: Final = timedelta(days=365)
"""How long before the window the usual rate is taken from."""
MOST_OWNERS: Final = 20_000
"""How many owners one crisis may touch; larger places are declared building by building."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareCrisis:
    """Customer relations declare a crisis."""

    community_id: str
    building: str | None = None
    category: str | None = None
    window_days: int = 7
    by: str


@dataclass(frozen=True, slots=True)
class LiftCrisis:
    """Customer relations say that it is over, and why."""

    crisis_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rate:
    """Complaints of a place: in the window, and in the year before it."""

    in_window: int
    in_baseline: int

    def expected(self, window_days: int) -> float:
        """How many the baseline leads one to expect in the window."""
        return round(self.in_baseline * window_days / BASELINE.days, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crisis:
    """One crisis, and the owners who were told of it."""

    crisis_id: str
    community_id: str
    building: str | None
    category: str | None
    cases: int
    expected_cases: float
    window_days: int
    declared_by: str
    declared_at: datetime
    owners: tuple[str, ...]
    lifted_at: datetime | None = None
    reason: str | None = None


def declare(
    command: DeclareCrisis,
    live: Crisis | None,
    rate: Rate,
    owners: tuple[str, ...],
    *,
    crisis_id: str,
    at: datetime,
) -> tuple[Crisis, list[Event]]:
    """Declare a crisis and tell it once for each owner; one at a time for the same place."""
    if live is not None:
        raise Refusal(
            "crisis-already-declared",
            f"Crisis {live.crisis_id} of the same place and category is not lifted yet.",
        )
    if len(owners) > MOST_OWNERS:
        raise Refusal(
            "too-many-owners",
            f"It would touch {len(owners)} owners; declare it building by building.",
        )
    crisis = Crisis(
        crisis_id=crisis_id,
        community_id=command.community_id,
        building=command.building,
        category=command.category,
        cases=rate.in_window,
        expected_cases=rate.expected(command.window_days),
        window_days=command.window_days,
        declared_by=command.by,
        declared_at=at,
        owners=owners,
    )
    return crisis, [
        CrisisDeclared(
            **_about(crisis, owner),
            cases=crisis.cases,
            expected_cases=crisis.expected_cases,
            window_days=crisis.window_days,
        )
        for owner in owners
    ]


def lift(crisis: Crisis, command: LiftCrisis, at: datetime) -> tuple[Crisis, list[Event]]:
    """End a crisis, told to the same owners; raises `Refusal` when it has ended already."""
    if crisis.lifted_at is not None:
        raise Refusal("crisis-already-lifted", f"It was lifted at {crisis.lifted_at.isoformat()}.")
    crisis = replace(crisis, lifted_at=at, reason=command.reason)
    return crisis, [
        CrisisLifted(**_about(crisis, owner), reason=command.reason) for owner in crisis.owners
    ]


class _About(TypedDict):
    customer_id: str
    crisis_id: str
    community_id: str
    building: str | None
    category: str | None


def _about(crisis: Crisis, owner: str) -> _About:
    return _About(
        customer_id=owner,
        crisis_id=crisis.crisis_id,
        community_id=crisis.community_id,
        building=crisis.building,
        category=crisis.category,
    )
