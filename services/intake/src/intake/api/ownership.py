"""Whose lead it is: contacts, the verdict, disputes, and why this advisor has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake.api.parties import PartyForm
from intake.domain.dossier import Dossier, present
from intake.domain.leads import disputes, lead_commands
from intake.domain.leads.disputes import DisputeLead, Outcome, outcome_of
from intake.domain.leads.lead_commands import RecordContact
from intake.domain.leads.leads import LeadStatus
from intake.domain.leads.ownership import ContactKind, FactKind, verdict
from intake.queries.advisors import WaitingLead, pool
from intake.queries.ownership import (
    AssignmentsBody,
    PartyBody,
    VerdictBody,
    assignments,
    ownership,
)
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import Code, CommunityId, LeadId, Moment
from keyturn_events.vocabulary import LeadStage

router = APIRouter(tags=["ownership"])

Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["leads:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["leads:read"])]


class ContactForm(PartyForm):
    """A contact with the customer: of what kind, and by whom."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "phone", "advisor_id": "advisor-7"}]},
    )

    kind: ContactKind


class ContactBody(BaseModel):
    """The lead after a contact."""

    lead_id: str
    stage: LeadStage
    status: LeadStatus
    advisor_id: str | None
    owner: PartyBody | None
    protected_until: Moment | None = Field(
        description="Absent with an owner: a claim on a home has settled it."
    )

    @classmethod
    def of(cls, dossier: Dossier, _: Sequence[Event]) -> ContactBody:
        """The answer to a contact."""
        lead = present(dossier.lead)
        return cls(
            lead_id=lead.lead_id,
            stage=lead.stage,
            status=lead.status,
            advisor_id=lead.advisor_id,
            owner=PartyBody.of(lead.ownership.owner),
            protected_until=lead.protected_until,
        )


class DisputeForm(PartyForm):
    """Who claims the lead, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"advisor_id": "advisor-8", "reason": "met-the-customer-first"}]
        },
    )

    reason: Code


class DisputeBody(BaseModel):
    """The answer to a dispute."""

    outcome: Outcome
    changed: bool = Field(description="Whether the lead has another owner by this verdict.")
    advisor_id: str | None = Field(description="Who has the lead now.")
    verdict: VerdictBody

    @classmethod
    def of(cls, dossier: Dossier, _: Sequence[Event]) -> DisputeBody:
        """The verdict, folded again from the history with what the dispute added to it."""
        lead = present(dossier.lead)
        disputed = next(fact for fact in reversed(dossier.facts) if fact.kind is FactKind.DISPUTED)
        before = dossier.history[: dossier.history.index(disputed)]
        found = verdict(before, disputed.at)
        return cls(
            outcome=outcome_of(found, present(disputed.party)),
            changed=dossier.facts[-1] is not disputed,
            advisor_id=lead.advisor_id,
            verdict=VerdictBody.of(lead.lead_id, found, disputed.at),
        )


@router.post(
    "/leads/{lead_id}/contacts",
    status_code=201,
    summary="Record a contact",
    response_model=ContactBody,
)
async def record_contact(lead_id: LeadId, body: ContactForm, caller: Writer) -> Response:
    """Somebody was in contact with the customer.

    The owner's contact prolongs the protection. An advisor's contact is the response that a new
    lead waits for, and brings it to the stage that it shows. On a lead that nobody owns, whoever
    was in contact owns it from here.
    """
    command = RecordContact(lead_id, body.party(), body.kind)
    return await caller.execute(lead_commands.record_contact, command, ContactBody.of, status=201)


@router.post(
    "/leads/{lead_id}/disputes",
    status_code=201,
    summary="Dispute a lead",
    response_model=DisputeBody,
)
async def dispute(lead_id: LeadId, body: DisputeForm, caller: Writer) -> Response:
    """Whose customer is it? Answered with the verdict and the history that decides it.

    All leads of the person in the community count. The lead changes hands only when the verdict
    names another owner than the lead does.
    """
    command = DisputeLead(lead_id, body.party(), body.reason)
    return await caller.execute(disputes.dispute, command, DisputeBody.of, status=201)


@router.get("/leads/{lead_id}/ownership", summary="Whose lead it is", response_model=VerdictBody)
async def show_ownership(
    lead_id: LeadId,
    _: Reader,
    connection: commands.Reading,
    now: commands.Now,
    at: Annotated[Moment | None, Query(description="At that time; without it, now.")] = None,
) -> VerdictBody:
    """The verdict, recomputed from what was recorded until then, and from nothing else."""
    found = await ownership(connection, lead_id, at or now)
    if found is None:
        raise _unknown()
    return found


@router.get(
    "/leads/{lead_id}/assignment", summary="Why this advisor", response_model=AssignmentsBody
)
async def show_assignment(
    lead_id: LeadId, _: Reader, connection: commands.Reading
) -> AssignmentsBody:
    """Who has the lead, who was considered each time it was given, and why this one."""
    found = await assignments(connection, lead_id)
    if found is None:
        raise _unknown()
    return found


@router.get("/pool", summary="Leads that nobody has", response_model=Page[WaitingLead])
async def show_pool(
    *,
    _: Reader,
    connection: commands.Reading,
    community_id: CommunityId | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[WaitingLead]:
    """The open leads of a community without an advisor, the longest waiting first.

    Without a community: the leads that name none.
    """
    return await pool(connection, community_id, limit, cursor)


def _unknown() -> Refusal:
    return Refusal("lead-not-found", "There is no lead of this id.", kind=RefusalKind.NOT_FOUND)
