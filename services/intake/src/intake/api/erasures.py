"""Forgetting a person, seeing that everybody did, and letting an identifier in again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake.domain.dossier import present
from intake.domain.leads.capture import PersonSaid
from intake.domain.privacy import erasures
from intake.domain.privacy.erasures import (
    EraseCustomer,
    ErasureFile,
    ErasureStatus,
    LegalBasis,
    RemindReaders,
)
from intake.domain.privacy.suppression_commands import LiftSuppression, SuppressionFile, lift
from intake.queries import erasures as queries
from intake.queries.erasures import ErasureBody, ErasureSummary
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_chassis.problems import problem_responses
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.partners import Reference
from keyturn_events.scalars import TEXT_PATTERN, Code, CustomerId, ErasureId, Line, PartnerId

router = APIRouter(tags=["privacy"])

Eraser = Annotated[commands.Caller, Security(commands.caller, scopes=["customers:erase"])]
Lifter = Annotated[commands.Caller, Security(commands.caller, scopes=["suppressions:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["erasures:read"])]


class ErasureForm(BaseModel):
    """Why a person is to be forgotten."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"reason": "customer-request", "legal_basis": "consent-withdrawn"}]
        },
    )

    reason: Code = Field(description="A code, since it is kept for ever: nothing personal.")
    legal_basis: LegalBasis
    dry_run: bool = Field(
        default=False, description="Tell what would be erased and what stays; change nothing."
    )


class LiftingForm(BaseModel):
    """Whose identifiers may come again, and why. At least one of them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"phone": "13800138000", "reason": "number-reassigned"}]},
    )

    phone: Annotated[str, Field(min_length=1, max_length=40, pattern=TEXT_PATTERN)] | None = None
    email: Annotated[str, Field(min_length=3, max_length=254, pattern=TEXT_PATTERN)] | None = None
    wechat: Line | None = None
    partner_id: PartnerId | None = None
    partner_reference: Reference | None = Field(
        default=None, description="What that partner calls the person; with partner_id."
    )
    reason: Code = Field(description="A code, since it is kept for ever: nothing personal.")

    def command(self, by: str) -> LiftSuppression:
        """The command that this form asks for."""
        reference = self.partner_reference
        return LiftSuppression(
            person=PersonSaid(
                phone=self.phone,
                email=self.email,
                wechat=self.wechat,
                partner_reference=(
                    f"{self.partner_id}/{reference}" if self.partner_id and reference else None
                ),
            ),
            by=by,
            reason=self.reason,
        )


class LiftedBody(BaseModel):
    """How many identifiers may come again."""

    lifted: int

    @classmethod
    def of(cls, file: SuppressionFile, _: Sequence[Event]) -> LiftedBody:
        """What was lifted."""
        return cls(lifted=len(file.lifted))


@router.post(
    "/customers/{customer_id}/erasure",
    status_code=202,
    summary="Forget a person",
    response_model=ErasureBody,
    responses={200: {"model": ErasureBody, "description": "As it would be (`dry_run`)."}},
)
async def erase_customer(customer_id: CustomerId, form: ErasureForm, caller: Eraser) -> Response:
    """Erase everything personal, under every id, and tell the other services to do the same.

    Intake has erased when the answer comes; the other services answer with receipts, to be seen at
    `/erasures/{erasure_id}`. Asked again, it is the same erasure. Purchases and deposits stay for
    the ledger, under ids that no longer tell who it was. `dry_run` tells all that beforehand.
    """
    command = EraseCustomer(customer_id, caller.principal.subject, form.reason, form.legal_basis)
    if form.dry_run:
        return await caller.execute(erasures.plan, command, _planned, status=200)
    return await caller.execute(erasures.erase, command, _begun, status=202)


@router.get("/erasures", summary="List erasures", response_model=Page[ErasureSummary])
async def list_erasures(
    *,
    _: Reader,
    connection: commands.Reading,
    status: Annotated[
        ErasureStatus | None, Query(description="Only these; `overdue` ones need somebody.")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[ErasureSummary]:
    """The newest first."""
    return await queries.erasures(connection, status, limit, cursor)


@router.get("/erasures/{erasure_id}", summary="An erasure", response_model=ErasureBody)
async def show_erasure(
    erasure_id: ErasureId, _: Reader, connection: commands.Reading
) -> ErasureBody:
    """Which services have forgotten the person, with the counts of their receipts."""
    found = await queries.erasure(connection, erasure_id)
    if found is None:
        raise Refusal(
            "erasure-unknown", "There is no erasure of this id.", kind=RefusalKind.NOT_FOUND
        )
    return ErasureBody.of(found)


@router.post(
    "/erasures/{erasure_id}/reminders",
    summary="Tell of an erasure again",
    response_model=ErasureBody,
)
async def remind_readers(erasure_id: ErasureId, caller: Eraser) -> Response:
    """For a receipt that does not come, as after a service's store was restored from a backup."""
    return await caller.execute(erasures.remind, RemindReaders(erasure_id), _begun)


@router.post(
    "/suppressions/liftings",
    summary="Let an erased person's identifier in again",
    response_model=LiftedBody,
    responses=problem_responses(404),
)
async def lift_suppression(form: LiftingForm, caller: Lifter) -> Response:
    """For a number that is somebody else's by now, or a person who comes back through a partner.

    Who lifted what, when and why is kept for ever, without the identifier. An identifier is sent in
    the body and never stands in an address, which proxies and logs keep.
    """
    return await caller.execute(lift, form.command(caller.principal.subject), LiftedBody.of)


def _begun(file: ErasureFile, _: Sequence[Event]) -> ErasureBody:
    return ErasureBody.of(present(file.erasure))


def _planned(file: ErasureFile, _: Sequence[Event]) -> ErasureBody:
    return ErasureBody.of(present(file.erasure), planned=file.planned)
