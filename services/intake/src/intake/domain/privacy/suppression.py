"""Suppression: who was erased does not come back by a file, a feed or a replay.

Of an erased person only keyed hashes of their identifiers are kept. Who comes with such an
identifier, and is nobody we know, is refused: with one exception. Who comes themselves, through the
builder's own door, after the erasure, and says expressly what they allow, is a new customer like
any other; what was known of them before is gone all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from intake.domain.consent.consents import ConsentGiven
from intake.domain.people.identity import Identifier, IdentifierKind, Identity
from keyturn_events.refusal import Refusal
from keyturn_events.vocabulary import ConsentBasis, ConsentStatus, LeadChannel

SUPPRESSED_PERSON: Final = "suppressed-person"
"""The code of a refusal to bring an erased person back. It names nobody and no identifier."""

OWN_DOORS: Final = frozenset({LeadChannel.WEB, LeadChannel.WALK_IN})
"""Channels through which people come to the builder themselves."""
API: Final = "api"
"""Through which door consents come that a person gives here and now."""


@dataclass(frozen=True, slots=True)
class Coming:
    """How somebody comes: as far as it tells whether they come themselves."""

    channel: LeadChannel
    collected_through: str
    said_at: datetime
    consents: Sequence[ConsentGiven]

    @property
    def express(self) -> bool:
        """Whether they allow anything in their own words."""
        return any(
            given.basis is ConsentBasis.EXPRESS and given.status is ConsentStatus.GRANTED
            for given in self.consents
        )

    def themselves(self, since: datetime) -> bool:
        """Whether the person came in person, with their word, after that moment."""
        return (
            self.channel in OWN_DOORS
            and self.collected_through == API
            and self.express
            and self.said_at >= since
        )


def admitted(
    identity: Identity, suppressed: Mapping[Identifier, datetime], coming: Coming, *, known: bool
) -> Identity:
    """Who may be registered or recognised: `identity`, less what a feed may not bring back.

    `suppressed` are those of its identifiers that nobody owns and that an erased person had. For
    somebody who is recognised by another identifier they are left out. Raises `Refusal`
    `suppressed-person` for somebody who is not.
    """
    if not suppressed or coming.themselves(max(suppressed.values())):
        return identity
    if not known:
        raise Refusal(
            SUPPRESSED_PERSON,
            "This person cannot be taken from this source. If they come themselves, capture them"
            " by web or walk-in with what they expressly allow.",
        )
    return without(identity, suppressed)


def without(identity: Identity, identifiers: Collection[Identifier]) -> Identity:
    """The identity without some of its identifiers."""
    gone = {identifier.kind for identifier in identifiers}
    return replace(
        identity,
        national_ids=() if IdentifierKind.NATIONAL_ID in gone else identity.national_ids,
        phone=None if IdentifierKind.PHONE in gone else identity.phone,
        email=None if IdentifierKind.EMAIL in gone else identity.email,
        wechat=None if IdentifierKind.WECHAT in gone else identity.wechat,
        partner_reference=(None if IdentifierKind.PARTNER in gone else identity.partner_reference),
    )
