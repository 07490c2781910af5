"""Inputs that are wrong on purpose, so that the report shows every door refusing what it must."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from keyturn_demo.doors.partners import PORTAL, PartnerRecord, record_of
from keyturn_events.partners import PARTNER_SOURCE_PREFIX, PartnerLeadSubmitted, Person

OVERSIZED: Final = 2 * 1_048_576
"""Bytes of a body that is larger than any door takes."""


@dataclass(frozen=True, slots=True)
class WrongRequest:
    """A request body that should be refused, and for what reason."""

    what: str
    body: bytes
    reason: str


def wrong_leads() -> Iterator[WrongRequest]:
    """Bodies of `POST /leads`, each with one thing wrong."""
    yield WrongRequest("malformed JSON", b'{"name": "\xe5\xbc\xa0\xe4\xbc\x9f", ', "malformed-body")
    yield WrongRequest("not UTF-8", b'{"name": "\xff\xfe"}', "malformed-body")
    for what, change in (
        ("wrong type", {"phone": 13800138000}),
        ("unknown enum", {"channel": "smoke-signal"}),
        ("bad date", {"captured_at": "yesterday"}),
        ("date without offset", {"captured_at": "2026-03-01T09:00:00"}),
        ("huge number", {"budget": {"amount": "9" * 40, "currency": "CNY"}}),
        ("unknown currency", {"budget": {"amount": "1.00", "currency": "XYZ"}}),
        ("unknown field", {"favourite_colour": "red"}),
        ("text too long", {"name": "长" * 5_000}),
    ):
        yield WrongRequest(what, _lead(change), "invalid-request")
    yield WrongRequest("NUL in text", _lead({"name": "\x00"}), "invalid-request")
    yield WrongRequest("nobody", orjson.dumps({"channel": "web", "name": "无名"}), "no-identifier")
    yield WrongRequest("no phone at all", _lead({"phone": "12"}), "invalid-phone")
    yield WrongRequest("oversized body", _lead({"name": "x" * OVERSIZED}), "body-too-large")


def wrong_rows() -> Iterator[dict[str, Any]]:
    """Rows of a batch, each with one thing wrong."""
    yield {"channel": "event", "name": "无名"}
    yield {"channel": "event", "phone": "not a phone"}
    yield {"channel": "event", "email": "no-at-sign.example.com"}
    yield {"channel": "carrier-pigeon", "phone": "13800138000"}


def wrong_records(tag: str, at: datetime) -> Iterator[tuple[str, PartnerRecord]]:
    """Records on the partner door, each with one thing wrong, and what that is."""
    lead = PartnerLeadSubmitted(
        lead_reference=f"{tag}-wrong",
        submitted_at=at,
        person=Person(phone="13800138000", name="无名"),
    )

    def right(id: str, *, partner: str = PORTAL) -> PartnerRecord:
        return record_of(lead, partner=partner, id=f"{tag}-wrong-{id}", time=at)

    def with_value(id: str, value: bytes) -> PartnerRecord:
        record = right(id)
        return PartnerRecord(record.key, value, record.headers)

    def with_headers(id: str, changes: Mapping[str, str | None]) -> PartnerRecord:
        record = right(id)
        headers = {name: value.decode() for name, value in record.headers}
        for name, value in changes.items():
            if value is None:
                del headers[name]
            else:
                headers[name] = value
        return PartnerRecord(
            record.key, record.value, [(name, value.encode()) for name, value in headers.items()]
        )

    data = orjson.loads(lead.model_dump_json(exclude_none=True))
    yield "malformed JSON", with_value("malformed", b'{"lead_reference": ')
    yield "no JSON at all", with_value("binary", b"\x00\xff\x00")
    yield "wrong type", with_value("type", orjson.dumps({**data, "person": "张伟"}))
    yield "bad date", with_value("date", orjson.dumps({**data, "submitted_at": "2026-13-45"}))
    yield "unknown enum", with_value("enum", orjson.dumps({**data, "channel": "smoke-signal"}))
    yield "nobody", with_value("nobody", orjson.dumps({**data, "person": {"name": "无名"}}))
    yield "unknown partner", right("partner", partner="nobody-knows-us")
    yield "unknown type", with_headers("unknown", {"ce_type": "partner.lead.dreamt.v1"})
    yield "type not allowed", with_headers("allowed", {"ce_type": "partner.sale.recorded.v1"})
    yield "no CloudEvent", with_headers("bare", {"ce_specversion": None, "ce_id": None})
    yield "no such source", with_headers("source", {"ce_source": f"{PARTNER_SOURCE_PREFIX}../x"})


def _lead(change: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"channel": "web", "phone": "13800138000", **change})
