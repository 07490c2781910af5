"""The plan: the same again for the same seed, everybody is struck, and at their work."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.kill_and_count.plan import (
    ALL,
    FULL,
    SERVERS,
    SHORT,
    TURN,
    Fault,
    Kind,
    make_plan,
    targets,
)

WRITES = 1_500


def test_the_same_seed_gives_the_same_plan() -> None:
    assert make_plan(7, FULL, WRITES) == make_plan(7, FULL, WRITES)


def test_another_seed_gives_another_plan() -> None:
    assert make_plan(7, FULL, WRITES) != make_plan(8, FULL, WRITES)


def test_a_full_run_has_thirty_faults_of_ten_kinds_and_more() -> None:
    assert sum(FULL.values()) >= 30
    assert set(FULL) == set(Kind)


@pytest.mark.parametrize("counts", [FULL, SHORT])
@pytest.mark.parametrize("seed", range(5))
def test_every_kind_strikes_as_often_as_it_should(counts: dict[Kind, int], seed: int) -> None:
    plan = make_plan(seed, counts, WRITES)
    assert Counter(fault.kind for fault in plan) == counts


@pytest.mark.parametrize("seed", range(5))
def test_faults_strike_one_after_the_other_while_the_load_still_writes(seed: int) -> None:
    places = [fault.place for fault in make_plan(seed, FULL, WRITES)]
    assert places == sorted(places)
    assert len(set(places)) == len(places)
    assert places[0] >= 1
    assert places[-1] <= WRITES


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", [Kind.API_KILLED, Kind.WORKER_KILLED])
def test_each_api_and_each_worker_is_killed(seed: int, kind: Kind) -> None:
    struck = {fault.target for fault in make_plan(seed, FULL, WRITES) if fault.kind is kind}
    assert struck == set(ALL)


@pytest.mark.parametrize("seed", range(5))
def test_an_exact_point_is_only_waited_for_where_it_will_be_reached(seed: int) -> None:
    for fault in make_plan(seed, FULL, WRITES):
        assert fault.target in targets(fault.kind, late=fault.place > TURN * WRITES)


def test_what_strikes_everybody_has_the_servers_for_its_target() -> None:
    plan = make_plan(1, {Kind.BROKER_KILLED: 1, Kind.POSTGRES_RESTARTED: 1}, 10)
    assert {fault.target for fault in plan} == {SERVERS}
    assert sorted(map(str, plan)) == ["broker killed", "postgres restarted in immediate mode"]


def test_a_fault_says_what_it_is_and_whom_it_strikes() -> None:
    assert str(Fault(Kind.RELAY_LOST, "intake", 4)) == "relay lost its lock · intake"


def test_more_faults_than_writes_are_refused() -> None:
    with pytest.raises(ValueError, match="2 faults need at least as many writes, not 1"):
        make_plan(1, {Kind.BROKER_KILLED: 2}, 1)
    assert len(make_plan(1, {Kind.BROKER_KILLED: 2}, 2)) == 2


def test_no_faults_are_a_plan_too() -> None:
    assert make_plan(1, {}, 0) == []
