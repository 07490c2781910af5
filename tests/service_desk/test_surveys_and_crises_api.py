from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from keyturn_events import Message
from keyturn_events.service_desk import CrisisDeclared, CrisisLifted, SurveyAnswered

AT = datetime(2026, 3, 2, 2, tzinfo=UTC)

Facts = Callable[..., Any]
Say = Callable[..., Message[Any]]

RESIDENT = {
    "customer_id": "resident-1",
    "survey": "housing-conditions",
    "touchpoint": "living",
    "response_reference": "row-1-1",
    "satisfaction": 2,
    "answers": [
        {"dimension": "influence", "experience": 2, "expectation": 5, "importance": 8},
        {"dimension": "contact", "experience": 8},
    ],
    "background": {"housing-type": "tower"},
}


async def test_a_residents_answer_is_recorded_once_a_reference(desk: Any) -> None:
    answered = await desk.post("/surveys/answers", RESIDENT)
    assert (answered["low"], answered["background"]) == (True, {"housing-type": "tower"})
    problem = await desk.post("/surveys/answers", RESIDENT, expect=409)
    assert problem["type"].endswith("/survey-already-answered")
    (event,) = await desk.harness.published(SurveyAnswered)
    assert event.answers[0].dimension == "influence"
    assert event.low


async def test_a_bad_answer_is_overdue_until_somebody_acts_on_it(desk: Any) -> None:
    answered = await desk.post("/surveys/answers", RESIDENT)
    await desk.harness.drive(AT + timedelta(days=10))
    (found,) = (await desk.get("/surveys/answers", overdue=True))["items"]
    assert found["response_id"] == answered["response_id"]
    path = f"/surveys/answers/{answered['response_id']}/actions"
    acted = await desk.post(path, {"by": "agent-5", "action": "Called and apologised"})
    assert acted["acted_by"] == "agent-5"
    assert (await desk.get("/surveys/answers", overdue=True))["items"] == []
    problem = await desk.post(path, {"by": "agent-5", "action": "again"}, expect=409)
    assert problem["type"].endswith("/already-acted-on")


async def test_the_satisfaction_report_names_the_key_experience(desk: Any) -> None:
    await desk.post("/surveys/answers", RESIDENT | {"recommend": 9})
    content = RESIDENT | {"response_reference": "row-1-2", "satisfaction": 8, "recommend": 2}
    await desk.post("/surveys/answers", content)
    report = await desk.get("/reports/satisfaction", touchpoint="living")
    assert (report["answers"], report["satisfaction"]) == (2, 5.0)
    assert report["net_promoter_score"] == 0.0
    assert report["key_experience"] == "influence"
    (contact, influence) = report["gaps"]
    assert contact["satisfaction"] is None
    assert (influence["satisfaction"], influence["weighted"]) == (-3.0, -24.0)


async def test_a_crisis_is_told_to_every_owner_of_the_place_until_it_is_lifted(
    desk: Any, signed: Facts, say: Say
) -> None:
    await desk.harness.receive(
        say(signed("p1", customer_id="ann")),
        say(signed("p2", customer_id="bob")),
        say(signed("p3", customer_id="eve", building="lakeside-2")),
    )
    complaint = {"category": "quality.leak", "severity": "major", "channel": "app"}
    for customer_id, home_id in (("ann", "home-p1"), ("bob", "home-p2"), ("eve", "home-p3")):
        await desk.post("/complaints", complaint | {"customer_id": customer_id, "home_id": home_id})
    place = {"community_id": "lakeside", "building": "lakeside-1", "by": "relations-2"}
    crisis = await desk.post("/crises", place)
    assert (crisis["cases"], crisis["expected_cases"], crisis["owners"]) == (2, 0.0, 2)
    declared = await desk.harness.published(CrisisDeclared)
    assert [event.customer_id for event in declared] == ["ann", "bob"]
    problem = await desk.post("/crises", place, expect=409)
    assert problem["type"].endswith("/crisis-already-declared")
    path = f"/crises/{crisis['crisis_id']}/liftings"
    lifted = await desk.post(path, {"reason": "pipes-replaced"})
    assert lifted["reason"] == "pipes-replaced"
    assert [event.customer_id for event in await desk.harness.published(CrisisLifted)] == [
        "ann",
        "bob",
    ]
    assert (await desk.get("/crises", live=True))["items"] == []
    await desk.post(path, {"reason": "again"}, expect=409)
    await desk.post("/crises", place)
