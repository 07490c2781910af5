"""A customer says what they allow, confirms it, or it comes to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community
from intake.domain.consent.consent_commands import ConsentCommand, RecordConsents
from intake.domain.consent.consents import next_end
from intake.domain.consent.opt_ins import next_lapse
from intake.domain.dossier import Dossier
from intake.domain.people.customers import Customer
from intake.domain.people.persons import person_of
from intake.store import tables
from intake.store.documents import word_row
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.subjects.merges import LinkedNeeds
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import insert_rows
from keyturn_chassis.inputs import Input, TimerFired
from keyturn_chassis.service import Deadline

CONSENT_ENDS = "consent-ends"
"""The timer of a customer: the next consent, or request for one, that comes to its end."""


class Consents(Subject):
    """Words of consent, and the timer of a customer's consents."""

    inputs = (ConsentCommand,)
    timers = (CONSENT_ENDS,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The customer with the whole person, and the community whose rules count."""
        needs.customers.add(_customer_id(input))
        if not isinstance(input.value, TimerFired):
            needs.part(LinkedNeeds).customers.add(_customer_id(input))
        community_id = _community_id(input)
        if community_id is not None:
            needs.document(Community, community_id)

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Dossier:
        """The customer, and unless the timer asks, the whole person."""
        customer = rows.customer(_customer_id(input))
        if customer is None or isinstance(input.value, TimerFired):
            return Dossier(customer=customer)
        known = {record.customer_id: record for record in rows.customers.values()}
        return Dossier(
            community=rows.community(_community_id(input)),
            customer=customer,
            person=person_of(known, customer.customer_id),
        )

    def deadlines(self, rows: IntakeWorkingSet) -> Mapping[str, Sequence[Deadline]]:
        """When the next consent of each changed customer ends."""
        deadlines: dict[str, Sequence[Deadline]] = {}
        for customer_id, version, customer in rows.customers.changes():
            due = _next_end(customer)
            if due is not None:
                deadlines[customer_id] = [Deadline(CONSENT_ENDS, due)]
            elif version > 1:
                deadlines[customer_id] = []
        return deadlines

    async def save(self, connection: AsyncConnection, rows: IntakeWorkingSet) -> None:
        """Keep every word that was said."""
        await insert_rows(connection, tables.consent_words, [word_row(word) for word in rows.words])


def _next_end(customer: Customer) -> datetime | None:
    ends = (next_end(customer.consents), next_lapse(customer.opt_ins))
    return min((end for end in ends if end is not None), default=None)


def _customer_id(input: Input[Any]) -> str:
    value: ConsentCommand | TimerFired = input.value
    return value.owner if isinstance(value, TimerFired) else value.customer_id


def _community_id(input: Input[Any]) -> str | None:
    return input.value.community_id if isinstance(input.value, RecordConsents) else None
