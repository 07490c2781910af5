"""What the desk holds on people: for the access export, and to be forgotten."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.holdings import Holding, Holdings
from service_desk.domain.customers import Family
from service_desk.store import tables
from service_desk.store.store import families


async def person_ids(connection: AsyncConnection, customer_id: str) -> list[str]:
    """Every id that means the same person, that one first."""
    found = await families(connection, [customer_id])
    family = Family({id: customer for id, (_, customer) in found.items()})
    return [customer_id, *sorted(family.ids_of(customer_id) - {customer_id})]


HOLDINGS: Final = Holdings(
    ids_of=person_ids,
    tables=(
        Holding(table=tables.customers),
        Holding(table=tables.handovers),
        Holding(table=tables.defects),
        Holding(table=tables.cases),
        Holding(table=tables.responses),
        Holding(
            table=tables.crises,
            where="held.document->'owners' ?| $1::text[]",
            # The other owners whom it touches are nobody's business.
            written=(("document", "held.document - 'owners'"),),
        ),
    ),
    impersonal=(tables.communities, tables.calendars, tables.handover_templates),
)
