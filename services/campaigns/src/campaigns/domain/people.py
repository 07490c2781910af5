"""What campaigns knows of a person: contact points, consents, and what bears on writing to them.

Each customer id has its own record and keeps it through a merge; who is one person is told by
`merge`, and what holds for the person is read from all their records together (standing.py).
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
class OptIn:
    """A consent that waits for the person to confirm it at `to`, and nowhere else."""

    opt_in_id: str
    channel: Channel
    purpose: Purpose
    through: Channel
    to: str
    token: str
    expires_at: datetime


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
    preference_token: str | None = None
    """What makes links to the person's preferences."""
    opt_ins: tuple[OptIn, ...] = ()

    def opt_in(self, opt_in_id: str) -> OptIn | None:
        """What waits to be confirmed under this id, if it still does."""
        return next((one for one in self.opt_ins if one.opt_in_id == opt_in_id), None)

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


@dataclass(frozen=True, slots=True, order=True)
class Merge:
    """That this id was merged into another."""

    at: datetime
    merge_id: str
    into: str


@dataclass(frozen=True, slots=True)
class Person:
    """All that is kept of one customer id. Mappings are never changed in place."""

    customer_id: str
    merges: Mapping[str, Merge] = field(default_factory=dict)
    """Those of this id into another, by merge id, undone ones too."""
    undone_merges: frozenset[str] = frozenset()
    """Ids of merges that were undone, known or not yet known."""
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
    waits: int = 0
    """Counts up with every message that waits for an event, so that the event which ends the wait
    is never decided unseen."""

    @property
    def merge(self) -> Merge | None:
        """The merge that holds: the latest that is not undone."""
        standing = (m for m in self.merges.values() if m.merge_id not in self.undone_merges)
        return max(standing, default=None)


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


def with_wait(person: Person) -> Person:
    """A message to this person waits for an event from now on."""
    return replace(person, waits=person.waits + 1)


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
    """Keep the time zone of the community that the person last dealt with.

    Of two of the same moment, which topics of their own may bring in any order, the first by name.
    """
    if time_zone is None or _newer(person.community_at, at):
        return person
    if person.community_at == at and person.community_time_zone is not None:
        time_zone = min(time_zone, person.community_time_zone)
    return replace(person, community_time_zone=time_zone, community_at=at)


def with_consent(person: Person, key: str, consent: Consent) -> Person:
    """Keep a consent, unless the person is to be forgotten; `preferred` says which one holds."""
    if person.erased_at is not None:
        return person
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
    """Let nothing more through `channel` for `reason`, or with None let it through again.

    Of who is to be forgotten no reason is kept: nothing goes to them through any channel.
    """
    if person.erased_at is not None:
        return person
    rest = {key: value for key, value in person.suppressed.items() if key != channel}
    return replace(person, suppressed=rest if reason is None else {**rest, channel: reason})


def merged(person: Person, survivor: str, merge_id: str, at: datetime) -> Person:
    """The person belongs to `survivor` from now on, unless that merge is undone already."""
    merge = Merge(at, merge_id, survivor)
    return replace(person, merges={**person.merges, merge_id: merge})


def unmerged(person: Person, merge_id: str) -> Person:
    """The person stands alone again."""
    return replace(person, undone_merges=person.undone_merges | {merge_id})


def erased(person: Person, at: datetime) -> Person:
    """Forget everything personal; what remains says only that there is nobody to write to."""
    return replace(
        person,
        erased_at=min(person.erased_at or at, at),
        contact=None,
        contact_at=None,
        household_id=None,
        language=None,
        time_zone=None,
        facts_at=None,
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
    """The later of two consents; of the same moment, the more restrictive or the shorter."""
    return max(one, other, key=_weight)


def _weight(consent: Consent) -> tuple[datetime, int, bool, float]:
    expires_at = consent.expires_at
    return (
        consent.at,
        RESTRICTIVENESS[consent.status],
        expires_at is not None,
        0.0 if expires_at is None else -expires_at.timestamp(),
    )


def latest(known: Mapping[str, Open], key: str, state: Open) -> Mapping[str, Open]:
    """`known` with one more state, unless a later one is there; of the same moment, over holds."""
    before = known.get(key)
    if before is not None and (before.at > state.at or (before.at == state.at and not before.open)):
        return known
    return {**known, key: state}
