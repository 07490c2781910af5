"""The driven clock's door: a replay moves business time forward."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Security
from pydantic import AwareDatetime, BaseModel, ConfigDict

from keyturn_chassis import timers
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.clock import DrivenClock
from keyturn_chassis.runtime import Runtime
from keyturn_events.refusal import Refusal, RefusalKind

router = APIRouter(prefix="/clock", tags=["operations"])


class ClockReading(BaseModel):
    """What the service's clock says."""

    now: AwareDatetime
    driven: bool
    timers_due: int
    """Timers that are due and have not fired yet; 0 when the service has caught up."""


class ClockDrive(BaseModel):
    """Where to move the clock."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"now": "2027-06-30T09:00:00+08:00"}]}
    )

    now: AwareDatetime


@router.get("", summary="Read the business clock")
async def read_clock(
    request: Request,
    _: Annotated[Principal, Security(principal, scopes=["clock:read"])],
) -> ClockReading:
    """Business time, and whether the timers have caught up with it."""
    return await _reading(request.app.state.runtime)


@router.put("", summary="Move the business clock forward")
async def drive_clock(
    body: ClockDrive,
    request: Request,
    _: Annotated[Principal, Security(principal, scopes=["clock:drive"])],
) -> ClockReading:
    """Move business time; refused unless the service runs with a driven clock."""
    runtime: Runtime = request.app.state.runtime
    if not isinstance(runtime.clock, DrivenClock):
        raise Refusal(
            "clock-not-driven",
            "This service goes by the real time; start it with KEYTURN_CLOCK=driven to replay.",
            kind=RefusalKind.CONFLICT,
        )
    async with runtime.database.transaction() as connection:
        await runtime.clock.drive(connection, body.now)
    return await _reading(runtime)


async def _reading(runtime: Runtime) -> ClockReading:
    async with runtime.database.transaction() as connection:
        now = await runtime.clock.now(connection)
        return ClockReading(
            now=now,
            driven=runtime.clock.driven,
            timers_due=await timers.count_due(connection, now),
        )
