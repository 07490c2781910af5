"""An advisor brings a lead further, or it has been idle for too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intake.domain.dossier import EMPTY, Dossier
from intake.domain.lead_commands import LeadCommand
from intake.domain.leads import LeadStatus
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input, TimerFired
from keyturn_chassis.service import Deadline

LEAD_STALLED = "lead-stalled"
"""The timer of an open lead; its owner is the lead."""


class Leads(Subject):
    """Commands about one lead, and its timers."""

    inputs = (LeadCommand,)
    timers = (LEAD_STALLED,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The lead."""
        needs.leads.add(_lead_id(input))

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Dossier:
        """The lead with its customer."""
        lead = rows.leads.get(_lead_id(input))
        if lead is None:
            return EMPTY
        return Dossier(
            community=rows.community(lead.community_id),
            customer=rows.customers.get(lead.customer_id),
            lead=lead,
        )

    def deadlines(self, rows: IntakeWorkingSet) -> Mapping[str, Sequence[Deadline]]:
        """When changed leads stall."""
        deadlines: dict[str, Sequence[Deadline]] = {}
        for lead_id, _, lead in rows.leads.changes():
            due = lead.stalls_at if lead.status is LeadStatus.OPEN else None
            deadlines[lead_id] = [] if due is None else [Deadline(LEAD_STALLED, due)]
        return deadlines


def _lead_id(input: Input[Any]) -> str:
    value: LeadCommand | TimerFired = input.value
    return value.owner if isinstance(value, TimerFired) else value.lead_id
