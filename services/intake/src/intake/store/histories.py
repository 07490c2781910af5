"""The recorded history of who a person belongs to in a community, from every lead of theirs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.leads.ownership import ContactKind, Fact, FactKind, Party, PartyKind
from keyturn_chassis.driver import driver_of

# The leads of one person in one community: the person may be several customers that were merged.
_AROUND: Final = """
    WITH RECURSIVE asked AS (
        SELECT lead_id AS asked, customer_id, community_id FROM leads WHERE lead_id = ANY($1)
    ), above AS (
        SELECT asked, c.customer_id, c.merged_into
            FROM asked JOIN customers AS c USING (customer_id)
        UNION
        SELECT asked, c.customer_id, c.merged_into FROM customers AS c
            JOIN above ON c.customer_id = above.merged_into
    ), linked AS (
        SELECT asked, customer_id FROM above
        UNION
        SELECT asked, c.customer_id FROM customers AS c
            JOIN linked ON c.merged_into = linked.customer_id
    )
    SELECT asked.asked, fact.*, fact.detail::text AS written
    FROM asked JOIN linked USING (asked)
    JOIN leads AS lead ON lead.customer_id = linked.customer_id
        AND (lead.lead_id = asked.asked
            OR lead.community_id = asked.community_id AND lead.status <> 'withdrawn')
    JOIN ownership_facts AS fact ON fact.lead_id = lead.lead_id
    ORDER BY fact.at, fact.lead_id, fact.number
"""
"""Of each lead the facts of all leads that the person has had in its community."""


async def histories(
    connection: AsyncConnection, lead_ids: Collection[str]
) -> dict[str, list[Fact]]:
    """The facts that decide whose each of these leads is, in their order."""
    driver = await driver_of(connection)
    found: dict[str, list[Fact]] = {}
    for row in await driver.fetch(_AROUND, list(lead_ids)):
        found.setdefault(row["asked"], []).append(_fact_of(row))
    return found


def _fact_of(row: Any) -> Fact:
    party = row["party_kind"]
    contact = row["contact"]
    return Fact(
        lead_id=row["lead_id"],
        number=row["number"],
        at=row["at"],
        kind=FactKind(row["kind"]),
        party=None if party is None else Party(PartyKind(party), row["party_id"]),
        contact=None if contact is None else ContactKind(contact),
        days=row["days"],
        reason=row["reason"],
        detail=orjson.loads(row["written"]),
        community_id=row["community_id"],
    )
