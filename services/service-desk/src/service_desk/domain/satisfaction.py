"""Satisfaction = experience − expectation, by dimension, weighted by importance.

The seven-step customer-experience method: the key experience is the dimension whose importance
times satisfaction is lowest; the plan begins with the widest gap to the ideal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from keyturn_events import Event, Refusal
from keyturn_events.service_desk import SurveyAnswered
from keyturn_events.values import SurveyAnswer
from keyturn_events.vocabulary import Touchpoint
from service_desk.domain.calendar import BusinessCalendar, add_working_time
from service_desk.domain.promises import ACT_ON_SURVEY

IDEAL = 10
UNSATISFIED = 3
"""An overall satisfaction of at most this is low."""
DETRACTOR = 6
"""A readiness to recommend of at most this is a detractor's (Net Promoter Score)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How far one dimension is from what was expected, and from the ideal."""

    dimension: str
    experience: float
    expectation: float | None
    importance: float | None

    @property
    def satisfaction(self) -> float | None:
        """Experience minus expectation; negative disappoints."""
        return None if self.expectation is None else self.experience - self.expectation

    @property
    def weighted(self) -> float | None:
        """Satisfaction times importance."""
        if self.satisfaction is None or self.importance is None:
            return None
        return self.satisfaction * self.importance

    @property
    def to_ideal(self) -> float:
        """Experience minus the best that can be."""
        return self.experience - IDEAL


def gaps(answers: Iterable[SurveyAnswer]) -> tuple[Gap, ...]:
    """The gap of every dimension that was experienced, in the order of the answers."""
    return tuple(
        Gap(answer.dimension, answer.experience, answer.expectation, answer.importance)
        for answer in answers
        if answer.experience is not None
    )


def key_experience(of: Iterable[Gap]) -> Gap | None:
    """The dimension that disappoints most by its importance; None when none disappoints."""
    weighed = [(gap.weighted, gap.dimension, gap) for gap in of if gap.weighted is not None]
    lowest = min(weighed, key=lambda each: each[:2], default=None)
    return lowest[2] if lowest is not None and lowest[0] < 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSurvey:
    """A customer answers a survey."""

    customer_id: str
    survey: str
    survey_version: int
    touchpoint: Touchpoint
    response_reference: str | None = None
    """Single use: the token of the link, or the reference of the system that asked."""
    community_id: str | None = None
    home_id: str | None = None
    satisfaction: int | None = None
    recommend: int | None = None
    rebuy: int | None = None
    answers: tuple[SurveyAnswer, ...] = ()
    background: tuple[tuple[str, str], ...] = ()
    """Answers that are no ratings, such as (housing-type, tower)."""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answered survey, and what the desk did about it."""

    response_id: str
    customer_id: str
    said: AnswerSurvey
    answered_at: datetime
    act_by: datetime | None
    acted_at: datetime | None = None
    acted_by: str | None = None
    action: str | None = None

    @property
    def low(self) -> bool:
        """Whether the desk must act on it."""
        return self.act_by is not None


@dataclass(frozen=True, slots=True)
class ActOnResponse:
    """The desk did something about a bad answer."""

    response_id: str
    by: str
    action: str


def is_low(answer: AnswerSurvey) -> bool:
    """Whether an answer is bad enough to act on: unsatisfied, or a detractor."""
    unsatisfied = answer.satisfaction is not None and answer.satisfaction <= UNSATISFIED
    detractor = answer.recommend is not None and answer.recommend <= DETRACTOR
    return unsatisfied or detractor


def answer_survey(
    command: AnswerSurvey,
    calendar: BusinessCalendar,
    owner_id: str,
    *,
    response_id: str,
    at: datetime,
) -> tuple[Response, list[Event]]:
    """Record an answer; a bad one is to be acted on within its deadline."""
    act_by = add_working_time(calendar, at, ACT_ON_SURVEY) if is_low(command) else None
    response = Response(
        response_id=response_id,
        customer_id=owner_id,
        said=command,
        answered_at=at,
        act_by=act_by,
    )
    return response, [
        SurveyAnswered(
            customer_id=owner_id,
            response_id=response_id,
            survey=command.survey,
            survey_version=command.survey_version,
            touchpoint=command.touchpoint,
            community_id=command.community_id,
            home_id=command.home_id,
            satisfaction=command.satisfaction,
            recommend=command.recommend,
            rebuy=command.rebuy,
            answers=command.answers,
            low=response.low,
            act_by=act_by,
        )
    ]


def act_on(response: Response, command: ActOnResponse, at: datetime) -> Response:
    """Close the loop; raises `Refusal` when there is nothing to act on, or it was done."""
    if not response.low:
        raise Refusal("answer-not-low", "The answer was good; there is nothing to act on.")
    if response.acted_at is not None:
        raise Refusal("already-acted-on", f"It was acted on at {response.acted_at.isoformat()}.")
    return replace(response, acted_at=at, acted_by=command.by, action=command.action)


def forget(response: Response) -> Response:
    """Erase every word that a person said or was answered; the ratings stay."""
    said = replace(response.said, comment="", response_reference=None, background=())
    return replace(response, said=said, action=response.action and "")
