"""An advisor's leads that need something today, the most urgent first, each with why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import asyncpg
import orjson
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.leads.leads_today import AHEAD, NEW_FOR, Due, Moments, Reason, due_today
from intake.queries.lead_search import COLUMNS
from intake.queries.leads import WRITTEN, LeadSummary
from keyturn_chassis.driver import driver_of
from keyturn_chassis.pagination import Keyset

MOST_TODAY: Final = 2_000
"""Leads that are looked at: of an advisor who has more that need something, the newest."""

_urgency: Final = Keyset(tuple[int, datetime, str])

ENDS: Final = """
    SELECT lead_id, CAST(document->>'expires_at' AS timestamptz) AS expires_at,
        CAST(document->>'cooling_off_ends' AS timestamptz) AS cooling_off_ends, p.stage
    FROM leads JOIN purchases AS p USING (lead_id)
    WHERE leads.advisor_id = $1 AND leads.status IN ('open', 'won')
        AND leads.stage IN ('reserved', 'signed') AND p.stage IN ('reserved', 'signed')
"""
CANDIDATES: Final = f"""
    SELECT * FROM (
        SELECT {COLUMNS}, CASE WHEN stage = 'new' AND response_due IS NULL THEN (
            SELECT max(at) FROM lead_steps AS s
            WHERE s.lead_id = leads.lead_id AND s.kind = 'overdue'
        ) END AS overdue_since
        FROM leads WHERE advisor_id = $1 AND status = 'open'
    ) AS theirs
    WHERE response_due <= $2 OR stalls_at <= $2 OR protected_until <= $2 OR captured_at > $3
        OR overdue_since IS NOT NULL OR lead_id = ANY($4)
    ORDER BY captured_at DESC, lead_id DESC LIMIT {MOST_TODAY}
"""  # noqa: S608 - every name is ours
_SIGNED: Final = f"""
    SELECT {COLUMNS}, CAST(NULL AS timestamptz) AS overdue_since FROM leads
    WHERE lead_id = ANY($1) AND status = 'won'
"""  # noqa: S608 - every name is ours
NAMES: Final = (
    "SELECT customer_id, document->>'name' AS name FROM customers WHERE customer_id = ANY($1)"
)


class DueBody(BaseModel):
    """One thing to do."""

    reason: Reason
    at: datetime = Field(description="By when; for what is new, since when.")


class LeadToday(LeadSummary):
    """A lead that needs something, and why."""

    due: list[DueBody] = Field(description="The most urgent first.")


@dataclass(slots=True)
class _Ends:
    """What ends soon of a lead's purchases."""

    reservations: list[datetime] = field(default_factory=list)
    cooling_off: list[datetime] = field(default_factory=list)


async def leads_today(
    connection: AsyncConnection, advisor_id: str, now: datetime, limit: int, cursor: str | None
) -> bytes:
    """A page as JSON. Raises `Problem` for a cursor of another list."""
    after = _urgency.decode(cursor)
    driver = await driver_of(connection)
    ends = await _ending(driver, advisor_id, now)
    leads = await driver.fetch(CANDIDATES, advisor_id, now + AHEAD, now - NEW_FOR, list(ends))
    if ends:
        leads += await driver.fetch(_SIGNED, list(ends))
    listed = []
    for lead in leads:
        due = due_today(_moments(lead, ends.get(lead["lead_id"], _Ends())), now)
        if due:
            listed.append(((*due[0].urgency, lead["lead_id"]), lead, due))
    listed.sort(key=lambda each: each[0])
    behind = [each for each in listed if after is None or each[0] > after]
    items, next_cursor = _urgency.page(behind, limit, lambda each: each[0])
    rows = await driver.fetch(NAMES, [lead["customer_id"] for _, lead, _ in items])
    names = {row["customer_id"]: row["name"] for row in rows}
    page = {
        "items": [_written(lead, names.get(lead["customer_id"]), due) for _, lead, due in items],
        "next_cursor": next_cursor,
    }
    return orjson.dumps(page, option=WRITTEN)


async def _ending(
    driver: asyncpg.Connection[asyncpg.Record], advisor_id: str, now: datetime
) -> dict[str, _Ends]:
    """What ends within the time that counts, by lead."""
    ends: dict[str, _Ends] = defaultdict(_Ends)
    for row in await driver.fetch(ENDS, advisor_id):
        if row["stage"] == "reserved" and _is_soon(row["expires_at"], now):
            ends[row["lead_id"]].reservations.append(row["expires_at"])
        if row["stage"] == "signed" and _is_soon(row["cooling_off_ends"], now):
            ends[row["lead_id"]].cooling_off.append(row["cooling_off_ends"])
    return ends


def _is_soon(end: datetime | None, now: datetime) -> bool:
    return end is not None and now < end <= now + AHEAD


def _moments(lead: asyncpg.Record, ends: _Ends) -> Moments:
    return Moments(
        captured_at=lead["captured_at"],
        response_due=lead["response_due"],
        overdue_since=lead["overdue_since"],
        protected_until=lead["protected_until"],
        stalls_at=lead["stalls_at"],
        reservations_expire=tuple(ends.reservations),
        cooling_off_ends=tuple(ends.cooling_off),
    )


def _written(lead: asyncpg.Record, name: str | None, due: list[Due]) -> dict[str, Any]:
    shown = {**lead, "name": name, "due": [one._asdict() for one in due]}
    del shown["overdue_since"]
    return shown
