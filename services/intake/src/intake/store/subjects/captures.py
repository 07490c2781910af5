"""Somebody comes: who owns their identifiers, and which leads those people have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.dossier import Dossier
from intake.domain.leads.capture import CaptureLead
from intake.domain.people.customers import Customer
from intake.domain.people.identity import Identity
from intake.domain.sales.purchases import Purchase
from intake.store.documents import PURCHASE
from intake.store.matching import MatchingIndex
from intake.store.needs import Needs, Visitor
from intake.store.scorecards import Scorecards
from intake.store.subject import Subject
from intake.store.subjects.suppressions import suppressed_of
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input
from keyturn_events import Refusal

_UNLED: Final = (
    "SELECT purchase_id, version, document::text FROM purchases"
    " JOIN unnest($1::text[], $2::text[]) AS w (customer_id, community_id)"
    " USING (customer_id, community_id) WHERE lead_id IS NULL AND stage <> 'rescinded'"
)


def _known(rows: IntakeWorkingSet, identity: Identity | Refusal) -> set[str]:
    """The ids of the customers that a visitor may be."""
    if isinstance(identity, Refusal):
        return set()
    return {rows.owners[each] for each in identity.identifiers if each in rows.owners}


class Captures(Subject):
    """Captures of leads."""

    inputs = (CaptureLead,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The visitor is to be identified."""
        command: CaptureLead = input.value
        needs.visitors[id(input)] = Visitor(command.person, command.community_id)

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """The purchases of known people without a lead where they come: it may be this one."""
        places = {
            (owner_id, visitor.community_id)
            for key, visitor in needs.visitors.items()
            if visitor.community_id is not None
            for owner_id in _known(rows, rows.identities[key])
            if rows.live_lead(owner_id, visitor.community_id) is None
        }
        if not places:
            return
        customer_ids, community_ids = zip(*places, strict=True)
        driver = await driver_of(connection)
        found = await driver.fetch(_UNLED, list(customer_ids), list(community_ids))
        rows.add_purchases(
            {
                row["purchase_id"]: (row["version"], PURCHASE.validate_json(row["document"]))
                for row in found
            }
        )

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Dossier:
        """Who it may be, with their live leads in the community."""
        command: CaptureLead = input.value
        return visit(rows, input, command.community_id)


def visit(rows: IntakeWorkingSet, input: Input[Any], community_id: str | None) -> Dossier:
    """What a decision on somebody who comes to a community looks at.

    Raises `Refusal` when they cannot be identified.
    """
    identity = rows.identities[id(input)]
    if isinstance(identity, Refusal):
        raise identity
    owners = {}
    leads = {}
    for identifier in identity.identifiers:
        owner_id = rows.owners.get(identifier)
        owner = None if owner_id is None else rows.customers.get(owner_id)
        if owner is not None:
            owners[identifier] = owner
            lead = rows.live_lead(owner.customer_id, community_id)
            if lead is not None:
                leads[owner.customer_id] = lead
    candidates = rows.part(MatchingIndex).candidates(rows, identity)
    for candidate in candidates:
        lead = rows.live_lead(candidate.customer.customer_id, community_id)
        if lead is not None:
            leads[lead.customer_id] = lead
    return Dossier(
        community=rows.community(community_id),
        identity=identity,
        owners=owners,
        suppressed=suppressed_of(rows, identity),
        leads=leads,
        unled=_unled(rows, owners.values(), community_id),
        desk=rows.desk(community_id),
        scorecard=rows.part(Scorecards).card(rows),
        candidates=candidates,
    )


def _unled(
    rows: IntakeWorkingSet, customers: Iterable[Customer], community_id: str | None
) -> Mapping[str, Purchase]:
    if community_id is None:
        return {}
    purchases = (rows.unled(customer.customer_id, community_id) for customer in customers)
    return {purchase.customer_id: purchase for purchase in purchases if purchase is not None}
