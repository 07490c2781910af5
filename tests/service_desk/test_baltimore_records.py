"""The 894 requests to Baltimore's housing department, decided by the desk's own domain."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from datetime import datetime
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import pytest

from keyturn_events.vocabulary import CaseChannel, Severity, Verdict
from service_desk.domain import handling
from service_desk.domain.calendar import BusinessCalendar
from service_desk.domain.cases import CaseState, Circumstances
from service_desk.domain.handling import Resolve
from service_desk.domain.raising import RaiseComplaint, raise_complaint

RECORDS = Path(__file__).parents[3] / "shared/data/complaints_baltimore311_2014_2017.csv.gz"
BALTIMORE = ZoneInfo("America/New_York")


def moment(written: str) -> datetime:
    return datetime.strptime(written, "%m/%d/%Y %I:%M:%S %p").replace(tzinfo=BALTIMORE)


@pytest.mark.skipif(not RECORDS.exists(), reason=f"{RECORDS} is not there")
def test_baltimores_own_due_dates_are_kept_and_broken_as_they_were(
    office: BusinessCalendar,
) -> None:
    with gzip.open(RECORDS, "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Agency"] == "Housing"]
    outcomes: Counter[str] = Counter()
    days, escalated = [], 0
    for row in rows:
        received_at, closed_at = moment(row["CreatedDate"]), moment(row["CloseDate"])
        case, _ = raise_complaint(
            RaiseComplaint(
                customer_id=f"resident-{row['SRRecordID']}",
                category="environment.sanitation",
                severity=Severity.MINOR,
                channel=CaseChannel.PHONE,
                source_reference=row["ServiceRequestNum"],
                due_at=moment(row["DueDate"]) if row["DueDate"] else None,
                promised_elsewhere=True,
            ),
            Circumstances(office, "resident", received_at),
            case_id=row["SRRecordID"],
            segments=frozenset(),
        )
        case, _ = handling.resolve(
            case,
            Resolve(case.case_id, None, "311", "closed", verdict=Verdict.NO_ANSWER),
            Circumstances(office, "resident", closed_at),
        )
        assert case.state is CaseState.CLOSED
        assert case.resolution is not None
        outcomes["closed"] += case.resolution.due_at is not None
        outcomes["closed without a promise"] += case.resolution.due_at is None
        outcomes["late"] += case.resolution.late
        escalated += case.level > 0
        if case.resolution.due_at is not None:
            days.append((case.resolution.at - case.received_at).total_seconds() / 86_400)
    assert outcomes == {"closed": 891, "closed without a promise": 3, "late": 102}
    assert escalated == 102
    assert round(median(days), 3) == 3.155
