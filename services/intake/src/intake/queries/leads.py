"""Lists of leads, and one lead whole: where it came from, what became of it, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import orjson
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.leads.leads import LeadStatus
from intake.domain.people.persons import person_of
from intake.queries import lead_search
from intake.queries.lead_search import LeadFilter
from intake.queries.statements import MOST_HISTORY, RowBody, read_json
from intake.store.documents import CUSTOMER
from intake.store.subjects.merges import LINKED
from keyturn_chassis.driver import driver_of
from keyturn_chassis.pagination import Keyset
from keyturn_events import Money
from keyturn_events.vocabulary import (
    Channel,
    LeadChannel,
    LeadStage,
    LossReason,
    ProductLine,
    PurchaseStage,
    Purpose,
)

newest_leads: Final = Keyset(tuple[datetime, str])
"""The order of every list of leads."""

WRITTEN: Final = orjson.OPT_UTC_Z
"""Times are written as every other answer writes them."""

LEAD: Final = (
    f"SELECT version, {lead_search.COLUMNS}, {lead_search.NAME}"  # noqa: S608 - every name is ours
    " FROM (SELECT * FROM leads WHERE lead_id = $1) AS page"
)
TOUCHES: Final = "SELECT * FROM touches WHERE lead_id = $1 ORDER BY position DESC LIMIT $2"
STEPS: Final = "SELECT * FROM lead_steps WHERE lead_id = $1 ORDER BY position DESC LIMIT $2"
PURCHASES: Final = (
    "SELECT purchase_id, home_id, stage, document->'price' AS price FROM purchases"
    " WHERE lead_id = $1 ORDER BY purchase_id LIMIT $2"
)


class LeadSummary(RowBody):
    """A lead as it stands."""

    lead_id: str
    customer_id: str
    name: str | None = Field(description="What the customer is called.")
    community_id: str | None
    channel: LeadChannel
    captured_at: datetime
    idle_since: datetime
    stage: LeadStage
    status: LeadStatus
    stalls_at: datetime | None = Field(description="When it will have stalled.")
    touches: int
    score: int | None
    advisor_id: str | None
    campaign: str | None
    referral_code: str | None
    product_line: ProductLine | None
    loss_reason: LossReason | None
    response_due: datetime | None = Field(description="Until when it is to be contacted first.")
    owner: str | None = Field(description="Whose customer it is, as `<kind>:<id>`.")
    protected_until: datetime | None


class TouchBody(RowBody):
    """One contact that the lead came from, with the answers as they were given."""

    touch_id: str
    channel: LeadChannel
    captured_at: datetime
    recorded_at: datetime
    joined: bool
    partner_id: str | None
    import_id: str | None
    source_reference: str | None
    campaign: str | None
    referral_code: str | None
    answers: dict[str, Any]
    withdrawn_at: datetime | None = Field(description="When the import that brought it was undone.")
    recognition: dict[str, Any] | None = Field(
        description="The score by which a known customer was recognised, field by field."
    )


class StepBody(RowBody):
    """One change of the lead, with its reason."""

    at: datetime
    kind: str
    from_stage: LeadStage
    to_stage: LeadStage
    reason: str
    advisor_id: str | None


class LeadPurchase(BaseModel):
    """A purchase that came of the lead."""

    purchase_id: str
    home_id: str
    stage: PurchaseStage
    price: Money


class Reachable(BaseModel):
    """For what the customer may be contacted on one channel, as of now."""

    channel: Channel
    purposes: list[Purpose]


class LeadLinks(BaseModel):
    """Where the reasons are told at length."""

    score: str = Field(description="The score, and the reasons that add up to it.")
    ownership: str = Field(description="Whose customer it is, and the history that decides it.")
    assignment: str = Field(description="Why this advisor has it.")
    customer: str

    @classmethod
    def of(cls, lead_id: str, customer_id: str) -> LeadLinks:
        """The paths of one lead."""
        return cls(
            score=f"/leads/{lead_id}/score",
            ownership=f"/leads/{lead_id}/ownership",
            assignment=f"/leads/{lead_id}/assignment",
            customer=f"/customers/{customer_id}",
        )


class LeadHistory(BaseModel):
    """A lead, what it came from, and what became of it."""

    lead: LeadSummary
    touches: list[TouchBody] = Field(description="The latest 500, the oldest of them first.")
    steps: list[StepBody] = Field(description="The latest 500, the oldest of them first.")
    purchases: list[LeadPurchase]
    reachable: list[Reachable] = Field(
        description="The channels on which the customer's consents allow contact now."
    )
    see: LeadLinks


async def leads(
    connection: AsyncConnection, wanted: LeadFilter, limit: int, cursor: str | None
) -> bytes:
    """A page of leads as JSON, the newest first. Raises `Problem` for a cursor of another list.

    One statement reads the page; what is asked before only tells which.
    """
    after = newest_leads.decode(cursor)
    driver = await driver_of(connection)
    rows = await lead_search.found(driver, wanted, limit + 1, after)
    items, next_cursor = newest_leads.page(
        rows, limit, lambda row: (row["captured_at"], row["lead_id"])
    )
    return written_page(items, next_cursor)


def written_page(items: Sequence[asyncpg.Record], next_cursor: str | None) -> bytes:
    """A page as JSON. Rows are written as they came: checking them once more would take longer."""
    page = {"items": [dict(row) for row in items], "next_cursor": next_cursor}
    return orjson.dumps(page, option=WRITTEN)


async def lead(
    connection: AsyncConnection, lead_id: str, now: datetime
) -> tuple[LeadHistory, int] | None:
    """A lead with its history, and its version."""
    driver = await driver_of(connection)
    found = await driver.fetchrow(LEAD, lead_id)
    if found is None:
        return None
    touches = await driver.fetch(TOUCHES, lead_id, MOST_HISTORY)
    steps = await driver.fetch(STEPS, lead_id, MOST_HISTORY)
    purchases = await driver.fetch(PURCHASES, lead_id, MOST_HISTORY)
    history = LeadHistory(
        lead=LeadSummary.model_validate(dict(found)),
        touches=[TouchBody.model_validate(_touch(row)) for row in reversed(touches)],
        steps=[StepBody.model_validate(dict(row)) for row in reversed(steps)],
        purchases=[LeadPurchase.model_validate(_purchase(row)) for row in purchases],
        reachable=await _reachable(driver, found["customer_id"], now),
        see=LeadLinks.of(lead_id, found["customer_id"]),
    )
    return history, found["version"]


async def _reachable(
    driver: asyncpg.Connection[asyncpg.Record], customer_id: str, now: datetime
) -> list[Reachable]:
    linked = await driver.fetch(LINKED, [customer_id])
    records = {row["customer_id"]: CUSTOMER.validate_json(row["document"]) for row in linked}
    person = person_of(records, customer_id)
    allowed: dict[Channel, list[Purpose]] = {}
    for consent in () if person is None else person.consents:
        if consent.allows(now):
            allowed.setdefault(consent.channel, []).append(consent.purpose)
    return [
        Reachable(channel=channel, purposes=sorted(purposes))
        for channel, purposes in sorted(allowed.items())
    ]


def _touch(row: asyncpg.Record) -> dict[str, Any]:
    return {**row, "answers": read_json(row["answers"])}


def _purchase(row: asyncpg.Record) -> dict[str, Any]:
    return {**row, "price": read_json(row["price"])}
