"""Setting the rules of a community."""

from __future__ import annotations

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from intake.domain.communities import Community
from intake.domain.leads.opening_hours import ensure_week
from intake.domain.occasion import Occasion
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind


@dataclass(frozen=True, slots=True)
class RegisterCommunity:
    """A community has these rules from now on."""

    community: Community


def register_community(
    known: Community | None, command: RegisterCommunity, _: Occasion
) -> tuple[Community, list[Event]]:
    """Set the rules of a community. Raises `Refusal` `unknown-time-zone` and `invalid-hours`.

    What was decided under the rules of before stays as it was decided.
    """
    try:
        ZoneInfo(command.community.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refusal(
            "unknown-time-zone",
            "Give an IANA time zone name, such as Asia/Shanghai.",
            kind=RefusalKind.INVALID,
            pointer="/time_zone",
        ) from None
    ensure_week(command.community.opening_hours, "/opening_hours")
    return replace(command.community, staffed=known is not None and known.staffed), []
