"""What segmentation holds on people: for the access export, and to be forgotten."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.holdings import Holding, Holdings
from segmentation.store import tables
from segmentation.store.store import load_files


async def person_ids(connection: AsyncConnection, customer_id: str) -> list[str]:
    """Every id that means the same person, that one first."""
    files = await load_files(connection, [customer_id])
    return [customer_id, *sorted(files.keys() - {customer_id})]


HOLDINGS: Final = Holdings(
    ids_of=person_ids,
    tables=(
        Holding(table=tables.customers),
        Holding(table=tables.timeline),
        Holding(table=tables.memberships),
    ),
    impersonal=(tables.models,),
)
