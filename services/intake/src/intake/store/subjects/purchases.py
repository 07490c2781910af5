"""A home is reserved, and its purchase goes further or runs out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community
from intake.domain.dossier import EMPTY, Dossier
from intake.domain.sales.homes import Home
from intake.domain.sales.purchase_commands import PurchaseCommand, ReserveHome
from intake.domain.sales.purchases import Purchase
from intake.domain.sales.releases import Release
from intake.store.documents import deposit_of
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input, TimerFired
from keyturn_chassis.service import Deadline
from keyturn_events.service_desk import HandoverCompleted
from keyturn_events.vocabulary import PurchaseStage

RESERVATION_EXPIRED = "reservation-expired"
"""The timer of a reserved home; its owner is the purchase."""


_LEDGERS: Final = "SELECT * FROM deposits WHERE purchase_id = ANY($1::text[]) ORDER BY position"


class WantedHome(TypedDict):
    """The fields of a dossier on a home that somebody wants."""

    home: Home | None
    release: Release | None


class Purchases(Subject):
    """Reservations, commands about one purchase, and its timer."""

    inputs = (ReserveHome, PurchaseCommand, HandoverCompleted)
    timers = (RESERVATION_EXPIRED,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The purchase, or who wants which home."""
        match input.value:
            case ReserveHome() as command:
                needs.customers.add(command.customer_id)
                needs.homes.add(command.home_id)
                needs.document(Home, command.home_id)
                needs.document(Community, command.community_id)
                if command.lead_id is not None:
                    needs.leads.add(command.lead_id)
            case TimerFired() as timer:
                needs.purchases.add(timer.owner)
            case command:
                needs.purchases.add(command.purchase_id)

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """The ledgers of the purchases that the batch is about."""
        wanted = needs.purchases | {
            purchase.purchase_id
            for partner_id, reference in needs.sales
            if (purchase := rows.sale(partner_id, reference)) is not None
        }
        if not wanted:
            return
        driver = await driver_of(connection)
        for row in await driver.fetch(_LEDGERS, list(wanted)):
            rows.ledgers.setdefault(row["purchase_id"], []).append(deposit_of(row))

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Dossier:
        """The purchase with its lead, or the home with the claim on it."""
        match input.value:
            case ReserveHome() as command:
                return _reservation(rows, command)
            case TimerFired() as timer:
                return around(rows, rows.purchases.get(timer.owner))
            case command:
                return around(rows, rows.purchases.get(command.purchase_id))

    def deadlines(self, rows: IntakeWorkingSet) -> Mapping[str, Sequence[Deadline]]:
        """When changed reservations run out."""
        deadlines: dict[str, Sequence[Deadline]] = {}
        for purchase_id, _, purchase in rows.purchases.changes():
            due = purchase.expires_at if purchase.stage is PurchaseStage.RESERVED else None
            deadlines[purchase_id] = [] if due is None else [Deadline(RESERVATION_EXPIRED, due)]
        return deadlines


def around(rows: IntakeWorkingSet, purchase: Purchase | None) -> Dossier:
    """What a decision on a purchase looks at."""
    if purchase is None:
        return EMPTY
    newer = rows.live_lead(purchase.customer_id, purchase.community_id)
    return Dossier(
        community=rows.community(purchase.community_id),
        customer=rows.customer(purchase.customer_id),
        leads={} if newer is None else {purchase.customer_id: newer},
        lead=None if purchase.lead_id is None else rows.leads.get(purchase.lead_id),
        purchase=purchase,
        ledger=tuple(rows.ledgers.get(purchase.purchase_id, ())),
        completion=rows.completion(purchase.community_id, purchase.building),
        desk=rows.desk(purchase.community_id),
    )


def _reservation(rows: IntakeWorkingSet, command: ReserveHome) -> Dossier:
    lead = (
        rows.leads.get(command.lead_id)
        if command.lead_id is not None
        else rows.live_lead(command.customer_id, command.community_id)
    )
    return Dossier(
        community=rows.community(command.community_id),
        customer=rows.customer(command.customer_id),
        lead=lead,
        claim=rows.claim(command.home_id),
        desk=rows.desk(command.community_id),
        **wanted_home(rows, command.home_id),
    )


def wanted_home(rows: IntakeWorkingSet, home_id: str) -> WantedHome:
    """What is registered of a home that somebody wants."""
    home = rows.document(Home, home_id)
    release_id = None if home is None else home.release_id
    release = None if release_id is None else rows.document(Release, release_id)
    return {"home": home, "release": release}
