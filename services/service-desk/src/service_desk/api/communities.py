"""How communities are set: time zone, business calendar and handover template."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

import holidays
from fastapi import APIRouter, Response, Security
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.problems import problem_responses
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import Code, Day, TimeZone
from keyturn_events.vocabulary import Gate
from service_desk import queries
from service_desk.api.fields import Body, CodePath, IdPath
from service_desk.domain import decisions
from service_desk.domain.calendar import BusinessCalendar, Shift
from service_desk.domain.communities import (
    STANDARD,
    Community,
    SetCalendar,
    SetCommunity,
    SetTemplate,
)
from service_desk.domain.files import SettingsFile
from service_desk.domain.templates import MOST_DAYS_BEFORE, HandoverTemplate, TemplateGate

router = APIRouter(tags=["communities"])

Reader = Annotated[Principal, Security(principal, scopes=["desk:read"])]
Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["desk:write"])]

Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", max_length=5)]

MOST_YEARS: Final = 20


class ShiftBody(Body):
    """An unbroken stretch of work, in local time; `24:00` is the end of the day."""

    opens: Clock
    closes: Clock

    def shift(self) -> Shift:
        """The shift in minutes after midnight."""
        return Shift(_minutes(self.opens), _minutes(self.closes))

    @classmethod
    def of(cls, shift: Shift) -> ShiftBody:
        """The body that shows `shift`."""
        return cls(opens=_clock(shift.opens), closes=_clock(shift.closes))


class PublicHolidays(Body):
    """The public holidays of a country, and its make-up working days, taken over as days."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    subdivision: Annotated[str, Field(pattern=r"^[A-Z0-9-]{1,10}$")] | None = None
    years: tuple[Annotated[int, Field(ge=1990, le=2100)], ...] = Field(
        min_length=1, max_length=MOST_YEARS
    )


_WORKDAY: Final[JsonValue] = [
    {"opens": "09:00", "closes": "12:00"},
    {"opens": "13:30", "closes": "18:00"},
]


class CalendarRequest(Body):
    """A week of shifts, Monday first, and the days that differ from it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "time_zone": "Asia/Shanghai",
                    "week": [_WORKDAY, _WORKDAY, _WORKDAY, _WORKDAY, _WORKDAY, [], []],
                    "holidays": {"country": "CN", "years": [2026]},
                    "exceptions": {"2026-12-31": [{"opens": "09:00", "closes": "12:00"}]},
                }
            ]
        }
    )

    time_zone: TimeZone
    week: tuple[tuple[ShiftBody, ...], ...] = Field(min_length=7, max_length=7)
    holidays: PublicHolidays | None = None
    exceptions: dict[Day, tuple[ShiftBody, ...]] = Field(default_factory=dict, max_length=1_000)

    def command(self, code: str) -> SetCalendar:
        """The command that this body asks for; raises `Refusal` for an unknown country."""
        week = tuple(tuple(each.shift() for each in day) for day in self.week)
        exceptions = _public(self.holidays, week)
        for day, shifts in self.exceptions.items():
            exceptions[day] = tuple(each.shift() for each in shifts)
        return SetCalendar(code, self.time_zone, week, exceptions)


class CalendarBody(BaseModel):
    """A version of a business calendar."""

    code: str
    version: int
    time_zone: str
    week: list[list[ShiftBody]]
    exceptions: dict[date, list[ShiftBody]]

    @classmethod
    def of(cls, calendar: BusinessCalendar) -> CalendarBody:
        """The body that shows `calendar`."""
        return cls(
            code=calendar.code,
            version=calendar.version,
            time_zone=calendar.zone,
            week=[[ShiftBody.of(shift) for shift in day] for day in calendar.week],
            exceptions={
                day: [ShiftBody.of(shift) for shift in shifts]
                for day, shifts in sorted(calendar.exceptions.items())
            },
        )


class TemplateGateBody(Body):
    """A gate, and how many days before the keys it is due."""

    gate: Gate
    days_before: int = Field(ge=0, le=MOST_DAYS_BEFORE)


class TemplateRequest(Body):
    """The gates of a handover, in the order of passing; `keys` comes last, on the day itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "gates": [
                        {"gate": "risk-inspection", "days_before": 90},
                        {"gate": "open-day", "days_before": 45},
                        {"gate": "recheck", "days_before": 30},
                        {"gate": "keys", "days_before": 0},
                    ],
                    "completion_days": 365,
                }
            ]
        }
    )

    gates: tuple[TemplateGateBody, ...] = Field(min_length=1, max_length=len(Gate))
    completion_days: int = Field(default=365, ge=0, le=3_650)


class TemplateBody(BaseModel):
    """A version of a handover template."""

    code: str
    version: int
    gates: list[TemplateGateBody]
    completion_days: int

    @classmethod
    def of(cls, template: HandoverTemplate) -> TemplateBody:
        """The body that shows `template`."""
        return cls(
            code=template.code,
            version=template.version,
            gates=[
                TemplateGateBody(gate=s.gate, days_before=s.days_before) for s in template.gates
            ],
            completion_days=template.completion_days,
        )


class CommunityRequest(Body):
    """By which calendar and template the desk works in a community."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"time_zone": "Asia/Shanghai", "calendar": "standard", "template": "standard"}
            ]
        }
    )

    time_zone: TimeZone | None = None
    calendar: Code = STANDARD
    template: Code = STANDARD


class CommunityBody(BaseModel):
    """How the desk works in a community."""

    community_id: str
    time_zone: str | None
    calendar: str
    template: str

    @classmethod
    def of(cls, community: Community) -> CommunityBody:
        """The body that shows `community`."""
        return cls(
            community_id=community.community_id,
            time_zone=community.time_zone,
            calendar=community.calendar,
            template=community.template,
        )


@router.put(
    "/communities/{community_id}",
    summary="Set how the desk works in a community",
    response_model=CommunityBody,
    responses=problem_responses(422),
)
async def set_community(community_id: IdPath, body: CommunityRequest, caller: Writer) -> Response:
    """Its cases and handovers from now on go by these; those that are open keep theirs."""
    command = SetCommunity(community_id, body.time_zone, body.calendar, body.template)
    return await caller.execute(decisions.set_community, command, _community)


@router.get("/communities/{community_id}", summary="How the desk works in a community")
async def get_community(
    community_id: IdPath, _: Reader, connection: commands.Reading
) -> CommunityBody:
    """What is set, or else the standard."""
    return CommunityBody.of(await queries.community(connection, community_id))


@router.put(
    "/calendars/{code}",
    summary="Write a business calendar",
    response_model=CalendarBody,
    responses=problem_responses(422),
)
async def set_calendar(code: CodePath, body: CalendarRequest, caller: Writer) -> Response:
    """What differs from the newest version makes another one; open cases keep theirs."""
    return await caller.execute(decisions.set_calendar, body.command(code), _calendar)


@router.get("/calendars/{code}", summary="A business calendar", responses=problem_responses(404))
async def get_calendar(code: CodePath, _: Reader, connection: commands.Reading) -> CalendarBody:
    """The newest version."""
    return CalendarBody.of(await queries.calendar(connection, code))


@router.put(
    "/handover-templates/{code}",
    summary="Write a handover template",
    response_model=TemplateBody,
    responses=problem_responses(422),
)
async def set_template(code: CodePath, body: TemplateRequest, caller: Writer) -> Response:
    """What differs from the newest version makes another one; plans keep theirs."""
    command = SetTemplate(
        code,
        tuple(TemplateGate(step.gate, step.days_before) for step in body.gates),
        body.completion_days,
    )
    return await caller.execute(decisions.set_template, command, _template)


@router.get(
    "/handover-templates/{code}", summary="A handover template", responses=problem_responses(404)
)
async def get_template(code: CodePath, _: Reader, connection: commands.Reading) -> TemplateBody:
    """The newest version."""
    return TemplateBody.of(await queries.template(connection, code))


def _community(file: SettingsFile, _: Sequence[Event]) -> CommunityBody:
    return CommunityBody.of(file.required_community())


def _calendar(file: SettingsFile, _: Sequence[Event]) -> CalendarBody:
    return CalendarBody.of(file.required_calendar())


def _template(file: SettingsFile, _: Sequence[Event]) -> TemplateBody:
    return TemplateBody.of(file.required_template())


def _public(
    asked: PublicHolidays | None, week: tuple[tuple[Shift, ...], ...]
) -> dict[date, tuple[Shift, ...]]:
    """The days on which public holidays change the week: closed, or worked like a Monday."""
    if asked is None:
        return {}
    try:
        found = holidays.country_holidays(
            asked.country, subdiv=asked.subdivision, years=asked.years
        )
    except NotImplementedError:
        raise Refusal(
            "holidays-unknown",
            "The holidays of this country or subdivision are not known; list the days in"
            " `exceptions` instead.",
            kind=RefusalKind.INVALID,
            pointer="/holidays",
        ) from None
    days: dict[date, tuple[Shift, ...]] = dict.fromkeys(found, ())
    days.update((day, week[0]) for day in found.weekend_workdays if day.year in asked.years)
    return days


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
