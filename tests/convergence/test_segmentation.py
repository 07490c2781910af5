"""Segmentation: one profile, one segment, one timeline, whatever order the facts come in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.domain.facts import Facts, join
from segmentation.domain.movement import BIRTHDAY, SILENCE
from segmentation.domain.profile import profile_of
from segmentation.reactions import reactions
from segmentation.store.documents import MODEL
from segmentation.store.working_set import SegmentationWorkingSet

if TYPE_CHECKING:
    from tests.convergence.conftest import Fold, Story, Telling

MODELS = Path(__file__).parents[2] / "services/segmentation/src/segmentation/models"

Stories = Mapping[str, Callable[[Callable[[str], str]], "Story"]]
NewFold = Callable[..., "Fold"]


@pytest.fixture(scope="session")
def shelf() -> Mapping[str, Any]:
    models = [MODEL.validate_json(path.read_bytes()) for path in sorted(MODELS.glob("*.json"))]
    return {model.model: model for model in models}


@pytest.fixture(scope="session")
def heard(stories: Stories) -> Mapping[str, Story]:
    """Of every story, what segmentation hears."""
    return {
        name: [
            message
            for message in story("code-of-{}".format)
            if message.envelope.type in reactions.events
        ]
        for name, story in stories.items()
    }


@pytest.fixture(scope="session")
def after(fold: NewFold, shelf: Mapping[str, Any]) -> Callable[..., Fold]:
    """`after(messages)`: the service when it has heard all that, and time has passed since."""

    def tell(messages: Story, *, late: bool = False) -> Fold:
        service = fold(reactions, SegmentationWorkingSet({}, shelf))
        return service.live_through(messages, late=late)

    return tell


def state(service: Fold) -> Any:
    """All that is kept, but for what tells the way and not where it led.

    A membership's `since`, `caused_by` and `inputs` tell of the move that was made when it was
    made: which event made it depends on what had been heard by then. The lines that the service's
    own moves leave on the timeline are the same moves.
    """
    files = service.working_set._files
    people = {}
    for customer_id, file in files.items():
        own = [f for f in files.values() if f.survivor_id == customer_id]
        facts: Facts = reduce(join, (f.facts for f in own), {})
        standing = file.standing
        people[customer_id] = {
            "survivor": file.survivor_id,
            "facts": dict(sorted(file.facts.items())),
            "profile": profile_of(customer_id, sorted(f.customer_id for f in own), facts)
            if file.survivor_id == customer_id and not file.erased
            else None,
            "as of": standing.as_of,
            "segments": {
                model: (known.segment, known.rule, known.version, known.missing)
                for model, known in standing.memberships.items()
            },
            "next change": standing.next_change,
            "silence": (standing.silence_due, standing.dormant_since, standing.silent_since),
        }
    told = {(e.customer_id, e.at, e.event_id) for e in service.working_set.entries()}
    return people, {line for line in told if " of " in line[2]}


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
    assert fired == set(reactions.timers) == {BIRTHDAY, SILENCE}


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
