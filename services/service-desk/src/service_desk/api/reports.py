"""Reports for design, engineering and management: queries with an API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Security
from pydantic import BaseModel, ConfigDict, Field

from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.problems import problem_responses
from keyturn_events import Refusal, RefusalKind
from keyturn_events.scalars import CommunityId, Moment
from keyturn_events.vocabulary import Touchpoint
from service_desk.domain.satisfaction import Gap, key_experience
from service_desk.queries import figures

router = APIRouter(prefix="/reports", tags=["reports"])

Reader = Annotated[Principal, Security(principal, scopes=["reports:read"])]


class ComplaintFigures(BaseModel):
    """How a number of complaints went."""

    model_config = ConfigDict(from_attributes=True)

    raised: int
    open: int
    closed: int
    on_time: int = Field(description="Resolved or closed before their due time.")
    late: int = Field(description="Resolved or closed at their due time or after.")
    without_due: int = Field(description="Resolved or closed, with no due time promised.")
    reopened: int
    median_days: float | None = Field(description="From receipt to resolution.")


class CategoryFigures(ComplaintFigures):
    """How the complaints of one category went."""

    category: str


class ComplaintReport(ComplaintFigures):
    """How the complaints that were received in a time went."""

    by_category: list[CategoryFigures]


class GapBody(BaseModel):
    """A dimension of satisfaction: experience minus expectation."""

    dimension: str
    experience: float
    expectation: float | None
    importance: float | None
    satisfaction: float | None
    weighted: float | None
    to_ideal: float

    @classmethod
    def of(cls, gap: Gap) -> GapBody:
        """The body that shows `gap`."""
        return cls(
            dimension=gap.dimension,
            experience=gap.experience,
            expectation=gap.expectation,
            importance=gap.importance,
            satisfaction=gap.satisfaction,
            weighted=gap.weighted,
            to_ideal=gap.to_ideal,
        )


class SatisfactionReport(BaseModel):
    """What customers said at a touchpoint."""

    answers: int
    low: int
    satisfaction: float | None
    net_promoter_score: float | None = Field(description="Promoters minus detractors, percent.")
    gaps: list[GapBody]
    key_experience: str | None = Field(description="The dimension to mend first.")


@router.get("/complaints", summary="Complaints on time and late", responses=problem_responses(422))
async def report_complaints(
    _: Reader,
    connection: commands.Reading,
    since: Annotated[
        Moment | None, Query(alias="from", description="Received then or later.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Received before then.")] = None,
    community_id: Annotated[CommunityId | None, Query()] = None,
) -> ComplaintReport:
    """Counts and median days, of all and by category, of the complaints received in a time."""
    if since is not None and to is not None and to <= since:
        raise Refusal("empty-period", "Let `to` be after `from`.", kind=RefusalKind.INVALID)
    whole, by_category = await figures.complaint_figures(connection, since, to, community_id)
    return ComplaintReport(
        **ComplaintFigures.model_validate(whole).model_dump(),
        by_category=[CategoryFigures.model_validate(row) for row in by_category],
    )


@router.get("/satisfaction", summary="Satisfaction by dimension")
async def report_satisfaction(
    _: Reader,
    connection: commands.Reading,
    touchpoint: Annotated[Touchpoint | None, Query()] = None,
    community_id: Annotated[CommunityId | None, Query()] = None,
) -> SatisfactionReport:
    """Means by dimension: experience minus expectation, weighted by importance."""
    said, gaps = await figures.satisfaction(connection, touchpoint, community_id)
    key = key_experience(gaps)
    return SatisfactionReport(
        answers=said.answers,
        low=said.low,
        satisfaction=said.satisfaction,
        net_promoter_score=said.net_promoter_score,
        gaps=[GapBody.of(gap) for gap in gaps],
        key_experience=key.dimension if key else None,
    )
