"""Every event type has one golden example, and it is exactly what is published and read."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from keyturn_events import (
    CATALOGUE,
    Envelope,
    Event,
    golden_message,
    published,
    published_schema,
)

EVERY_TYPE = pytest.mark.parametrize("event_class", CATALOGUE.values(), ids=CATALOGUE)


def example_of(event_class: type[Event]) -> dict[str, Any]:
    text = (published("examples") / f"{event_class.type}.json").read_text("utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def as_value(data: object) -> bytes | None:
    if data is None:
        return None
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


@EVERY_TYPE
def test_the_example_is_byte_for_byte_what_is_published(event_class: type[Event]) -> None:
    example = example_of(event_class)
    message = golden_message(event_class)

    assert message.value == as_value(example["data"])
    assert dict(message.headers) == {
        "content-type": b"application/json",
        **{
            f"ce_{name}": value.encode()
            for name, value in example["attributes"].items()
            if name != "datacontenttype"
        },
    }


@EVERY_TYPE
def test_what_is_published_is_read_back_as_the_same_message(event_class: type[Event]) -> None:
    message = golden_message(event_class)

    attributes = {
        name.removeprefix("ce_"): value.decode()
        for name, value in message.headers
        if name.startswith("ce_")
    }
    assert Envelope.model_validate(attributes) == message.envelope
    assert event_class.read(message.envelope.subject, message.value) == message.event


@EVERY_TYPE
def test_the_example_fits_its_published_schema(event_class: type[Event]) -> None:
    schema = published_schema(event_class)

    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    assert [error.message for error in validator.iter_errors(example_of(event_class)["data"])] == []


@EVERY_TYPE
def test_the_envelope_names_the_type_its_schema_and_its_subject(event_class: type[Event]) -> None:
    message = golden_message(event_class)

    assert message.envelope.type == event_class.type
    assert message.envelope.dataschema == published_schema(event_class)["$id"]
    assert message.envelope.subject == message.event.subject
    assert message.key == message.event.subject.encode()


def test_there_is_an_example_and_a_schema_for_each_type_and_no_other() -> None:
    for directory in ("examples", "schemas"):
        assert {path.stem for path in published(directory).iterdir()} == CATALOGUE.keys()


def test_causes_are_events_of_the_same_journey_that_came_no_later() -> None:
    messages = [golden_message(event_class) for event_class in CATALOGUE.values()]
    times = {message.envelope.id: message.envelope.time for message in messages}

    assert len(times) == len(CATALOGUE)
    caused = [m.envelope for m in messages if m.envelope.causationid is not None]
    assert caused
    for envelope in caused:
        assert times[str(envelope.causationid)] <= envelope.time
