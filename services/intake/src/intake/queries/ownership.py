"""Whose a lead is, why, and why this advisor has it: all read from the recorded facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.leads.assignment import Standing
from intake.domain.leads.ownership import (
    ContactKind,
    Effect,
    Fact,
    FactKind,
    Party,
    PartyKind,
    Verdict,
    verdict,
)
from intake.queries.statements import MOST_HISTORY, one
from intake.store.histories import histories
from keyturn_events.vocabulary import AssignmentReason

_LEAD: Final = (
    "SELECT lead_id, customer_id, community_id, advisor_id, response_due, owner, protected_until"
    " FROM leads WHERE lead_id = :id"
)


class PartyBody(BaseModel):
    """An advisor, or an agency by its partner id."""

    kind: PartyKind
    id: str

    @classmethod
    def of(cls, party: Party | None) -> PartyBody | None:
        """A party as it is shown."""
        return None if party is None else cls(kind=party.kind, id=party.id)


class FactBody(BaseModel):
    """Something that was recorded, and what it did to the ownership."""

    lead_id: str
    number: int
    at: datetime
    kind: FactKind
    by: PartyBody | None
    contact: ContactKind | None
    days: int = Field(description="Of protection that it earned by the rules of its day.")
    reason: str
    effect: Effect

    @classmethod
    def of(cls, told: tuple[Fact, Effect]) -> FactBody:
        """A fact of a verdict."""
        fact, effect = told
        return cls(
            lead_id=fact.lead_id,
            number=fact.number,
            at=fact.at,
            kind=fact.kind,
            by=PartyBody.of(fact.party),
            contact=fact.contact,
            days=fact.days,
            reason=fact.reason,
            effect=effect,
        )


class VerdictBody(BaseModel):
    """Whose customer it is at a time, with the history that decides it."""

    lead_id: str
    at: datetime
    owner: PartyBody | None = Field(description="Nobody: the lead is in the pool for all.")
    owned_since: datetime | None
    protected_until: datetime | None
    settled: bool = Field(description="A claim on a home has settled it for good.")
    deciding: list[FactBody] = Field(description="The facts that made it so, in their order.")
    history: list[FactBody] = Field(
        description=f"The latest {MOST_HISTORY} facts until then, those without effect too."
    )

    @classmethod
    def of(cls, lead_id: str, found: Verdict, at: datetime) -> VerdictBody:
        """A verdict as it is shown."""
        return cls(
            lead_id=lead_id,
            at=at,
            owner=PartyBody.of(found.owner),
            owned_since=found.owned_since,
            protected_until=found.protected_until,
            settled=found.settled,
            deciding=[FactBody.of(told) for told in found.deciding[-MOST_HISTORY:]],
            history=[FactBody.of(told) for told in found.history[-MOST_HISTORY:]],
        )


class ConsideredBody(BaseModel):
    """An advisor who was considered, and what became of it."""

    advisor_id: str
    standing: Standing
    open_leads: int
    given_in_24_hours: int = Field(description="Counted for those with a daily quota.")
    given_lately: int = Field(description="Of the community's latest assignments.")
    capacity: int


class AssignmentBody(BaseModel):
    """One time when a lead was given to an advisor, or nobody fitted."""

    at: datetime
    advisor_id: str | None
    reason: AssignmentReason | None = Field(description="Why this advisor.")
    occasion: str = Field(
        description="Why then: captured, by-hand, response-overdue, protection-ended, …"
    )
    considered: list[ConsideredBody] = Field(description="Empty when a person decided.")

    @classmethod
    def of(cls, fact: Fact) -> AssignmentBody:
        """An assignment as it was recorded."""
        considered: Sequence[Sequence[Any]] = fact.detail.get("considered", ())
        return cls(
            at=fact.at,
            advisor_id=None if fact.party is None else fact.party.id,
            reason=fact.detail.get("reason"),
            occasion=fact.reason,
            considered=[
                ConsideredBody(
                    advisor_id=advisor_id,
                    standing=standing,
                    open_leads=has,
                    given_in_24_hours=today,
                    given_lately=lately,
                    capacity=capacity,
                )
                for advisor_id, standing, has, today, lately, capacity in considered
            ],
        )


class AssignmentsBody(BaseModel):
    """Who has a lead, and how that came about."""

    lead_id: str
    advisor_id: str | None
    first_response_due: datetime | None
    protected_until: datetime | None
    assignments: list[AssignmentBody] = Field(
        description=f"The latest {MOST_HISTORY}, the latest first."
    )


async def ownership(connection: AsyncConnection, lead_id: str, at: datetime) -> VerdictBody | None:
    """The verdict on a lead at that time; None when there is no such lead."""
    if await one(connection, _LEAD, lead_id) is None:
        return None
    facts = await histories(connection, [lead_id])
    return VerdictBody.of(lead_id, verdict(facts.get(lead_id, ()), at), at)


async def assignments(connection: AsyncConnection, lead_id: str) -> AssignmentsBody | None:
    """How a lead came to its advisor; None when there is no such lead."""
    lead = await one(connection, _LEAD, lead_id)
    if lead is None:
        return None
    facts = (await histories(connection, [lead_id])).get(lead_id, [])
    told = [
        AssignmentBody.of(fact)
        for fact in reversed(facts)
        if fact.lead_id == lead_id and fact.kind in (FactKind.GIVEN, FactKind.UNASSIGNED)
    ]
    return AssignmentsBody(
        lead_id=lead_id,
        advisor_id=lead.advisor_id,
        first_response_due=lead.response_due,
        protected_until=lead.protected_until,
        assignments=told[:MOST_HISTORY],
    )
