"""Three services keep merges in their own way. They name the same survivor, in every order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.domain import people
from campaigns.domain.customer_file import root_of
from campaigns.domain.people import Person
from keyturn_events import CustomerEvent
from keyturn_events.intake import CustomersMerged, CustomersUnmerged
from segmentation.domain.facts import Facts, learn, stamp
from segmentation.domain.people import survivors
from segmentation.domain.telling import told_by
from service_desk.domain import customers
from service_desk.domain.customers import Family

AT = datetime(2026, 3, 2, tzinfo=UTC)
IDS = ("ann", "bea", "cho", "dan")

Said: TypeAlias = tuple[CustomerEvent, datetime]
ByService: TypeAlias = Callable[[Sequence[Said]], Mapping[str, str]]


def merge(survivor: str, merged: str, number: int) -> Said:
    event = CustomersMerged(
        customer_id=survivor, merge_id=f"m{number}", merged_customer_id=merged, rule="phone"
    )
    return event, AT + timedelta(days=number)


def undo(survivor: str, restored: str, number: int, *, at: int) -> Said:
    event = CustomersUnmerged(
        customer_id=survivor, merge_id=f"m{number}", restored_customer_id=restored
    )
    return event, AT + timedelta(days=at)


@st.composite
def histories(draw: st.DrawFn) -> list[Said]:
    """What intake may say: it merges people who are two, and undoes what it has merged."""
    said: list[Said] = []
    standing: dict[str, tuple[str, int]] = {}
    for number in range(draw(st.integers(1, 6))):
        undoes = draw(st.booleans())
        if undoes and standing:
            restored = draw(st.sampled_from(sorted(standing)))
            survivor, undone = standing.pop(restored)
            said.append(undo(survivor, restored, undone, at=number))
            continue
        alone = [id for id in IDS if id not in standing]
        if len(alone) > 1:
            survivor, merged = draw(st.permutations(alone))[:2]
            standing[merged] = survivor, number
            said.append(merge(survivor, merged, number))
    return said


def by_segmentation(said: Sequence[Said]) -> Mapping[str, str]:
    files: dict[str, Facts] = {id: {} for id in IDS}
    for event, at in said:
        known = files[event.customer_id]
        files[event.customer_id] = learn(known, told_by(event), stamp(at, at, str(event)))
    return survivors(files)


def by_service_desk(said: Sequence[Said]) -> Mapping[str, str]:
    family = Family()
    for event, at in said:
        if isinstance(event, CustomersMerged):
            known = family.of(event.merged_customer_id)
            family = family.with_(customers.merged(known, event, at))
        elif isinstance(event, CustomersUnmerged):
            known = family.of(event.restored_customer_id)
            family = family.with_(customers.unmerged(known, event))
    return {id: family.survivor(id).customer_id for id in IDS}


def by_campaigns(said: Sequence[Said]) -> Mapping[str, str]:
    records = {id: Person(id) for id in IDS}
    for event, at in said:
        if isinstance(event, CustomersMerged):
            id = event.merged_customer_id
            records[id] = people.merged(records[id], event.customer_id, event.merge_id, at)
        elif isinstance(event, CustomersUnmerged):
            id = event.restored_customer_id
            records[id] = people.unmerged(records[id], event.merge_id)
    return {id: root_of(records, id) for id in IDS}


@settings(derandomize=True, max_examples=100, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_the_services_name_one_survivor_whatever_order_they_hear_of_merges_in(
    said: list[Said], chance: Random
) -> None:
    expected = by_segmentation(said)
    for by_service in (by_segmentation, by_service_desk, by_campaigns):
        shuffled = [*said]
        chance.shuffle(shuffled)
        assert by_service(shuffled) == expected


@pytest.mark.parametrize("by_service", [by_segmentation, by_service_desk, by_campaigns])
def test_merges_in_a_circle_leave_the_survivor_of_the_latest(by_service: ByService) -> None:
    circle = [merge("ann", "bea", 1), merge("bea", "cho", 2), merge("cho", "ann", 3)]
    for order in permutations(circle):
        named = by_service(order)
        assert {named[id] for id in ("ann", "bea", "cho")} == {"cho"}
