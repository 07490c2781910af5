"""Who is it? Match rules on normalised identifiers; which value wins is decided elsewhere.

The rules of this cut are deterministic:

1. The strongest identifier that somebody owns says who it is: the national id, then a partner's own
   reference, then the WeChat OpenID, then the e-mail address, then the phone.
2. That is contradicted, and the next identifier is asked, when the person found has another
   national id, another WeChat OpenID, or another reference at the same partner: these are verified
   by whoever gave them. A phone is contradicted as well by another name together with another
   e-mail address or birth date, because families share phones.
3. When nobody is left, the rest of what they say is scored (recognition.py).

An identifier stays with its owner in every case: it is never taken from one customer for another,
and two known customers are never merged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from typing import NamedTuple

from intake.domain.people.customers import Address, Customer


class IdentifierKind(IntEnum):
    """What an identifier is, the strongest first."""

    NATIONAL_ID = 0
    """A keyed hash of it."""
    PARTNER = 1
    """A partner's own reference of the person, written `<partner id>/<reference>`."""
    WECHAT = 2
    EMAIL = 3
    PHONE = 4


class Identifier(NamedTuple):
    """A normalised value that belongs to one customer at most."""

    kind: IdentifierKind
    value: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody says to be, normalised: phone in E.164, e-mail in lower case."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    wechat: str | None = None
    partner_reference: str | None = None
    national_ids: tuple[str, ...] = ()
    """Keyed hashes, one a key, the newest first."""
    birth_date: date | None = None
    address: Address | None = None
    identifiers: tuple[Identifier, ...] = field(init=False, repr=False, compare=False)
    """What recognises the person, the strongest first."""

    def __post_init__(self) -> None:
        # Once: every step of a capture asks for them.
        object.__setattr__(self, "identifiers", tuple(self._identifiers()))

    @property
    def contact_points(self) -> tuple[str, ...]:
        """Where the person says to be reached."""
        points = (self.phone, self.email, self.wechat)
        return tuple(point for point in points if point is not None)

    def _identifiers(self) -> Iterator[Identifier]:
        for hashed in self.national_ids:
            yield Identifier(IdentifierKind.NATIONAL_ID, hashed)
        if self.partner_reference is not None:
            yield Identifier(IdentifierKind.PARTNER, self.partner_reference)
        if self.wechat is not None:
            yield Identifier(IdentifierKind.WECHAT, self.wechat)
        if self.email is not None:
            yield Identifier(IdentifierKind.EMAIL, self.email)
        if self.phone is not None:
            yield Identifier(IdentifierKind.PHONE, self.phone)


NOBODY = Identity()
"""Who is meant when nobody comes."""


def recognise(identity: Identity, owners: Mapping[Identifier, Customer]) -> Customer | None:
    """The known customer who this is, or None when it is somebody new."""
    for identifier in identity.identifiers:
        owner = owners.get(identifier)
        if owner is not None and not _contradicts(identity, owner, identifier.kind):
            return owner
    return None


def _contradicts(identity: Identity, owner: Customer, matched: IdentifierKind) -> bool:
    if verified_apart(identity, owner, weaker_than=matched):
        return True
    return (
        matched is IdentifierKind.PHONE
        and _differ(_folded(identity.name), _folded(owner.name))
        and (
            _differ(identity.birth_date, owner.birth_date)
            or (
                identity.email is not None
                and bool(owner.emails)
                and identity.email not in owner.emails
            )
        )
    )


def verified_apart(
    identity: Identity, owner: Customer, *, weaker_than: IdentifierKind = IdentifierKind.PHONE
) -> bool:
    """Whether a verified identifier that is stronger than another tells the two apart."""
    if (
        weaker_than > IdentifierKind.NATIONAL_ID
        and identity.national_ids
        and owner.national_ids
        and set(identity.national_ids).isdisjoint(owner.national_ids)
    ):
        return True
    if weaker_than > IdentifierKind.PARTNER and _another_reference(identity, owner):
        return True
    return weaker_than > IdentifierKind.WECHAT and _differ(identity.wechat, owner.wechat)


def _another_reference(identity: Identity, owner: Customer) -> bool:
    """Whether the same partner calls the owner by other references only."""
    if identity.partner_reference is None or identity.partner_reference in owner.references:
        return False
    partner = identity.partner_reference.partition("/")[0] + "/"
    return any(reference.startswith(partner) for reference in owner.references)


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other


def _folded(name: str | None) -> str | None:
    return None if name is None else "".join(name.casefold().split())
