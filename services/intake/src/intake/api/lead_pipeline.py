"""What advisors do with a lead: bring it further, lose it, revive it, hand it over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake.domain.dossier import Dossier, present
from intake.domain.leads import lead_commands
from intake.domain.leads.leads import LeadStatus
from keyturn_chassis import commands
from keyturn_events import Event
from keyturn_events.scalars import AdvisorId, Code, LeadId
from keyturn_events.vocabulary import AssignmentReason, LeadStage, LossReason

router = APIRouter(prefix="/leads/{lead_id}", tags=["leads"])

Writer = Annotated[commands.Caller, Security(commands.editor, scopes=["leads:write"])]


class LeadState(BaseModel):
    """How a lead stands after a step."""

    lead_id: str
    customer_id: str
    community_id: str | None
    stage: LeadStage
    status: LeadStatus
    score: int | None
    advisor_id: str | None

    @classmethod
    def of(cls, dossier: Dossier, _: Sequence[Event]) -> LeadState:
        """The state of the dossier's lead."""
        lead = present(dossier.lead)
        return cls(
            lead_id=lead.lead_id,
            customer_id=lead.customer_id,
            community_id=lead.community_id,
            stage=lead.stage,
            status=lead.status,
            score=lead.score,
            advisor_id=lead.advisor_id,
        )


class Advance(BaseModel):
    """A later stage; by hand it is contacted, visited or queued."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"to_stage": "visited", "reason": "came-to-showroom"}]},
    )

    to_stage: LeadStage
    reason: Code


class Loss(BaseModel):
    """Why the lead is given up."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "competitor"}]}
    )

    reason: LossReason


class Revival(BaseModel):
    """Why the lost lead is taken up again."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "new-phase-opened"}]}
    )

    reason: Code


class Assignment(BaseModel):
    """Who has the lead from now on."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"advisor_id": "advisor-7"}]}
    )

    advisor_id: AdvisorId | None = Field(
        default=None, description="Without one, whom the rule chooses, and not who has it now."
    )
    reason: AssignmentReason = AssignmentReason.MANUAL


@router.post("/advances", status_code=201, summary="Advance a lead", response_model=LeadState)
async def advance(lead_id: LeadId, body: Advance, caller: Writer) -> Response:
    """The lead came to a later stage. Reserved, subscribed and signed follow from a purchase."""
    command = lead_commands.AdvanceLead(lead_id, body.to_stage, body.reason)
    return await caller.execute(lead_commands.advance, command, LeadState.of, status=201)


@router.post("/losses", status_code=201, summary="Give a lead up", response_model=LeadState)
async def lose(lead_id: LeadId, body: Loss, caller: Writer) -> Response:
    """The lead is lost. A new touch, or a revival, opens it again."""
    command = lead_commands.LoseLead(lead_id, body.reason)
    return await caller.execute(lead_commands.lose, command, LeadState.of, status=201)


@router.post("/revivals", status_code=201, summary="Revive a lost lead", response_model=LeadState)
async def revive(lead_id: LeadId, body: Revival, caller: Writer) -> Response:
    """The lost lead goes on at the stage where it was lost."""
    command = lead_commands.ReviveLead(lead_id, body.reason)
    return await caller.execute(lead_commands.revive, command, LeadState.of, status=201)


@router.post("/assignments", status_code=201, summary="Assign a lead", response_model=LeadState)
async def assign(lead_id: LeadId, body: Assignment, caller: Writer) -> Response:
    """The lead goes to this advisor, or to whom the rule chooses."""
    command = lead_commands.AssignLead(lead_id, body.advisor_id, body.reason)
    return await caller.execute(lead_commands.assign, command, LeadState.of, status=201)
