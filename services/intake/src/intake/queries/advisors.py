"""Advisors with their workload, and the leads that nobody has."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community
from intake.domain.leads.advisors import MOST_CAPACITY, Advisor
from intake.queries.statements import RowBody, one
from intake.store.desks import A_DAY, ADVISOR
from intake.store.documents import COMMUNITY
from keyturn_chassis.pagination import Keyset, Page
from keyturn_events.vocabulary import LeadChannel, LeadStage, ProductLine

_by_id = Keyset(tuple[str])
_oldest_first = Keyset(tuple[datetime, str])

_ADVISORS: Final = f"""
    SELECT advisor_id, CAST(document AS text) AS document,
        (SELECT count(*) FROM (
            SELECT FROM leads WHERE leads.advisor_id = advisors.advisor_id AND status = 'open'
            LIMIT {MOST_CAPACITY}
        ) AS open) AS open,
        (SELECT count(*) FROM (
            SELECT FROM ownership_facts AS given
            WHERE given.party_id = advisors.advisor_id AND given.kind = 'given'
                AND given.at > :since
            LIMIT {MOST_CAPACITY}
        ) AS given) AS today
    FROM advisors
"""  # noqa: S608 - the number is ours


class AdvisorSummary(BaseModel):
    """An advisor, where they are on duty now, and what they have to do already."""

    advisor_id: str
    display_name: str
    communities: tuple[str, ...]
    languages: tuple[str, ...]
    skills: tuple[str, ...]
    capacity: int
    daily_quota: int | None
    left_on: datetime | None
    on_duty_in: list[str] = Field(description="The communities where the advisor is there now.")
    open_leads: int
    given_in_24_hours: int


class WaitingLead(RowBody):
    """An open lead that no advisor has."""

    lead_id: str
    customer_id: str
    community_id: str | None
    channel: LeadChannel
    captured_at: datetime
    idle_since: datetime
    stage: LeadStage
    touches: int
    score: int | None
    product_line: ProductLine | None
    response_due: datetime | None = Field(
        description="Until when it is to be contacted; absent once it was, or is overdue."
    )
    owner: str | None = Field(description="The agency that owns it, as agency:<partner id>.")
    protected_until: datetime | None


async def advisors(
    connection: AsyncConnection,
    community_id: str | None,
    now: datetime,
    limit: int,
    cursor: str | None,
    *,
    left: bool,
) -> Page[AdvisorSummary]:
    """A page of advisors, by id. Raises `Problem` for a cursor that is none of ours."""
    conditions = ["TRUE"]
    parameters: dict[str, Any] = {"limit": limit + 1, "since": now - A_DAY}
    after = _by_id.decode(cursor)
    if after is not None:
        conditions.append("advisor_id > :after")
        parameters["after"] = after[0]
    if community_id is not None:
        conditions.append("communities ? :community")
        parameters["community"] = community_id
    if not left:
        conditions.append("document->>'left_on' IS NULL")
    found = await connection.execute(
        text(f"{_ADVISORS} WHERE {' AND '.join(conditions)} ORDER BY advisor_id LIMIT :limit"),
        parameters,
    )
    rows, next_cursor = _by_id.page(found.all(), limit, lambda row: (row.advisor_id,))
    staff = [ADVISOR.validate_json(row.document) for row in rows]
    communities = await _communities(connection, staff)
    items = [
        AdvisorSummary(
            advisor_id=each.advisor_id,
            display_name=each.display_name,
            communities=each.communities,
            languages=each.languages,
            skills=each.skills,
            capacity=each.capacity,
            daily_quota=each.daily_quota,
            left_on=each.left_on,
            on_duty_in=[
                name
                for name in each.communities
                if each.on_duty(communities.get(name, Community(name)), now)
            ],
            open_leads=row.open,
            given_in_24_hours=row.today,
        )
        for row, each in zip(rows, staff, strict=True)
    ]
    return Page(items=items, next_cursor=next_cursor)


async def advisor(connection: AsyncConnection, advisor_id: str) -> tuple[Advisor, int] | None:
    """An advisor, with the version."""
    row = await one(
        connection,
        "SELECT version, CAST(document AS text) AS document FROM advisors WHERE advisor_id = :id",
        advisor_id,
    )
    return None if row is None else (ADVISOR.validate_json(row.document), row.version)


async def pool(
    connection: AsyncConnection, community_id: str | None, limit: int, cursor: str | None
) -> Page[WaitingLead]:
    """A page of the open leads that no advisor has, the longest waiting first.

    Raises `Problem` for a cursor that is none of ours.
    """
    conditions = ["status = 'open'", "advisor_id IS NULL"]
    parameters: dict[str, Any] = {"limit": limit + 1}
    if community_id is None:
        conditions.append("community_id IS NULL")
    else:
        conditions.append("community_id = :community")
        parameters["community"] = community_id
    after = _oldest_first.decode(cursor)
    if after is not None:
        conditions.append("(captured_at, lead_id) > (:after_at, :after_id)")
        parameters["after_at"], parameters["after_id"] = after
    found = await connection.execute(
        text(
            f"SELECT * FROM leads WHERE {' AND '.join(conditions)}"  # noqa: S608 - all ours
            " ORDER BY captured_at, lead_id LIMIT :limit"
        ),
        parameters,
    )
    rows, next_cursor = _oldest_first.page(
        found.all(), limit, lambda row: (row.captured_at, row.lead_id)
    )
    return Page(items=[WaitingLead.model_validate(row) for row in rows], next_cursor=next_cursor)


async def _communities(connection: AsyncConnection, staff: list[Advisor]) -> dict[str, Community]:
    names = sorted({name for each in staff for name in each.communities})
    rows = await connection.execute(
        text(
            "SELECT community_id, CAST(document AS text) AS document FROM communities"
            " WHERE community_id = ANY(CAST(:names AS text[]))"
        ),
        {"names": names},
    )
    return {row.community_id: COMMUNITY.validate_json(row.document) for row in rows}
