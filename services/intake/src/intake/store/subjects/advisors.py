"""Advisors are registered, called to duty, and leave; and who works where, for every decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community
from intake.domain.leads.advisor_commands import (
    MOST_HANDED_ON,
    AdvisorCommand,
    LeaveAdvisor,
    RegisterAdvisor,
    StaffFile,
)
from intake.domain.leads.advisors import Advisor
from intake.domain.leads.leads import LeadStatus
from intake.store import tables
from intake.store.desks import Desks, fact_row, load_desks
from intake.store.documents import CUSTOMER, LEAD_COLUMNS, lead_of
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.subjects.leads import around_lead
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import insert_rows
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input

_LEADS: Final = (
    f"SELECT {LEAD_COLUMNS} FROM leads WHERE advisor_id = ANY($1) AND status = 'open'"  # noqa: S608
    " ORDER BY captured_at, lead_id LIMIT $2"
)
_HOW_MANY: Final = (
    "SELECT advisor_id, count(*) AS leads FROM leads"
    " WHERE advisor_id = ANY($1) AND status = 'open' GROUP BY advisor_id"
)
_CUSTOMERS: Final = (
    "SELECT customer_id, version, document::text FROM customers WHERE customer_id = ANY($1)"
)


@dataclass(slots=True)
class Leavers:
    """Advisors who leave, and how many open leads each of them has."""

    advisors: set[str] = field(default_factory=set)
    leads: dict[str, int] = field(default_factory=dict)


class Advisors(Subject):
    """Commands about advisors; it comes after the subjects whose leads are given to them."""

    inputs = (AdvisorCommand,)
    states = (StaffFile,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The advisor, and the communities that are named."""
        command: AdvisorCommand = input.value
        needs.document(Advisor, command.advisor_id)
        if isinstance(command, RegisterAdvisor):
            for community_id in command.advisor.communities:
                needs.document(Community, community_id)
        elif isinstance(command, LeaveAdvisor):
            needs.part(Leavers).advisors.add(command.advisor_id)

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """The leads of those who leave, and who works for the communities of all leads."""
        leaving = needs.part(Leavers).advisors
        if leaving:
            await _load_leads_of(connection, leaving, rows)
        communities = rows.documents.get(Community)
        staffed = sorted(
            str(community.community_id)
            for community in (communities.values() if communities else ())
            if community.staffed
        )
        if staffed and needs.at is not None:
            customers = {customer.customer_id for customer in rows.customers.values()}
            await load_desks(connection, rows.part(Desks), staffed, customers, needs.at)

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> StaffFile:
        """The advisor, with the communities that are named, or the leads of one who leaves."""
        command: AdvisorCommand = input.value
        advisor = rows.document(Advisor, command.advisor_id)
        match command:
            case RegisterAdvisor():
                named = tuple(rows.community(each) for each in command.advisor.communities)
                return StaffFile(advisor, named)
            case LeaveAdvisor():
                leads = [
                    lead
                    for lead in rows.leads.values()
                    if lead.advisor_id == command.advisor_id and lead.status is LeadStatus.OPEN
                ]
                leads.sort(key=lambda lead: (lead.captured_at, lead.lead_id))
                had = rows.part(Leavers).leads.get(command.advisor_id, 0)
                now = leads[:MOST_HANDED_ON]
                return StaffFile(
                    advisor,
                    dossiers=tuple(around_lead(rows, lead) for lead in now),
                    remaining=max(had - len(now), 0),
                )
        return StaffFile(advisor)

    def version(self, rows: IntakeWorkingSet, input: Input[Any]) -> int:
        """The version of the advisor."""
        return rows.document_version(Advisor, input.value.advisor_id)

    def put(self, rows: IntakeWorkingSet, state: StaffFile) -> None:
        """Keep the advisor, and what became of the leads."""
        if not state.applied:
            return
        for part in (state.advisor, *state.communities):
            if part is not None:
                rows.put_document(part)
        for dossier in state.dossiers:
            rows.put_dossier(dossier)

    async def save(self, connection: AsyncConnection, rows: IntakeWorkingSet) -> None:
        """Write the facts of every lead's ownership."""
        facts = rows.part(Desks).facts
        await insert_rows(connection, tables.ownership_facts, [fact_row(fact) for fact in facts])


async def _load_leads_of(
    connection: AsyncConnection, leaving: set[str], rows: IntakeWorkingSet
) -> None:
    driver = await driver_of(connection)
    advisors = sorted(leaving)
    found = await driver.fetch(_LEADS, advisors, MOST_HANDED_ON * len(advisors))
    leads = {row["lead_id"]: (row["version"], lead_of(row)) for row in found}
    rows.leads.add(leads)
    counted = await driver.fetch(_HOW_MANY, advisors)
    rows.part(Leavers).leads |= {row["advisor_id"]: row["leads"] for row in counted}
    customers = await driver.fetch(_CUSTOMERS, [lead.customer_id for _, lead in leads.values()])
    rows.customers.add(
        {
            row["customer_id"]: (row["version"], CUSTOMER.validate_json(row["document"]))
            for row in customers
        }
    )
    communities = {(lead.community_id,) for _, lead in leads.values() if lead.community_id}
    await rows.load_documents(connection, Community, communities)
