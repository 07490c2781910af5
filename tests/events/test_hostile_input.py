"""What a reader ignores, and what it refuses and where."""

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError

from keyturn_events import Event, OriginalRecord, field_problems, golden_message, readable
from keyturn_events.intake import ContactErased, CustomerRegistered, LeadCaptured, PurchaseSigned
from keyturn_events.partners import PartnerSaleRecorded
from keyturn_events.problems import LONGEST_ORIGINAL, MOST_PROBLEMS, Encoding


def golden_data(event_class: type[Event]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(golden_message(event_class).value or b"")
    return data


def faults_of(event_class: type[Event], data: object) -> dict[str, str]:
    """What is wrong with `data`, by JSON Pointer."""
    with pytest.raises(ValidationError) as caught:
        event_class.model_validate_json(data if isinstance(data, bytes) else json.dumps(data))
    return {problem.pointer: problem.detail for problem in field_problems(caught.value)}


def test_fields_of_a_newer_writer_are_ignored() -> None:
    data = golden_data(PurchaseSigned)
    newer = {**data, "carbon_class": "a", "price": {**data["price"], "taxed": True}}

    assert PurchaseSigned.model_validate(newer) == golden_message(PurchaseSigned).event


def test_a_null_says_the_same_as_an_absent_field() -> None:
    data = golden_data(LeadCaptured)

    assert (
        LeadCaptured.model_validate({**data, "import_id": None})
        == golden_message(LeadCaptured).event
    )


def test_an_unknown_enum_value_is_refused_with_its_pointer() -> None:
    data = golden_data(PartnerSaleRecorded) | {"stage": "mortgaged"}

    assert faults_of(PartnerSaleRecorded, data) == {
        "/stage": "Input should be 'reserved', 'subscribed', 'signed', 'paid' or 'rescinded'"
    }


def test_a_fault_deep_inside_is_named_by_its_whole_pointer() -> None:
    data = golden_data(CustomerRegistered)
    data["household"]["members"].append({"relationship": "child", "birth_date": "2024-02-30"})

    assert [*faults_of(CustomerRegistered, data)] == ["/household/members/1/birth_date"]


@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        ("/sale_reference", {"sale_reference": "SL\x001"}),
        ("/price/amount", {"price": {"amount": "9" * 400, "currency": "CNY"}}),
        ("/price/amount", {"price": {"amount": 1e308, "currency": "CNY"}}),
        ("/price", {"price": 10**400}),
        ("/recorded_on", {"recorded_on": "2026-02-30"}),
        ("/recorded_on", {"recorded_on": 20260620}),
        ("/buyer", {"buyer": "周岚"}),
        ("/buyer/name", {"buyer": {"name": "x" * 100_000}}),
        ("/home_id", {"home_id": None}),
        ("/community_id", {"community_id": ["lakeside-garden"]}),
    ],
)
def test_a_bad_value_is_refused_with_its_pointer(pointer: str, change: dict[str, Any]) -> None:
    assert [*faults_of(PartnerSaleRecorded, golden_data(PartnerSaleRecorded) | change)] == [pointer]


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"\x00", b"[" * 100_000]
)
def test_a_value_that_is_no_json_object_is_refused_as_a_whole(value: bytes) -> None:
    assert [*faults_of(PartnerSaleRecorded, value)] == [""]


def test_every_missing_field_is_named() -> None:
    assert faults_of(LeadCaptured, {}) == dict.fromkeys(
        ("/customer_id", "/lead_id", "/channel", "/captured_at", "/joined", "/repeated"),
        "Field required",
    )


def test_a_refusal_does_not_repeat_the_offending_value() -> None:
    data = golden_data(PartnerSaleRecorded) | {"community_id": "secret value"}

    assert "secret value" not in str(faults_of(PartnerSaleRecorded, data))


def test_at_most_twenty_problems_are_listed() -> None:
    data = golden_data(CustomerRegistered)
    data["household"]["members"] = [{"relationship": "dragon"}] * MOST_PROBLEMS

    assert len(faults_of(CustomerRegistered, {**data, "channel": "balloon"})) == MOST_PROBLEMS


def test_a_tombstone_is_read_from_its_subject_alone() -> None:
    assert ContactErased.read("cus-1", None) == ContactErased(customer_id="cus-1")
    assert golden_message(ContactErased).value is None


def test_a_record_without_value_is_refused_for_any_other_event() -> None:
    with pytest.raises(ValidationError):
        LeadCaptured.read("cus-1", None)


def test_an_original_that_is_text_is_given_back_as_text() -> None:
    original = OriginalRecord.of('{\n\t"name": "周岚"\r\n}'.encode())

    assert original == OriginalRecord(encoding=Encoding.UTF_8, data='{\n\t"name": "周岚"\r\n}')


@pytest.mark.parametrize("value", [b"\xff\xfe\x00", b'{"a": "\x00"}', b"\x1b[31m"])
def test_an_original_that_is_not_readable_is_given_back_in_base64(value: bytes) -> None:
    original = OriginalRecord.of(value)

    assert original.encoding is Encoding.BASE64
    assert base64.b64decode(original.data) == value
    assert not original.truncated


@pytest.mark.parametrize("unit", [b"a", "家".encode(), b"\xff"])
def test_a_huge_original_is_cut_and_says_so(unit: bytes) -> None:
    original = OriginalRecord.of(unit * (LONGEST_ORIGINAL + 1))

    assert len(original.data) <= LONGEST_ORIGINAL
    assert original.truncated


def test_untrusted_text_is_made_fit_for_an_event() -> None:
    assert readable("a\x00b\nc\ud800d") == "a�b�c�d"
    assert readable("x" * 300) == "x" * 200
