"""Crises (群诉): declared and lifted by customer relations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response, Security
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_chassis.problems import problem_responses
from keyturn_events import Event
from keyturn_events.scalars import BuildingId, Code, CommunityId, StaffId
from service_desk import queries
from service_desk.api.fields import Body, IdPath
from service_desk.domain import decisions
from service_desk.domain.crises import Crisis, DeclareCrisis, LiftCrisis
from service_desk.domain.files import CrisisFile

router = APIRouter(tags=["crises"])

Reader = Annotated[Principal, Security(principal, scopes=["crises:read"])]
Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["crises:write"])]

LONGEST_WINDOW = 90


class NewCrisis(Body):
    """A place where complaints rose above what is usual."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "community_id": "riverside",
                    "building": "riverside-3",
                    "category": "quality.leak",
                    "window_days": 7,
                    "by": "relations-2",
                }
            ]
        }
    )

    community_id: CommunityId
    building: BuildingId | None = None
    category: Code | None = None
    window_days: int = Field(default=7, ge=1, le=LONGEST_WINDOW)
    by: StaffId


class Lifting(Body):
    """Why a crisis is over."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "pipes-replaced"}]})

    reason: Code


class CrisisBody(BaseModel):
    """A crisis, with the figures that it was declared on."""

    crisis_id: str
    community_id: str
    building: str | None
    category: str | None
    cases: int = Field(description="Complaints in the window.")
    expected_cases: float = Field(description="What the year before leads one to expect.")
    window_days: int
    owners: int = Field(description="Owners whom it touches; promotion to them pauses.")
    declared_by: str
    declared_at: AwareDatetime
    lifted_at: AwareDatetime | None
    reason: str | None

    @classmethod
    def of(cls, crisis: Crisis) -> CrisisBody:
        """The body that shows `crisis`."""
        return cls(
            crisis_id=crisis.crisis_id,
            community_id=crisis.community_id,
            building=crisis.building,
            category=crisis.category,
            cases=crisis.cases,
            expected_cases=crisis.expected_cases,
            window_days=crisis.window_days,
            owners=len(crisis.owners),
            declared_by=crisis.declared_by,
            declared_at=crisis.declared_at,
            lifted_at=crisis.lifted_at,
            reason=crisis.reason,
        )


@router.post(
    "/crises",
    status_code=201,
    summary="Declare a crisis",
    response_model=CrisisBody,
    responses=problem_responses(409),
)
async def declare_crisis(body: NewCrisis, caller: Writer) -> Response:
    """The desk counts the complaints itself, and tells every owner's other services."""
    command = DeclareCrisis(
        community_id=body.community_id,
        building=body.building,
        category=body.category,
        window_days=body.window_days,
        by=body.by,
    )
    return await caller.execute(decisions.declare_crisis, command, _crisis, status=201)


@router.post(
    "/crises/{crisis_id}/liftings",
    status_code=201,
    summary="Lift a crisis",
    response_model=CrisisBody,
    responses=problem_responses(404, 409),
)
async def lift_crisis(crisis_id: IdPath, body: Lifting, caller: Writer) -> Response:
    """It is over; the owners who were told of it are told."""
    command = LiftCrisis(crisis_id, body.reason)
    return await caller.execute(decisions.lift_crisis, command, _crisis, status=201)


@router.get("/crises/{crisis_id}", summary="A crisis", responses=problem_responses(404))
async def get_crisis(crisis_id: IdPath, _: Reader, connection: commands.Reading) -> CrisisBody:
    """A crisis, with the figures that it was declared on."""
    return CrisisBody.of(await queries.crisis(connection, crisis_id))


@router.get("/crises", summary="Crises")
async def list_crises(
    _: Reader,
    connection: commands.Reading,
    live: Annotated[bool | None, Query(description="Only live ones, or only lifted ones.")] = None,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[CrisisBody]:
    """The newest first."""
    found, following = await queries.crises(connection, live, cursor, limit)
    return Page(items=[CrisisBody.of(each) for each in found], next_cursor=following)


def _crisis(file: CrisisFile, _: Sequence[Event]) -> CrisisBody:
    return CrisisBody.of(file.required())
