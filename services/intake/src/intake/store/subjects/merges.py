"""Two customers prove to be one person, or to be two after all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.people.merges import Merge, MergeCustomers, MergeFile, UndoMerge
from intake.store.documents import CUSTOMER
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input

LINKED: Final = """
    WITH RECURSIVE above AS (
        SELECT customer_id, merged_into FROM customers WHERE customer_id = ANY($1)
        UNION
        SELECT c.customer_id, c.merged_into FROM customers AS c
            JOIN above ON c.customer_id = above.merged_into
    ), linked AS (
        SELECT customer_id FROM above
        UNION
        SELECT c.customer_id FROM customers AS c JOIN linked ON c.merged_into = linked.customer_id
    )
    SELECT customer_id, version, document::text FROM customers JOIN linked USING (customer_id)
"""
"""Everybody who is one person with the customers of these ids."""

_OF_MERGES: Final = (
    "SELECT merge_id, survivor_id, merged_id FROM merges WHERE merge_id = ANY($1::text[])"
)
_STANDING: Final = "SELECT merge_id FROM merges WHERE merged_id = ANY($1::text[]) AND standing"


@dataclass(slots=True)
class LinkedNeeds:
    """Customers whose whole person is looked at, and merges that are to be undone."""

    customers: set[str] = field(default_factory=set)
    merges: set[str] = field(default_factory=set)


class Merges(Subject):
    """Merging, and taking a merge back."""

    inputs = (MergeCustomers, UndoMerge)
    states = (MergeFile,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """Both people, or the merge."""
        wanted = needs.part(LinkedNeeds)
        match input.value:
            case MergeCustomers() as command:
                wanted.customers |= {command.customer_id, command.other_customer_id}
            case UndoMerge() as command:
                wanted.merges.add(command.merge_id)
                needs.document(Merge, command.merge_id)

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """Everybody who is linked with the customers, and the merges that hold among them."""
        wanted = needs.part(LinkedNeeds)
        if not (wanted.customers or wanted.merges):
            return
        driver = await driver_of(connection)
        customers = set(wanted.customers)
        if wanted.merges:
            for row in await driver.fetch(_OF_MERGES, list(wanted.merges)):
                customers |= {row["survivor_id"], row["merged_id"]}
        linked = await _linked(connection, rows, customers)
        standing = await driver.fetch(_STANDING, list(linked))
        await rows.load_documents(connection, Merge, {(row["merge_id"],) for row in standing})

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> MergeFile:
        """Both people with the merges that hold among them."""
        customers = {known.customer_id: known for known in rows.customers.values()}
        merges = (
            rows.document(Merge, known.merged_into.merge_id)
            for known in customers.values()
            if known.merged_into is not None
        )
        command = input.value
        return MergeFile(
            customers=customers,
            merge=rows.document(Merge, command.merge_id)
            if isinstance(command, UndoMerge)
            else None,
            standing={known.merge_id: known for known in merges if known is not None},
        )

    def put(self, rows: IntakeWorkingSet, state: MergeFile) -> None:
        """Keep the links, and the merge."""
        for customer_id, customer in state.customers.items():
            rows.customers.put(customer_id, customer)
        if state.merge is not None:
            rows.put_document(state.merge)


async def _linked(
    connection: AsyncConnection, rows: IntakeWorkingSet, customer_ids: Collection[str]
) -> list[str]:
    driver = await driver_of(connection)
    found = await driver.fetch(LINKED, list(customer_ids))
    rows.customers.add(
        {
            row["customer_id"]: (row["version"], CUSTOMER.validate_json(row["document"]))
            for row in found
        }
    )
    return [row["customer_id"] for row in found]
