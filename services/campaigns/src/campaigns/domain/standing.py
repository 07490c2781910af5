"""What holds for one person, whose records are one or, after merges, several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from campaigns.domain.people import (
    RESTRICTIVENESS,
    Consent,
    Contact,
    Open,
    Person,
    Purchase,
    consent_key,
    latest,
    preferred,
)
from keyturn_events.vocabulary import Channel, Purpose


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for one person now, whose records are one or, after merges, several."""

    customer_id: str
    """The surviving id."""
    records: tuple[Person, ...]
    """The surviving id's own record first."""

    @property
    def root(self) -> Person:
        """The surviving id's own record."""
        return self.records[0]

    @property
    def erased(self) -> bool:
        """Whether the person asked to be forgotten."""
        return self.erased_at is not None

    @property
    def erased_at(self) -> datetime | None:
        """When the person asked to be forgotten, under whichever id they did so first."""
        return min((p.erased_at for p in self.records if p.erased_at is not None), default=None)

    @property
    def contact(self) -> Contact | None:
        """The survivor's contact points, or else the latest of the other records."""
        if self.root.contact is not None:
            return self.root.contact
        known = [p for p in self.records if p.contact is not None and p.contact_at is not None]
        if not known:
            return None
        return max(known, key=lambda p: (p.contact_at, p.customer_id)).contact

    @property
    def contact_told(self) -> bool:
        """Whether contact points were ever told of, be it that there are none any more."""
        return any(person.contact_at is not None for person in self.records)

    @property
    def time_zones(self) -> tuple[str | None, ...]:
        """Names of time zones, the person's own first, then the communities'."""
        contact = self.contact
        return (
            None if contact is None else contact.time_zone,
            *(person.time_zone for person in self.records),
            *(person.community_time_zone for person in self.records),
        )

    @property
    def language(self) -> str | None:
        """The person's language tag."""
        contact = self.contact
        tags = (None if contact is None else contact.language, *(p.language for p in self.records))
        return next((tag for tag in tags if tag is not None), None)

    @property
    def households(self) -> frozenset[str]:
        """The households to which the person belongs."""
        return frozenset(p.household_id for p in self.records if p.household_id is not None)

    @property
    def purchases(self) -> Mapping[str, Purchase]:
        """All purchases, by id."""
        known: dict[str, Purchase] = {}
        for person in self.records:
            for key, purchase in person.purchases.items():
                known[key] = _together(known[key], purchase) if key in known else purchase
        return known

    @property
    def owner(self) -> bool:
        """Whether a contract of the person stands."""
        return any(purchase.live for purchase in self.purchases.values())

    @property
    def open_complaint(self) -> bool:
        """Whether any complaint of the person is open."""
        return _any_open([person.complaints for person in self.records])

    @property
    def in_crisis(self) -> bool:
        """Whether any crisis touches the person."""
        return _any_open([person.crises for person in self.records])

    def counted(self, purpose: Purpose, *, but: str) -> tuple[datetime, ...]:
        """When the person was sent what counts for `purpose`, the message `but` left out."""
        return tuple(
            counted.at
            for person in self.records
            for message_id, counted in person.counted.items()
            if counted.purpose is purpose and message_id != but
        )

    def suppressed(self, channel: Channel) -> bool:
        """Whether nothing at all may go to the person through `channel`."""
        return any(channel in person.suppressed for person in self.records)

    def stopped(self, key: str) -> bool:
        """Whether an event came that stops what `key` names."""
        return any(key in person.stops for person in self.records)

    def consent(self, channel: Channel, purpose: Purpose) -> Consent | None:
        """What holds on one channel for one purpose.

        Of records that were merged the most restrictive holds, until the person says something
        after the merge.
        """
        key = consent_key(channel, purpose)
        said = [person.consents[key] for person in self.records if key in person.consents]
        if not said:
            return None
        merges = [p.merge.at for p in self.records if p.merge is not None]
        since = [c for c in said if not merges or c.at > max(merges)]
        if since:
            return _foremost(since)
        return max(said, key=lambda consent: RESTRICTIVENESS[consent.status])


def standing(root: str, people: Sequence[Person]) -> Standing:
    """What holds for the person whose surviving id is `root` and whose records are `people`."""
    own = next((p for p in people if p.customer_id == root), Person(root))
    others = sorted((p for p in people if p.customer_id != root), key=lambda p: p.customer_id)
    return Standing(root, (own, *others))


def _foremost(consents: Sequence[Consent]) -> Consent:
    best = consents[0]
    for consent in consents[1:]:
        best = preferred(best, consent)
    return best


def _any_open(records: Sequence[Mapping[str, Open]]) -> bool:
    known: Mapping[str, Open] = {}
    for record in records:
        for key, state in record.items():
            known = latest(known, key, state)
    return any(state.open for state in known.values())


def _together(one: Purchase, other: Purchase) -> Purchase:
    """One purchase of which two records each know a part."""
    signed = one if one.signed_at is not None else other
    return replace(signed, rescinded=one.rescinded or other.rescinded)
