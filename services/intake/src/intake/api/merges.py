"""Merging customers who proved to be one person, and taking a merge back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake import queries
from intake.domain.dossier import present
from intake.domain.people import merges
from intake.domain.people.merges import Merge, MergeCustomers, MergeFile, UndoMerge
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.idempotency import Answer
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import Code, CustomerId, MergeId, Text

router = APIRouter(tags=["customers"])

Merger = Annotated[commands.Caller, Security(commands.caller, scopes=["customers:merge"])]
Reader = Annotated[Principal, Security(principal, scopes=["customers:read"])]


class MergeForm(BaseModel):
    """Who else this customer is, and how that is known."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "other_customer_id": "0b7e3c52-6a1d-5f0e-9c57-2f6f0a6d1b11",
                    "reason": "Showed the same identity card at both showrooms.",
                }
            ]
        },
    )

    other_customer_id: CustomerId
    reason: Text
    rule: Code = merges.BY_REVIEW
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    accept_conflicts: bool = Field(
        default=False, description="The different verified identifiers were looked at."
    )


class UndoForm(BaseModel):
    """Why they are two people after all."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "Father and son."}]}
    )

    reason: Text


class UndoneBody(BaseModel):
    """That a merge was taken back."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    by: str
    reason: str


class MergeBody(BaseModel):
    """A merge, with who decided it and why."""

    model_config = ConfigDict(from_attributes=True)

    merge_id: str
    survivor_id: str = Field(description="Whose id stands for the person: the earlier customer.")
    merged_id: str
    at: datetime
    rule: str
    by: str
    reason: str
    score: float | None
    undone: UndoneBody | None

    @classmethod
    def of_file(cls, file: MergeFile, _: Sequence[Event]) -> MergeBody:
        """The merge that was undone."""
        return cls.model_validate(file.merge)


@router.post(
    "/customers/{customer_id}/merges",
    status_code=201,
    summary="Merge two customers",
    response_model=MergeBody,
    responses={200: {"model": MergeBody, "description": "They were one person already."}},
)
async def merge_customers(customer_id: CustomerId, body: MergeForm, caller: Merger) -> Response:
    """The two proved to be one person: from now on either id means both.

    Nothing is lost or moved: each keeps what was said of it, the most restrictive consent holds,
    and the merge can be undone at any time. Which of the two is named first does not matter.
    """
    command = MergeCustomers(
        customer_id,
        body.other_customer_id,
        by=caller.principal.subject,
        reason=body.reason,
        rule=body.rule,
        score=body.score,
        accept_conflicts=body.accept_conflicts,
    )
    return await caller.execute(merges.merge, command, _merged)


@router.post("/merges/{merge_id}/undo", summary="Undo a merge", response_model=MergeBody)
async def undo_merge(merge_id: MergeId, body: UndoForm, caller: Merger) -> Response:
    """They are two people after all: everything is as if they had never been merged."""
    command = UndoMerge(merge_id, by=caller.principal.subject, reason=body.reason)
    return await caller.execute(merges.undo, command, MergeBody.of_file)


@router.get("/merges/{merge_id}", summary="A merge", response_model=MergeBody)
async def show_merge(merge_id: MergeId, _: Reader, connection: commands.Reading) -> MergeBody:
    """Who was merged, by which rule, and why."""
    found = await queries.merge(connection, merge_id)
    if found is None:
        raise Refusal(
            "merge-not-found", "There is no merge of this id.", kind=RefusalKind.NOT_FOUND
        )
    return MergeBody.model_validate(found)


@router.get(
    "/customers/{customer_id}/merges",
    summary="The merges of a customer",
    response_model=Page[MergeBody],
)
async def list_merges(
    customer_id: CustomerId,
    _: Reader,
    connection: commands.Reading,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[MergeBody]:
    """Every merge that this customer was ever part of, undone ones too."""
    found, next_cursor = await queries.merges_of(connection, customer_id, limit, cursor)
    return Page(items=[MergeBody.model_validate(merge) for merge in found], next_cursor=next_cursor)


def _merged(file: MergeFile, events: Sequence[Event]) -> Answer:
    made: Merge = present(file.merge)
    body = MergeBody.model_validate(made)
    return Answer(201 if events else 200, body.model_dump_json())
