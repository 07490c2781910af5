"""A home is reserved, and its purchase goes further or runs out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intake.domain.communities import Community
from intake.domain.dossier import EMPTY, Dossier
from intake.domain.purchase_commands import PurchaseCommand, ReserveHome
from intake.domain.purchases import Purchase
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input, TimerFired
from keyturn_chassis.service import Deadline
from keyturn_events.vocabulary import PurchaseStage

RESERVATION_EXPIRED = "reservation-expired"
"""The timer of a reserved home; its owner is the purchase."""


class Purchases(Subject):
    """Reservations, commands about one purchase, and its timer."""

    inputs = (ReserveHome, PurchaseCommand)
    timers = (RESERVATION_EXPIRED,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The purchase, or who wants which home."""
        match input.value:
            case ReserveHome() as command:
                needs.customers.add(command.customer_id)
                needs.homes.add(command.home_id)
                needs.document(Community, command.community_id)
                if command.lead_id is not None:
                    needs.leads.add(command.lead_id)
            case TimerFired() as timer:
                needs.purchases.add(timer.owner)
            case command:
                needs.purchases.add(command.purchase_id)

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
        leads={} if newer is None else {purchase.customer_id: newer},
        lead=None if purchase.lead_id is None else rows.leads.get(purchase.lead_id),
        purchase=purchase,
        completion=rows.completion(purchase.community_id, purchase.building),
    )


def _reservation(rows: IntakeWorkingSet, command: ReserveHome) -> Dossier:
    lead = (
        rows.leads.get(command.lead_id)
        if command.lead_id is not None
        else rows.live_lead(command.customer_id, command.community_id)
    )
    return Dossier(
        community=rows.community(command.community_id),
        customer=rows.customers.get(command.customer_id),
        lead=lead,
        claim=rows.claim(command.home_id),
    )
