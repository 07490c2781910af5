"""Advisors: who works where, who is on duty, and what happens when one leaves."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake.api.week import PeriodForm
from intake.domain.dossier import present
from intake.domain.leads import advisor_commands
from intake.domain.leads.advisor_commands import (
    MOST_HANDED_ON,
    CallToDuty,
    LeaveAdvisor,
    RegisterAdvisor,
    StaffFile,
)
from intake.domain.leads.advisors import MOST_CAPACITY, USUAL_CAPACITY, Advisor, DutyCall, Shift
from intake.domain.leads.opening_hours import MOST_PERIODS
from intake.queries.advisors import AdvisorSummary, advisor, advisors
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_chassis.preconditions import etag
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import AdvisorId, Code, CommunityId, Flag, Language, Line, Moment

router = APIRouter(prefix="/advisors", tags=["advisors"])

Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["advisors:write"])]
Editor = Annotated[commands.Caller, Security(commands.editor, scopes=["advisors:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["advisors:read"])]

MOST_COMMUNITIES: Final = 50
"""Communities of one advisor, at most."""
MOST_SKILLS: Final = 50
"""Skills, and languages, of one advisor, at most."""


class ShiftForm(PeriodForm):
    """Part of every week in which the advisor is there for a community."""

    community_id: CommunityId


class AdvisorForm(BaseModel):
    """How an advisor works. A name to show is all that is kept of the person."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "display_name": "Advisor 7",
                    "communities": ["riverside"],
                    "languages": ["zh", "en"],
                    "skills": ["first-home"],
                    "capacity": 80,
                    "daily_quota": 15,
                    "shifts": [
                        {
                            "community_id": "riverside",
                            "weekday": 1,
                            "opens": "09:00",
                            "closes": "18:00",
                        }
                    ],
                }
            ]
        },
    )

    display_name: Line
    communities: Annotated[
        tuple[CommunityId, ...], Field(min_length=1, max_length=MOST_COMMUNITIES)
    ]
    languages: Annotated[tuple[Language, ...], Field(max_length=MOST_SKILLS)] = ()
    skills: Annotated[tuple[Code, ...], Field(max_length=MOST_SKILLS)] = Field(
        default=(), description="Such as the product lines that the advisor knows."
    )
    capacity: Annotated[int, Field(strict=True, ge=1, le=MOST_CAPACITY)] = Field(
        default=USUAL_CAPACITY, description="Open leads, at most."
    )
    daily_quota: Annotated[int, Field(strict=True, ge=1, le=MOST_CAPACITY)] | None = Field(
        default=None, description="Leads that the rule gives within any 24 hours, at most."
    )
    shifts: Annotated[tuple[ShiftForm, ...], Field(max_length=MOST_PERIODS)] = Field(
        default=(), description="Without one in a community, the advisor is always there."
    )

    def advisor(self, advisor_id: str) -> Advisor:
        """The advisor in the words of the domain."""
        return Advisor(
            advisor_id=advisor_id,
            display_name=self.display_name,
            communities=tuple(dict.fromkeys(self.communities)),
            languages=self.languages,
            skills=self.skills,
            capacity=self.capacity,
            daily_quota=self.daily_quota,
            shifts=tuple(Shift(shift.community_id, shift.period()) for shift in self.shifts),
        )


class DutyBody(BaseModel):
    """A call to duty, or off it."""

    on_duty: Flag
    until: Moment | None = Field(
        default=None, description="When the shifts count again; without it, at the next call."
    )


class AdvisorBody(AdvisorForm):
    """An advisor as registered now."""

    advisor_id: str
    duty_call: DutyBody | None
    left_on: Moment | None

    @classmethod
    def of(cls, file: StaffFile, _: Sequence[Event]) -> AdvisorBody:
        """The advisor after a decision."""
        known = present(file.advisor)
        call = known.duty_call
        return cls(
            advisor_id=known.advisor_id,
            display_name=known.display_name,
            communities=known.communities,
            languages=known.languages,
            skills=known.skills,
            capacity=known.capacity,
            daily_quota=known.daily_quota,
            shifts=tuple(
                ShiftForm(community_id=shift.community_id, **dict(PeriodForm.of(shift.period)))
                for shift in known.shifts
            ),
            duty_call=None if call is None else DutyBody(on_duty=call.on_duty, until=call.until),
            left_on=known.left_on,
        )


class Duty(StrEnum):
    """Where an advisor is, as far as duty goes."""

    ON = "on"
    OFF = "off"
    BY_SHIFTS = "by-shifts"


class DutyForm(BaseModel):
    """Whether the advisor is there, whatever the shifts say."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"duty": "off", "until": "2026-12-01T09:00:00+08:00"},
                {"duty": "by-shifts"},
            ]
        },
    )

    duty: Duty
    until: Moment | None = Field(
        default=None, description="When the shifts count again; without it, at the next call."
    )

    def call(self) -> DutyCall | None:
        """The call in the words of the domain; None for the shifts."""
        return None if self.duty is Duty.BY_SHIFTS else DutyCall(self.duty is Duty.ON, self.until)


class LeaveForm(BaseModel):
    """Whether to hand the leads on, or only to say what would become of them."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"dry_run": True}, {"dry_run": False}]}
    )

    dry_run: Flag = False


class HandedOnBody(BaseModel):
    """What becomes of one lead."""

    lead_id: str
    community_id: str | None
    to_advisor_id: str | None = Field(
        description="Nobody when no other advisor fits: the lead waits in the pool."
    )


class LeaveBody(BaseModel):
    """What becomes of the open leads of an advisor who leaves."""

    advisor_id: str
    dry_run: bool
    leads: list[HandedOnBody]
    remaining: int = Field(
        description=f"One call hands on {MOST_HANDED_ON}; call again for as many as this."
    )

    @classmethod
    def of(cls, file: StaffFile, _: Sequence[Event]) -> LeaveBody:
        """The answer to a leave."""
        return cls(
            advisor_id=present(file.advisor).advisor_id,
            dry_run=not file.applied,
            leads=[
                HandedOnBody(
                    lead_id=each.lead_id, community_id=each.community_id, to_advisor_id=each.to
                )
                for each in file.handed_on
            ],
            remaining=file.remaining,
        )


@router.put("/{advisor_id}", summary="Register an advisor", response_model=AdvisorBody)
async def put_advisor(advisor_id: AdvisorId, body: AdvisorForm, caller: Editor) -> Response:
    """Set how an advisor works from now on; one who had left is back.

    From the first advisor of a community on, its new leads are given by the rule.
    """
    command = RegisterAdvisor(advisor_id, body.advisor(advisor_id))
    return await caller.execute(advisor_commands.register, command, AdvisorBody.of)


@router.put("/{advisor_id}/duty", summary="Call an advisor to duty", response_model=AdvisorBody)
async def put_duty(advisor_id: AdvisorId, body: DutyForm, caller: Writer) -> Response:
    """The advisor is there, or is not, whatever the shifts say."""
    command = CallToDuty(advisor_id, body.call())
    return await caller.execute(advisor_commands.call_to_duty, command, AdvisorBody.of)


@router.post("/{advisor_id}/leave", summary="Hand an advisor's leads on", response_model=LeaveBody)
async def leave(advisor_id: AdvisorId, body: LeaveForm, caller: Writer) -> Response:
    """The advisor leaves: each open lead goes to another by the rule, or waits in the pool."""
    command = LeaveAdvisor(advisor_id, body.dry_run)
    return await caller.execute(advisor_commands.leave, command, LeaveBody.of)


@router.get("", summary="List advisors", response_model=Page[AdvisorSummary])
async def list_advisors(
    *,
    _: Reader,
    connection: commands.Reading,
    now: commands.Now,
    community_id: CommunityId | None = None,
    left: Annotated[bool, Query(description="Also those who have left.")] = False,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[AdvisorSummary]:
    """Advisors by id, with who is on duty now and what they have to do already."""
    return await advisors(connection, community_id, now, limit, cursor, left=left)


@router.get("/{advisor_id}", summary="An advisor", response_model=AdvisorBody)
async def show_advisor(
    advisor_id: AdvisorId, _: Reader, connection: commands.Reading, response: Response
) -> AdvisorBody:
    """How an advisor works, with the `ETag` to send as `If-Match` when that is changed."""
    found = await advisor(connection, advisor_id)
    if found is None:
        raise Refusal(
            "advisor-not-found",
            "No advisor of this id is registered.",
            kind=RefusalKind.NOT_FOUND,
        )
    known, version = found
    response.headers["etag"] = etag(version)
    return AdvisorBody.of(StaffFile(known), ())
