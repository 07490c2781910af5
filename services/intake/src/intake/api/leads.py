"""Capture, one lead or a batch, and the lists of leads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake import queries
from intake.domain.capture import CaptureLead, capture
from intake.domain.dossier import Dossier
from intake.domain.leads import LeadStatus
from intake.queries import LeadHistory, LeadSummary
from intake.reading.contact_points import normalised_phone
from intake.reading.lead_form import LeadForm
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.idempotency import Answer
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import CommunityId, LeadId
from keyturn_events.vocabulary import LeadStage

router = APIRouter(tags=["leads"])

Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["leads:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["leads:read"])]

MOST_ROWS: Final = 1_000
"""Rows of one batch; a file takes more."""


class Captured(BaseModel):
    """What became of a capture. What is known of the person is not told."""

    lead_id: str
    customer_id: str
    touch_id: str
    outcome: Literal["created", "joined"] = Field(
        description="Whether the person is a new customer, or one that was known."
    )

    @classmethod
    def of(cls, dossier: Dossier, _: Sequence[Event]) -> Captured:
        """The answer to a capture."""
        touch = dossier.touches[0]
        return cls(
            lead_id=touch.lead_id,
            customer_id=touch.customer_id,
            touch_id=touch.touch_id,
            outcome="joined" if touch.joined else "created",
        )


class LeadBatch(BaseModel):
    """Leads to capture, each on its own: one that is refused keeps no other back."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"leads": [{"phone": "13800138000"}, {"email": "li.na@example.com"}]}]
        },
    )

    leads: Annotated[list[Any], Field(min_length=1, max_length=MOST_ROWS)] = Field(
        description="Each as the body of POST /leads."
    )


class BatchRow(BaseModel):
    """What became of one row of a batch."""

    row: int = Field(description="Its place in the batch, from 0.")
    outcome: Literal["created", "joined", "rejected"]
    lead_id: str | None = None
    customer_id: str | None = None
    touch_id: str | None = None
    code: str | None = Field(default=None, description="Why it was rejected, for programs.")
    detail: str | None = Field(default=None, description="What to mend, for people.")
    pointer: str | None = Field(default=None, description="JSON Pointer to mend, within the row.")


class BatchAnswer(BaseModel):
    """What became of each row; created + joined + rejected = rows."""

    created: int
    joined: int
    rejected: int
    rows: list[BatchRow]


@router.post("/leads", status_code=201, summary="Capture a lead", response_model=Captured)
async def capture_lead(form: LeadForm, caller: Writer) -> Response:
    """Record that a person showed interest.

    The person is recognised by phone, e-mail or WeChat OpenID, or registered. The answer comes
    after the commit and does not tell what is known of the person.
    """
    return await caller.execute(capture, form.command(), Captured.of, status=201)


@router.post("/leads/batch", summary="Capture up to 1000 leads", response_model=BatchAnswer)
async def capture_batch(batch: LeadBatch, caller: Writer) -> BatchAnswer:
    """Record many touches; the answer says of each row what became of it.

    With an `Idempotency-Key`, a batch that was cut off can be sent again: rows that were done are
    answered as before.
    """
    rows = await asyncio.gather(
        *(_capture_row(caller, number, row) for number, row in enumerate(batch.leads))
    )
    outcomes = [row.outcome for row in rows]
    return BatchAnswer(
        created=outcomes.count("created"),
        joined=outcomes.count("joined"),
        rejected=outcomes.count("rejected"),
        rows=list(rows),
    )


async def _capture_row(caller: commands.Caller, number: int, row: object) -> BatchRow:
    try:
        command: CaptureLead = LeadForm.read(row).command()
        answer: Answer = await caller.decided(capture, command, Captured.of, status=201, row=number)
    except Refusal as refusal:
        return BatchRow(
            row=number,
            outcome="rejected",
            code=refusal.code,
            detail=refusal.detail,
            pointer=refusal.pointer,
        )
    captured = Captured.model_validate_json(answer.body)
    return BatchRow(
        row=number,
        outcome=captured.outcome,
        lead_id=captured.lead_id,
        customer_id=captured.customer_id,
        touch_id=captured.touch_id,
    )


@router.get("/leads", summary="List leads", response_model=Page[LeadSummary])
async def list_leads(
    *,
    _: Reader,
    connection: commands.Reading,
    phone: Annotated[str | None, Query(min_length=1, max_length=40)] = None,
    stage: LeadStage | None = None,
    status: LeadStatus | None = None,
    community_id: CommunityId | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[LeadSummary]:
    """The newest first; of one person by phone, of one stage, status or community."""
    wanted = queries.LeadFilter(
        phone=None if phone is None else normalised_phone(phone),
        stage=stage,
        status=status,
        community_id=community_id,
    )
    return await queries.leads(connection, wanted, limit, cursor)


@router.get("/leads/{lead_id}", summary="A lead with its history", response_model=LeadHistory)
async def show_lead(lead_id: LeadId, _: Reader, connection: commands.Reading) -> LeadHistory:
    """How the lead stands, every touch it came from, and each step with its reason."""
    found = await queries.lead(connection, lead_id)
    if found is None:
        raise Refusal("lead-not-found", "There is no lead of this id.", kind=RefusalKind.NOT_FOUND)
    return found
