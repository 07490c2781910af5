"""Complaints: raised from any channel, answered, resolved, judged by the owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, Security

from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.idempotency import Answer
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_chassis.problems import preferred_language, problem_responses
from keyturn_events import Event
from keyturn_events.scalars import CommunityId, CustomerId, StaffId
from service_desk import queries
from service_desk.api.complaint_bodies import (
    Acknowledgement,
    Assignment,
    CategoryBody,
    ComplaintBody,
    NewComplaint,
    Reopening,
    ResolutionRequest,
    Update,
    VerdictRequest,
)
from service_desk.api.fields import IdPath, IfMatch, revision_of, tag
from service_desk.domain import decisions
from service_desk.domain.cases import CaseState
from service_desk.domain.categories import CATEGORIES
from service_desk.domain.files import CaseFile
from service_desk.domain.handling import (
    Acknowledge,
    Assign,
    Judge,
    OwnerAnswered,
    Reopen,
    Resolve,
    TellOwner,
    WaitForOwner,
)

router = APIRouter(tags=["complaints"])

Reader = Annotated[Principal, Security(principal, scopes=["complaints:read"])]
Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["complaints:write"])]

ON_A_CASE = problem_responses(404, 409, 412)


@router.get("/complaint-categories", summary="The category tree")
async def list_categories(request: Request, _: Reader) -> list[CategoryBody]:
    """Every category that a complaint can have; a code is its path in the tree."""
    chinese = preferred_language(request.headers.get("accept-language", "")) == "zh"
    return [
        CategoryBody(
            code=category.code,
            label=category.chinese if chinese else category.english,
            label_en=category.english,
            label_zh=category.chinese,
        )
        for category in CATEGORIES
    ]


@router.post(
    "/complaints",
    status_code=201,
    summary="Raise a complaint",
    response_model=ComplaintBody,
    responses={200: {"model": ComplaintBody}, **problem_responses(409)},
)
async def raise_complaint(body: NewComplaint, caller: Writer) -> Response:
    """Open a case (201), or join the one that the same message opened already (200).

    The same customer and source reference is always the same case. Without a reference, the same
    customer, category and home within half an hour is.
    """
    return await caller.execute(decisions.raise_complaint, body.command(), _raised, status=201)


@router.get("/complaints", summary="Complaints")
async def list_complaints(
    *,
    request: Request,
    _: Reader,
    connection: commands.Reading,
    customer_id: Annotated[CustomerId | None, Query()] = None,
    community_id: Annotated[CommunityId | None, Query()] = None,
    agent_id: Annotated[StaffId | None, Query()] = None,
    state: Annotated[CaseState | None, Query()] = None,
    overdue: Annotated[
        bool | None, Query(description="Only cases with a broken promise still to keep, or none.")
    ] = None,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ComplaintBody]:
    """The newest first. A merged customer's complaints are the survivor's too."""
    now = await request.app.state.runtime.clock.now(connection)
    wanted = queries.CaseFilter(customer_id, community_id, agent_id, state, overdue, now)
    found, following = await queries.complaints(connection, wanted, cursor, limit)
    return Page(
        items=[ComplaintBody.of(case, calendar) for case, calendar in found],
        next_cursor=following,
    )


@router.get("/complaints/{complaint_id}", summary="A complaint", responses=problem_responses(404))
async def get_complaint(
    complaint_id: IdPath, _: Reader, connection: commands.Reading, response: Response
) -> ComplaintBody:
    """The case with its promises, each with the calendar and pauses that make its due time."""
    case, calendar = await queries.complaint(connection, complaint_id)
    tag(response, case.revision)
    return ComplaintBody.of(case, calendar)


@router.post(
    "/complaints/{complaint_id}/acknowledgements",
    status_code=201,
    summary="Acknowledge a complaint",
    response_model=ComplaintBody,
    responses=ON_A_CASE,
)
async def acknowledge(
    complaint_id: IdPath, body: Acknowledgement, caller: Writer, if_match: IfMatch = None
) -> Response:
    """Answer for the first time; it keeps the promise of a first response."""
    command = Acknowledge(complaint_id, revision_of(if_match), body.by)
    return await caller.execute(decisions.acknowledge, command, _case, status=201)


@router.post(
    "/complaints/{complaint_id}/updates",
    status_code=201,
    summary="Tell the owner how things stand",
    response_model=ComplaintBody,
    responses=ON_A_CASE,
)
async def tell_owner(
    complaint_id: IdPath, body: Update, caller: Writer, if_match: IfMatch = None
) -> Response:
    """The next update is promised from now on. The first word counts as the first response."""
    command = TellOwner(complaint_id, revision_of(if_match), body.text, body.by)
    return await caller.execute(decisions.tell_owner, command, _case, status=201)


@router.put(
    "/complaints/{complaint_id}/assignment",
    summary="Assign a complaint",
    response_model=ComplaintBody,
    responses=ON_A_CASE,
)
async def assign(
    complaint_id: IdPath, body: Assignment, caller: Writer, if_match: IfMatch = None
) -> Response:
    """Say who answers for the case from now on."""
    command = Assign(complaint_id, revision_of(if_match), body.agent_id)
    return await caller.execute(decisions.assign, command, _case)


@router.post(
    "/complaints/{complaint_id}/pauses",
    status_code=201,
    summary="Wait for the owner",
    response_model=ComplaintBody,
    responses=ON_A_CASE,
)
async def wait_for_owner(
    complaint_id: IdPath, caller: Writer, if_match: IfMatch = None
) -> Response:
    """Stop the clocks until the owner answers. A due time that the case brought along stays."""
    command = WaitForOwner(complaint_id, revision_of(if_match))
    return await caller.execute(decisions.wait_for_owner, command, _case, status=201)


@router.post(
    "/complaints/{complaint_id}/resumptions",
    status_code=201,
    summary="Go on with a complaint",
    response_model=ComplaintBody,
    responses=ON_A_CASE,
)
async def owner_answered(
    complaint_id: IdPath, caller: Writer, if_match: IfMatch = None
) -> Response:
    """The owner answered: the clocks run on, and the pause has not counted."""
    command = OwnerAnswered(complaint_id, revision_of(if_match))
    return await caller.execute(decisions.owner_answered, command, _case, status=201)


@router.post(
    "/complaints/{complaint_id}/resolutions",
    status_code=201,
    summary="Resolve a complaint",
    response_model=ComplaintBody,
    responses=ON_A_CASE,
)
async def resolve(
    complaint_id: IdPath, body: ResolutionRequest, caller: Writer, if_match: IfMatch = None
) -> Response:
    """Offer a resolution. The owner's verdict closes the case, or a working week of silence."""
    command = Resolve(
        complaint_id,
        revision_of(if_match),
        cause=body.cause,
        remedy=body.remedy,
        compensation=body.compensation,
        by=body.by,
        verdict=body.verdict,
    )
    return await caller.execute(decisions.resolve, command, _case, status=201)


@router.post(
    "/complaints/{complaint_id}/verdicts",
    status_code=201,
    summary="Judge a resolution",
    response_model=ComplaintBody,
    responses=ON_A_CASE,
)
async def judge(
    complaint_id: IdPath, body: VerdictRequest, caller: Writer, if_match: IfMatch = None
) -> Response:
    """The owner accepts, and the case closes; or rejects, and it is reopened."""
    command = Judge(complaint_id, revision_of(if_match), body.verdict, body.reason)
    return await caller.execute(decisions.judge, command, _case, status=201)


@router.post(
    "/complaints/{complaint_id}/reopenings",
    status_code=201,
    summary="Reopen a complaint",
    response_model=ComplaintBody,
    responses=ON_A_CASE,
)
async def reopen(
    complaint_id: IdPath, body: Reopening, caller: Writer, if_match: IfMatch = None
) -> Response:
    """Take up a resolved case again, or one that was closed within the last 90 days."""
    command = Reopen(complaint_id, revision_of(if_match), body.reason)
    return await caller.execute(decisions.reopen, command, _case, status=201)


def _case(file: CaseFile, _: Sequence[Event]) -> ComplaintBody:
    return ComplaintBody.of(file.required(), file.calendar)


def _raised(file: CaseFile, events: Sequence[Event]) -> ComplaintBody | Answer:
    if events:
        return _case(file, events)
    known = ComplaintBody.of(file.required(), file.calendar, joined=True)
    return Answer(200, known.model_dump_json())
