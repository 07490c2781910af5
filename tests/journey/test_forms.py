"""One lead in the form of each door."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, date, datetime
from decimal import Decimal

from keyturn_demo.doors.forms import api_form, csv_file, csv_row, partner_lead
from keyturn_demo.neighbourhood import Door, Touch
from keyturn_demo.people import Person
from keyturn_events import Household, HouseholdMember, Money
from keyturn_events.vocabulary import ConsentStatus, LeadChannel, MaritalStatus, Relationship

TOUCH = Touch(
    reference="r1-l00007",
    door=Door.FILE,
    channel=LeadChannel.FILE,
    person=Person("r1-p00007", "王思远", "13000000007", "siyuan.wang.7@r1.example.com"),
    community_id="lakeside",
    day=2,
    household=Household(
        household_id="r1-h00007",
        members=(
            HouseholdMember(relationship=Relationship.SELF, birth_date=date(1990, 5, 1)),
            HouseholdMember(relationship=Relationship.PARTNER),
        ),
        marital_status=MaritalStatus.MARRIED,
        relocating=False,
        homes_owned=1,
    ),
    budget=Money(amount=Decimal("1680000.00"), currency="CNY"),
    marketing=False,
)
CAME = datetime(2026, 3, 4, 9, 7, tzinfo=UTC)


def test_the_api_form_says_what_is_known_and_nothing_else() -> None:
    form = api_form(TOUCH, CAME)
    assert form["captured_at"] == "2026-03-04T09:07:00+00:00"
    assert form["budget"] == {"amount": "1680000.00", "currency": "CNY"}
    assert form["household"]["members"][1] == {"relationship": "partner"}
    assert "affordability" not in form
    assert {c["status"] for c in form["consents"] if c["purpose"] == "marketing"} == {
        ConsentStatus.DENIED.value
    }


def test_a_file_row_has_a_cell_for_every_value_of_the_form() -> None:
    row = csv_row(api_form(TOUCH, CAME))
    assert row["budget.amount"] == "1680000.00"
    assert row["household.members.0.birth_date"] == "1990-05-01"
    assert row["household.members.1.relationship"] == "partner"
    assert (row["household.relocating"], row["household.homes_owned"]) == ("false", "1")
    assert row["consents"] == (
        "email/marketing/denied email/survey/granted sms/marketing/denied sms/survey/granted"
    )


def test_a_file_has_all_columns_of_all_rows_and_the_same_bytes_each_time() -> None:
    rows = [{"phone": "1"}, {"phone": "2", "name": "a, b"}]
    written = csv_file(rows)
    assert csv_file(rows) == written
    text = gzip.decompress(written).decode()
    assert list(csv.DictReader(io.StringIO(text))) == [
        {"phone": "1", "name": ""},
        {"phone": "2", "name": "a, b"},
    ]


def test_the_partner_event_names_the_partners_own_reference() -> None:
    event = partner_lead(TOUCH, CAME)
    assert (event.subject, event.person.partner_customer_reference) == ("r1-l00007", "r1-p00007")
    assert [consent.granted for consent in event.consents] == [False, True, False, True]
