"""A lead in the form of each door: JSON for the API, an event for partners, a row for a file."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from keyturn_demo.neighbourhood import Touch
from keyturn_demo.people import Person
from keyturn_events.partners import PartnerConsent, PartnerLeadSubmitted
from keyturn_events.partners import Person as PartnerPerson
from keyturn_events.vocabulary import Channel, ConsentStatus, Purpose

WORDING: Final = "privacy-2026-03"
CONSENTS: Final = tuple(
    (channel, purpose)
    for channel in (Channel.EMAIL, Channel.SMS)
    for purpose in (Purpose.MARKETING, Purpose.SURVEY)
)
"""What people are asked to allow when they come."""


def api_form(touch: Touch, captured_at: datetime) -> dict[str, Any]:
    """The JSON body of a lead for the API, alone or in a batch."""
    person = touch.person
    form: dict[str, Any] = {
        "name": person.name,
        "phone": person.phone,
        "email": person.email,
        "language": person.language,
        "channel": touch.channel.value,
        "captured_at": captured_at.isoformat(),
        "community_id": touch.community_id,
        "source_reference": touch.reference,
        "referral_code": touch.referral_code,
        "product_line": None if touch.product_line is None else touch.product_line.value,
        "household": _document(touch.household),
        "affordability": _document(touch.affordability),
        "budget": _document(touch.budget),
        "consents": [
            {
                "channel": channel.value,
                "purpose": purpose.value,
                "status": _status(touch, purpose).value,
                "wording": WORDING,
            }
            for channel, purpose in CONSENTS
        ],
    }
    return {name: value for name, value in form.items() if value is not None}


def partner_lead(touch: Touch, submitted_at: datetime) -> PartnerLeadSubmitted:
    """The lead as a partner's event."""
    return PartnerLeadSubmitted(
        lead_reference=touch.reference,
        submitted_at=submitted_at,
        person=partner_person(touch.person),
        channel=touch.channel,
        community_id=touch.community_id,
        referral_code=touch.referral_code,
        budget=touch.budget,
        household=touch.household,
        affordability=touch.affordability,
        consents=tuple(
            PartnerConsent(
                channel=channel,
                purpose=purpose,
                granted=_status(touch, purpose) is ConsentStatus.GRANTED,
                wording=WORDING,
            )
            for channel, purpose in CONSENTS
        ),
    )


def partner_person(person: Person) -> PartnerPerson:
    """A person as a partner knows them."""
    return PartnerPerson(
        partner_customer_reference=person.reference,
        name=person.name,
        phone=person.phone,
        email=person.email,
        language=person.language,
    )


def csv_row(form: Mapping[str, Any]) -> dict[str, str]:
    """A form for the API as a row of a file: one cell a value, named by the value's place."""
    row: dict[str, str] = {}
    for name, value in form.items():
        if name == "consents":
            row[name] = " ".join(
                f"{consent['channel']}/{consent['purpose']}/{consent['status']}"
                for consent in value
            )
        else:
            row.update(_cells(name, value))
    return row


def csv_file(rows: Iterable[Mapping[str, str]]) -> bytes:
    """A gzipped CSV file with every column that some row has; a row's other cells are empty."""
    listed = list(rows)
    columns = dict.fromkeys(name for row in listed for name in row)
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, list(columns), restval="")
    writer.writeheader()
    writer.writerows(listed)
    # mtime: the same rows give the same bytes, so that a repeated upload is the same file.
    return gzip.compress(written.getvalue().encode(), compresslevel=5, mtime=0)


def _status(touch: Touch, purpose: Purpose) -> ConsentStatus:
    if purpose is Purpose.MARKETING and not touch.marketing:
        return ConsentStatus.DENIED
    return ConsentStatus.GRANTED


def _cells(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _cells(f"{place}.{name}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _cells(f"{place}.{number}", inner)
    else:
        yield place, str(value).lower() if isinstance(value, bool) else str(value)


def _document(value: Any) -> Any:
    """A value of the events package as plain JSON."""
    return None if value is None else orjson.loads(value.model_dump_json(exclude_none=True))
