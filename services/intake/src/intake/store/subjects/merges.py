"""Two customers prove to be one person, or to be two after all."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.people.merges import Merge, MergeCustomers, MergeFile, UndoMerge, persons_records
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
        match input.value:
            case UndoMerge() as command:
                undone = rows.document(Merge, command.merge_id)
                named = () if undone is None else (undone.survivor_id, undone.merged_id)
                return replace(people(rows, named), merge=undone)
            case command:
                return people(rows, (command.customer_id, command.other_customer_id))

    def put(self, rows: IntakeWorkingSet, state: MergeFile) -> None:
        """Keep the links, and the merge."""
        for customer_id, customer in state.customers.items():
            rows.customers.put(customer_id, customer)
        if state.merge is not None:
            rows.put_document(state.merge)


def people(rows: IntakeWorkingSet, customer_ids: Iterable[str]) -> MergeFile:
    """Everybody linked with these customers, and the merges that hold among them."""
    loaded = {known.customer_id: known for known in rows.customers.values()}
    customers = {
        record.customer_id: record
        for customer_id in customer_ids
        for record in persons_records(loaded, customer_id)
    }
    merges = (
        rows.document(Merge, known.merged_into.merge_id)
        for known in customers.values()
        if known.merged_into is not None
    )
    return MergeFile(customers, standing={m.merge_id: m for m in merges if m is not None})


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
