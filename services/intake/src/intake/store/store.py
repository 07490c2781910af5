"""Loads what a batch of inputs looks at, and saves what it made of it.

The number of statements depends on the kinds of input in the batch, never on how many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import ANY_COMMUNITY, Community
from intake.domain.leads.leads import Lead
from intake.domain.partners.partners import Building
from intake.domain.people.customers import Customer
from intake.domain.people.identity import Identifier, IdentifierKind, Identity
from intake.domain.people.recognition import MatchingGate
from intake.domain.sales.purchases import Purchase
from intake.reading.contact_points import identify
from intake.store import tables
from intake.store.aggregates import AGGREGATE_OF, AGGREGATES
from intake.store.documents import (
    CUSTOMER,
    LEAD_COLUMNS,
    PURCHASE,
    customer_row,
    deposit_row,
    lead_of,
    lead_row,
    purchase_row,
    step_row,
    touch_row,
)
from intake.store.matching import MatchingIndex, matching_index
from intake.store.needs import Needs, Visitor
from intake.store.subjects import SUBJECTS
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import Loaded, insert_rows, save_versioned
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input
from keyturn_events import Refusal

_LEADS: Final = f"SELECT {LEAD_COLUMNS} FROM leads WHERE lead_id = ANY($1)"  # noqa: S608
_LIVE_LEADS: Final = (
    f"SELECT {LEAD_COLUMNS} FROM leads"  # noqa: S608
    " WHERE customer_id = ANY($1) AND status NOT IN ('won', 'withdrawn')"
)
_PURCHASES: Final = "SELECT purchase_id, version, document::text FROM purchases"
_CUSTOMERS: Final = (
    "SELECT customer_id, version, document::text FROM customers WHERE customer_id = ANY($1)"
)
_OWNERS: Final = (
    "SELECT i.kind, i.value, c.customer_id, c.version, c.document::text"
    " FROM unnest($1::smallint[], $2::text[]) AS w (kind, value)"
    " JOIN identifiers AS i ON i.kind = w.kind AND i.value = w.value"
    " JOIN customers AS c ON c.customer_id = i.customer_id"
)


class IntakeStore:
    """The store of the service."""

    metadata = tables.metadata

    async def load(
        self, connection: AsyncConnection, inputs: Sequence[Input[Any]], /
    ) -> IntakeWorkingSet:
        """Everything that the decisions on `inputs` look at."""
        needs = Needs.of(inputs, SUBJECTS)
        leads = await _leads(connection, needs.leads)
        purchases = await _purchases(connection, needs)
        await _add_leads_of(connection, leads, purchases)
        _add_places(needs, leads, purchases)
        documents = {
            state: Loaded(await AGGREGATE_OF[state].load(connection, keys))
            for state, keys in needs.documents.items()
        }
        identities = _identities(needs.visitors, documents.get(Community, Loaded({})))
        customers, owners = await _owners(connection, identities.values())
        matching = await matching_index(connection, identities.values())
        await _add_customers(
            connection,
            customers,
            needs.customers
            | matching.customer_ids
            | {lead.customer_id for _, lead in leads.values()}
            # Whoever may yet sign: a contract implies consent.
            | {p.customer_id for _, p in purchases.values() if not p.bound and p.live},
        )
        await _add_live_leads(connection, leads, customers)
        rows = IntakeWorkingSet(
            subjects=SUBJECTS,
            identities=identities,
            owners=owners,
            customers=Loaded(customers),
            leads=Loaded(leads),
            purchases=Loaded(purchases),
            documents=documents,
        )
        rows.keep_part(matching)
        if matching.gates:
            gates = {(gate,) for gate in matching.gates}
            await rows.load_documents(connection, MatchingGate, gates)
        for subject in SUBJECTS.all:
            await subject.load(connection, needs, rows)
        return rows

    async def save(self, connection: AsyncConnection, working_set: IntakeWorkingSet, /) -> None:
        """Write what changed; the unique constraints of the tables have the last word."""
        changed = working_set
        await save_versioned(
            connection,
            tables.customers,
            [
                customer_row(customer, version)
                for _, version, customer in changed.customers.changes()
            ],
        )
        await insert_rows(
            connection,
            tables.identifiers,
            [
                {"kind": int(identifier.kind), "value": identifier.value, "customer_id": owner}
                for identifier, owner in sorted(changed.claimed.items())
            ],
        )
        await save_versioned(
            connection,
            tables.leads,
            [
                lead_row(lead, version, changed.customers.get(lead.customer_id))
                for _, version, lead in changed.leads.changes()
            ],
        )
        await insert_rows(connection, tables.touches, [touch_row(t) for t in changed.touches])
        await insert_rows(connection, tables.lead_steps, [step_row(s) for s in changed.steps])
        # Who gives a home up goes first, so that somebody else can have it in the same batch.
        for live in (False, True):
            await save_versioned(
                connection,
                tables.purchases,
                [
                    purchase_row(purchase, version)
                    for _, version, purchase in changed.purchases.changes()
                    if purchase.live is live
                ],
            )
        await insert_rows(connection, tables.deposits, [deposit_row(d) for d in changed.deposits])
        for aggregate in AGGREGATES:
            states = changed.documents.get(aggregate.state)
            if states is not None:
                await aggregate.save(connection, states)
        await changed.part(MatchingIndex).save(connection)
        for subject in SUBJECTS.all:
            await subject.save(connection, changed)


async def _leads(
    connection: AsyncConnection, lead_ids: Collection[str]
) -> dict[str, tuple[int, Lead]]:
    if not lead_ids:
        return {}
    driver = await driver_of(connection)
    rows = await driver.fetch(_LEADS, list(lead_ids))
    return {row["lead_id"]: (row["version"], lead_of(row)) for row in rows}


async def _purchases(connection: AsyncConnection, needs: Needs) -> dict[str, tuple[int, Purchase]]:
    branches: list[str] = []
    parameters: list[list[str]] = []

    def add(branch: str, *keys: list[str]) -> None:
        places = (f"${len(parameters) + number}::text[]" for number in range(1, len(keys) + 1))
        branches.append(f"{_PURCHASES} WHERE {branch.format(*places)}")
        parameters.extend(keys)

    if needs.purchases:
        add("purchase_id = ANY({})", list(needs.purchases))
    if needs.homes:
        add("home_id = ANY({}) AND stage <> 'rescinded'", list(needs.homes))
    if needs.sales:
        add(
            "(partner_id, sale_reference) IN (SELECT * FROM unnest({}, {}))", *_columns(needs.sales)
        )
    if needs.neighbours:
        add(
            "(community_id, building) IN (SELECT * FROM unnest({}, {}))",
            *_columns(needs.neighbours),
        )
    if not branches:
        return {}
    driver = await driver_of(connection)
    rows = await driver.fetch(" UNION ".join(branches), *parameters)
    return {
        row["purchase_id"]: (row["version"], PURCHASE.validate_json(row["document"]))
        for row in rows
    }


async def _add_leads_of(
    connection: AsyncConnection,
    leads: dict[str, tuple[int, Lead]],
    purchases: Mapping[str, tuple[int, Purchase]],
) -> None:
    wanted = {p.lead_id for _, p in purchases.values() if p.lead_id is not None} - leads.keys()
    leads.update(await _leads(connection, wanted))


def _add_places(
    needs: Needs,
    leads: Mapping[str, tuple[int, Lead]],
    purchases: Mapping[str, tuple[int, Purchase]],
) -> None:
    """Ask for the communities and the buildings that the batch is about."""
    for visitor in needs.visitors.values():
        if visitor.community_id is not None:
            needs.document(Community, visitor.community_id)
    for _, lead in leads.values():
        if lead.community_id is not None:
            needs.document(Community, lead.community_id)
    for _, purchase in purchases.values():
        needs.document(Community, purchase.community_id)
        if purchase.building is not None:
            needs.document(Building, purchase.community_id, purchase.building)


def _identities(
    visitors: Mapping[int, Visitor], communities: Loaded[tuple[str, ...], Community]
) -> dict[int, Identity | Refusal]:
    identities: dict[int, Identity | Refusal] = {}
    for key, visitor in visitors.items():
        known = communities.get((visitor.community_id,)) if visitor.community_id else None
        try:
            identities[key] = identify(visitor.person, (known or ANY_COMMUNITY).region)
        except Refusal as refusal:
            identities[key] = refusal
    return identities


async def _owners(
    connection: AsyncConnection, identities: Iterable[Identity | Refusal]
) -> tuple[dict[str, tuple[int, Customer]], dict[Identifier, str]]:
    wanted = {
        identifier
        for identity in identities
        if isinstance(identity, Identity)
        for identifier in identity.identifiers
    }
    if not wanted:
        return {}, {}
    driver = await driver_of(connection)
    rows = await driver.fetch(_OWNERS, [int(w.kind) for w in wanted], [w.value for w in wanted])
    customers: dict[str, tuple[int, Customer]] = {}
    owners = {}
    for kind, value, customer_id, version, known in rows:
        owners[Identifier(IdentifierKind(kind), value)] = customer_id
        if customer_id not in customers:
            customers[customer_id] = (version, CUSTOMER.validate_json(known))
    return customers, owners


async def _add_customers(
    connection: AsyncConnection,
    customers: dict[str, tuple[int, Customer]],
    customer_ids: Collection[str],
) -> None:
    wanted = set(customer_ids) - customers.keys()
    if not wanted:
        return
    driver = await driver_of(connection)
    for row in await driver.fetch(_CUSTOMERS, list(wanted)):
        customer = CUSTOMER.validate_json(row["document"])
        if customer.withdrawn_at is None:
            customers[row["customer_id"]] = (row["version"], customer)


async def _add_live_leads(
    connection: AsyncConnection,
    leads: dict[str, tuple[int, Lead]],
    customers: Mapping[str, tuple[int, Customer]],
) -> None:
    if not customers:
        return
    driver = await driver_of(connection)
    for row in await driver.fetch(_LIVE_LEADS, list(customers)):
        leads.setdefault(row["lead_id"], (row["version"], lead_of(row)))


def _columns(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    first, second = zip(*pairs, strict=True)
    return list(first), list(second)
