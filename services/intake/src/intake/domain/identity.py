"""Who is it? Match rules on normalised identifiers; which value wins is decided elsewhere.

The rules of this cut are deterministic:

1. The strongest identifier that somebody owns says who it is: a partner's own reference, then the
   WeChat OpenID, then the e-mail address, then the phone.
2. That is contradicted, and the next identifier is asked, when the person found has another WeChat
   OpenID, or another reference at the same partner: these two are verified by whoever gave them.
   A phone is contradicted as well by another e-mail address together with another name, because
   families share phones.
3. When nobody is left it is a new customer. An identifier stays with its owner in every case: it is
   never taken from one customer for another, and two known customers are never merged here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from intake.domain.customers import Customer


class IdentifierKind(IntEnum):
    """What an identifier is, the strongest first."""

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
    identifiers: tuple[Identifier, ...] = field(init=False, repr=False, compare=False)
    """What recognises the person, the strongest first."""

    def __post_init__(self) -> None:
        # Once: every step of a capture asks for them.
        object.__setattr__(self, "identifiers", tuple(self._identifiers()))

    def _identifiers(self) -> Iterator[Identifier]:
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
    if matched > IdentifierKind.PARTNER and _another_reference(identity, owner):
        return True
    if matched > IdentifierKind.WECHAT and _differ(identity.wechat, owner.wechat):
        return True
    return (
        matched is IdentifierKind.PHONE
        and identity.email is not None
        and bool(owner.emails)
        and identity.email not in owner.emails
        and _differ(_folded(identity.name), _folded(owner.name))
    )


def _another_reference(identity: Identity, owner: Customer) -> bool:
    """Whether the same partner calls the owner by other references only."""
    if identity.partner_reference is None or identity.partner_reference in owner.references:
        return False
    partner = identity.partner_reference.partition("/")[0] + "/"
    return any(reference.startswith(partner) for reference in owner.references)


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _folded(name: str | None) -> str | None:
    return None if name is None else "".join(name.casefold().split())
