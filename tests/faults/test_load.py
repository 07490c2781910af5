"""What the load is made of: repeated, displaced and poisoned in the same way every time."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from random import Random

import pytest

from keyturn_chassis.cloudevents import decode
from keyturn_demo.neighbourhood import LEAD_DAYS, generate
from keyturn_demo.people import Run
from keyturn_events import Refusal
from tests.faults.kill_and_count.conductor import Conductor
from tests.faults.kill_and_count.doors import delivery_order
from tests.faults.kill_and_count.load import apart
from tests.faults.kill_and_count.options import OptionsError, read_options
from tests.faults.kill_and_count.poison import PAIRS, poison

AT = datetime(2027, 3, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("seed", range(5))
def test_a_partner_delivers_everything_some_of_it_twice_and_out_of_order(seed: int) -> None:
    order = delivery_order(Random(seed), 200)
    assert set(order) == set(range(200))
    assert 10 < len(order) - 200 < 60
    assert order != sorted(order)
    assert order == delivery_order(Random(seed), 200)


def test_a_partner_who_has_nothing_to_say_says_nothing() -> None:
    assert delivery_order(Random(1), 0) == []


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_poison_cannot_be_decoded_and_what_follows_it_can(number: int) -> None:
    (topic, first, broken), (same_topic, second, good) = poison("tag", number, AT)
    headers = tuple(first.headers), tuple(second.headers)
    with pytest.raises(Refusal):
        decode(type(first.event), headers[0], broken)
    assert decode(type(second.event), headers[1], good).event == second.event
    assert topic == same_topic == first.event.topic
    assert first.key == second.key


def test_the_same_poison_comes_in_every_run_and_no_two_are_of_one_stranger() -> None:
    assert poison("tag", 4, AT) == poison("tag", 4, AT)
    strangers = {poison("tag", number, AT)[0][1].key for number in range(6)}
    assert len(strangers) == 6


def test_nobody_comes_through_two_doors_in_one_wave() -> None:
    hood = generate(100, seed=1, run=Run(1_000), opening=date(2027, 3, 8))
    families = apart(hood).families
    assert len(families) == 100
    assert any(len(family.touches) == 2 for family in families)
    for family in families:
        days = [touch.day for touch in family.touches]
        assert max(days) <= LEAD_DAYS
        assert len({day // 5 for day in days}) == len(days)


async def test_the_load_waits_at_the_next_fault_until_it_may_go_on() -> None:
    conductor = Conductor()
    await conductor.hold_at(2)
    writes = asyncio.gather(*(conductor.pass_one() for _ in range(3)))
    assert await conductor.reached(2)
    assert conductor.writes == 2
    assert not writes.done()
    await conductor.hold_at(None)
    assert sorted(await writes) == [1, 2, 3]


async def test_a_fault_is_not_waited_for_when_the_load_has_ended_before_it() -> None:
    conductor = Conductor()
    await conductor.pass_one()
    waiting = asyncio.create_task(conductor.reached(9))
    await conductor.finish()
    assert await waiting is False


async def test_the_load_may_be_given_a_few_writes_beyond_its_limit_only_where_it_stands() -> None:
    conductor = Conductor()
    await conductor.hold_at(2)
    await conductor.give(5)
    writes = asyncio.gather(*(conductor.pass_one() for _ in range(4)))
    await conductor.reached(2)
    assert conductor.writes == 2
    await conductor.give(1)
    await conductor.reached(3)
    assert conductor.writes == 3
    await conductor.hold_at(None)
    await writes


def test_nothing_said_means_a_full_run_on_apache_kafka() -> None:
    options = read_options({"FAULTS": "", "SEED": "", "BROKER": ""})
    assert (options.broker, options.seed, sum(options.size.faults.values()) >= 30) == (
        "apache",
        1,
        True,
    )


def test_form_seed_and_broker_may_be_said() -> None:
    options = read_options({"FAULTS": "short", "SEED": "99999", "BROKER": "embedded"})
    assert (options.broker, options.seed, options.size.whole_journey) == ("embedded", 99_999, False)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"FAULTS": "many"}, "FAULTS=many should be one of full, short"),
        ({"SEED": "-1"}, "SEED=-1 should be a whole number from 0 to 99999"),
        ({"SEED": "100000"}, "SEED=100000 should be"),
        ({"SEED": "٣"}, "SEED=٣ should be"),
        ({"BROKER": "kafka.example:9092"}, "is not ours to kill"),
    ],
)
def test_what_cannot_be_used_says_what_to_give_instead(said: dict[str, str], answer: str) -> None:
    with pytest.raises(OptionsError, match=answer):
        read_options(said)
