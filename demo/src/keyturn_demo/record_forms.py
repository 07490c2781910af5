"""Puts public records into the forms of the doors, and invents what they lack.

The records are of different people. They are joined in a fixed order: the n-th person who took
the bank's offer is the buyer of the n-th new home, and the one who made the n-th complaint and
gave the n-th survey answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from keyturn_demo.people import Run
from keyturn_demo.records import BankLead, HousingComplaint, NewBuildSale, Resident
from keyturn_events import Money
from keyturn_events.partners import PartnerSaleRecorded, Person
from keyturn_events.vocabulary import (
    CaseChannel,
    LeadChannel,
    MaritalStatus,
    PurchaseStage,
    Relationship,
    Severity,
    Touchpoint,
)

LONDON: Final = ZoneInfo("Europe/London")
FIRST_CALLS: Final = 2008
"""The bank's calls began in May 2008 (Moro, Cortez & Rita 2014); the file has no years."""
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_WEEKDAYS: Final = {name: number for number, name in enumerate(("mon", "tue", "wed", "thu", "fri"))}
_MARITAL: Final = {
    "married": MaritalStatus.MARRIED,
    "single": MaritalStatus.SINGLE,
    "divorced": MaritalStatus.DIVORCED,
}

CATEGORIES: Final = {
    "HCD-Sanitation Property": "environment.sanitation",
    "HCD-Vacant Building": "safety.vacant-building",
    "HCD-Maintenance Structure": "quality.structure",
    "HCD-Illegal Dumping": "environment.dumping",
    "HCD-Abandoned Vehicle": "community.vehicles",
    "HCD-CCE Building Permit Complaint": "works.permits",
    "HCD-Trees and Shrubs": "environment.greenery",
    "HCD-Rodents": "environment.pests",
    "HCD-Illegal Signs on Public Property": "community.signs",
    "HCD-Systems": "quality.systems",
    "HCD-Zoning Investigation": "works.zoning",
    "HCD-Weatherization": "quality.heating",
    "HCD-OECS-No Heat Referral": "quality.heating",
    "HCD-Overcrowding": "safety.overcrowding",
    "HCD-Illegal Flyers": "community.signs",
    "ECC-Escalation": "service.escalation",
    "HCD-Bed Bugs": "environment.pests",
    "HCD-Insects": "environment.pests",
    "HCD-Snow and Ice on Sidewalks": "environment.snow",
    "ECC-Citizen Complaint or Concern": "service.other",
    "HCD-Fire Protection": "safety.fire",
    "HCD-Unauthorized Vending": "community.vending",
}
"""The desk's category for each of the city's request types."""
SEVERE: Final = {
    "HCD-OECS-No Heat Referral": Severity.CRITICAL,
    "HCD-Fire Protection": Severity.CRITICAL,
    "HCD-Vacant Building": Severity.MAJOR,
    "HCD-Maintenance Structure": Severity.MAJOR,
    "HCD-Systems": Severity.MAJOR,
}
"""Request types that are more than minor; the city's file does not weigh them."""
_METHODS: Final = {"Phone": CaseChannel.PHONE, "API": CaseChannel.APP}
RATINGS: Final = {"Low": 2, "Medium": 5, "High": 9}
"""The survey's three answers on the scale 0 to 10."""


def community_of(town: str) -> str:
    """The community that stands for a town."""
    return town.lower().replace(" ", "-")


def reference_of(run: Run, lead: BankLead) -> str:
    """What the file calls a lead."""
    return f"{run.tag}-bank-{lead.number:05d}"


def email_of(run: Run, lead: BankLead) -> str:
    """The invented address of a lead."""
    return f"lead-{lead.number:05d}@{run.tag}.example.com"


def lead_rows(
    run: Run, leads: Sequence[BankLead], communities: Sequence[str]
) -> Iterator[dict[str, str]]:
    """The rows of the file of leads, in intake's column names.

    Ages become birth dates on the day of the call, and a home loan means a home owned. The bank
    did not ask for partners and children, so they stay unknown.
    """
    for lead, called in zip(leads, call_dates(leads), strict=True):
        row = {
            "name": f"Lead {lead.number:05d}",
            "email": email_of(run, lead),
            "channel": LeadChannel.PHONE.value,
            "captured_at": datetime.combine(called, time(10), LONDON).isoformat(),
            "community_id": communities[lead.number % len(communities)],
            "source_reference": reference_of(run, lead),
            "language": "en",
            "household.household_id": f"{run.tag}-h{lead.number:05d}",
            "household.members.0.relationship": Relationship.SELF.value,
            "household.members.0.birth_date": _born(lead.age, called).isoformat(),
        }
        if lead.marital in _MARITAL:
            row["household.marital_status"] = _MARITAL[lead.marital].value
        if lead.home_loan:
            row["household.homes_owned"] = "1"
        yield row


def call_dates(leads: Sequence[BankLead]) -> Iterator[date]:
    """A day for each call: its month and weekday are in the file, and its order tells the year.

    The day of the month is not; the first such weekday stands for it.
    """
    year, last = FIRST_CALLS, 0
    for lead in leads:
        month = _MONTHS[lead.month]
        if month < last:
            year += 1
        last = month
        first = date(year, month, 1)
        yield first + timedelta(days=(_WEEKDAYS[lead.weekday] - first.weekday()) % 7)


def home_id_of(run: Run, sale: NewBuildSale) -> str:
    """The home of a sale; an address that was sold again is another home for each sale."""
    again = f"-{sale.sold_before + 1}" if sale.sold_before else ""
    return f"{run.tag}-{sale.address_key}{again}"


def sale_event(run: Run, sale: NewBuildSale, buyer: BankLead) -> PartnerSaleRecorded:
    """The sale as the ledger tells it: paid on the day of the deed, when the keys change hands."""
    return PartnerSaleRecorded(
        sale_reference=f"{run.tag}-{sale.record}",
        stage=PurchaseStage.PAID,
        recorded_on=sale.deed_date,
        signed_on=sale.deed_date,
        expected_completion=sale.deed_date,
        home_id=home_id_of(run, sale),
        building=f"{run.tag}-{sale.street_key}",
        community_id=community_of(sale.town),
        price=_pounds(sale.price),
        buyer=_buyer(run, buyer),
    )


def subscription_event(
    run: Run, like: NewBuildSale, buyer: BankLead, on: date
) -> PartnerSaleRecorded:
    """An invented home, of a price like another's, that somebody who took the offer subscribes."""
    reference = f"{run.tag}-subscription-{buyer.number:05d}"
    return PartnerSaleRecorded(
        sale_reference=reference,
        stage=PurchaseStage.SUBSCRIBED,
        recorded_on=on,
        home_id=f"{run.tag}-invented-{buyer.number:05d}",
        community_id=community_of(like.town),
        price=_pounds(like.price),
        buyer=_buyer(run, buyer),
    )


def complaint_form(complaint: HousingComplaint, customer_id: str, run: Run) -> dict[str, Any]:
    """A request as the desk's API takes it, with its own due date or none."""
    form: dict[str, Any] = {
        "customer_id": customer_id,
        "category": CATEGORIES[complaint.kind],
        "severity": SEVERE.get(complaint.kind, Severity.MINOR).value,
        "channel": _METHODS.get(complaint.method, CaseChannel.WEB).value,
        "received_at": complaint.created.isoformat(),
        "source_reference": f"{run.tag}-{complaint.reference}",
        "promised_elsewhere": True,
    }
    if complaint.due is not None:
        form["due_at"] = complaint.due.isoformat()
    return form


def answer_form(resident: Resident, number: int, customer_id: str, run: Run) -> dict[str, Any]:
    """A resident's answer as the desk's API takes it."""
    return {
        "customer_id": customer_id,
        "survey": "housing-conditions",
        "touchpoint": Touchpoint.LIVING.value,
        "response_reference": f"{run.tag}-resident-{number:04d}",
        "satisfaction": RATINGS[resident.satisfaction],
        "answers": [
            {"dimension": "influence", "experience": RATINGS[resident.influence]},
            {"dimension": "contact", "experience": RATINGS[resident.contact]},
        ],
        "background": {"housing-type": resident.housing.lower()},
    }


def _buyer(run: Run, lead: BankLead) -> Person:
    return Person(
        partner_customer_reference=reference_of(run, lead),
        name=f"Lead {lead.number:05d}",
        email=email_of(run, lead),
        language="en",
    )


def _pounds(amount: int) -> Money:
    return Money(amount=Decimal(amount), currency="GBP")


def _born(age: int, called: date) -> date:
    return date(called.year - age, 1, 1)
