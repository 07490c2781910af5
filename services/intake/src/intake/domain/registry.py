"""Registering what intake must know before anybody comes: partners, and the communities' rules."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from intake.domain.communities import Community
from intake.domain.occasion import Occasion
from intake.domain.partners import PARTNER_TYPES, Partner
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind


@dataclass(frozen=True, slots=True)
class RegisterPartner:
    """A partner system may send these event types from now on."""

    partner: Partner


@dataclass(frozen=True, slots=True)
class RegisterCommunity:
    """A community has these rules from now on."""

    community: Community


def register_partner(
    _: Partner | None, command: RegisterPartner, __: Occasion
) -> tuple[Partner, list[Event]]:
    """Register a partner, or change what it may send. Raises `Refusal` `unknown-type`."""
    unknown = sorted(set(command.partner.allowed_types) - PARTNER_TYPES.keys())
    if unknown:
        raise Refusal(
            "unknown-type",
            f"A partner can be allowed {', '.join(sorted(PARTNER_TYPES))}.",
            kind=RefusalKind.INVALID,
            pointer="/allowed_types",
        )
    return command.partner, []


def register_community(
    _: Community | None, command: RegisterCommunity, __: Occasion
) -> tuple[Community, list[Event]]:
    """Set the rules of a community. Raises `Refusal` `unknown-time-zone`.

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
    return command.community, []
