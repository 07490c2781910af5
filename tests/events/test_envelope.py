"""Our messages are CloudEvents 1.0 in Kafka binary mode, by the judgement of the official SDK."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import ValidationError

from keyturn_events import CATALOGUE, Envelope, Event, Message, golden_message
from keyturn_events.intake import CustomerErased, LeadCaptured

ATTRIBUTES: dict[str, Any] = {
    "id": "evt-1",
    "source": "/partners/home-portal",
    "type": "partner.lead.submitted.v1",
    "subject": "HP-1",
    "time": "2026-03-14T10:12:00+08:00",
}


@pytest.mark.parametrize(
    "event_class", [event_class for event_class in CATALOGUE.values() if not event_class.tombstone]
)
def test_the_sdk_reads_what_we_write(event_class: type[Event]) -> None:
    message = golden_message(event_class)
    assert message.value is not None

    read = from_binary(
        KafkaMessage(dict(message.headers), message.key, message.value), JSONFormat()
    )

    assert read.get_id() == message.envelope.id
    assert read.get_source() == message.envelope.source
    assert read.get_type() == event_class.type
    assert read.get_subject() == message.event.subject
    assert read.get_time() == message.envelope.time
    assert read.get_datacontenttype() == "application/json"
    assert read.get_dataschema() == message.envelope.dataschema
    assert read.get_data() == json.loads(message.value)


def test_we_read_what_the_sdk_writes() -> None:
    event = golden_message(LeadCaptured).event
    written = to_binary(
        CloudEvent(
            {
                **ATTRIBUTES,
                "type": LeadCaptured.type,
                "specversion": "1.0",
                "time": datetime(2026, 3, 14, 2, 12, tzinfo=UTC),
                "datacontenttype": "application/json",
            },
            event.model_dump(mode="json"),
        ),
        JSONFormat(),
    )

    attributes = {name.removeprefix("ce_"): text.decode() for name, text in written.headers.items()}
    envelope = Envelope.model_validate(attributes)
    assert (envelope.id, envelope.source, envelope.time.isoformat()) == (
        "evt-1",
        "/partners/home-portal",
        "2026-03-14T02:12:00+00:00",
    )
    assert LeadCaptured.read(envelope.subject, written.value) == event


def test_attributes_that_are_not_known_are_ignored() -> None:
    envelope = Envelope.model_validate({**ATTRIBUTES, "sampledrate": "7"})

    assert envelope == Envelope.model_validate(ATTRIBUTES)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_envelope_without_a_required_attribute_is_refused(name: str) -> None:
    incomplete = {key: value for key, value in ATTRIBUTES.items() if key != name}

    with pytest.raises(ValidationError, match=name):
        Envelope.model_validate(incomplete)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("specversion", "0.3"),
        ("id", ""),
        ("id", "a\x00"),
        ("id", "x" * 201),
        ("source", "line\nbreak"),
        ("time", "2026-03-14 10:12"),
        ("time", "1700000000"),
        ("traceparent", "x" * 56),
    ],
)
def test_an_attribute_out_of_bounds_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Envelope.model_validate({**ATTRIBUTES, name: value})


def test_a_message_takes_type_subject_schema_and_key_from_its_event() -> None:
    message = Message.of(
        CustomerErased(customer_id="cus-1", erasure_id="ers-1"),
        id="evt-1",
        source="intake",
        time=datetime(2026, 3, 14, tzinfo=UTC),
    )

    assert message.key == b"cus-1"
    assert message.value == b'{"customer_id":"cus-1","erasure_id":"ers-1"}'
    assert message.headers == [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", b"evt-1"),
        ("ce_source", b"intake"),
        ("ce_type", b"keyturn.customer.erased.v1"),
        ("ce_subject", b"cus-1"),
        ("ce_time", b"2026-03-14T00:00:00Z"),
        (
            "ce_dataschema",
            b"https://schemas.keyturn.example/events/keyturn.customer.erased.v1.json",
        ),
    ]
