"""What has been paid of a purchase, what is due, and whose payments are overdue."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community
from intake.domain.sales import deposits
from intake.queries.communities import community
from intake.queries.purchases import DepositBody, entries, purchase_state
from keyturn_chassis.pagination import Keyset, Page
from keyturn_events import Money

_oldest_first = Keyset(tuple[date, str])

_OVERDUE: Final = """
    WITH planned AS (
        SELECT p.purchase_id, p.customer_id, p.home_id, p.community_id,
            CAST(i.item->>'due_on' AS date) AS due_on,
            i.item#>>'{amount,currency}' AS currency,
            sum(CAST(i.item#>>'{amount,amount}' AS numeric))
                OVER (PARTITION BY p.purchase_id ORDER BY i.place) AS up_to_here
        FROM purchases AS p
        CROSS JOIN LATERAL jsonb_array_elements(p.document->'instalments')
            WITH ORDINALITY AS i (item, place)
        WHERE p.stage NOT IN ('paid', 'rescinded')
            AND (p.document #> '{instalments,0}') IS NOT NULL AND COMMUNITY
    ), received AS (
        SELECT planned.*, coalesce((SELECT sum(d.amount) FROM deposits AS d
            WHERE d.purchase_id = planned.purchase_id), 0) AS held
        FROM planned WHERE due_on < :today
    ), overdue AS (
        SELECT purchase_id, customer_id, home_id, community_id, currency,
            min(due_on) AS since, max(up_to_here) - greatest(max(held), 0) AS amount
        FROM received WHERE up_to_here > held
        GROUP BY purchase_id, customer_id, home_id, community_id, currency
    )
    SELECT * FROM overdue WHERE AFTER ORDER BY since, purchase_id LIMIT :limit
"""


class InstalmentBody(BaseModel):
    """A part of the price that is to be paid by a day, and how much of it came."""

    due_on: date
    amount: Money
    label: str | None
    received: Money
    overdue: bool


class LedgerBody(BaseModel):
    """The money of a purchase: the plan, and the entries whose sum is held."""

    purchase_id: str
    price: Money
    held: Money = Field(description="The sum of the entries.")
    overdue: Money = Field(description="What was due before this day and has not come.")
    instalments: list[InstalmentBody]
    entries: list[DepositBody]


class OverdueBody(BaseModel):
    """A purchase of which something was due and has not come."""

    purchase_id: str
    customer_id: str
    home_id: str
    community_id: str
    since: date = Field(description="When the first instalment was due that has not come whole.")
    amount: Money


async def ledger(connection: AsyncConnection, purchase_id: str, at: datetime) -> LedgerBody | None:
    """The ledger of a purchase with its plan, as of the day of `at` in the community."""
    known = await purchase_state(connection, "purchase_id = :id", purchase_id)
    if known is None:
        return None
    registered = await community(connection, known.community_id)
    rules = Community(known.community_id) if registered is None else registered[0]
    written = await entries(connection, purchase_id)
    planned = deposits.standing(known, written, rules.today(at))
    overdue = sum(
        (each.instalment.amount.amount - each.received.amount for each in planned if each.overdue),
        Decimal(0),
    )
    return LedgerBody(
        purchase_id=purchase_id,
        price=known.price,
        held=deposits.held(written, known),
        overdue=Money(amount=overdue, currency=known.price.currency),
        instalments=[
            InstalmentBody(
                due_on=each.instalment.due_on,
                amount=each.instalment.amount,
                label=each.instalment.label,
                received=each.received,
                overdue=each.overdue,
            )
            for each in planned
        ],
        entries=[DepositBody.of(entry) for entry in written],
    )


async def overdue(
    connection: AsyncConnection,
    community_id: str | None,
    today: date,
    limit: int,
    cursor: str | None,
) -> Page[OverdueBody]:
    """A page of the purchases with something overdue, the longest overdue first."""
    parameters: dict[str, Any] = {"today": today, "limit": limit + 1}
    within, beyond = "TRUE", "TRUE"
    if community_id is not None:
        within, parameters["community_id"] = "p.community_id = :community_id", community_id
    after = _oldest_first.decode(cursor)
    if after is not None:
        beyond = "(since, purchase_id) > (:after_since, :after_id)"
        parameters["after_since"], parameters["after_id"] = after
    statement = _OVERDUE.replace("COMMUNITY", within).replace("AFTER", beyond)
    rows = (await connection.execute(text(statement), parameters)).all()
    items, next_cursor = _oldest_first.page(rows, limit, lambda row: (row.since, row.purchase_id))
    return Page(
        items=[
            OverdueBody(
                purchase_id=row.purchase_id,
                customer_id=row.customer_id,
                home_id=row.home_id,
                community_id=row.community_id,
                since=row.since,
                amount=Money(amount=row.amount, currency=row.currency),
            )
            for row in items
        ],
        next_cursor=next_cursor,
    )
