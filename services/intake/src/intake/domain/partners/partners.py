"""The partner door: what a partner may say, and what becomes of it.

Nothing on this door is trusted. A record is accepted, found to be a duplicate, or rejected with
the reason and the record itself; there is no fourth outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from intake.domain.dossier import EMPTY, Dossier
from intake.domain.privacy.suppression import SUPPRESSED_PERSON
from intake.domain.sales.purchases import Purchase
from keyturn_events.event import Event
from keyturn_events.intake import PartnerEventRejected
from keyturn_events.partners import (
    PartnerConstructionProgressed,
    PartnerEvent,
    PartnerLeadSubmitted,
    PartnerSaleRecorded,
)
from keyturn_events.problems import FieldProblem, OriginalRecord
from keyturn_events.refusal import Refusal, RefusalKind

PARTNER_TYPES: dict[str, type[PartnerEvent]] = {
    cls.type: cls
    for cls in (PartnerLeadSubmitted, PartnerSaleRecorded, PartnerConstructionProgressed)
}
"""Everything that a partner can say, by event type."""

UNKNOWN_PARTNER = "unknown"
"""The partner to whom a rejection goes when the record does not say who sent it."""


class Outcome(StrEnum):
    """What became of a partner's record."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


class Signed(StrEnum):
    """What the signature of a record is worth, before it is known whose keys hold."""

    NOT = "not-signed"
    WRONGLY = "wrongly-signed"
    RIGHTLY = "rightly-signed"


@dataclass(frozen=True, slots=True)
class PartnerKey:
    """A key with which a partner signs; its secret is kept by nobody but the partner."""

    key_id: str
    issued_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Partner:
    """A registered partner system and the event types that it may send."""

    partner_id: str
    name: str
    allowed_types: tuple[str, ...]
    daily_quota: int | None = None
    """Events a day (UTC) that are accepted at most; None for as many as come."""
    suspended: bool = False
    """Whether nothing of it is accepted for the time being."""
    keys: tuple[PartnerKey, ...] = ()
    """Once there was one, only signed records are accepted."""

    @property
    def signs(self) -> bool:
        """Whether the partner has to sign: whoever ever had a key, for good."""
        return bool(self.keys)

    def has_key(self, key_id: str | None) -> bool:
        """Whether a key of that id is valid."""
        return any(key.key_id == key_id and key.revoked_at is None for key in self.keys)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a record, before anybody looks at what it says."""

    code: str
    detail: str
    problems: tuple[FieldProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class PartnerRecord:
    """A record of the partner door, read as far as it can be read."""

    partition: int
    offset: int
    partner_id: str = UNKNOWN_PARTNER
    event_id: str | None = None
    event_source: str | None = None
    event_type: str | None = None
    envelope_fault: Fault | None = None
    body_fault: Fault | None = None
    event: PartnerEvent | None = None
    digest: str = ""
    """The same for the same content, however its JSON is written."""
    signed: Signed = Signed.NOT
    key_id: str | None = None
    """The key with which it says that it is signed."""
    original: bytes | None = None


@dataclass(frozen=True, slots=True)
class Building:
    """How far a building is, by the last word of whoever builds it."""

    community_id: str
    building: str
    progressed_on: date
    expected_completion: date
    milestone: str | None = None
    percent_complete: int | None = None


@dataclass(frozen=True, slots=True)
class PartnerFile:
    """What the decision on a partner's record looks at, and what it hands back."""

    record: PartnerRecord
    received_at: datetime
    partner: Partner | None = None
    accepted_today: int = 0
    """How many of the partner's events were accepted on the day of `received_at`, in UTC."""
    accepted_digest: str | None = None
    """The digest of the event with this id that was accepted before."""
    unidentified: Refusal | None = None
    """Why the person that the event names cannot be identified."""
    dossier: Dossier = EMPTY
    building: Building | None = None
    purchases: tuple[Purchase, ...] = ()
    """The purchases in the building that the event is about."""

    outcome: Outcome | None = None
    code: str | None = None
    """Why it was rejected."""


def ensure_acceptable(file: PartnerFile) -> None:
    """Raise `Refusal` unless a partner we know may send this, and it can be read.

    Its codes are `not-a-cloudevent`, `unknown-partner`, `partner-suspended`, `not-signed`,
    `wrongly-signed`, `key-not-valid`, `unknown-type`, `type-not-allowed`, `malformed-json`,
    `invalid-fields`, and those of the person's contact points.
    """
    record, partner = file.record, file.partner
    if record.envelope_fault is not None:
        raise _refusal(record.envelope_fault)
    if partner is None:
        raise _invalid(
            "unknown-partner",
            "No partner of this id is registered; the CloudEvents source should be"
            " /partners/<partner id>.",
        )
    ensure_from(partner, record)
    if record.event_type not in PARTNER_TYPES:
        raise _invalid(
            "unknown-type", f"The door knows these types: {', '.join(sorted(PARTNER_TYPES))}."
        )
    if record.event_type not in partner.allowed_types:
        raise _invalid(
            "type-not-allowed", "This partner is not registered for events of this type."
        )
    if record.body_fault is not None:
        raise _refusal(record.body_fault)


def ensure_from(partner: Partner, record: PartnerRecord) -> None:
    """Raise `Refusal` unless the record is the partner's own and the partner is let in."""
    if partner.suspended:
        raise _invalid(
            "partner-suspended",
            "Nothing of this partner is accepted for the time being; ask whoever registered it.",
        )
    if not partner.signs:
        return
    if record.signed is Signed.NOT:
        raise _invalid(
            "not-signed",
            "This partner signs its records; add the header keyturn-signature.",
        )
    if not partner.has_key(record.key_id):
        raise _invalid(
            "key-not-valid", "The key of the signature was revoked, or is none of this partner's."
        )
    if record.signed is Signed.WRONGLY:
        raise _invalid(
            "wrongly-signed",
            "The signature does not fit the record; sign the attributes and the value as sent.",
        )


def ensure_within_quota(file: PartnerFile) -> None:
    """Raise `Refusal` `quota-exceeded` when the partner's day is full."""
    quota = None if file.partner is None else file.partner.daily_quota
    if quota is not None and file.accepted_today >= quota:
        raise _invalid(
            "quota-exceeded",
            f"The {quota} events of this day (UTC) are used up; send it again tomorrow.",
        )


def ensure_not_another(file: PartnerFile) -> None:
    """Raise `Refusal` `duplicate-id-different-body` when the id was used for something else."""
    if file.accepted_digest not in (None, file.record.digest):
        raise _invalid(
            "duplicate-id-different-body",
            "An event with this id was accepted with another content; give each event its own id.",
        )


def rejected(file: PartnerFile, refusal: Refusal) -> tuple[PartnerFile, list[Event]]:
    """The record goes back to its sender with the reason. Nothing else happens."""
    record = file.record
    fault = record.envelope_fault or record.body_fault
    problems = fault.problems if fault is not None and fault.code == refusal.code else ()
    if not problems and refusal.pointer is not None:
        problems = (FieldProblem(pointer=refusal.pointer, detail=refusal.detail),)
    event = PartnerEventRejected(
        partner_id=record.partner_id,
        code=refusal.code,
        detail=refusal.detail,
        problems=problems,
        event_id=record.event_id,
        event_source=record.event_source,
        event_type=record.event_type,
        partition=record.partition,
        offset=record.offset,
        original=_returned(record, refusal),
    )
    return replace(file, outcome=Outcome.REJECTED, code=refusal.code), [event]


def _returned(record: PartnerRecord, refusal: Refusal) -> OriginalRecord | None:
    """The record itself; not that of a person who was erased, whom its id finds at the partner."""
    if record.original is None or refusal.code == SUPPRESSED_PERSON:
        return None
    return OriginalRecord.of(record.original)


def duplicate(file: PartnerFile) -> tuple[PartnerFile, list[Event]]:
    """The event was accepted before; once is enough."""
    return replace(file, outcome=Outcome.DUPLICATE), []


def accepted(file: PartnerFile) -> PartnerFile:
    """The record with its effects."""
    return replace(file, outcome=Outcome.ACCEPTED)


def _refusal(fault: Fault) -> Refusal:
    return _invalid(fault.code, fault.detail)


def _invalid(code: str, detail: str) -> Refusal:
    return Refusal(code, detail, kind=RefusalKind.INVALID)
