"""What campaigns knows of a person: contact points, consents, and what bears on writing to them.

Each customer id has its own record and keeps it through a merge; who is one person is told by
`merged_into`, and what holds for the person is read from all their records together (standing.py).
So an un-merge has nothing to restore. Every fact is kept with its time and the latest holds,
whatever order the facts come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from keyturn_events.vocabulary import Channel, ConsentStatus, Purpose


@dataclass(frozen=True, slots=True)
class Contact:
    """How a person is named and reached: a copy of what intake knows."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    wechat: str | None = None
    address: str | None = None
    language: str | None = None
    time_zone: str | None = None

    def point(self, channel: Channel) -> str | None:
        """Where the person is reached through `channel`; None when that is not known."""
        match channel:
            case Channel.EMAIL:
                return self.email
            case Channel.SMS | Channel.PHONE:
                return self.phone
            case Channel.WECHAT:
                return self.wechat
            case Channel.POST:
                return self.address


@dataclass(frozen=True, slots=True)
class Consent:
    """What the person said last of one channel and purpose."""

    status: ConsentStatus
    at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """Whether something, a complaint or a crisis, was open when it was last heard of."""

    open: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Purchase:
    """A purchase as far as it has been heard of; `signed_at` is None before its signature."""

    signed_at: datetime | None = None
    cooling_off_ends: datetime | None = None
    referral_code: str | None = None
    lead_id: str | None = None
    rescinded: bool = False

    @property
    def live(self) -> bool:
        """Whether the contract stands."""
        return self.signed_at is not None and not self.rescinded


@dataclass(frozen=True, slots=True)
class Counted:
    """A message that counts against a frequency cap."""

    purpose: Purpose
    at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """All that is kept of one customer id. Mappings are never changed in place."""

    customer_id: str
    merged_into: str | None = None
    merge_id: str | None = None
    merged_at: datetime | None = None
    undone_merges: tuple[str, ...] = ()
    erased_at: datetime | None = None
    contact: Contact | None = None
    contact_at: datetime | None = None
    household_id: str | None = None
    language: str | None = None
    time_zone: str | None = None
    facts_at: datetime | None = None
    community_time_zone: str | None = None
    community_at: datetime | None = None
    consents: Mapping[str, Consent] = field(default_factory=dict)
    """By `consent_key`."""
    suppressed: Mapping[str, str] = field(default_factory=dict)
    """Reason by channel."""
    complaints: Mapping[str, Open] = field(default_factory=dict)
    crises: Mapping[str, Open] = field(default_factory=dict)
    purchases: Mapping[str, Purchase] = field(default_factory=dict)
    stops: Mapping[str, datetime] = field(default_factory=dict)
    """When an event that stops campaigns came last, by `stop_key`."""
    counted: Mapping[str, Counted] = field(default_factory=dict)
    """The messages that count against frequency caps, by message id."""


def consent_key(channel: Channel, purpose: Purpose) -> str:
    """The key of a consent in `Person.consents`."""
    return f"{channel}/{purpose}"


def stop_key(event_type: str, occurrence: str) -> str:
    """The key of a stop in `Person.stops`; `occurrence` is what the event was about."""
    return f"{event_type}/{occurrence}"


def with_contact(person: Person, contact: Contact | None, at: datetime) -> Person:
    """Keep a contact copy, unless a newer one is there or the person is to be forgotten."""
    if person.erased_at is not None or _newer(person.contact_at, at):
        return person
    return replace(person, contact=contact, contact_at=at)


def with_facts(
    person: Person,
    *,
    household_id: str | None,
    language: str | None,
    time_zone: str | None,
    at: datetime,
) -> Person:
    """Keep what intake knows of a customer, unless something newer is there."""
    if person.erased_at is not None or _newer(person.facts_at, at):
        return person
    return replace(
        person, household_id=household_id, language=language, time_zone=time_zone, facts_at=at
    )


def with_community_zone(person: Person, time_zone: str | None, at: datetime) -> Person:
    """Keep the time zone of the community that the person last dealt with."""
    if time_zone is None or _newer(person.community_at, at):
        return person
    return replace(person, community_time_zone=time_zone, community_at=at)


def with_consent(person: Person, key: str, consent: Consent) -> Person:
    """Keep a consent; of two of the same moment the more restrictive holds."""
    known = person.consents.get(key)
    if known is not None and preferred(known, consent) is known:
        return person
    return replace(person, consents={**person.consents, key: consent})


def with_complaint(person: Person, case_id: str, state: Open) -> Person:
    """Keep whether a complaint is open; of two of the same moment, closed holds."""
    return replace(person, complaints=latest(person.complaints, case_id, state))


def with_crisis(person: Person, crisis_id: str, state: Open) -> Person:
    """Keep whether a crisis touches the person."""
    return replace(person, crises=latest(person.crises, crisis_id, state))


def with_signature(
    person: Person,
    purchase_id: str,
    *,
    signed_at: datetime,
    cooling_off_ends: datetime,
    referral_code: str | None,
    lead_id: str | None,
) -> Person:
    """Keep that a purchase was signed, rescinded though it may be by now."""
    known = person.purchases.get(purchase_id, Purchase())
    signed = replace(
        known,
        signed_at=signed_at,
        cooling_off_ends=cooling_off_ends,
        referral_code=referral_code,
        lead_id=lead_id,
    )
    return replace(person, purchases={**person.purchases, purchase_id: signed})


def with_rescission(person: Person, purchase_id: str) -> Person:
    """Keep that a purchase was rescinded, signed though it may not be yet."""
    known = person.purchases.get(purchase_id, Purchase())
    rescinded = replace(known, rescinded=True)
    return replace(person, purchases={**person.purchases, purchase_id: rescinded})


def with_stop(person: Person, key: str, at: datetime) -> Person:
    """Keep that an event came which stops campaigns."""
    known = person.stops.get(key)
    if known is not None and known >= at:
        return person
    return replace(person, stops={**person.stops, key: at})


def with_counted(
    person: Person, message_id: str, counted: Counted | None, *, forget_before: datetime
) -> Person:
    """Count a message, or with None no longer; what no cap looks back to is dropped."""
    kept = {
        key: value
        for key, value in person.counted.items()
        if key != message_id and value.at >= forget_before
    }
    if counted is not None:
        kept[message_id] = counted
    return replace(person, counted=kept)


def with_suppression(person: Person, channel: Channel, reason: str | None) -> Person:
    """Let nothing more through `channel` for `reason`, or with None let it through again."""
    rest = {key: value for key, value in person.suppressed.items() if key != channel}
    return replace(person, suppressed=rest if reason is None else {**rest, channel: reason})


def merged(person: Person, survivor: str, merge_id: str, at: datetime) -> Person:
    """The person belongs to `survivor` from now on, unless that merge is undone already."""
    if merge_id in person.undone_merges:
        return person
    return replace(person, merged_into=survivor, merge_id=merge_id, merged_at=at)


def unmerged(person: Person, merge_id: str) -> Person:
    """The person stands alone again."""
    undone = (
        person.undone_merges
        if merge_id in person.undone_merges
        else (*person.undone_merges, merge_id)
    )
    if person.merge_id != merge_id:
        return replace(person, undone_merges=undone)
    return replace(person, merged_into=None, merge_id=None, merged_at=None, undone_merges=undone)


def erased(person: Person, at: datetime) -> Person:
    """Forget everything personal; what remains says only that there is nobody to write to."""
    return replace(
        person,
        erased_at=person.erased_at or at,
        contact=None,
        household_id=None,
        language=None,
        time_zone=None,
        consents={},
        suppressed={},
    )


RESTRICTIVENESS: Final[Mapping[ConsentStatus, int]] = {
    ConsentStatus.GRANTED: 0,
    ConsentStatus.PENDING: 1,
    ConsentStatus.EXPIRED: 2,
    ConsentStatus.DENIED: 3,
    ConsentStatus.WITHDRAWN: 4,
}
"""The higher, the less it allows."""


def _newer(known: datetime | None, at: datetime) -> bool:
    return known is not None and known > at


def preferred(one: Consent, other: Consent) -> Consent:
    """The later of two consents; of the same moment, the more restrictive."""
    if one.at != other.at:
        return one if one.at > other.at else other
    return max(one, other, key=lambda consent: RESTRICTIVENESS[consent.status])


def latest(known: Mapping[str, Open], key: str, state: Open) -> Mapping[str, Open]:
    """`known` with one more state, unless a later one is there; of the same moment, over holds."""
    before = known.get(key)
    if before is not None and (before.at > state.at or (before.at == state.at and not before.open)):
        return known
    return {**known, key: state}
