"""Money, dates, ids and texts accept what is exact and refuse the rest."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import add, lt, sub
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from keyturn_events.intake import CustomerRegistered
from keyturn_events.scalars import Code, CustomerId, Day, Email, Line, Moment, Phone, TimeZone
from keyturn_events.values import LARGEST_AMOUNT, LARGEST_HOUSEHOLD, Household, Money

amounts = st.decimals(
    min_value=-LARGEST_AMOUNT, max_value=LARGEST_AMOUNT, places=4, allow_nan=False
)


def money(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="CNY")


def refused(kind: Any, value: object) -> bool:
    """Whether both doors refuse: JSON as it comes from Kafka, and Python as it comes from HTTP."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    as_json = _is_refused(adapter.validate_json, json.dumps(value))
    assert _is_refused(adapter.validate_python, value) == as_json
    return as_json


def _is_refused(validate: Callable[[Any], object], raw: object) -> bool:
    try:
        validate(raw)
    except ValidationError:
        return True
    return False


@given(amounts)
def test_money_survives_the_wire_exactly(amount: Decimal) -> None:
    value = Money(amount=amount, currency="CNY")

    assert Money.model_validate_json(value.model_dump_json()) == value


@given(amounts, amounts)
def test_what_is_added_and_taken_away_again_leaves_the_same(one: Decimal, other: Decimal) -> None:
    half, quarter = Decimal("0.5"), Decimal("0.25")
    a = Money(amount=(one * half).quantize(Decimal("0.01")), currency="EUR")
    b = Money(amount=(other * quarter).quantize(Decimal("0.01")), currency="EUR")

    assert (a + b) - b == a
    assert a + b == b + a
    assert a + Money.zero("EUR") == a


def test_money_is_written_without_an_exponent() -> None:
    assert Money(amount=Decimal("1.68E+6"), currency="CNY").model_dump_json() == (
        '{"amount":"1680000","currency":"CNY"}'
    )


@pytest.mark.parametrize(
    "amount",
    [
        "1e9",
        "NaN",
        "Infinity",
        "100000000000000",
        "-100000000000000",
        "0.00001",
        "01",
        "1,5",
        "",
        " 1",
    ],
)
def test_an_amount_that_is_huge_or_not_plain_is_refused(amount: str) -> None:
    assert refused(Money, {"amount": amount, "currency": "CNY"})


@pytest.mark.parametrize("amount", ["99999999999999.9999", "-99999999999999.9999", "0", "0.0001"])
def test_an_amount_at_the_edge_is_accepted(amount: str) -> None:
    assert not refused(Money, {"amount": amount, "currency": "CNY"})


@pytest.mark.parametrize("amount", [1680000, 0.1, True, None])
def test_an_amount_that_is_no_text_is_refused(amount: object) -> None:
    assert refused(Money, {"amount": amount, "currency": "CNY"})


def test_an_unknown_currency_is_refused_in_one_line() -> None:
    with pytest.raises(ValidationError, match="ISO 4217 currency code such as CNY"):
        Money.model_validate({"amount": "1", "currency": "XYZ"})


@pytest.mark.parametrize("reckon", [add, sub, lt])
def test_different_currencies_are_not_reckoned_together(reckon: Callable[..., object]) -> None:
    dollars = Money(amount=Decimal(1), currency="USD")

    with pytest.raises(ValueError, match="CNY and USD cannot be reckoned together"):
        reckon(money("1"), dollars)


def test_a_sum_out_of_bounds_is_refused() -> None:
    with pytest.raises(ValidationError):
        money("99999999999999") + money("1")


def test_money_is_ordered_within_a_currency() -> None:
    assert sorted([money("3"), money("1"), money("2.5")]) == [money("1"), money("2.5"), money("3")]


@pytest.mark.parametrize(
    "day",
    ["2026-02-30", "2026-2-3", "1899-12-31", "2201-01-01", "0", "1700006400", 0, 1700006400, ""],
)
def test_a_bad_day_is_refused(day: object) -> None:
    assert refused(Day, day)


@pytest.mark.parametrize("day", ["1900-01-01", "2200-12-31", "2024-02-29"])
def test_a_day_within_bounds_is_accepted(day: str) -> None:
    assert TypeAdapter(Day).validate_json(json.dumps(day)) == date.fromisoformat(day)
    assert not refused(Day, day)


@pytest.mark.parametrize(
    "moment",
    [
        "2026-03-01T09:30:00",
        "2026-03-01 09:30:00+08:00",
        "2026-03-01",
        "2026-13-01T00:00:00Z",
        "2026-03-01T24:30:00Z",
        "1899-12-31T23:59:59Z",
        "2201-01-01T00:00:00Z",
        "1700000000",
        1700000000,
        1.7e9,
    ],
)
def test_a_moment_that_is_bad_or_has_no_offset_is_refused(moment: object) -> None:
    assert refused(Moment, moment)


def test_a_naive_time_is_refused_in_python_too() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(datetime(2026, 3, 1))  # noqa: DTZ001 - it is tested


@given(
    st.datetimes(
        min_value=datetime(1901, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
def test_a_moment_survives_the_wire_exactly(moment: datetime) -> None:
    adapter: TypeAdapter[datetime] = TypeAdapter(Moment)

    assert adapter.validate_json(adapter.dump_json(moment)) == moment


@pytest.mark.parametrize(
    "text", ["a\x00b", "line\nbreak", "\x1b[31m", "\x7f", "\x85", "", "x" * 201]
)
def test_a_line_without_content_or_with_control_characters_is_refused(text: str) -> None:
    assert refused(Line, text)


def test_a_line_may_be_chinese_and_200_characters_long() -> None:
    assert not refused(Line, "家" * 200)


@pytest.mark.parametrize("id_", ["", "a b", "a/b", "ä", "x" * 65, "a\n", "a\x00"])
def test_an_id_of_another_form_is_refused(id_: str) -> None:
    assert refused(CustomerId, id_)


def test_an_id_may_be_64_characters_long() -> None:
    assert not refused(CustomerId, "x" * 64)


@pytest.mark.parametrize("code", ["Gold", "a b", "-a", "x" * 65, "a\n"])
def test_a_code_of_another_form_is_refused(code: str) -> None:
    assert refused(Code, code)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Phone, "13800000000"),
        (Phone, "+0123456789"),
        (Phone, "+1234567890123456"),
        (Email, "zhou.lan"),
        (Email, "a b@mail.example"),
        (Email, "@mail.example"),
        (TimeZone, "Asia/"),
        (TimeZone, "Asia Shanghai"),
    ],
)
def test_a_contact_point_that_is_not_normalised_is_refused(kind: Any, value: str) -> None:
    assert refused(kind, value)


def test_a_household_has_at_most_twenty_members() -> None:
    member = {"relationship": "child"}

    assert not refused(Household, {"members": [member] * LARGEST_HOUSEHOLD})
    assert refused(Household, {"members": [member] * (LARGEST_HOUSEHOLD + 1)})


def test_what_is_not_known_of_a_household_is_absent() -> None:
    registered = CustomerRegistered.model_validate({"customer_id": "cus-1", "channel": "web"})

    assert registered.household == Household()
    assert registered.household.homes_owned is None
    assert registered.affordability.annual_income is None
