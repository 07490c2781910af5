"""Everything that the desk holds on one person, in one call."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Security
from pydantic import BaseModel

from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from service_desk import queries
from service_desk.api.complaint_bodies import ComplaintBody
from service_desk.api.defects import DefectBody
from service_desk.api.fields import IdPath
from service_desk.api.handovers import HandoverBody
from service_desk.api.surveys import AnswerBody

router = APIRouter(tags=["customers"])

Exporter = Annotated[Principal, Security(principal, scopes=["customers:export"])]


class ExportBody(BaseModel):
    """What the desk holds on one person."""

    customer_ids: list[str]
    erased: bool
    segments: dict[str, str]
    handovers: list[HandoverBody]
    defects: list[DefectBody]
    complaints: list[ComplaintBody]
    survey_answers: list[AnswerBody]


@router.get("/customers/{customer_id}/export", summary="Everything held on one person")
async def export_customer(
    customer_id: IdPath, _: Exporter, connection: commands.Reading
) -> ExportBody:
    """All of it, under every id that the person has or had."""
    held = await queries.everything(connection, customer_id)
    return ExportBody(
        customer_ids=sorted(held.family.ids_of(customer_id)),
        erased=held.family.erased(customer_id),
        segments=dict(sorted(held.family.segments(customer_id))),
        handovers=[HandoverBody.of(each) for each in held.handovers],
        defects=[DefectBody.of(each) for each in held.defects],
        complaints=[ComplaintBody.of(case, calendar) for case, calendar in held.cases],
        survey_answers=[AnswerBody.of(each) for each in held.responses],
    )
