"""Defects (snags) of homes, from report to proof."""

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
from keyturn_events.scalars import Code, CommunityId, MediaReference, Moment, StaffId
from keyturn_events.vocabulary import Gate, Severity, Trade
from service_desk import queries
from service_desk.api.fields import Body, IdPath, Prose
from service_desk.domain import decisions
from service_desk.domain.defects import Defect, RectifyDefect, ReportDefect
from service_desk.domain.files import HomeFile

router = APIRouter(tags=["defects"])

Reader = Annotated[Principal, Security(principal, scopes=["defects:read"])]
Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["defects:write"])]

Open = Annotated[
    bool | None, Query(alias="open", description="Only open ones, or only mended ones.")
]

MOST_PHOTOS = 20


class DefectReport(Body):
    """What is wrong in a home, and where."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "location": "bathroom-1",
                    "component": "floor-screed",
                    "severity": "critical",
                    "responsible_trade": "waterproofing",
                    "assigned_trade": "waterproofing",
                    "photos": ["media/2026/07/a1b2c3.jpg"],
                }
            ]
        }
    )

    location: Code
    component: Code
    severity: Severity
    responsible_trade: Trade | None = Field(default=None, description="Who caused it.")
    assigned_trade: Trade | None = Field(
        default=None, description="Who mends it; the responsible trade if none is given."
    )
    description: Prose = ""
    photos: tuple[MediaReference, ...] = Field(default=(), max_length=MOST_PHOTOS)
    due_at: Moment | None = Field(
        default=None, description="When it is to be mended; by severity if not given."
    )


class Rectification(Body):
    """Proof that a defect is mended."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"proofs": ["media/2026/07/d4e5f6.jpg"], "by": "foreman-3"}]
        }
    )

    proofs: tuple[MediaReference, ...] = Field(min_length=1, max_length=MOST_PHOTOS)
    by: StaffId | None = None


class DefectBody(BaseModel):
    """A defect as it stands."""

    defect_id: str
    home_id: str
    building: str | None
    community_id: str
    handover_id: str
    location: str
    component: str
    severity: Severity
    responsible_trade: Trade | None
    assigned_trade: Trade | None
    description: str
    photos: list[str]
    gate: Gate | None
    reported_at: AwareDatetime
    due_at: AwareDatetime
    rectified_at: AwareDatetime | None
    rectified_by: str | None
    proofs: list[str]
    late: bool

    @classmethod
    def of(cls, defect: Defect) -> DefectBody:
        """The body that shows `defect`."""
        return cls(
            defect_id=defect.defect_id,
            home_id=defect.home_id,
            building=defect.building,
            community_id=defect.community_id,
            handover_id=defect.handover_id,
            location=defect.location,
            component=defect.component,
            severity=defect.severity,
            responsible_trade=defect.responsible_trade,
            assigned_trade=defect.assigned_trade,
            description=defect.description,
            photos=list(defect.photos),
            gate=defect.gate,
            reported_at=defect.reported_at,
            due_at=defect.due_at,
            rectified_at=defect.rectified_at,
            rectified_by=defect.rectified_by,
            proofs=list(defect.proofs),
            late=defect.late,
        )


@router.post(
    "/homes/{home_id}/defects",
    status_code=201,
    summary="Report a defect",
    response_model=DefectBody,
    responses=problem_responses(404, 409),
)
async def report_defect(home_id: IdPath, body: DefectReport, caller: Writer) -> Response:
    """While it is critical and open, no gate of the home's handover opens."""
    command = ReportDefect(
        home_id=home_id,
        location=body.location,
        component=body.component,
        severity=body.severity,
        responsible_trade=body.responsible_trade,
        assigned_trade=body.assigned_trade,
        description=body.description,
        photos=body.photos,
        due_at=body.due_at,
    )
    return await caller.execute(decisions.report_defect, command, _defect, status=201)


@router.post(
    "/defects/{defect_id}/rectifications",
    status_code=201,
    summary="Rectify a defect",
    response_model=DefectBody,
    responses=problem_responses(404, 409),
)
async def rectify_defect(defect_id: IdPath, body: Rectification, caller: Writer) -> Response:
    """Record that a defect is mended, with photos that prove it."""
    command = RectifyDefect(defect_id, body.proofs, body.by)
    return await caller.execute(decisions.rectify_defect, command, _defect, status=201)


@router.get("/defects/{defect_id}", summary="A defect", responses=problem_responses(404))
async def get_defect(defect_id: IdPath, _: Reader, connection: commands.Reading) -> DefectBody:
    """A defect, with who caused it, who mends it and by when."""
    return DefectBody.of(await queries.defect(connection, defect_id))


@router.get("/homes/{home_id}/defects", summary="The defects of a home")
async def list_home_defects(
    *,
    home_id: IdPath,
    _: Reader,
    connection: commands.Reading,
    unmended: Open = None,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[DefectBody]:
    """The snag list, the newest first."""
    found, following = await queries.defects(
        connection, queries.DefectFilter(home_id=home_id, open=unmended), cursor, limit
    )
    return Page(items=[DefectBody.of(each) for each in found], next_cursor=following)


@router.get("/defects", summary="Defects")
async def list_defects(
    *,
    _: Reader,
    connection: commands.Reading,
    community_id: Annotated[CommunityId | None, Query()] = None,
    severity: Annotated[Severity | None, Query()] = None,
    unmended: Open = None,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[DefectBody]:
    """The defects of all homes, the newest first."""
    filtered = queries.DefectFilter(community_id=community_id, severity=severity, open=unmended)
    found, following = await queries.defects(connection, filtered, cursor, limit)
    return Page(items=[DefectBody.of(each) for each in found], next_cursor=following)


def _defect(file: HomeFile, _: Sequence[Event]) -> DefectBody:
    return DefectBody.of(file.required_defect())
