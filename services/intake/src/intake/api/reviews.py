"""The review queue: customers who may be one person, and the decision of whoever looked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from intake.domain.dossier import present
from intake.domain.people import reviews
from intake.domain.people.matching import Explanation, Level
from intake.domain.people.matching import Field as Compared
from intake.domain.people.reviews import DecideReview, Outcome, ReviewFile
from intake.queries import reviews as queries
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import ReviewId, Text

router = APIRouter(prefix="/reviews", tags=["customers"])

Merger = Annotated[commands.Caller, Security(commands.caller, scopes=["customers:merge"])]
Reader = Annotated[Principal, Security(principal, scopes=["customers:read"])]


class DecisionForm(BaseModel):
    """What they are, and how that is known."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"outcome": "different", "reason": "Two brothers; both answered."}]
        },
    )

    outcome: Outcome = Field(description="`same` merges them; `different` is not asked again.")
    reason: Text
    accept_conflicts: bool = Field(
        default=False, description="The different verified identifiers were looked at."
    )


class DecisionBody(BaseModel):
    """What was decided."""

    model_config = ConfigDict(from_attributes=True)

    outcome: Outcome
    at: datetime
    by: str
    reason: str
    merge_id: str | None


class FieldBody(BaseModel):
    """What one field adds to the score."""

    field: Compared
    level: Level = Field(description="How far the two agree in it.")
    bits: float = Field(description="1 doubles the odds that they are one person, -1 halves them.")


class ExplanationBody(BaseModel):
    """The score taken apart: `prior` and the bits of the fields add up to `bits`."""

    bits: float
    probability: float
    against: Explanation = Field(description="Who they would be, were they not one person.")
    prior: float = Field(description="What is known before any field is looked at, in bits.")
    fields: list[FieldBody]


class ReviewBody(BaseModel):
    """Whether two customers are one person."""

    model_config = ConfigDict(from_attributes=True)

    review_id: str
    customer_id: str
    other_customer_id: str = Field(description="The customer who was known before.")
    opened_at: datetime
    probability: float = Field(description="That they are one person.")
    explanation: ExplanationBody
    decision: DecisionBody | None

    @classmethod
    def of_file(cls, file: ReviewFile, _: Sequence[Event]) -> ReviewBody:
        """The review that was decided."""
        return cls.model_validate(present(file.review))


@router.get("", summary="Reviews", response_model=Page[ReviewBody])
async def list_reviews(
    _: Reader,
    connection: commands.Reading,
    *,
    is_open: Annotated[
        bool | None, Query(alias="open", description="Only those still open, or only the others.")
    ] = True,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[ReviewBody]:
    """Pairs of customers who may be one person, the oldest question first."""
    found, next_cursor = await queries.reviews(
        connection, is_open=is_open, limit=limit, cursor=cursor
    )
    return Page(items=[ReviewBody.model_validate(each) for each in found], next_cursor=next_cursor)


@router.get("/{review_id}", summary="A review", response_model=ReviewBody)
async def show_review(review_id: ReviewId, _: Reader, connection: commands.Reading) -> ReviewBody:
    """Why it is asked, field by field, and what was decided."""
    found = await queries.review(connection, review_id)
    if found is None:
        raise Refusal(
            "review-not-found", "There is no review of this id.", kind=RefusalKind.NOT_FOUND
        )
    return ReviewBody.model_validate(found)


@router.post("/{review_id}/decision", summary="Decide a review", response_model=ReviewBody)
async def decide_review(review_id: ReviewId, body: DecisionForm, caller: Merger) -> Response:
    """Say whether the two are one person.

    `same` merges them, which can be undone like any merge. `different` may still become `same`.
    The same decision again changes nothing.
    """
    command = DecideReview(
        review_id,
        body.outcome,
        by=caller.principal.subject,
        reason=body.reason,
        accept_conflicts=body.accept_conflicts,
    )
    return await caller.execute(reviews.decide, command, ReviewBody.of_file)
