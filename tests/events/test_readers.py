"""Old readers read new events, and new readers read old ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from keyturn_events import CATALOGUE, Envelope, Event, golden_message, published_schema
from keyturn_events.publish import PACKAGE, committed

Json: TypeAlias = dict[str, Any]

WITH_A_VALUE = {name: kind for name, kind in CATALOGUE.items() if not kind.tombstone}
EVERY_TYPE = pytest.mark.parametrize("event_class", WITH_A_VALUE.values(), ids=WITH_A_VALUE)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
unknown_fields = st.dictionaries(
    st.from_regex(r"new_[a-z_]{1,12}", fullmatch=True), anything, min_size=1, max_size=3
)


def golden_data(event_class: type[Event]) -> Json:
    data: Json = json.loads(golden_message(event_class).value or b"")
    return data


def read(event_class: type[Event], data: Json) -> Event:
    subject = golden_message(event_class).envelope.subject
    return event_class.read(subject, json.dumps(data).encode())


def objects(value: object) -> Iterator[Json]:
    """Every JSON object in a document, itself first."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def optional_fields(event_class: type[Event]) -> list[str]:
    required = published_schema(event_class).get("required", [])
    return [name for name in golden_data(event_class) if name not in required]


@EVERY_TYPE
@settings(max_examples=4, deadline=None)
@given(st.data())
def test_an_old_reader_ignores_fields_of_a_newer_writer_at_any_depth(
    event_class: type[Event], data: st.DataObject
) -> None:
    newer = golden_data(event_class)
    places = [place for place in objects(newer) if not _by_value(event_class, newer, place)]
    place = data.draw(st.sampled_from(range(len(places))))
    places[place] |= data.draw(unknown_fields)

    assert read(event_class, newer) == golden_message(event_class).event
    assert Draft202012Validator(published_schema(event_class)).is_valid(newer)


def _by_value(event_class: type[Event], document: Json, place: Json) -> bool:
    """Whether the keys of a place are values themselves, such as answers by question."""
    fields = published_schema(event_class).get("properties", {})
    return any(
        document.get(name) is place and "properties" not in field and "$ref" not in str(field)
        for name, field in fields.items()
    )


@EVERY_TYPE
@settings(max_examples=4, deadline=None)
@given(st.data())
def test_a_new_reader_reads_a_writer_that_knew_only_some_of_the_fields(
    event_class: type[Event], data: st.DataObject
) -> None:
    optional = optional_fields(event_class)
    dropped = data.draw(st.sets(st.sampled_from(optional)) if optional else st.just(set[str]()))
    older = {n: value for n, value in golden_data(event_class).items() if n not in dropped}

    event = read(event_class, older)

    for name in older:
        assert getattr(event, name) == getattr(golden_message(event_class).event, name)
    assert Draft202012Validator(published_schema(event_class)).is_valid(older)


@EVERY_TYPE
def test_a_reader_needs_no_more_than_the_required_fields(event_class: type[Event]) -> None:
    required = published_schema(event_class).get("required", [])
    least = {name: value for name, value in golden_data(event_class).items() if name in required}

    assert {name for name in required if name in golden_data(event_class)} == set(required)
    assert read(event_class, least).subject == golden_message(event_class).envelope.subject


def test_an_envelope_of_a_newer_writer_is_read() -> None:
    known = next(iter(CATALOGUE.values()))
    attributes = golden_message(known).envelope.model_dump(mode="json", exclude_none=True)

    assert Envelope.model_validate(attributes | {"partitionkey": "x", "sequence": "7"}) == (
        golden_message(known).envelope
    )


def test_an_envelope_needs_no_extension_of_ours() -> None:
    envelope = Envelope.model_validate(
        {
            "id": "1",
            "source": "intake",
            "type": "keyturn.lead.captured.v1",
            "subject": "cus-1",
            "time": "2026-03-01T12:00:00Z",
        }
    )

    assert (envelope.recordedtime, envelope.causationid, envelope.traceparent) == (None,) * 3


def test_every_example_that_was_ever_committed_is_read_and_fits_the_schema_of_today() -> None:
    examples = [old for old in committed(PACKAGE, "examples", "HEAD") if old.name in WITH_A_VALUE]
    if not examples:
        pytest.skip("this is no checkout with a history")
    for old in examples:
        event_class = CATALOGUE[old.name]
        event = event_class.read(
            old.document["attributes"]["subject"], json.dumps(old.document["data"]).encode()
        )
        assert event.subject == old.document["attributes"]["subject"]
        assert Draft202012Validator(published_schema(event_class)).is_valid(old.document["data"])


def test_what_is_said_today_fits_every_schema_that_was_ever_committed() -> None:
    schemas = [old for old in committed(PACKAGE, "schemas", "HEAD") if old.name in WITH_A_VALUE]
    if not schemas:
        pytest.skip("this is no checkout with a history")
    for old in schemas:
        faults = Draft202012Validator(copy.deepcopy(old.document)).iter_errors(
            golden_data(CATALOGUE[old.name])
        )
        assert [f"{old.name} {fault.json_path}: {fault.message}" for fault in faults] == []
