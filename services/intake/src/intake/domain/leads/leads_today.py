"""What an advisor has to do about a lead today, and why: a function of the lead and the moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

AHEAD: Final = timedelta(days=1)
"""How long before its end a deadline is something to do."""
NEW_FOR: Final = timedelta(days=1)
"""How long a lead that nobody had seen before is new."""


class Reason(StrEnum):
    """Why something has to be done, the most urgent first."""

    FIRST_RESPONSE_OVERDUE = "first-response-overdue"
    """The customer should have been contacted by now, and was not."""
    RESERVATION_EXPIRING = "reservation-expiring"
    """The home that the customer reserved is free again soon unless it is subscribed."""
    COOLING_OFF_ENDING = "cooling-off-ending"
    """The buyer may still rescind without reason, and soon may not any more."""
    FIRST_RESPONSE_DUE = "first-response-due"
    PROTECTION_ENDING = "protection-ending"
    """Unless there is a contact, the lead is anybody's again soon."""
    STALLING = "stalling"
    """Nothing has happened for nearly too long."""
    NEW = "new-since-yesterday"


URGENCY: Final = {reason: place for place, reason in enumerate(Reason)}
"""The place of each reason, the most urgent first."""


class Due(NamedTuple):
    """One thing to do, by when; for what is new, since when."""

    reason: Reason
    at: datetime

    @property
    def urgency(self) -> tuple[int, datetime]:
        """The place in the order of urgency; the smallest is the most urgent."""
        return URGENCY[self.reason], self.at


@dataclass(frozen=True, slots=True)
class Moments:
    """When what happens to a lead unless somebody does something."""

    captured_at: datetime
    response_due: datetime | None = None
    overdue_since: datetime | None = None
    """When it was noted that nobody had contacted the customer in time."""
    protected_until: datetime | None = None
    stalls_at: datetime | None = None
    reservations_expire: tuple[datetime, ...] = ()
    cooling_off_ends: tuple[datetime, ...] = ()


def due_today(moments: Moments, now: datetime) -> list[Due]:
    """What has to be done about an open lead, the most urgent first; nothing, mostly."""
    return sorted(_due(moments, now), key=lambda due: due.urgency)


def _due(moments: Moments, now: datetime) -> Iterator[Due]:
    soon = now + AHEAD
    overdue = moments.overdue_since or moments.response_due
    if overdue is not None and overdue <= now:
        yield Due(Reason.FIRST_RESPONSE_OVERDUE, overdue)
    elif overdue is not None and overdue <= soon:
        yield Due(Reason.FIRST_RESPONSE_DUE, overdue)
    # What has passed is over, and happens without the advisor; only stalling stays to be mended.
    yield from _between(Reason.RESERVATION_EXPIRING, moments.reservations_expire, now, soon)
    yield from _between(Reason.COOLING_OFF_ENDING, moments.cooling_off_ends, now, soon)
    if moments.protected_until is not None:
        yield from _between(Reason.PROTECTION_ENDING, (moments.protected_until,), now, soon)
    if moments.stalls_at is not None and moments.stalls_at <= soon:
        yield Due(Reason.STALLING, moments.stalls_at)
    if now - NEW_FOR < moments.captured_at <= now:
        yield Due(Reason.NEW, moments.captured_at)


def _between(
    reason: Reason, ends: Iterable[datetime], now: datetime, soon: datetime
) -> Iterator[Due]:
    return (Due(reason, end) for end in ends if now < end <= soon)
