from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keyturn_events.service_desk import SurveyAnswered
from keyturn_events.values import SurveyAnswer
from keyturn_events.vocabulary import Touchpoint
from service_desk.domain.calendar import BusinessCalendar
from service_desk.domain.satisfaction import AnswerSurvey, answer_survey, gaps, key_experience

AT = datetime(2026, 3, 2, 2, tzinfo=UTC)


def answer(**ratings: int) -> AnswerSurvey:
    return AnswerSurvey(
        customer_id="ann",
        survey="handover",
        survey_version=1,
        touchpoint=Touchpoint.HANDOVER,
        satisfaction=ratings.get("satisfaction"),
        recommend=ratings.get("recommend"),
    )


def test_the_dimension_that_disappoints_most_by_importance_is_the_key_experience() -> None:
    experience = {
        "price": 7,
        "brand": 7,
        "service": 6,
        "product": 6,
        "convenience": 5,
        "relationship": 4,
    }
    expectation = {"product": 7, "price": 7, "convenience": 7, "brand": 7}
    importance = {"convenience": 9, "product": 9, "price": 9, "brand": 9}
    found = {
        gap.dimension: gap
        for gap in gaps(
            SurveyAnswer(
                dimension=dimension,
                experience=rating,
                expectation=expectation.get(dimension),
                importance=importance.get(dimension),
            )
            for dimension, rating in experience.items()
        )
    }
    assert found["convenience"].satisfaction == -2
    assert found["product"].satisfaction == -1
    assert found["price"].satisfaction == 0
    assert found["relationship"].satisfaction is None
    assert found["convenience"].weighted == -18
    assert found["convenience"].to_ideal == -5
    assert key_experience(found.values()) is found["convenience"]


def test_where_nothing_disappoints_there_is_no_key_experience() -> None:
    met = gaps([SurveyAnswer(dimension="price", experience=7, expectation=7, importance=9)])
    assert key_experience(met) is None


@pytest.mark.parametrize(
    ("fields", "low"),
    [
        ({"satisfaction": 3}, True),
        ({"satisfaction": 4}, False),
        ({"recommend": 6}, True),
        ({"recommend": 7}, False),
        ({"satisfaction": 10, "recommend": 0}, True),
        ({}, False),
    ],
)
def test_the_desk_acts_on_the_unsatisfied_and_on_detractors(
    office: BusinessCalendar, fields: dict[str, int], low: bool
) -> None:
    response, (event,) = answer_survey(answer(**fields), office, "ann", response_id="r1", at=AT)
    assert isinstance(event, SurveyAnswered)
    assert (response.low, event.low) == (low, low)
    # Monday ten o'clock in Shanghai and sixteen working hours more.
    act_by = datetime(2026, 3, 4, 2, tzinfo=UTC) if low else None
    assert (response.act_by, event.act_by) == (act_by, act_by)
