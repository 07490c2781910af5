"""A claim is exchanged for one on another home, or goes to another buyer."""

from __future__ import annotations

from typing import Any

from intake.domain.dossier import EMPTY, Dossier
from intake.domain.sales.exchange import Exchange, ExchangeClaim
from intake.domain.sales.homes import Home
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.subjects.purchases import around, wanted_home
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input


class Exchanges(Subject):
    """Exchanges of claims."""

    inputs = (ExchangeClaim,)
    states = (Exchange,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The purchase, and who or what takes its place."""
        command: ExchangeClaim = input.value
        needs.purchases.add(command.purchase_id)
        if command.customer_id is not None:
            needs.customers.add(command.customer_id)
        if command.home_id is not None:
            needs.homes.add(command.home_id)
            needs.document(Home, command.home_id)

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Exchange:
        """Around the purchase, and around the one that is to be."""
        command: ExchangeClaim = input.value
        left = around(rows, rows.purchases.get(command.purchase_id))
        if left.purchase is None:
            return Exchange()
        home_id = command.home_id or left.purchase.home_id
        customer_id = command.customer_id or left.purchase.customer_id
        taken = Dossier(
            community=left.community,
            customer=rows.customer(customer_id),
            lead=rows.live_lead(customer_id, left.purchase.community_id),
            claim=rows.claim(home_id),
            **wanted_home(rows, home_id),
        )
        return Exchange(left, taken)

    def put(self, rows: IntakeWorkingSet, state: Exchange) -> None:
        """Keep both purchases, with what became of their leads."""
        for dossier in (state.left, state.taken):
            if dossier is not EMPTY:
                rows.put_dossier(dossier)
