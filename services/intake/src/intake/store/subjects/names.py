"""A customer is called otherwise than before, and all of their leads are found by the new name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.people.name_search import search_terms
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.driver import driver_of

_FOUND_BY: Final = (
    "UPDATE leads SET search_terms = given.terms"
    " FROM unnest($1::text[], $2::text[]) AS given (customer_id, terms)"
    " WHERE leads.customer_id = given.customer_id AND leads.search_terms <> given.terms"
)


@dataclass(slots=True)
class Names:
    """How the loaded customers were called before the batch."""

    before: dict[str, str | None] = field(default_factory=dict)


class Renamings(Subject):
    """Keeps the leads that a batch does not look at findable by their customer's name."""

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:  # noqa: ARG002 - what is loaded already is enough
        """Remember the names."""
        rows.part(Names).before = {
            customer.customer_id: customer.name for customer in rows.customers.values()
        }

    async def save(self, connection: AsyncConnection, rows: IntakeWorkingSet) -> None:
        """Write the terms of who has another name now."""
        before = rows.part(Names).before
        renamed = [
            customer
            for customer_id, _, customer in rows.customers.changes()
            if customer.name != before.get(customer_id, customer.name)
        ]
        if renamed:
            driver = await driver_of(connection)
            await driver.execute(
                _FOUND_BY,
                [customer.customer_id for customer in renamed],
                [search_terms(customer.name) for customer in renamed],
            )
