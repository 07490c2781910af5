"""Registering partner systems, and giving and taking their keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from intake.domain.occasion import Occasion
from intake.domain.partners.partners import PARTNER_TYPES, Partner, PartnerKey
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind

MOST_KEYS: Final = 20
"""Keys of one partner, revoked ones too: what is left of them tells what was signed with which."""


@dataclass(frozen=True, slots=True)
class PartnerCommand:
    """A command about one partner."""

    partner_id: str


@dataclass(frozen=True, slots=True)
class RegisterPartner(PartnerCommand):
    """A partner system may send these event types, so many a day, from now on."""

    name: str
    allowed_types: tuple[str, ...]
    daily_quota: int | None = None
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class IssueKey(PartnerCommand):
    """The partner signs from now on, or has one more key to sign with."""

    key_id: str


@dataclass(frozen=True, slots=True)
class RevokeKey(PartnerCommand):
    """Nothing signed with that key is accepted any more."""

    key_id: str


def register_partner(
    known: Partner | None, command: RegisterPartner, _: Occasion
) -> tuple[Partner, list[Event]]:
    """Register a partner, or change what it may send. Raises `Refusal` `unknown-type`.

    Its keys stay.
    """
    unknown = sorted(set(command.allowed_types) - PARTNER_TYPES.keys())
    if unknown:
        raise Refusal(
            "unknown-type",
            f"A partner can be allowed {', '.join(sorted(PARTNER_TYPES))}.",
            kind=RefusalKind.INVALID,
            pointer="/allowed_types",
        )
    partner = known or Partner(command.partner_id, command.name, ())
    registered = replace(
        partner,
        name=command.name,
        allowed_types=command.allowed_types,
        daily_quota=command.daily_quota,
        suspended=command.suspended,
    )
    return registered, []


def issue_key(
    known: Partner | None, command: IssueKey, occasion: Occasion
) -> tuple[Partner, list[Event]]:
    """Give the partner a key. Raises `Refusal` `partner-not-found` and `too-many-keys`."""
    partner = _registered(known)
    if len(partner.keys) >= MOST_KEYS:
        raise Refusal(
            "too-many-keys",
            f"A partner has {MOST_KEYS} keys at most, revoked ones too; register it anew under"
            " another id.",
        )
    key = PartnerKey(command.key_id, occasion.at)
    return replace(partner, keys=(*partner.keys, key)), []


def revoke_key(
    known: Partner | None, command: RevokeKey, occasion: Occasion
) -> tuple[Partner, list[Event]]:
    """Take a key away; once is enough. A partner without any goes on having to sign.

    Raises `Refusal` `partner-not-found` and `key-not-found`.
    """
    partner = _registered(known)
    if all(key.key_id != command.key_id for key in partner.keys):
        raise Refusal(
            "key-not-found", "The partner has no key of this id.", kind=RefusalKind.NOT_FOUND
        )
    if not partner.has_key(command.key_id):
        return partner, []
    keys = tuple(
        replace(key, revoked_at=occasion.at) if key.key_id == command.key_id else key
        for key in partner.keys
    )
    return replace(partner, keys=keys), []


def _registered(partner: Partner | None) -> Partner:
    if partner is None:
        raise Refusal(
            "partner-not-found",
            "No partner of this id is registered.",
            kind=RefusalKind.NOT_FOUND,
        )
    return partner
