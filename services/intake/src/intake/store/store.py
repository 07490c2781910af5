"""Loads what a batch of inputs looks at, and saves what it made of it.

The number of statements depends on the kinds of input in the batch, never on how many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import ANY_COMMUNITY, Community
from intake.domain.customers import Customer
from intake.domain.identity import Identifier, IdentifierKind, Identity
from intake.domain.leads import Lead
from intake.domain.purchases import Purchase
from intake.reading.contact_points import identify
from intake.store import tables
from intake.store.documents import (
    BUILDING,
    COMMUNITY,
    CUSTOMER,
    LEAD_COLUMNS,
    PARTNER,
    PURCHASE,
    deposit_row,
    document,
    lead_of,
    lead_row,
    purchase_row,
    record_row,
    step_row,
    touch_row,
)
from intake.store.needs import Needs, Visitor
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import Loaded, insert_rows, save_versioned
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input
from keyturn_events import Refusal

V = TypeVar("V")

_LEADS: Final = f"SELECT {LEAD_COLUMNS} FROM leads WHERE lead_id = ANY($1)"  # noqa: S608
_LIVE_LEADS: Final = (
    f"SELECT {LEAD_COLUMNS} FROM leads"  # noqa: S608
    " WHERE customer_id = ANY($1) AND status <> 'won'"
)
_PURCHASES: Final = "SELECT purchase_id, version, document::text FROM purchases"
_OWNERS: Final = (
    "SELECT i.kind, i.value, c.customer_id, c.version, c.document::text"
    " FROM unnest($1::smallint[], $2::text[]) AS w (kind, value)"
    " JOIN identifiers AS i ON i.kind = w.kind AND i.value = w.value"
    " JOIN customers AS c ON c.customer_id = i.customer_id"
)
_BUILDINGS: Final = (
    "SELECT community_id, building, version, document::text FROM buildings"
    " JOIN unnest($1::text[], $2::text[]) AS w (community_id, building)"
    " USING (community_id, building)"
)
_ACCEPTED: Final = (
    "SELECT partner_id, event_id, digest FROM partner_records"
    " JOIN unnest($1::text[], $2::text[]) AS w (partner_id, event_id)"
    " USING (partner_id, event_id) WHERE outcome = 'accepted'"
)


class IntakeStore:
    """The store of the service."""

    metadata = tables.metadata

    async def load(
        self, connection: AsyncConnection, inputs: Sequence[Input[Any]], /
    ) -> IntakeWorkingSet:
        """Everything that the decisions on `inputs` look at."""
        needs = Needs.of(inputs)
        leads = await _leads(connection, needs.leads)
        purchases = await _purchases(connection, needs)
        await _add_leads_of(connection, leads, purchases)
        communities = await _communities(connection, needs, leads, purchases)
        identities = _identities(needs.visitors, communities)
        customers, owners = await _owners(connection, identities.values())
        await _add_customers(
            connection,
            customers,
            needs.customers | {lead.customer_id for _, lead in leads.values()},
        )
        await _add_live_leads(connection, leads, customers)
        return IntakeWorkingSet(
            needs=needs,
            identities=identities,
            owners=owners,
            customers=Loaded(customers),
            leads=Loaded(leads),
            purchases=Loaded(purchases),
            communities=Loaded(communities),
            buildings=Loaded(await _buildings(connection, needs, purchases)),
            partners=Loaded(await _partners(connection, needs.partners)),
            accepted=await _accepted(connection, needs.partner_events),
        )

    async def save(self, connection: AsyncConnection, working_set: IntakeWorkingSet, /) -> None:
        """Write what changed; the unique constraints of the tables have the last word."""
        changed = working_set
        await save_versioned(
            connection,
            tables.customers,
            [
                {"customer_id": key, "version": version, "document": document(CUSTOMER, customer)}
                for key, version, customer in changed.customers.changes()
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
            [lead_row(lead, version) for _, version, lead in changed.leads.changes()],
        )
        await insert_rows(connection, tables.touches, [touch_row(t) for t in changed.touches])
        await insert_rows(connection, tables.lead_steps, [step_row(s) for s in changed.steps])
        await save_versioned(
            connection,
            tables.purchases,
            [purchase_row(p, version) for _, version, p in changed.purchases.changes()],
        )
        await insert_rows(connection, tables.deposits, [deposit_row(d) for d in changed.deposits])
        await _save_registry(connection, changed)
        await insert_rows(
            connection, tables.partner_records, [record_row(file) for file in changed.received]
        )


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


async def _communities(
    connection: AsyncConnection,
    needs: Needs,
    leads: Mapping[str, tuple[int, Lead]],
    purchases: Mapping[str, tuple[int, Purchase]],
) -> dict[str, tuple[int, Community]]:
    wanted = set(needs.communities)
    wanted |= {v.community_id for v in needs.visitors.values() if v.community_id is not None}
    wanted |= {lead.community_id for _, lead in leads.values() if lead.community_id is not None}
    wanted |= {purchase.community_id for _, purchase in purchases.values()}
    return await _documents(connection, "communities", "community_id", wanted, COMMUNITY)


def _identities(
    visitors: Mapping[int, Visitor], communities: Mapping[str, tuple[int, Community]]
) -> dict[int, Identity | Refusal]:
    identities: dict[int, Identity | Refusal] = {}
    for key, visitor in visitors.items():
        known = communities.get(visitor.community_id) if visitor.community_id else None
        try:
            identities[key] = identify(
                visitor.person, (known[1] if known else ANY_COMMUNITY).region
            )
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
    customers.update(await _documents(connection, "customers", "customer_id", wanted, CUSTOMER))


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


async def _buildings(
    connection: AsyncConnection, needs: Needs, purchases: Mapping[str, tuple[int, Purchase]]
) -> dict[tuple[str, str], tuple[int, Any]]:
    wanted = needs.buildings | {
        (purchase.community_id, purchase.building)
        for _, purchase in purchases.values()
        if purchase.building is not None
    }
    if not wanted:
        return {}
    driver = await driver_of(connection)
    rows = await driver.fetch(_BUILDINGS, *_columns(wanted))
    return {
        (row["community_id"], row["building"]): (
            row["version"],
            BUILDING.validate_json(row["document"]),
        )
        for row in rows
    }


async def _partners(
    connection: AsyncConnection, partner_ids: Collection[str]
) -> dict[str, tuple[int, Any]]:
    return await _documents(connection, "partners", "partner_id", partner_ids, PARTNER)


async def _accepted(
    connection: AsyncConnection, events: Collection[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """The digests of the events that have been accepted already."""
    if not events:
        return {}
    driver = await driver_of(connection)
    rows = await driver.fetch(_ACCEPTED, *_columns(events))
    return {(row["partner_id"], row["event_id"]): row["digest"] for row in rows}


async def _documents(
    connection: AsyncConnection,
    table: str,
    key: str,
    keys: Collection[str],
    adapter: TypeAdapter[V],
) -> dict[str, tuple[int, V]]:
    if not keys:
        return {}
    driver = await driver_of(connection)
    rows = await driver.fetch(
        f"SELECT {key} AS key, version, document::text FROM {table} WHERE {key} = ANY($1)",  # noqa: S608
        list(keys),
    )
    return {row["key"]: (row["version"], adapter.validate_json(row["document"])) for row in rows}


async def _save_registry(connection: AsyncConnection, changed: IntakeWorkingSet) -> None:
    await save_versioned(
        connection,
        tables.communities,
        [
            {"community_id": key, "version": version, "document": document(COMMUNITY, community)}
            for key, version, community in changed.communities.changes()
        ],
    )
    await save_versioned(
        connection,
        tables.partners,
        [
            {"partner_id": key, "version": version, "document": document(PARTNER, partner)}
            for key, version, partner in changed.partners.changes()
        ],
    )
    await save_versioned(
        connection,
        tables.buildings,
        [
            {
                "community_id": community_id,
                "building": building,
                "version": version,
                "document": document(BUILDING, state),
            }
            for (community_id, building), version, state in changed.buildings.changes()
        ],
    )


def _columns(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    first, second = zip(*pairs, strict=True)
    return list(first), list(second)
