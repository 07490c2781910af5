"""Learns from the customers of the service itself, and puts what was learnt to use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.people.customers import Customer
from intake.learning.matching.pairs import Progress
from intake.learning.matching.resolution import learn_model
from intake.learning.scoring.faults import refuse
from intake.reading.known_people import record_of_customer
from intake.reading.match_model_file import MatchModelFile
from intake.settings import IntakeSettings
from intake.store.documents import CUSTOMER
from keyturn_chassis.database import Database
from keyturn_chassis.driver import driver_of

FEWEST_CUSTOMERS: Final = 1_000
"""Customers of whom a birth date or an address is known, that something can be learnt from."""
MOST_CUSTOMERS: Final = 200_000
"""Customers that are looked at: those who came last."""

_KNOWN: Final = (
    "SELECT document::text FROM customers"
    " WHERE customer_id IN (SELECT customer_id FROM matching_keys) AND merged_into IS NULL"
    " ORDER BY document->>'registered_at' DESC, customer_id LIMIT $1"
)
_ADD: Final = "INSERT INTO match_models (document) VALUES ($1::text::jsonb) RETURNING version"


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt, of how many customers, and the version under which it is in use."""

    text: str
    customers: int
    version: int | None


def fit(progress: Progress, *, use: bool) -> Learnt:
    """Learn a model. Raises `Refusal` `too-few-customers` and `database-away`."""

    async def work() -> Learnt:
        database = Database(str(IntakeSettings().database_url), pool_size=1, command_timeout=None)
        try:
            async with database.transaction() as connection:
                return await fitted(connection, progress, use=use)
        except (OSError, SQLAlchemyError) as error:
            raise refuse(
                "database-away", f"The service's database cannot be read: {error}"
            ) from error
        finally:
            await database.close()

    return asyncio.run(work())


async def fitted(
    connection: AsyncConnection,
    progress: Progress,
    *,
    use: bool,
    fewest: int = FEWEST_CUSTOMERS,
) -> Learnt:
    """Learn a model in a transaction. Raises `Refusal` `too-few-customers`."""
    driver = await driver_of(connection)
    rows = await driver.fetch(_KNOWN, MOST_CUSTOMERS)
    customers: list[Customer] = [CUSTOMER.validate_json(row["document"]) for row in rows]
    if len(customers) < fewest:
        raise refuse(
            "too-few-customers",
            f"A birth date or an address is known of {len(customers):,} customers;"
            f" {fewest:,} are needed to learn from. The model of the package stays in use.",
        )
    model = learn_model([record_of_customer(customer) for customer in customers], progress)
    model = replace(model, learnt_from=f"{len(customers):,} of our own customers")
    text = MatchModelFile.of(model).model_dump_json(indent=1)
    version = await driver.fetchval(_ADD, text) if use else None
    return Learnt(text, len(customers), version)
