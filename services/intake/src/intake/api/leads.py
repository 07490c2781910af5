"""Capture, one lead or a batch, and the lists of leads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from intake import queries
from intake.domain.dossier import Dossier, present
from intake.domain.leads.capture import CaptureLead, capture
from intake.domain.leads.leads import LeadStatus
from intake.domain.leads.ownership import FactKind
from intake.queries import LeadHistory, LeadSummary
from intake.reading.contact_points import normalised_phone
from intake.reading.lead_form import LeadForm
from intake.reading.search_text import LONGEST_SEARCH, Sought, read_search
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.idempotency import Answer
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_chassis.preconditions import etag
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import TEXT_PATTERN, AdvisorId, CommunityId, LeadId
from keyturn_events.vocabulary import LeadStage, ProductLine

router = APIRouter(tags=["leads"])

Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["leads:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["leads:read"])]

Score = Annotated[int | None, Query(ge=0, le=100)]

MOST_ROWS: Final = 1_000
"""Rows of one batch; a file takes more."""


Registration: TypeAlias = Literal["protected", "protected-for-another"]


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
        captured = cls(
            lead_id=touch.lead_id,
            customer_id=touch.customer_id,
            touch_id=touch.touch_id,
            outcome="joined" if touch.joined else "created",
        )
        registered = registration(dossier)
        if registered is None:
            return captured
        return Registered(**dict(captured), registration=registered)


class Registered(Captured):
    """What became of a capture for an agency, or for an advisor who is not the first."""

    registration: Registration = Field(
        description="Whether the person is theirs from now on, or somebody else was first. The"
        " registration is recorded in either case."
    )


def registration(dossier: Dossier) -> Registration | None:
    """What became of a registration, if there was one."""
    for fact in dossier.facts:
        if fact.kind is FactKind.REGISTERED and fact.party is not None:
            theirs = present(dossier.lead).ownership.owner == fact.party
            return "protected" if theirs else "protected-for-another"
    return None


class LeadBatch(BaseModel):
    """Leads to capture, each on its own: one that is refused keeps no other back."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "leads": [
                        {"phone": "13800138000"},
                        {"name": "张晓东", "email": "xd@example.com", "birth_date": "1980-05-03"},
                        {"name": "张晓冬", "phone": "13900139000", "birth_date": "1980-05-03"},
                    ]
                }
            ]
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
    registration: Registration | None = Field(
        default=None, description="Of an agency: whether the person is its customer now."
    )
    code: str | None = Field(default=None, description="Why it was rejected, for programs.")
    detail: str | None = Field(default=None, description="What to mend, for people.")
    pointer: str | None = Field(default=None, description="JSON Pointer to mend, within the row.")


class BatchAnswer(BaseModel):
    """What became of each row; created + joined + rejected = rows."""

    created: int
    joined: int
    rejected: int
    rows: list[BatchRow]


@router.post(
    "/leads", status_code=201, summary="Capture a lead", response_model=Registered | Captured
)
async def capture_lead(form: LeadForm, caller: Writer) -> Response:
    """Record that a person showed interest.

    The person is recognised by national id, WeChat OpenID, e-mail or phone, else by name, birth
    date and address together, or registered; where that is not certain, a review is opened. The
    answer comes after the commit and does not tell what is known of the person.
    """
    command = form.command(recorded_by=caller.principal.subject)
    return await caller.execute(capture, command, Captured.of, status=201)


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
        command: CaptureLead = LeadForm.read(row).command(recorded_by=caller.principal.subject)
        answer: Answer = await caller.decided(capture, command, Captured.of, status=201, row=number)
    except Refusal as refusal:
        return BatchRow(
            row=number,
            outcome="rejected",
            code=refusal.code,
            detail=refusal.detail,
            pointer=refusal.pointer,
        )
    captured = _ANSWER.validate_json(answer.body)
    return BatchRow(
        row=number,
        outcome=captured.outcome,
        lead_id=captured.lead_id,
        customer_id=captured.customer_id,
        touch_id=captured.touch_id,
        registration=captured.registration if isinstance(captured, Registered) else None,
    )


_ANSWER: Final[TypeAdapter[Registered | Captured]] = TypeAdapter(Registered | Captured)


@router.get("/leads", summary="List and search leads", response_model=Page[LeadSummary])
async def list_leads(
    *,
    _: Reader,
    connection: commands.Glancing,
    q: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=LONGEST_SEARCH,
            pattern=TEXT_PATTERN,
            description="A name, the beginning of its words, or any characters of a Chinese one; a"
            " phone or its last four digits; an e-mail address.",
        ),
    ] = None,
    phone: Annotated[str | None, Query(min_length=1, max_length=40)] = None,
    stage: LeadStage | None = None,
    status: LeadStatus | None = None,
    community_id: CommunityId | None = None,
    advisor_id: AdvisorId | None = None,
    product_line: ProductLine | None = None,
    least_score: Score = None,
    most_score: Score = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """The newest first. Everything that is asked for has to fit.

    What was recorded by mistake and withdrawn is listed only under `status=withdrawn`.
    """
    sought = Sought() if q is None else read_search(q)
    wanted = queries.LeadFilter(
        terms=sought.terms,
        phone=None if phone is None else normalised_phone(phone),
        phone_ends=sought.phone_ends,
        email=sought.email,
        stage=stage,
        status=status,
        community_id=community_id,
        advisor_id=advisor_id,
        product_line=product_line,
        least_score=least_score,
        most_score=most_score,
    )
    page = await queries.leads(connection, wanted, limit, cursor)
    return Response(page, media_type="application/json")


@router.get("/leads/{lead_id}", summary="A lead with its history", response_model=LeadHistory)
async def show_lead(
    lead_id: LeadId,
    _: Reader,
    connection: commands.Reading,
    now: commands.Now,
    response: Response,
) -> LeadHistory:
    """How the lead stands, every touch it came from, and each step with its reason.

    Its `ETag`, sent back as `If-Match` with what is done on the lead, makes sure that nobody has
    done something on it in between.
    """
    found = await queries.lead(connection, lead_id, now)
    if found is None:
        raise Refusal("lead-not-found", "There is no lead of this id.", kind=RefusalKind.NOT_FOUND)
    history, version = found
    response.headers["etag"] = etag(version)
    return history
