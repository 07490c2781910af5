"""Partner systems, and what became of their events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.partners.partners import Outcome, Partner
from intake.queries.statements import many, one
from intake.store.documents import PARTNER
from keyturn_chassis.driver import driver_of
from keyturn_chassis.pagination import Keyset, Page

LARGEST_POSITION: Final = 2**63 - 1
"""Beyond every position of an append-only list."""

_partner_order: Final = Keyset(tuple[str])
_newest_records: Final = Keyset(tuple[int])


class PartnerSummary(BaseModel):
    """A partner system as it is registered."""

    partner_id: str
    source: str
    name: str
    allowed_types: list[str]
    daily_quota: int | None
    suspended: bool
    signs: bool = Field(description="Whether its records must be signed.")

    @classmethod
    def fields_of(cls, partner: Partner) -> dict[str, Any]:
        """The registration's part of the body."""
        return {
            "partner_id": partner.partner_id,
            "source": f"/partners/{partner.partner_id}",
            "name": partner.name,
            "allowed_types": list(partner.allowed_types),
            "daily_quota": partner.daily_quota,
            "suspended": partner.suspended,
            "signs": partner.signs,
        }


class PartnerDay(BaseModel):
    """What became of a partner's records of one day, type, outcome and reason."""

    day: date
    event_type: str | None
    outcome: Outcome
    code: str | None
    records: int


class PartnerRejection(BaseModel):
    """A record that was rejected."""

    received_at: datetime
    event_id: str | None
    event_type: str | None
    code: str
    partition: int
    offset: int = Field(description="With `partition`, its place on partners.inbound.")


class PartnerBody(PartnerSummary):
    """A partner system, and how its events fared."""

    accepted: int
    duplicate: int
    rejected: dict[str, int] = Field(description="How many, by reason.")


async def partner(connection: AsyncConnection, partner_id: str) -> tuple[PartnerBody, int] | None:
    """A partner and what became of its events, and the version of its registration."""
    row = await one(
        connection,
        "SELECT version, CAST(document AS text) AS document FROM partners WHERE partner_id = :id",
        partner_id,
    )
    if row is None:
        return None
    known = PARTNER.validate_json(row.document)
    counts = await many(
        connection,
        "SELECT outcome, code, count(*) AS records FROM partner_records WHERE partner_id = :id"
        " GROUP BY outcome, code ORDER BY outcome, code LIMIT :limit",
        partner_id,
    )
    by_outcome: Mapping[str, int] = {
        row.outcome: row.records for row in counts if row.outcome != Outcome.REJECTED
    }
    body = PartnerBody(
        **PartnerSummary.fields_of(known),
        accepted=by_outcome.get(Outcome.ACCEPTED, 0),
        duplicate=by_outcome.get(Outcome.DUPLICATE, 0),
        rejected={row.code: row.records for row in counts if row.outcome == Outcome.REJECTED},
    )
    return body, row.version


async def partners(
    connection: AsyncConnection, limit: int, cursor: str | None
) -> Page[PartnerSummary]:
    """A page of partners by their ids."""
    after = _partner_order.decode(cursor)
    driver = await driver_of(connection)
    rows = await driver.fetch(
        "SELECT partner_id, document::text FROM partners WHERE partner_id > $1"
        " ORDER BY partner_id LIMIT $2",
        "" if after is None else after[0],
        limit + 1,
    )
    items, next_cursor = _partner_order.page(rows, limit, lambda row: (row["partner_id"],))
    found = (PARTNER.validate_json(row["document"]) for row in items)
    return Page(
        items=[PartnerSummary(**PartnerSummary.fields_of(partner)) for partner in found],
        next_cursor=next_cursor,
    )


async def partner_days(connection: AsyncConnection, partner_id: str, days: int) -> list[PartnerDay]:
    """What became of a partner's records on its latest days, the latest first."""
    driver = await driver_of(connection)
    rows = await driver.fetch(
        """
        WITH counted AS (
            SELECT (received_at AT TIME ZONE 'UTC')::date AS day, event_type, outcome, code,
                count(*) AS records
            FROM partner_records WHERE partner_id = $1
                AND received_at >= (
                    SELECT max(received_at) FROM partner_records WHERE partner_id = $1
                ) - make_interval(days => $2)
            GROUP BY 1, 2, 3, 4
        )
        SELECT * FROM counted WHERE day > (SELECT max(day) FROM counted) - $2
        ORDER BY day DESC, outcome, event_type, code
        """,
        partner_id,
        days,
    )
    return [PartnerDay.model_validate(dict(row)) for row in rows]


async def partner_rejections(
    connection: AsyncConnection, partner_id: str, limit: int, cursor: str | None
) -> Page[PartnerRejection]:
    """A page of a partner's rejected records, the latest first."""
    after = _newest_records.decode(cursor)
    driver = await driver_of(connection)
    rows = await driver.fetch(
        'SELECT position, received_at, event_id, event_type, code, partition, "offset"'
        " FROM partner_records WHERE partner_id = $1 AND outcome = 'rejected'"
        " AND position < $2 ORDER BY position DESC LIMIT $3",
        partner_id,
        LARGEST_POSITION if after is None else after[0],
        limit + 1,
    )
    items, next_cursor = _newest_records.page(rows, limit, lambda row: (row["position"],))
    return Page(
        items=[PartnerRejection.model_validate(dict(row)) for row in items],
        next_cursor=next_cursor,
    )
