from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn_events.refusal import Refusal
from segmentation.domain.facts import (
    ERASED,
    MOST_FACTS,
    Facts,
    erased,
    join,
    learn,
    stamp,
    stamped_at,
)

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)

# What is told under one name at one stamp is one event's, hence the value follows from both.
names = st.sampled_from(["household", "active", "lead/1/stage", "purchase/1/signed"])
stamps = st.integers(0, 5).map(lambda n: stamp(AT + timedelta(seconds=n), None, f"event-{n}"))
facts_maps = st.dictionaries(names, stamps, max_size=4).map(
    lambda named: {name: (stamp, f"{name} at {stamp}") for name, stamp in named.items()}
) | stamps.map(lambda stamp: {ERASED: (stamp, None)})


@given(facts_maps, facts_maps)
def test_joining_is_commutative(left: Facts, right: Facts) -> None:
    assert join(left, right) == join(right, left)


@given(facts_maps, facts_maps, facts_maps)
def test_joining_is_associative(one: Facts, two: Facts, three: Facts) -> None:
    assert join(join(one, two), three) == join(one, join(two, three))


@given(facts_maps)
def test_joining_with_itself_or_with_nothing_changes_nothing(facts: Facts) -> None:
    assert join(facts, facts) == facts
    assert join(facts, {}) == facts


def test_the_later_of_two_tellings_holds_in_either_order() -> None:
    early, late = stamp(AT, None, "a"), stamp(AT + timedelta(days=1), None, "b")
    expected = {"language": (late, "zh")}
    assert learn(learn({}, {"language": "en"}, early), {"language": "zh"}, late) == expected
    assert learn(learn({}, {"language": "zh"}, late), {"language": "en"}, early) == expected


def test_events_of_one_business_time_are_put_in_order_by_their_recording() -> None:
    first = stamp(AT, AT, "z")
    second = stamp(AT, AT + timedelta(microseconds=1), "a")
    assert first < second


def test_a_stamp_sorts_by_the_moment_whatever_its_offset() -> None:
    shanghai = timezone(timedelta(hours=8))
    earlier = datetime(2026, 3, 1, 16, 59, tzinfo=shanghai)
    assert stamp(earlier, None, "z") < stamp(AT, None, "a")
    assert stamped_at(stamp(earlier, None, "z")) == earlier


def test_what_is_known_already_gives_back_the_same_facts() -> None:
    facts = learn({}, {"language": "en"}, stamp(AT, None, "a"))
    assert learn(facts, {"language": "en"}, stamp(AT, None, "a")) is facts


def test_an_erased_customer_learns_nothing() -> None:
    facts = erased({"language": (stamp(AT, None, "a"), "en")}, stamp(AT, None, "b"))
    assert facts == {ERASED: (stamp(AT, None, "b"), None)}
    assert learn(facts, {"language": "zh"}, stamp(AT, None, "c")) is facts


def test_a_customer_with_too_many_facts_is_refused_at_the_limit() -> None:
    told = {f"lead/{n}/score": 1 for n in range(MOST_FACTS)}
    full = learn({}, told, stamp(AT, None, "a"))
    with pytest.raises(Refusal, match="too-many-facts"):
        learn(full, {"lead/one-more/score": 1}, stamp(AT, None, "b"))
