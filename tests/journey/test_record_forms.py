"""Public records in the forms of the doors, with what is invented and what is not."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from keyturn_demo.people import Run
from keyturn_demo.record_forms import (
    CATEGORIES,
    answer_form,
    call_dates,
    complaint_form,
    home_id_of,
    lead_rows,
    sale_event,
    subscription_event,
)
from keyturn_demo.records import (
    BALTIMORE,
    BankLead,
    HousingComplaint,
    NewBuildSale,
    Resident,
)
from keyturn_events.vocabulary import PurchaseStage

RUN = Run(1_000)
MARRIED = BankLead(1, 56, "married", "may", "mon", home_loan=True, subscribed=False)
SINGLE = BankLead(2, 30, "single", "nov", "fri", home_loan=None, subscribed=True)
SALE = NewBuildSale(
    0, "8A78-C504", 170_000, date(2019, 4, 11), "T", "ASHTON-UNDER-LYNE", "5a17", "36d7", 0
)


def complaint(due: datetime | None) -> HousingComplaint:
    return HousingComplaint(
        reference="14-00405873",
        kind="HCD-Zoning Investigation",
        method="Phone",
        neighbourhood="Sandtown-Winchester",
        created=datetime(2014, 6, 3, 12, 37, 14, tzinfo=BALTIMORE),
        due=due,
        closed=datetime(2014, 6, 9, 10, 42, 14, tzinfo=BALTIMORE),
        duplicate=False,
    )


def test_a_year_ends_when_the_months_begin_anew() -> None:
    leads = [
        BankLead(number, 40, "single", month, "mon", home_loan=None, subscribed=False)
        for number, month in enumerate(("may", "may", "nov", "mar", "may", "mar"))
    ]
    assert [(day.year, day.month) for day in call_dates(leads)] == [
        (2008, 5),
        (2008, 5),
        (2008, 11),
        (2009, 3),
        (2009, 5),
        (2010, 3),
    ]


@pytest.mark.parametrize(
    ("weekday", "day"), [("mon", 5), ("tue", 6), ("wed", 7), ("thu", 1), ("fri", 2)]
)
def test_a_call_is_on_the_first_such_weekday_of_its_month(weekday: str, day: int) -> None:
    lead = BankLead(1, 40, "single", "may", weekday, home_loan=None, subscribed=False)
    assert list(call_dates([lead])) == [date(2008, 5, day)]


def test_a_row_tells_what_the_bank_knew_and_nothing_it_did_not() -> None:
    married, single = lead_rows(RUN, [MARRIED, SINGLE], ["bolton", "bury"])
    assert married["household.marital_status"] == "married"
    assert married["household.homes_owned"] == "1"
    assert married["household.members.0.birth_date"] == "1952-01-01"
    assert married["captured_at"] == "2008-05-05T10:00:00+01:00"
    assert married["email"].endswith(".example.com")
    assert "phone" not in married
    assert "household.homes_owned" not in single
    assert (married["community_id"], single["community_id"]) == ("bury", "bolton")


def test_an_address_sold_again_is_another_home() -> None:
    again = NewBuildSale(1, "8A78-C505", 165_000, date(2019, 5, 17), "S", "HYDE", "5a17", "36d7", 1)
    assert home_id_of(RUN, SALE) != home_id_of(RUN, again)


def test_a_sale_is_told_as_paid_on_the_day_of_the_deed_by_the_lead_who_buys() -> None:
    event = sale_event(RUN, SALE, SINGLE)
    assert (event.stage, event.recorded_on) == (PurchaseStage.PAID, date(2019, 4, 11))
    assert event.expected_completion == date(2019, 4, 11)
    assert (str(event.price.amount), event.price.currency) == ("170000", "GBP")
    assert event.community_id == "ashton-under-lyne"
    row = next(iter(lead_rows(RUN, [SINGLE], ["bury"])))
    assert event.buyer.email == row["email"]
    assert subscription_event(RUN, SALE, SINGLE, date(2019, 9, 1)).buyer == event.buyer


def test_a_complaint_keeps_its_own_times() -> None:
    due = datetime(2014, 6, 18, 12, 37, 14, tzinfo=BALTIMORE)
    form = complaint_form(complaint(due), "c-1", RUN)
    assert form["received_at"] == "2014-06-03T12:37:14-04:00"
    assert form["due_at"] == "2014-06-18T12:37:14-04:00"
    assert (form["category"], form["channel"]) == ("works.zoning", "phone")


def test_a_complaint_without_a_due_date_was_promised_nothing() -> None:
    form = complaint_form(complaint(None), "c-1", RUN)
    assert "due_at" not in form
    assert form["promised_elsewhere"] is True
    assert not complaint(None).late


def test_every_request_type_has_a_category() -> None:
    assert all(category.count(".") == 1 for category in CATEGORIES.values())


def test_a_resident_answers_on_the_scale_of_the_desk() -> None:
    form = answer_form(Resident("High", "Low", "Tower", "Low"), 7, "c-1", RUN)
    assert form["satisfaction"] == 9
    assert form["answers"] == [
        {"dimension": "influence", "experience": 2},
        {"dimension": "contact", "experience": 2},
    ]
    assert form["background"] == {"housing-type": "tower"}
