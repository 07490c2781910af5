"""What campaigns holds on people: for the access export, and to be forgotten."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.store import tables
from keyturn_chassis.holdings import Holding, Holdings


async def person_ids(connection: AsyncConnection, customer_id: str) -> list[str]:
    """Every id that means the same person, that one first."""
    rows = await connection.execute(
        text(
            "SELECT customer_id FROM people WHERE root ="
            " (SELECT root FROM people WHERE customer_id = :id) ORDER BY customer_id"
        ),
        {"id": customer_id},
    )
    return [customer_id, *(row.customer_id for row in rows if row.customer_id != customer_id)]


HOLDINGS: Final = Holdings(
    ids_of=person_ids,
    tables=(
        Holding(
            table=tables.people,
            # A link is no information on the person but power: whoever has it may act.
            written=(
                (
                    "document",
                    "held.document #- '{contact,preference_token}' #- '{contact,opt_ins}'",
                ),
            ),
        ),
        Holding(table=tables.sends),
        Holding(table=tables.referral_codes),
        Holding(
            table=tables.referrals,
            where="(held.referred_id = ANY($1::text[]) OR held.owner_id = ANY($1::text[]))",
        ),
        Holding(table=tables.members),
        Holding(table=tables.ledger_entries, where="held.member_id = ANY($1::text[])"),
    ),
    impersonal=(tables.campaigns, tables.templates, tables.policies),
)
