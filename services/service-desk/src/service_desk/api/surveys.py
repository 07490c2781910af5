"""Survey answers, and what the desk did about the bad ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, Security
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_chassis.problems import problem_responses
from keyturn_events import Event
from keyturn_events.scalars import (
    Code,
    CommunityId,
    CustomerId,
    HomeId,
    Line,
    ModelVersion,
    Rating,
    StaffId,
)
from keyturn_events.values import SurveyAnswer
from keyturn_events.vocabulary import Touchpoint
from service_desk import queries
from service_desk.api.fields import Body, IdPath, Prose
from service_desk.domain import decisions
from service_desk.domain.files import SurveyFile
from service_desk.domain.satisfaction import (
    ActOnResponse,
    AnswerSurvey,
)
from service_desk.domain.satisfaction import (
    Response as SurveyResponse,
)

router = APIRouter(tags=["surveys"])

Reader = Annotated[Principal, Security(principal, scopes=["surveys:read"])]
Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["surveys:write"])]

MOST_ANSWERS = 50
MOST_BACKGROUND = 20


class NewAnswer(Body):
    """What a customer answered.

    Ratings are 0 (worst) to 10 (best), in `answers` for each dimension: what was experienced, what
    was expected, how important it is. Answers that are no ratings go into `background`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-1042",
                    "survey": "handover",
                    "touchpoint": "handover",
                    "response_reference": "hs-7f3a",
                    "satisfaction": 8,
                    "recommend": 9,
                    "rebuy": 7,
                    "answers": [
                        {
                            "dimension": "quality",
                            "experience": 7,
                            "expectation": 8,
                            "importance": 9,
                        }
                    ],
                },
                {
                    "customer_id": "c-2001",
                    "survey": "housing-conditions",
                    "touchpoint": "living",
                    "response_reference": "resident-17",
                    "satisfaction": 3,
                    "answers": [
                        {"dimension": "influence", "experience": 5},
                        {"dimension": "contact", "experience": 8},
                    ],
                    "background": {"housing-type": "tower"},
                },
            ]
        }
    )

    customer_id: CustomerId
    survey: Code
    survey_version: ModelVersion = 1
    touchpoint: Touchpoint
    response_reference: Line | None = Field(
        default=None, description="Single use: the token of the link, or the source's reference."
    )
    community_id: CommunityId | None = None
    home_id: HomeId | None = None
    satisfaction: Rating | None = None
    recommend: Rating | None = None
    rebuy: Rating | None = None
    answers: tuple[SurveyAnswer, ...] = Field(default=(), max_length=MOST_ANSWERS)
    background: dict[Code, Code] = Field(default_factory=dict, max_length=MOST_BACKGROUND)
    comment: Prose = ""

    def command(self) -> AnswerSurvey:
        """The command that this body asks for."""
        fields = dict(self)
        fields["background"] = tuple(sorted(self.background.items()))
        return AnswerSurvey(**fields)


class Action(Body):
    """What the desk did about a bad answer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"by": "agent-5", "action": "Called and apologised"}]}
    )

    by: StaffId
    action: Prose = Field(min_length=1)


class AnswerBody(BaseModel):
    """An answered survey, and what was done about it."""

    response_id: str
    customer_id: str
    survey: str
    survey_version: int
    touchpoint: Touchpoint
    community_id: str | None
    home_id: str | None
    answered_at: AwareDatetime
    satisfaction: int | None
    recommend: int | None
    rebuy: int | None
    answers: list[SurveyAnswer]
    background: dict[str, str]
    comment: str
    low: bool
    act_by: AwareDatetime | None
    acted_at: AwareDatetime | None
    acted_by: str | None
    action: str | None

    @classmethod
    def of(cls, response: SurveyResponse) -> AnswerBody:
        """The body that shows `response`."""
        said = response.said
        return cls(
            response_id=response.response_id,
            customer_id=response.customer_id,
            survey=said.survey,
            survey_version=said.survey_version,
            touchpoint=said.touchpoint,
            community_id=said.community_id,
            home_id=said.home_id,
            answered_at=response.answered_at,
            satisfaction=said.satisfaction,
            recommend=said.recommend,
            rebuy=said.rebuy,
            answers=list(said.answers),
            background=dict(said.background),
            comment=said.comment,
            low=response.low,
            act_by=response.act_by,
            acted_at=response.acted_at,
            acted_by=response.acted_by,
            action=response.action,
        )


@router.post(
    "/surveys/answers",
    status_code=201,
    summary="Answer a survey",
    response_model=AnswerBody,
    responses=problem_responses(409),
)
async def answer_survey(body: NewAnswer, caller: Writer) -> Response:
    """Each reference may be used once. A bad answer is to be acted on by `act_by`."""
    return await caller.execute(decisions.answer_survey, body.command(), _answer, status=201)


@router.post(
    "/surveys/answers/{response_id}/actions",
    status_code=201,
    summary="Act on a bad answer",
    response_model=AnswerBody,
    responses=problem_responses(404, 409),
)
async def act_on_answer(response_id: IdPath, body: Action, caller: Writer) -> Response:
    """Close the loop: say what was done."""
    command = ActOnResponse(response_id, body.by, body.action)
    return await caller.execute(decisions.act_on_response, command, _answer, status=201)


@router.get("/surveys/answers", summary="Survey answers")
async def list_answers(
    *,
    request: Request,
    _: Reader,
    connection: commands.Reading,
    customer_id: Annotated[CustomerId | None, Query()] = None,
    survey: Annotated[Code | None, Query()] = None,
    overdue: Annotated[
        bool, Query(description="Only bad answers that should have been acted on by now.")
    ] = False,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[AnswerBody]:
    """The newest first."""
    now = await request.app.state.runtime.clock.now(connection)
    wanted = queries.AnswerFilter(customer_id, survey, now if overdue else None)
    found, following = await queries.answers(connection, wanted, cursor, limit)
    return Page(items=[AnswerBody.of(each) for each in found], next_cursor=following)


def _answer(file: SurveyFile, _: Sequence[Event]) -> AnswerBody:
    return AnswerBody.of(file.required())
