"""Who is it? The match rules, and how new answers are reconciled with old ones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from intake.domain.leads.capture import PersonSaid
from intake.domain.people.customers import Customer, Facts, learn
from intake.domain.people.identity import Identifier, IdentifierKind, Identity, recognise
from intake.reading.contact_points import identify, normalised_email, normalised_phone
from keyturn_events import Affordability, Household, HouseholdMember, Money, Refusal
from keyturn_events.intake import CustomerUpdated
from keyturn_events.vocabulary import MaritalStatus, Relationship

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PHONE = Identifier(IdentifierKind.PHONE, "+8613800138000")
EMAIL = Identifier(IdentifierKind.EMAIL, "zhang@example.com")
WECHAT = Identifier(IdentifierKind.WECHAT, "openid-zhang")


def customer(customer_id: str = "zhang", **known: object) -> Customer:
    return Customer(customer_id=customer_id, registered_at=NOON, **known)  # type: ignore[arg-type]  # known fields by name


def test_a_stranger_is_nobody_we_know() -> None:
    assert recognise(Identity(phone=PHONE.value), {}) is None


def test_a_known_phone_recognises_its_owner() -> None:
    zhang = customer(phones=(PHONE.value,))
    assert recognise(Identity(phone=PHONE.value), {PHONE: zhang}) is zhang


def test_the_stronger_identifier_decides_when_two_belong_to_different_customers() -> None:
    zhang, li = customer("zhang", emails=(EMAIL.value,)), customer("li", phones=(PHONE.value,))
    identity = Identity(phone=PHONE.value, email=EMAIL.value)
    assert recognise(identity, {EMAIL: zhang, PHONE: li}) is zhang


def test_a_shared_phone_is_no_match_for_somebody_with_another_wechat() -> None:
    zhang = customer(phones=(PHONE.value,), wechat="openid-zhang")
    assert recognise(Identity(phone=PHONE.value, wechat="openid-li"), {PHONE: zhang}) is None


def test_a_shared_email_is_no_match_for_somebody_with_another_wechat() -> None:
    zhang = customer(emails=(EMAIL.value,), wechat="openid-zhang")
    assert recognise(Identity(email=EMAIL.value, wechat="openid-li"), {EMAIL: zhang}) is None


def test_a_shared_phone_is_no_match_for_somebody_the_same_partner_calls_otherwise() -> None:
    zhang = customer(phones=(PHONE.value,), references=("ledger/1",))
    identity = Identity(phone=PHONE.value, partner_reference="ledger/2")
    assert recognise(identity, {PHONE: zhang}) is None


def test_a_reference_of_another_partner_does_not_contradict_a_phone() -> None:
    zhang = customer(phones=(PHONE.value,), references=("ledger/1",))
    identity = Identity(phone=PHONE.value, partner_reference="portal/2")
    assert recognise(identity, {PHONE: zhang}) is zhang


def test_a_family_phone_with_another_name_and_another_email_is_another_person() -> None:
    zhang = customer(name="张伟", phones=(PHONE.value,), emails=(EMAIL.value,))
    wife = Identity(name="李娜", phone=PHONE.value, email="li@example.com")
    assert recognise(wife, {PHONE: zhang}) is None


def test_another_name_alone_does_not_contradict_a_phone() -> None:
    zhang = customer(name="张伟", phones=(PHONE.value,))
    assert recognise(Identity(name="Zhang Wei", phone=PHONE.value), {PHONE: zhang}) is zhang


def test_another_email_under_the_same_name_is_the_same_person() -> None:
    zhang = customer(name="Zhang Wei", phones=(PHONE.value,), emails=(EMAIL.value,))
    identity = Identity(name="zhang  wei", phone=PHONE.value, email="work@example.com")
    assert recognise(identity, {PHONE: zhang}) is zhang


def test_a_contradicted_email_gives_way_to_an_uncontradicted_phone() -> None:
    zhang = customer("zhang", emails=(EMAIL.value,), wechat="openid-zhang")
    li = customer("li", phones=(PHONE.value,))
    identity = Identity(phone=PHONE.value, email=EMAIL.value, wechat="openid-li")
    assert recognise(identity, {EMAIL: zhang, PHONE: li}) is li


def test_the_first_answer_is_kept_and_a_later_one_fills_the_gaps() -> None:
    known = customer(facts=Facts(household=Household(marital_status=MaritalStatus.SINGLE)))
    child = HouseholdMember(relationship=Relationship.CHILD)
    answer = Facts(
        household=Household(marital_status=MaritalStatus.MARRIED, members=(child,)), language="zh"
    )
    after, events = learn(known, answer)
    expected = Household(marital_status=MaritalStatus.SINGLE, members=(child,))
    assert after.facts == Facts(household=expected, language="zh")
    assert events == [
        CustomerUpdated(
            customer_id="zhang",
            household=expected,
            language="zh",
            changed=("household", "language"),
        )
    ]


def test_an_answer_that_is_known_already_changes_nothing() -> None:
    income = Money(amount="300000", currency="CNY")  # type: ignore[arg-type]  # read from text
    facts = Facts(affordability=Affordability(annual_income=income))
    known = customer(facts=facts)
    assert learn(known, facts) == (known, [])
    assert learn(known, Facts()) == (known, [])


@pytest.mark.parametrize(
    "written",
    [
        "13800138000",
        "138 0013 8000",
        "138-0013-8000",
        "+8613800138000",
        "+86 138 0013 8000",
        "008613800138000",
        "86 13800138000",
        "（+86）１３８００１３８０００",
    ],
)
def test_a_chinese_mobile_is_one_value_however_written(written: str) -> None:
    assert normalised_phone(written) == "+8613800138000"


@pytest.mark.parametrize(
    ("written", "region", "expected"),
    [
        ("010-8888 6666", "CN", "+861088886666"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("+44 (0)20 7946 0958", "CN", "+442079460958"),
        ("+86 13800138000", "GB", "+8613800138000"),
    ],
)
def test_other_phones_are_read_in_the_region_of_the_community(
    written: str, region: str, expected: str
) -> None:
    assert normalised_phone(written, region) == expected


@pytest.mark.parametrize("written", ["123", "phone", "+", "138001380001234567890", "😀"])
def test_what_is_no_phone_is_refused_with_its_place(written: str) -> None:
    with pytest.raises(Refusal) as refused:
        normalised_phone(written)
    assert (refused.value.code, refused.value.pointer) == ("invalid-phone", "/phone")


def test_an_email_is_lower_case_and_without_wide_characters() -> None:
    assert normalised_email(" Zhang.Wei@Example.COM ") == "zhang.wei@example.com"
    assert normalised_email("ｚｈａｎｇ@example.com") == "zhang@example.com"


@pytest.mark.parametrize("written", ["zhang", "a b@example.com", "a@", "@b", "a@" + "b" * 254])
def test_what_is_no_email_is_refused_with_its_place(written: str) -> None:
    with pytest.raises(Refusal) as refused:
        normalised_email(written)
    assert (refused.value.code, refused.value.pointer) == ("invalid-email", "/email")


def test_somebody_without_any_identifier_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        identify(PersonSaid(name="张伟", wechat="  "), "CN")
    assert refused.value.code == "no-identifier"
