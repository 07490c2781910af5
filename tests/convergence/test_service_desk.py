"""The service desk: one plan for each home, one owner for each case, in whatever order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyturn_chassis.database import Loaded
from keyturn_chassis.inputs import Cause, Input
from keyturn_events.vocabulary import CaseChannel, Gate, Severity, Touchpoint
from service_desk.domain import decisions
from service_desk.domain.calendar import BusinessCalendar, Shift
from service_desk.domain.raising import RaiseComplaint
from service_desk.domain.satisfaction import AnswerSurvey
from service_desk.domain.templates import HandoverTemplate, TemplateGate
from service_desk.reactions import reactions
from service_desk.store.needs import CASE_DEADLINE
from service_desk.store.working_set import DeskWorkingSet

if TYPE_CHECKING:
    from tests.convergence.conftest import Fold, Story, Telling

CALENDAR = BusinessCalendar("standard", 1, "Asia/Shanghai", ((Shift(540, 1020),),) * 5 + ((), ()))
TEMPLATE = HandoverTemplate(
    "standard", 1, (TemplateGate(Gate.RECHECK, 30), TemplateGate(Gate.KEYS, 0)), 365
)

Stories = Mapping[str, Callable[[Callable[[str], str]], "Story"]]


@pytest.fixture(scope="session")
def heard(stories: Stories) -> Mapping[str, Story]:
    """Of every story, what the desk hears."""
    return {
        name: [
            message
            for message in story("code-of-{}".format)
            if message.envelope.type in reactions.events
        ]
        for name, story in stories.items()
    }


@pytest.fixture(scope="session")
def after(fold: Callable[..., Fold]) -> Callable[..., Fold]:
    """`after(messages)`: the desk when it has heard all that, and time has passed since.

    Each customer complained and answered a survey at the desk before.
    """

    def tell(messages: Story, *, late: bool = False) -> Fold:
        desk = fold(reactions, _opened())
        for number, customer_id in enumerate(("ann", "bea", "cho"), 1):
            at = messages[0].envelope.time.replace(year=2026, month=2, day=number)
            cause = Cause("desk", f"complaint-{customer_id}", at)
            complaint = RaiseComplaint(
                customer_id=customer_id,
                category="quality.leak",
                severity=Severity.MAJOR,
                channel=CaseChannel.APP,
                description="It drips.",
            )
            desk.decide(Input(complaint, cause, decisions.raise_complaint))
            answer = AnswerSurvey(
                customer_id=customer_id,
                survey="contract",
                survey_version=1,
                touchpoint=Touchpoint.CONTRACT,
                satisfaction=2,
                comment="It drips.",
            )
            desk.decide(Input(answer, cause, decisions.answer_survey))
        return desk.live_through(messages, late=late)

    return tell


def _opened() -> DeskWorkingSet:
    return DeskWorkingSet(
        customers=Loaded({}),
        communities=Loaded({}),
        handovers=Loaded({}),
        defects=Loaded({}),
        cases=Loaded({}),
        responses=Loaded({}),
        crises=Loaded({}),
        calendars={("standard", 1): CALENDAR},
        templates={("standard", 1): TEMPLATE},
        rates={},
        owners={},
    )


def state(desk: Fold) -> Any:
    """All that is kept, and whom each handover and case concerns by now."""
    kept: DeskWorkingSet = desk.working_set
    family = kept.family(*(customer.customer_id for customer in kept.customers.values()))
    return {
        "customers": {c.customer_id: c for c in kept.customers.values()},
        "survivors": {id: family.survivor(id).customer_id for id in family.members},
        "segments": {id: family.segments(id) for id in family.members},
        "handovers": {h.handover_id: h for h in kept.handovers.values()},
        "cases": {case.case_id: case for case in kept.cases.values()},
        "responses": {r.response_id: r for r in kept.responses.values()},
        "communities": {c.community_id: c for c in kept.communities.values()},
    }


@pytest.fixture(scope="session")
def expected(heard: Mapping[str, Story], after: Callable[..., Fold]) -> Callable[..., Any]:
    """`expected(name)`: the state when a story was told in its own order."""
    return cache(lambda name: state(after(heard[name])))


def test_the_stories_call_for_every_reaction(
    heard: Mapping[str, Story], after: Callable[..., Fold]
) -> None:
    told = {message.envelope.type for story in heard.values() for message in story}
    assert told == set(reactions.events)
    fired = {kind for story in heard.values() for kind in after(story).fired}
    assert fired == set(reactions.timers) == {CASE_DEADLINE}


def test_every_reaction_leaves_its_mark_on_a_story(
    heard: Mapping[str, Story], after: Callable[..., Fold]
) -> None:
    """Else nothing would be proved of it: without its events the story ends elsewhere."""
    unnoticed = set(reactions.events)
    for story in heard.values():
        ending = state(after(story))
        for type_name in sorted(unnoticed):
            rest = [message for message in story if message.envelope.type != type_name]
            if state(after(rest)) != ending:
                unnoticed.remove(type_name)
    assert unnoticed == set()


STORIES = ["journey", "parted", "erased", "rivals", "undone"]


@pytest.mark.parametrize("name", STORIES)
@settings(derandomize=True, max_examples=25, deadline=None)
@given(data=st.data())
def test_any_order_that_kafka_may_give_leads_to_one_state(
    *,
    name: str,
    heard: Mapping[str, Story],
    telling: type[Telling],
    after: Callable[..., Fold],
    expected: Callable[..., Any],
    data: st.DataObject,
) -> None:
    told = data.draw(telling.as_kafka_may(heard[name]))
    assert state(after(told, late=data.draw(st.booleans()))) == expected(name)


@pytest.mark.parametrize("name", STORIES)
@settings(derandomize=True, max_examples=25, deadline=None)
@given(data=st.data())
def test_any_order_at_all_leads_to_one_state(
    *,
    name: str,
    heard: Mapping[str, Story],
    telling: type[Telling],
    after: Callable[..., Fold],
    expected: Callable[..., Any],
    data: st.DataObject,
) -> None:
    told = data.draw(telling.at_random(heard[name]))
    assert state(after(told, late=data.draw(st.booleans()))) == expected(name)
