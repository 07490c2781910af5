"""Living there: complaints with their promises kept, broken and judged; surveys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from keyturn_demo.doors.http import each
from keyturn_demo.journeys.purchases import Buyer
from keyturn_demo.neighbourhood import Grievance, Handling
from keyturn_demo.progress import Step
from keyturn_demo.tally import Noun
from keyturn_demo.world import World
from keyturn_events.service_desk import (
    ComplaintAcknowledged,
    ComplaintClosed,
    ComplaintEscalated,
    ComplaintRaised,
    ComplaintReopened,
    ComplaintResolved,
    SurveyAnswered,
)

DESK: Final = "desk API"
CALLED_TWICE: Final = 3
"""Owners who tell their complaint twice; it stays one case."""


async def complain(world: World, buyers: Sequence[Buyer], step: Step) -> None:
    """A month after the keys: some are helped at once, some too late, some not to their liking."""
    upset = [buyer for buyer in buyers if buyer.family.grievance is not None]
    step.expect(len(upset))
    await world.days_pass(30)
    await world.sleep_until(_working_hour(world))
    step.say("raising complaints")
    await each(upset, lambda buyer: _raise(world, buyer))
    await _tell_again(world, upset[:CALLED_TWICE])
    await world.sleep_until(world.now + timedelta(minutes=30))
    prompt = [buyer for buyer in upset if _handling(buyer) is not Handling.LATE]
    late = [buyer for buyer in upset if _handling(buyer) is Handling.LATE]
    await each(prompt, lambda buyer: _acknowledge(world, buyer))
    await world.sleep_until(world.now + timedelta(minutes=90))
    step.say("resolving what can be resolved at once")
    await each(prompt, lambda buyer: _resolve(world, buyer, "first"))
    await each(prompt, lambda buyer: _judge(world, buyer))
    await world.days_pass(1)
    again = [buyer for buyer in prompt if _handling(buyer) is Handling.REOPENED]
    await each(again, lambda buyer: _resolve(world, buyer, "second"))
    await each(again, lambda buyer: _accept(world, buyer, "second"))
    step.say("letting promises break")
    await world.days_pass(21)
    for buyer in late:
        world.owed.expect(
            f"broken promise to {buyer.customer_id}",
            ComplaintEscalated,
            once=False,
            case_id=world.cases[buyer.sale.home_id],
        )
    await world.settle(step)
    await each(late, lambda buyer: _resolve(world, buyer, "first"))
    await each(late, lambda buyer: _accept(world, buyer, "first"))
    await world.settle(step)


async def answer_surveys(world: World, buyers: Sequence[Buyer], step: Step) -> None:
    """Three months after the keys, those who answer surveys do."""
    willing = [buyer for buyer in buyers if buyer.family.answers_survey]
    step.expect(len(willing))

    async def answer(buyer: Buyer) -> None:
        mood = sum(buyer.sale.reference.encode()) % 10
        upset = buyer.family.grievance is not None
        satisfaction = max(0, min(10, 4 + mood - (3 if upset else 0)))
        body = {
            "customer_id": buyer.customer_id,
            "survey": "ninety-days",
            "touchpoint": "ninety-days",
            "response_reference": world.key("answer", buyer.sale.reference),
            "community_id": buyer.sale.community_id,
            "home_id": buyer.sale.home_id,
            "satisfaction": satisfaction,
            "recommend": min(10, satisfaction + 1),
            "answers": [
                {"dimension": "quality", "experience": satisfaction, "expectation": 8},
                {"dimension": "service", "experience": min(10, satisfaction + 2)},
            ],
        }
        key = world.key("survey", buyer.sale.reference)
        answered = await world.doors.service_desk.post("/surveys/answers", body, key)
        response_id = answered.accepted()["response_id"]
        world.tally.accepted(Noun.SURVEY, DESK)
        world.owed.expect(f"survey {response_id}", SurveyAnswered, response_id=response_id)

    await each(willing, answer)
    await world.settle(step)


def _working_hour(world: World) -> Any:
    """The next weekday at ten: the desk is open, and half an hour is half an hour."""
    day = world.now + timedelta(days=1)
    day += timedelta(days=(7 - day.weekday()) % 7 if day.weekday() > 3 else 0)
    return day.replace(hour=9, minute=30, second=0, microsecond=0)


def _grievance(buyer: Buyer) -> Grievance:
    assert buyer.family.grievance is not None, "only who is upset complains"  # noqa: S101
    return buyer.family.grievance


def _handling(buyer: Buyer) -> Handling:
    return _grievance(buyer).handling


async def _raise(world: World, buyer: Buyer) -> None:
    grievance = _grievance(buyer)
    answer = await world.doors.service_desk.post(
        "/complaints", _complaint(buyer), world.key(grievance.reference)
    )
    world.cases[buyer.sale.home_id] = answer.accepted()["complaint_id"]
    world.tally.accepted(Noun.COMPLAINT, DESK)
    world.owed.expect(
        f"complaint {grievance.reference}",
        ComplaintRaised,
        external_reference=grievance.reference,
    )


async def _tell_again(world: World, buyers: Sequence[Buyer]) -> None:
    """The same message again, as another request: it joins the case that it opened."""
    for buyer in buyers:
        key = world.key(_grievance(buyer).reference, "again")
        answer = await world.doors.service_desk.post("/complaints", _complaint(buyer), key)
        told = answer.accepted()
        if told["complaint_id"] == world.cases[buyer.sale.home_id]:
            world.tally.joined(Noun.COMPLAINT, DESK)
        else:
            world.faults.append(f"complaint {told['complaint_id']} is a second case of one")


def _complaint(buyer: Buyer) -> dict[str, Any]:
    grievance = _grievance(buyer)
    return {
        "customer_id": buyer.customer_id,
        "category": grievance.category,
        "severity": grievance.severity.value,
        "channel": "app",
        "community_id": buyer.sale.community_id,
        "home_id": buyer.sale.home_id,
        "source_reference": grievance.reference,
        "description": "Invented for the demo",
    }


async def _act(world: World, buyer: Buyer, what: str, body: dict[str, Any], which: str) -> Any:
    case_id = world.cases[buyer.sale.home_id]
    key = world.key(case_id, what, which)
    path = f"/complaints/{case_id}/{what}"
    return (await world.doors.service_desk.post(path, body, key)).accepted()


async def _acknowledge(world: World, buyer: Buyer) -> None:
    answered = await _act(world, buyer, "acknowledgements", {"by": "agent-5"}, "first")
    world.owed.expect(
        f"first answer on {answered['complaint_id']}",
        ComplaintAcknowledged,
        case_id=answered["complaint_id"],
    )


async def _resolve(world: World, buyer: Buyer, which: str) -> None:
    body = {"cause": "workmanship", "remedy": "repaired", "by": "agent-5"}
    resolved = await _act(world, buyer, "resolutions", body, which)
    world.owed.expect(
        f"resolution of {resolved['complaint_id']}",
        ComplaintResolved,
        case_id=resolved["complaint_id"],
        reopenings=resolved["reopenings"],
    )


async def _judge(world: World, buyer: Buyer) -> None:
    if _handling(buyer) is not Handling.REOPENED:
        await _accept(world, buyer, "first")
        return
    body = {"verdict": "rejected", "reason": "came-back"}
    judged = await _act(world, buyer, "verdicts", body, "first")
    world.owed.expect(
        f"reopening of {judged['complaint_id']}",
        ComplaintReopened,
        case_id=judged["complaint_id"],
    )


async def _accept(world: World, buyer: Buyer, which: str) -> None:
    judged = await _act(world, buyer, "verdicts", {"verdict": "accepted"}, which)
    world.owed.expect(
        f"closing of {judged['complaint_id']}",
        ComplaintClosed,
        case_id=judged["complaint_id"],
    )
