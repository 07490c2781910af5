"""An advisor brings a lead further, or it has been idle for too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.dossier import EMPTY, Dossier
from intake.domain.leads.disputes import DisputeLead
from intake.domain.leads.lead_commands import LeadCommand
from intake.domain.leads.lead_deadlines import FIRST_RESPONSE, PROTECTION, STALLED, next_deadline
from intake.domain.leads.leads import Lead
from intake.domain.leads.ownership import Fact
from intake.store.desks import Desks
from intake.store.histories import histories
from intake.store.needs import Needs
from intake.store.scorecards import Scorecards
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input, TimerFired
from keyturn_chassis.service import Deadline

LEAD_STALLED = STALLED
"""The timer of an open lead; its owner is the lead."""


class Leads(Subject):
    """Commands about one lead, and its timers."""

    inputs = (LeadCommand,)
    timers = (FIRST_RESPONSE, PROTECTION, STALLED)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The lead; where it is disputed, with the whole history."""
        lead_id = _lead_id(input)
        needs.leads.add(lead_id)
        if isinstance(input.value, DisputeLead):
            needs.part(HistoryNeeds).leads.add(lead_id)

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """What was recorded of the ownership of disputed leads."""
        wanted = needs.part(HistoryNeeds).leads
        if wanted:
            rows.part(Histories).facts = await histories(connection, wanted)

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Dossier:
        """The lead with its customer, and the advisors of its community."""
        lead = rows.leads.get(_lead_id(input))
        if lead is None:
            return EMPTY
        around = around_lead(rows, lead)
        if isinstance(input.value, DisputeLead):
            return replace(around, history=rows.part(Histories).of(rows, lead.lead_id))
        return around

    def version(self, rows: IntakeWorkingSet, input: Input[Any]) -> int:
        """The version of the lead."""
        return rows.leads.version(_lead_id(input))

    def deadlines(self, rows: IntakeWorkingSet) -> Mapping[str, Sequence[Deadline]]:
        """The next deadline of changed leads; when it passes, the one after is the next."""
        deadlines: dict[str, Sequence[Deadline]] = {}
        for lead_id, _, lead in rows.leads.changes():
            following = next_deadline(lead)
            deadlines[lead_id] = [] if following is None else [Deadline(*following)]
        return deadlines


def around_lead(rows: IntakeWorkingSet, lead: Lead) -> Dossier:
    """What a decision on a lead looks at."""
    return Dossier(
        community=rows.community(lead.community_id),
        customer=rows.customers.get(lead.customer_id),
        lead=lead,
        desk=rows.desk(lead.community_id),
        scorecard=rows.part(Scorecards).card(rows),
    )


@dataclass(slots=True)
class HistoryNeeds:
    """Leads whose person's whole history in the community is looked at."""

    leads: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Histories:
    """The facts around each disputed lead, as they were loaded."""

    facts: dict[str, list[Fact]] = field(default_factory=dict)

    def of(self, rows: IntakeWorkingSet, lead_id: str) -> tuple[Fact, ...]:
        """The facts around a lead, with those that the batch has added to it."""
        added = (fact for fact in rows.part(Desks).facts if fact.lead_id == lead_id)
        return (*self.facts.get(lead_id, ()), *added)


def _lead_id(input: Input[Any]) -> str:
    value: LeadCommand | TimerFired = input.value
    return value.owner if isinstance(value, TimerFired) else value.lead_id
