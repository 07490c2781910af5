"""The desk's routes, one module a noun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter

from service_desk.api import (
    communities,
    complaints,
    crises,
    defects,
    handovers,
    reports,
    surveys,
)

router = APIRouter()
for noun in (handovers, defects, complaints, surveys, crises, reports, communities):
    router.include_router(noun.router)

SCOPES: Final[Mapping[str, str]] = {
    "handovers:read": "See handover plans and counts by gate",
    "handovers:write": "Pass the gates of handovers",
    "vetoes:write": "Veto site open days and lift the veto (customer relations)",
    "defects:read": "See defects",
    "defects:write": "Report and rectify defects",
    "complaints:read": "See complaints",
    "complaints:write": "Raise and handle complaints",
    "surveys:read": "See survey answers",
    "surveys:write": "Answer surveys, and act on bad answers",
    "crises:read": "See crises",
    "crises:write": "Declare and lift crises (customer relations)",
    "reports:read": "See the desk's reports",
    "desk:read": "See calendars, handover templates and how communities are set",
    "desk:write": "Write calendars and handover templates, and set communities",
    "customers:export": "See everything the desk holds on one person",
}
"""What each scope of the desk allows."""
