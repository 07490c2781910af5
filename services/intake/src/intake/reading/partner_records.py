"""Reads what stands on the partner door, and tells what is wrong with it, without believing it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping

import orjson
from pydantic import ValidationError

from intake.domain.consent.consents import ConsentGiven
from intake.domain.leads.capture import CaptureLead, PersonSaid
from intake.domain.partners.partners import (
    PARTNER_TYPES,
    UNKNOWN_PARTNER,
    Fault,
    PartnerRecord,
    Signed,
)
from intake.domain.people.customers import NO_AFFORDABILITY, NO_HOUSEHOLD, Address, Facts
from intake.keyring import keyring
from keyturn_chassis.cloudevents import PREFIX
from keyturn_chassis.inputs import RawRecord
from keyturn_events import Envelope, field_problems, readable
from keyturn_events.partners import (
    PARTNER_SOURCE_PREFIX,
    PartnerEvent,
    PartnerLeadSubmitted,
    Person,
)
from keyturn_events.scalars import ID_PATTERN
from keyturn_events.signature import SIGNATURE_HEADER, Signature, mac_of
from keyturn_events.vocabulary import ConsentStatus, LeadChannel

_is_id = re.compile(ID_PATTERN).match


def read_partner_record(record: RawRecord) -> PartnerRecord:
    """The record, read as far as it can be read; what is wrong stands in its faults."""
    attributes = _attributes(record)
    partner_id = attributes.get("source", "").removeprefix(PARTNER_SOURCE_PREFIX)
    event, digest, body_fault = _body(attributes.get("type", ""), record.value)
    signed, key_id = _signature(record, attributes, partner_id)
    return PartnerRecord(
        partition=record.partition,
        offset=record.offset,
        partner_id=partner_id if _is_id(partner_id) else UNKNOWN_PARTNER,
        event_id=_shown(attributes, "id"),
        event_source=_shown(attributes, "source"),
        event_type=_shown(attributes, "type"),
        envelope_fault=_envelope_fault(attributes, event),
        body_fault=body_fault,
        event=event,
        digest=digest,
        signed=signed,
        key_id=key_id,
        original=record.value,
    )


def submitted_lead(record: PartnerRecord) -> CaptureLead | None:
    """The capture that a submitted lead asks for; None for every other event."""
    event = record.event
    if not isinstance(event, PartnerLeadSubmitted):
        return None
    answers = event.model_dump(
        mode="json", include={"utm", "budget", "household", "affordability"}, exclude_none=True
    )
    if event.person.language is not None:
        answers["language"] = event.person.language
    return CaptureLead(
        person=person_said(event.person, record.partner_id),
        channel=event.channel,
        agency_id=record.partner_id if event.channel is LeadChannel.AGENCY else None,
        captured_at=event.submitted_at,
        community_id=event.community_id,
        collected_through="partner",
        facts=Facts(
            household=event.household or NO_HOUSEHOLD,
            affordability=event.affordability or NO_AFFORDABILITY,
            language=event.person.language,
        ),
        consents=tuple(
            ConsentGiven(
                consent.channel,
                consent.purpose,
                ConsentStatus.GRANTED if consent.granted else ConsentStatus.DENIED,
                wording=consent.wording,
            )
            for consent in event.consents
        ),
        partner_id=record.partner_id,
        source_reference=event.lead_reference,
        campaign=event.campaign,
        referral_code=event.referral_code,
        utm=event.utm,
        budget=event.budget,
        answers=answers,
    )


def person_said(person: Person, partner_id: str) -> PersonSaid:
    """A partner's person; the partner's reference counts within that partner only."""
    reference = person.partner_customer_reference
    return PersonSaid(
        name=person.name,
        phone=person.phone,
        email=person.email,
        wechat=person.wechat,
        partner_reference=None if reference is None else f"{partner_id}/{reference}",
        national_id=person.national_id,
        birth_date=person.birth_date,
        address=None
        if person.address is None
        else Address(
            person.address.street,
            person.address.city,
            person.address.region,
            person.address.postcode,
        ),
    )


def secret_of(partner_id: str, key_id: str) -> bytes:
    """The secret with which a partner signs under a key; derived anew, so that none is stored.

    Raises LookupError when the key it was derived from is no longer on the keyring.
    """
    purpose, made_with = f"partner/{partner_id}/{key_id}", key_id.partition(".")[0]
    return keyring().derived(purpose, key_id=made_with)


def _signature(
    record: RawRecord, attributes: Mapping[str, str], partner_id: str
) -> tuple[Signed, str | None]:
    header = next((value for name, value in record.headers if name == SIGNATURE_HEADER), None)
    if header is None:
        return Signed.NOT, None
    signature = Signature.read(header.decode(errors="replace"))
    if signature is None:
        return Signed.WRONGLY, None
    try:
        secret = secret_of(partner_id, signature.key_id)
    except LookupError:
        return Signed.WRONGLY, readable(signature.key_id)
    right = hmac.compare_digest(signature.mac, mac_of(attributes, record.value, secret))
    return (Signed.RIGHTLY if right else Signed.WRONGLY), readable(signature.key_id)


def _attributes(record: RawRecord) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX): value.decode(errors="replace")
        for name, value in record.headers
        if name.startswith(PREFIX)
    }


def _shown(attributes: dict[str, str], name: str) -> str | None:
    return readable(attributes[name]) if attributes.get(name) else None


def _envelope_fault(attributes: dict[str, str], event: PartnerEvent | None) -> Fault | None:
    try:
        envelope = Envelope.model_validate(attributes)
    except ValidationError as error:
        problems = field_problems(error)
        return Fault(
            "not-a-cloudevent",
            "The record is no CloudEvent 1.0 in binary mode: see the ce_ headers named in"
            " problems.",
            problems,
        )
    if event is not None and envelope.subject != event.subject:
        return Fault(
            "not-a-cloudevent",
            "The header ce_subject should be the reference that the data names.",
        )
    return None


def _body(type_name: str, value: bytes | None) -> tuple[PartnerEvent | None, str, Fault | None]:
    event_class = PARTNER_TYPES.get(type_name)
    if event_class is None:
        return None, "", None
    try:
        document = orjson.loads(value or b"")
        digest = hashlib.sha256(orjson.dumps([type_name, document], option=orjson.OPT_SORT_KEYS))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        return None, "", Fault("malformed-json", "The record's value is not JSON in UTF-8.")
    try:
        event = event_class.model_validate_json(value or b"")
    except ValidationError as error:
        problems = field_problems(error)
        return (
            None,
            digest.hexdigest(),
            Fault(
                "invalid-fields",
                f"{len(problems)} field(s) to mend; problems says where and what.",
                problems,
            ),
        )
    return event, digest.hexdigest(), None
