"""Readers of the public records that `DATA=` names; each reads the file as it was published."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

LEADS: Final = "leads_bank_additional_full.csv.gz"
SALES: Final = "purchases_uk_ppd_manchester_2019_jan_aug.csv.gz"
COMPLAINTS: Final = "complaints_baltimore311_2014_2017.csv.gz"
SURVEY: Final = "survey_copenhagen_housing.csv.gz"
FILES: Final = (LEADS, SALES, COMPLAINTS, SURVEY)

BALTIMORE: Final = ZoneInfo("America/New_York")
_BALTIMORE_TIME: Final = "%m/%d/%Y %I:%M:%S %p"


class RecordsError(Exception):
    """The records cannot be read; the message says which file and what to mend."""


@dataclass(frozen=True, slots=True)
class BankLead:
    """A person whom a bank called (Moro et al. 2014); names and contact points are not in it."""

    number: int
    """Row of the file, from 1."""
    age: int
    marital: str
    month: str
    weekday: str
    home_loan: bool | None
    """Whether the person pays a home loan; None where the bank did not know."""
    subscribed: bool
    """Whether the person took the offer: `y` is yes."""


@dataclass(frozen=True, slots=True)
class NewBuildSale:
    """The sale of a new home in Greater Manchester (HM Land Registry price paid data)."""

    number: int
    """Place among the new builds, from 0."""
    record: str
    """The registry's own id of the record."""
    price: int
    """Pounds."""
    deed_date: date
    property_type: str
    """D detached, S semi-detached, T terraced, F flat."""
    town: str
    street_key: str
    address_key: str
    sold_before: int
    """How many earlier records of the file are of the same new home."""


@dataclass(frozen=True, slots=True)
class HousingComplaint:
    """A request to Baltimore's housing department by the city's 311 line."""

    reference: str
    kind: str
    method: str
    neighbourhood: str
    created: datetime
    due: datetime | None
    closed: datetime
    duplicate: bool
    """Whether the city closed it as the duplicate of another."""

    @property
    def late(self) -> bool:
        """Whether it was closed after its own due date."""
        return self.due is not None and self.closed > self.due


@dataclass(frozen=True, slots=True)
class Resident:
    """A resident of Copenhagen who answered a survey of housing satisfaction (Madsen 1976)."""

    satisfaction: str
    """Low, Medium or High."""
    influence: str
    housing: str
    contact: str


def require_records(directory: Path) -> None:
    """Raise `RecordsError` unless every file is there."""
    missing = [name for name in FILES if not (directory / name).is_file()]
    if missing:
        raise RecordsError(
            f"DATA={directory} lacks {', '.join(missing)}; give the directory of public records"
        )


def bank_leads(directory: Path) -> list[BankLead]:
    """All leads, in the order of the file, which is the order of the calls."""
    return [
        BankLead(
            number=number,
            age=int(row["age"]),
            marital=row["marital"],
            month=row["month"],
            weekday=row["day_of_week"],
            home_loan={"yes": True, "no": False}.get(row["housing"]),
            subscribed=row["y"] == "yes",
        )
        for number, row in enumerate(_rows(directory / LEADS, delimiter=";"), 1)
    ]


def new_build_sales(directory: Path) -> list[NewBuildSale]:
    """The sales of new builds, by the date of the deed."""
    rows = [row for row in _rows(directory / SALES) if row["new_build"] == "Y"]
    rows.sort(key=lambda row: (row["deed_date"], row["unique_id"]))
    seen: Counter[str] = Counter()
    sales = []
    for number, row in enumerate(rows):
        sales.append(
            NewBuildSale(
                number=number,
                record=row["unique_id"],
                price=int(row["price_paid"]),
                deed_date=date.fromisoformat(row["deed_date"]),
                property_type=row["property_type"],
                town=row["town"],
                street_key=row["street_key"],
                address_key=row["address_key"],
                sold_before=seen[row["address_key"]],
            )
        )
        seen[row["address_key"]] += 1
    return sales


def housing_complaints(directory: Path) -> list[HousingComplaint]:
    """The requests with Agency `Housing`, in the order in which they were made."""
    complaints = [
        HousingComplaint(
            reference=row["ServiceRequestNum"],
            kind=row["SRType"],
            method=row["MethodReceived"],
            neighbourhood=row["Neighborhood"],
            created=_baltimore(row["CreatedDate"]),
            due=_baltimore(row["DueDate"]) if row["DueDate"] else None,
            closed=_baltimore(row["CloseDate"]),
            duplicate="Duplicate" in row["SRStatus"],
        )
        for row in _rows(directory / COMPLAINTS)
        if row["Agency"] == "Housing"
    ]
    return sorted(complaints, key=lambda complaint: (complaint.created, complaint.reference))


def residents(directory: Path) -> list[Resident]:
    """One resident for each count of the file's frequency table."""
    return [
        Resident(row["Sat"], row["Infl"], row["Type"], row["Cont"])
        for row in _rows(directory / SURVEY)
        for _ in range(int(row["Freq"]))
    ]


def _rows(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file, delimiter=delimiter)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise RecordsError(f"{path} cannot be read: {error}") from error


def _baltimore(written: str) -> datetime:
    return datetime.strptime(written, _BALTIMORE_TIME).replace(tzinfo=BALTIMORE)
