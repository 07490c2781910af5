"""A customer says what they allow."""

from __future__ import annotations

from typing import Any

from intake.domain.consent_commands import RecordConsents
from intake.domain.dossier import Dossier
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input


class Consents(Subject):
    """Words of consent."""

    inputs = (RecordConsents,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The customer."""
        needs.customers.add(input.value.customer_id)

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Dossier:
        """The customer."""
        return Dossier(customer=rows.customers.get(input.value.customer_id))
