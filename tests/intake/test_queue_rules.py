"""The queue of a release as a pure rule: the order is kept, and everybody gets one outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.domain.sales import releases
from intake.domain.sales.homes import Home
from intake.domain.sales.releases import AnyHome, Queue, QueueNumber, Release, Wishes
from keyturn_events import Money, Refusal
from keyturn_events.vocabulary import QueueOutcome

OPENS = datetime(2026, 6, 16, 1, 30, tzinfo=UTC)
TURN = timedelta(minutes=5)
HOMES = tuple(f"home-{number}" for number in range(1, 7))


def home(home_id: str, price: int = 100, **more: object) -> Home:
    money = Money(amount=Decimal(price), currency="CNY")
    return Home(home_id, "riverside", money, **more)  # type: ignore[arg-type]  # by name


def queue_of(numbers: int, homes: Sequence[str] = HOMES) -> Queue:
    unsettled = {n: QueueNumber("autumn", n, f"buyer-{n}", OPENS) for n in range(1, numbers + 1)}
    release = Release("autumn", "riverside", "Autumn", OPENS, 5, last_number=numbers)
    return Queue(release, unsettled, {each: home(each) for each in homes}, frozenset(HOMES))


def wished(queue: Queue, number: int, wishes: Wishes, at: datetime = OPENS) -> Queue:
    """The queue after a wish, as `claim` does it: serve, wish, serve."""
    queue, _ = releases.settle(queue, at)
    if number not in queue.unsettled:
        return queue
    queue, _ = releases.wish(queue, queue.unsettled[number], wishes, at)
    return queue


def served(queue: Queue, at: datetime) -> tuple[Queue, dict[int, QueueNumber]]:
    queue, settled = releases.settle(queue, at)
    return queue, {number.number: number for number in settled}


WISHES = st.builds(
    Wishes,
    homes=st.lists(st.sampled_from(HOMES), unique=True, max_size=4).map(tuple),
    otherwise=st.sampled_from((None, AnyHome(), AnyHome(building="none"))),
).filter(lambda wishes: bool(wishes.homes or wishes.otherwise))

RELEASES = st.dictionaries(st.integers(1, 12), WISHES, max_size=12)
"""Which numbers wish, and what for."""


def outcomes(
    wishes: Mapping[int, Wishes], order: Sequence[int], homes: Sequence[str] = HOMES
) -> dict[int, tuple[QueueOutcome | None, str | None]]:
    """What each of twelve numbers gets when the wishes are placed in that order, at the opening."""
    queue = queue_of(12, homes)
    settled: dict[int, QueueNumber] = {}
    for number in order:
        queue, before = releases.settle(queue, OPENS)
        settled |= {each.number: each for each in before}
        queue = wished(queue, number, wishes[number])
        queue, after = releases.settle(queue, OPENS)
        settled |= {each.number: each for each in after}
    queue, rest = releases.settle(queue, OPENS + 12 * TURN)
    settled |= {each.number: each for each in rest}
    assert queue.unsettled == {}
    assert queue.release.settled == queue.release.last_number == len(settled)
    return {number: (each.outcome, each.home_id) for number, each in sorted(settled.items())}


def dictatorship(
    wishes: Mapping[int, Wishes], homes: Sequence[str] = HOMES
) -> dict[int, tuple[QueueOutcome, str | None]]:
    """The rule in its plainest words: each in turn takes the best of what is left."""
    left = sorted(homes)
    told: dict[int, tuple[QueueOutcome, str | None]] = {}
    for number in range(1, 13):
        wish = wishes.get(number)
        best = None
        if wish is not None:
            best = next((each for each in wish.homes if each in left), None)
            if best is None and wish.otherwise == AnyHome() and left:
                best = left[0]
        if not left:
            told[number] = (QueueOutcome.SOLD_OUT, None)
        elif wish is None:
            told[number] = (QueueOutcome.PASSED, None)
        elif best is None:
            told[number] = (QueueOutcome.MISSED, None)
        else:
            left.remove(best)
            told[number] = (QueueOutcome.CLAIMED, best)
    return told


@settings(derandomize=True, max_examples=150, deadline=None)
@given(wishes=RELEASES, data=st.data())
def test_whoever_is_quicker_the_numbers_decide(
    wishes: dict[int, Wishes], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(sorted(wishes)))
    assert outcomes(wishes, order) == dictatorship(wishes)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(wishes=RELEASES, homes=st.integers(0, 6))
def test_no_home_is_given_twice_and_everybody_is_told_one_outcome(
    wishes: dict[int, Wishes], homes: int
) -> None:
    told = outcomes(wishes, sorted(wishes), HOMES[:homes])
    given_away = [home_id for _, home_id in told.values() if home_id is not None]
    assert len(set(given_away)) == len(given_away) <= homes
    assert sorted(told) == list(range(1, 13))
    for outcome, home_id in told.values():
        assert (outcome is QueueOutcome.CLAIMED) is (home_id is not None)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    wishes=RELEASES,
    minutes=st.lists(st.integers(0, 70), max_size=6).map(sorted),
)
def test_it_does_not_matter_when_or_how_often_the_queue_is_served(
    wishes: dict[int, Wishes], minutes: list[int]
) -> None:
    begun = queue_of(12)
    for number, wish in wishes.items():
        begun, _ = releases.wish(begun, begun.unsettled[number], wish, OPENS)
    queue, settled = begun, list[QueueNumber]()
    for minute in minutes:
        queue, more = releases.settle(queue, OPENS + timedelta(minutes=minute))
        settled += more
        assert releases.settle(queue, OPENS + timedelta(minutes=minute)) == (queue, [])
    queue, more = releases.settle(queue, OPENS + 12 * TURN)
    assert releases.settle(begun, OPENS + 12 * TURN) == (queue, settled + more)


def test_before_the_opening_nobody_is_served() -> None:
    queue = wished(queue_of(2), 1, Wishes(("home-1",)), OPENS - TURN)
    assert releases.settle(queue, OPENS - timedelta(microseconds=1)) == (queue, [])
    _, settled = served(queue, OPENS)
    assert settled[1].home_id == "home-1"


def test_a_number_is_waited_for_until_its_turn_has_run_out() -> None:
    queue = wished(queue_of(3), 2, Wishes(("home-1",)))
    queue, settled = served(queue, OPENS + TURN - timedelta(microseconds=1))
    assert settled == {}
    assert releases.standing(queue, queue.unsettled[2]).latest == OPENS + TURN
    queue, settled = served(queue, OPENS + TURN)
    assert settled[1].outcome is QueueOutcome.PASSED
    assert settled[1].settled_at == OPENS + TURN
    assert (settled[2].home_id, settled[2].settled_at) == ("home-1", OPENS + TURN)
    # The turn of the third began when the second was served.
    assert queue.release.turn_began == OPENS + TURN
    assert queue.release.next_due() == OPENS + 2 * TURN


def test_a_number_is_served_when_it_wishes_in_its_turn() -> None:
    later = OPENS + timedelta(minutes=2)
    queue = wished(queue_of(2), 1, Wishes(("home-1",)), later)
    queue, settled = served(queue, later)
    assert settled[1].settled_at == later
    assert queue.release.next_due() == later + TURN


def test_when_the_last_home_is_gone_everybody_behind_is_told_at_once() -> None:
    queue = wished(queue_of(4, HOMES[:1]), 1, Wishes(otherwise=AnyHome()))
    queue, settled = served(queue, OPENS)
    assert [settled[n].outcome for n in (1, 2, 3, 4)] == ["claimed"] + ["sold-out"] * 3
    assert queue.release.open_to_all(OPENS)
    assert queue.release.next_due() is None


def test_a_number_that_is_given_up_is_passed_and_the_next_has_its_turn() -> None:
    at = OPENS + timedelta(minutes=1)
    queue, _ = releases.settle(queue_of(3), at)
    queue, passed = releases.give_up(queue, queue.unsettled[1], at)
    assert passed.outcome is QueueOutcome.PASSED
    assert queue.release.next_due() == at + TURN
    queue, passed = releases.give_up(queue, queue.unsettled[3], at)
    assert list(queue.unsettled) == [2]
    assert queue.release.next_due() == at + TURN


def test_others_may_take_the_place_of_wishes_until_they_are_served() -> None:
    queue = wished(queue_of(2), 2, Wishes(("home-1",)))
    again, number = releases.wish(
        queue, queue.unsettled[2], Wishes(("home-1",)), OPENS + timedelta(minutes=1)
    )
    assert (again, number) == (queue, queue.unsettled[2])
    queue = wished(queue, 2, Wishes(("home-2",)), OPENS + timedelta(minutes=1))
    _, settled = served(queue, OPENS + TURN)
    assert settled[2].home_id == "home-2"


def test_any_home_is_the_cheapest_that_fits() -> None:
    free = {
        each.home_id: each
        for each in (
            home("a", 120, rooms=3, area=Decimal(90)),
            home("b", 110, rooms=3, area=Decimal(80)),
            home("c", 100, rooms=2, area=Decimal(95)),
            home("d", 110, rooms=3, area=Decimal(80), building="tower"),
        )
    }

    def best(**like: object) -> str | None:
        found = Wishes(otherwise=AnyHome(**like)).best(free)  # type: ignore[arg-type]  # by name
        return None if found is None else found.home_id

    assert best() == "c"
    assert best(least_rooms=3) == "b"
    assert best(least_area=Decimal(85), least_rooms=3) == "a"
    assert best(building="tower") == "d"
    assert best(most_price=Money(amount=Decimal(99), currency="CNY")) is None
    assert best(most_price=Money(amount=Decimal(999), currency="USD")) is None
    assert Wishes(("x", "d"), AnyHome()).best(free) == free["d"]


def test_a_standing_tells_who_is_ahead_and_what_is_gone() -> None:
    queue = queue_of(4, HOMES[:3])
    queue = wished(queue, 1, Wishes(("home-2",)))
    queue, settled = served(queue, OPENS)
    queue = wished(queue, 4, Wishes(("home-2", "home-1")))
    told = releases.standing(queue, queue.unsettled[4])
    assert (told.ahead, told.latest) == (2, OPENS + 2 * TURN)
    assert (told.gone, told.free) == (("home-2",), ("home-1", "home-3"))
    silent = releases.standing(queue, queue.unsettled[3])
    assert (silent.ahead, silent.latest) == (1, OPENS + 2 * TURN)
    first = releases.standing(queue, settled[1])
    assert (first.ahead, first.latest, first.gone) == (0, None, ())


def test_wishes_must_be_able_to_come_true() -> None:
    with pytest.raises(Refusal, match="no-wish"):
        releases.ensure_known(Wishes(), HOMES)
    with pytest.raises(Refusal) as refused:
        releases.ensure_known(Wishes(("home-1", "home-9")), HOMES)
    assert (refused.value.code, refused.value.pointer) == ("home-not-in-release", "/homes/1")


def test_numbers_are_consecutive_until_the_opening_and_within_the_limit() -> None:
    release = Release("autumn", "riverside", "Autumn", OPENS)
    early = OPENS - timedelta(microseconds=1)
    release, first = releases.give(release, "zhang", None, early)
    release, second = releases.give(release, "li", "lead-1", early)
    assert (first.number, second.number, release.last_number) == (1, 2, 2)
    assert release.next_due() == OPENS
    with pytest.raises(Refusal, match="release-opened"):
        releases.give(release, "wang", None, OPENS)
    full = replace(release, last_number=releases.MOST_NUMBERS - 1)
    full, last = releases.give(full, "wang", None, early)
    assert last.number == releases.MOST_NUMBERS
    with pytest.raises(Refusal, match="queue-full"):
        releases.give(full, "chen", None, early)


def test_a_release_without_numbers_is_open_to_all_from_its_opening() -> None:
    release = Release("autumn", "riverside", "Autumn", OPENS)
    assert not release.open_to_all(OPENS - timedelta(microseconds=1))
    assert release.open_to_all(OPENS)
    assert release.next_due() is None
