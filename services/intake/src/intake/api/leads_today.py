"""What an advisor sees first in the morning."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response, Security

from intake import queries
from intake.queries import LeadToday
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events.scalars import AdvisorId

router = APIRouter(tags=["leads"])

Reader = Annotated[Principal, Security(principal, scopes=["leads:read"])]


@router.get("/leads/today", summary="An advisor's leads today", response_model=Page[LeadToday])
async def list_leads_today(
    *,
    _: Reader,
    connection: commands.Reading,
    now: commands.Now,
    advisor_id: Annotated[AdvisorId, Query()],
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """The open leads of an advisor that need something within a day, the most urgent first.

    Each says why: the first response is overdue or due, a reservation runs out, a cooling-off
    time or the protection ends, nothing has happened for nearly too long, or it is new.
    """
    page = await queries.leads_today(connection, advisor_id, now, limit, cursor)
    return Response(page, media_type="application/json")
