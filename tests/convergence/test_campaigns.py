"""Campaigns: one verdict on each referral, one balance for each member, in whatever order."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.domain.campaign import Campaign, Reentry, Step, Trigger
from campaigns.domain.membership import together
from campaigns.domain.referral_codes import candidates
from campaigns.reactions import reactions
from campaigns.store.documents import CAMPAIGN
from campaigns.store.working_set import CampaignsWorkingSet
from keyturn_chassis.database import Loaded
from keyturn_events.intake import CustomersMerged
from keyturn_events.vocabulary import Channel, Purpose

if TYPE_CHECKING:
    from tests.convergence.conftest import Fold, Story, Telling

SEEDS = (
    Path(__file__).parents[2]
    / "services/campaigns/src/campaigns/migrations/campaigns_0001_seeds.json"
)

Stories = Mapping[str, Callable[[Callable[[str], str]], "Story"]]


@pytest.fixture(scope="session")
def heard(stories: Stories) -> Mapping[str, Story]:
    """Of every story, what campaigns hears."""
    return {
        name: [
            message
            for message in story(lambda owner: candidates(owner)[0])
            if message.envelope.type in reactions.events
        ]
        for name, story in stories.items()
    }


@pytest.fixture(scope="session")
def after(fold: Callable[..., Fold]) -> Callable[..., Fold]:
    """`after(messages)`: the service when it has heard all that, and time has passed since."""
    seeds = json.loads(SEEDS.read_text("utf-8"))["campaigns"]
    campaigns = {seed["code"]: (1, CAMPAIGN.validate_python(seed)) for seed in seeds}
    for number, type_name in enumerate(sorted(reactions.events)):
        campaigns[f"any-{number}"] = (1, _started_by(type_name, f"any-{number}"))

    def tell(messages: Story, **how: Any) -> Fold:
        working_set = CampaignsWorkingSet(
            people=Loaded({}),
            campaigns=Loaded(campaigns),
            templates=Loaded({}),
            policies=Loaded({}),
            sends=Loaded({}),
            referrals=Loaded({}),
            members=Loaded({}),
            owners={},
            entered=defaultdict(list),
            entries={},
        )
        return fold(reactions, working_set).live_through(messages, **how)

    return tell


def _started_by(type_name: str, code: str) -> Campaign:
    """A campaign that begins whenever such an event is heard."""
    return Campaign(
        code=code,
        version=1,
        name={"en": code, "zh": code},
        trigger=Trigger(type_name, where={}),
        purpose=Purpose.MARKETING,
        transactional=False,
        reentry=Reentry.PER_OCCURRENCE,
        reentry_days=None,
        steps=(Step(code, "welcome", (Channel.EMAIL,)),),
    )


def state(service: Fold) -> Any:
    """All that is kept but messages, by what it has come to.

    The ledger's entries tell the way: a reward that was given, taken back and given again leaves
    three where another order leaves one. What they amount to is one and the same.
    """
    kept: CampaignsWorkingSet = service.working_set
    people = {located.person.customer_id: located for located in kept.people.values()}
    ids_of: dict[str, list[str]] = defaultdict(list)
    for id, located in people.items():
        ids_of[located.root].append(id)
    members = {
        root: together(root, (kept._membership(id) for id in sorted(ids)))
        for root, ids in ids_of.items()
    }
    return {
        "people": {id: located.person for id, located in people.items()},
        "ids of": {root: sorted(ids) for root, ids in ids_of.items()},
        "codes": kept.owners,
        "referrals": {
            referral.referral_id: (
                replace(referral, reward=None),
                referral.reward and (referral.reward.purchase_id, referral.reward.due_at),
            )
            for referral in kept.referrals.values()
        },
        "members": {
            root: (member.enrolled_at, member.tier, member.balance, member.pending)
            for root, member in members.items()
        },
        "tiers on record": {
            id: record.tier for id in people if (record := kept.members.get(id)) is not None
        },
    }


def messages(service: Fold) -> Any:
    """All messages. None has been decided on: no sender works here."""
    return {send.message_id: send for send in service.working_set.sends.values()}


@pytest.fixture(scope="session")
def expected(heard: Mapping[str, Story], after: Callable[..., Fold]) -> Callable[..., Any]:
    """`expected(name, then)`: the state when a story was told in its own order."""
    return cache(lambda name, then: state(after(heard[name], then=then)))


def test_the_stories_call_for_every_reaction(
    heard: Mapping[str, Story], after: Callable[..., Fold]
) -> None:
    told = {message.envelope.type for story in heard.values() for message in story}
    assert told == set(reactions.events)
    fired = {kind for story in heard.values() for kind in after(story).fired}
    assert fired == set(reactions.timers)


def test_every_reaction_leaves_its_mark_on_a_story(
    heard: Mapping[str, Story], after: Callable[..., Fold]
) -> None:
    """Else nothing would be proved of it: without its events the story ends elsewhere."""
    unnoticed = set(reactions.events)
    for story in heard.values():
        ending = (state(after(story)), messages(after(story)))
        for type_name in sorted(unnoticed):
            rest = [message for message in story if message.envelope.type != type_name]
            if (state(after(rest)), messages(after(rest))) != ending:
                unnoticed.remove(type_name)
    assert unnoticed == set()


STORIES = ["journey", "parted", "erased", "rivals", "undone"]
MOMENTS = st.sampled_from([timedelta(0), timedelta(days=400), timedelta(days=3653)])
"""Before, while and after points become active and expire."""


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
    then = data.draw(MOMENTS)
    told = data.draw(telling.as_kafka_may(heard[name]))
    shuffled = after(told, then=then, late=data.draw(st.booleans()))
    assert state(shuffled) == expected(name, then)


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
    then = data.draw(MOMENTS)
    told = data.draw(telling.at_random(heard[name]))
    shuffled = after(told, then=then, late=data.draw(st.booleans()))
    assert state(shuffled) == expected(name, then)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(data=st.data())
def test_any_order_that_kafka_may_give_plans_the_same_messages(
    heard: Mapping[str, Story],
    telling: type[Telling],
    after: Callable[..., Fold],
    data: st.DataObject,
) -> None:
    """For whoever is one id all along: what was planned before a merge went to whom it was known.

    In the order of a topic only: a campaign that everybody goes through once begins with the first
    event that is heard, and no later one takes back what may have been sent.
    """
    story = [
        message
        for message in heard["journey"]
        if message.envelope.subject != "bea" and not isinstance(message.event, CustomersMerged)
    ]
    told = data.draw(telling.as_kafka_may(story))
    assert messages(after(told)) == messages(after(story)) != {}
