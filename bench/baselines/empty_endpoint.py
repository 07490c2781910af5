"""The empty endpoint: intake's API with one route more, which validates a lead and does nothing.

Same application, same middleware, same authorisation, same body, an answer of the same size. What
it answers a second is what the framework allows on this machine.

Run as `python -m bench.baselines.empty_endpoint api`, as `python -m intake api` is run.
"""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Response, Security

from bench.baselines.intake_with import intake_with
from intake.api.leads import Captured
from intake.reading.lead_form import LeadForm
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.cli import run

SOME_ID: Final = str(UUID(int=1))
ANSWER: Final = Captured(
    lead_id=SOME_ID, customer_id=SOME_ID, touch_id=SOME_ID, outcome="created"
).model_dump_json()

router = APIRouter()


@router.post("/empty", status_code=201, response_model=Captured)
async def empty(
    form: LeadForm,  # noqa: ARG001 - validated, and that is all
    caller: Annotated[Principal, Security(principal, scopes=["leads:write"])],  # noqa: ARG001
) -> Response:
    """Answer without having done anything."""
    return Response(ANSWER, status_code=201, media_type="application/json")


if __name__ == "__main__":
    run(intake_with(router))
