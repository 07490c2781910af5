"""Loads what a batch of inputs looks at, and saves what it made of it.

The number of statements depends on the kinds of input in the batch, never on how many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, SMALLINT, TEXT
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
from keyturn_chassis.inputs import Input
from keyturn_events import Refusal

V = TypeVar("V")

_KEYS = bindparam("keys", type_=ARRAY(TEXT))
_FIRST = bindparam("first", type_=ARRAY(TEXT))
_SECOND = bindparam("second", type_=ARRAY(TEXT))


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
                for identifier, owner in changed.claimed.items()
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
    rows = await connection.execute(
        text(f"SELECT {LEAD_COLUMNS} FROM leads WHERE lead_id = ANY(:keys)").bindparams(_KEYS),  # noqa: S608
        {"keys": list(lead_ids)},
    )
    return {row.lead_id: (row.version, lead_of(row)) for row in rows}


async def _purchases(connection: AsyncConnection, needs: Needs) -> dict[str, tuple[int, Purchase]]:
    branches: list[str] = []
    parameters: dict[str, list[str]] = {}
    if needs.purchases:
        branches.append("purchase_id = ANY(CAST(:purchases AS text[]))")
        parameters["purchases"] = list(needs.purchases)
    if needs.homes:
        branches.append("(home_id = ANY(CAST(:homes AS text[])) AND stage <> 'rescinded')")
        parameters["homes"] = list(needs.homes)
    if needs.sales:
        branches.append(
            "(partner_id, sale_reference) IN (SELECT * FROM"
            " unnest(CAST(:sellers AS text[]), CAST(:sales AS text[])))"
        )
        parameters["sellers"], parameters["sales"] = _columns(needs.sales)
    if needs.neighbours:
        branches.append(
            "(community_id, building) IN (SELECT * FROM"
            " unnest(CAST(:places AS text[]), CAST(:buildings AS text[])))"
        )
        parameters["places"], parameters["buildings"] = _columns(needs.neighbours)
    if not branches:
        return {}
    rows = await connection.execute(
        text(
            " UNION ".join(
                "SELECT purchase_id, version, CAST(document AS text) AS document"  # noqa: S608
                f" FROM purchases WHERE {branch}"
                for branch in branches
            )
        ),
        parameters,
    )
    return {row.purchase_id: (row.version, PURCHASE.validate_json(row.document)) for row in rows}


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
        for identifier in identity.identifiers()
    }
    if not wanted:
        return {}, {}
    rows = await connection.execute(
        text(
            "SELECT i.kind, i.value, c.customer_id, c.version, CAST(c.document AS text) AS document"
            " FROM unnest(:kinds, :values) AS w (kind, value)"
            " JOIN identifiers AS i ON i.kind = w.kind AND i.value = w.value"
            " JOIN customers AS c ON c.customer_id = i.customer_id"
        ).bindparams(
            bindparam("kinds", type_=ARRAY(SMALLINT)), bindparam("values", type_=ARRAY(TEXT))
        ),
        {"kinds": [int(w.kind) for w in wanted], "values": [w.value for w in wanted]},
    )
    customers: dict[str, tuple[int, Customer]] = {}
    owners = {}
    for row in rows:
        owners[Identifier(IdentifierKind(row.kind), row.value)] = row.customer_id
        if row.customer_id not in customers:
            customers[row.customer_id] = (row.version, CUSTOMER.validate_json(row.document))
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
    rows = await connection.execute(
        text(
            f"SELECT {LEAD_COLUMNS} FROM leads"  # noqa: S608
            " WHERE customer_id = ANY(:keys) AND status <> 'won'"
        ).bindparams(_KEYS),
        {"keys": list(customers)},
    )
    for row in rows:
        leads.setdefault(row.lead_id, (row.version, lead_of(row)))


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
    first, second = _columns(wanted)
    rows = await connection.execute(
        text(
            "SELECT community_id, building, version, CAST(document AS text) AS document"
            " FROM buildings JOIN unnest(:first, :second) AS w (community_id, building)"
            " USING (community_id, building)"
        ).bindparams(_FIRST, _SECOND),
        {"first": first, "second": second},
    )
    return {
        (row.community_id, row.building): (row.version, BUILDING.validate_json(row.document))
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
    first, second = _columns(events)
    rows = await connection.execute(
        text(
            "SELECT partner_id, event_id, digest FROM partner_records"
            " JOIN unnest(:first, :second) AS w (partner_id, event_id)"
            " USING (partner_id, event_id) WHERE outcome = 'accepted'"
        ).bindparams(_FIRST, _SECOND),
        {"first": first, "second": second},
    )
    return {(row.partner_id, row.event_id): row.digest for row in rows}


async def _documents(
    connection: AsyncConnection,
    table: str,
    key: str,
    keys: Collection[str],
    adapter: TypeAdapter[V],
) -> dict[str, tuple[int, V]]:
    if not keys:
        return {}
    rows = await connection.execute(
        text(
            f"SELECT {key} AS key, version, CAST(document AS text) AS document"  # noqa: S608
            f" FROM {table} WHERE {key} = ANY(:keys)"
        ).bindparams(_KEYS),
        {"keys": list(keys)},
    )
    return {row.key: (row.version, adapter.validate_json(row.document)) for row in rows}


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
