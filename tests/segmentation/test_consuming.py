from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from keyturn_chassis.consumer import Consumer
from keyturn_chassis.inputs import RawRecord
from keyturn_chassis.testing import Harness, record
from keyturn_events import Event, Household, HouseholdMember, Message
from keyturn_events.intake import (
    CustomerErased,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    CustomerUpdated,
    CustomerWithdrawn,
    LeadCaptured,
)
from keyturn_events.segmentation import CustomerDormant, CustomerReactivated, CustomerSegmented
from keyturn_events.vocabulary import Incomes, LeadChannel, MaritalStatus, Relationship
from segmentation.reactions import reactions
from segmentation.service import service
from segmentation.tasks.rollout import Rollout

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)

HarnessFactory = Callable[..., Awaitable[Harness]]
Say = Callable[..., Message[Any]]

COUPLE = Household(
    members=(
        HouseholdMember(relationship=Relationship.SELF, birth_date=date(1990, 5, 1)),
        HouseholdMember(relationship=Relationship.PARTNER),
    ),
    marital_status=MaritalStatus.MARRIED,
    incomes=Incomes.DUAL,
    relocating=False,
    homes_owned=1,
)


@pytest.fixture
async def harness(service_harness: HarnessFactory) -> Harness:
    return await service_harness(service)


def captured(customer_id: str = "ann", lead_id: str = "l1") -> LeadCaptured:
    return LeadCaptured(
        customer_id=customer_id,
        lead_id=lead_id,
        channel=LeadChannel.WEB,
        captured_at=AT,
        joined=False,
        repeated=False,
    )


def registered(customer_id: str = "ann", household: Household = COUPLE) -> CustomerRegistered:
    return CustomerRegistered(customer_id=customer_id, channel=LeadChannel.WEB, household=household)


async def test_every_event_reacted_to_is_consumed_from_its_golden_example(
    harness: Harness, golden: Callable[[type[Event]], Message[Any]]
) -> None:
    messages = [golden(event_type) for event_type, _ in reactions.events.values()]
    forgetting = (CustomerErased, CustomerWithdrawn)
    erasure = [m for m in messages if isinstance(m.event, forgetting)]
    others = [m for m in messages if not isinstance(m.event, forgetting)]
    await harness.receive(*others)
    assert await harness.rows("SELECT code, detail FROM dead_letters") == []
    rows = await harness.rows("SELECT event_id FROM timeline")
    assert {m.envelope.id for m in others} <= {row.event_id for row in rows}
    await harness.receive(*erasure)
    assert await harness.rows("SELECT code, detail FROM dead_letters") == []


async def test_a_move_is_told_once_however_often_its_cause_is_delivered(
    harness: Harness, say: Say
) -> None:
    lead, facts = say(captured()), say(registered())
    await harness.receive(lead, lead)
    await harness.receive(lead, facts)
    await harness.receive(facts, lead)
    moves = await harness.published(CustomerSegmented)
    assert [(m.from_segment, m.to_segment, m.caused_by) for m in moves] == [
        (None, "unclassified", lead.envelope.id),
        ("unclassified", "dual-income-couple", facts.envelope.id),
    ]
    lines = await harness.rows("SELECT type FROM timeline ORDER BY type")
    assert [line.type for line in lines] == [
        "keyturn.customer.registered.v1",
        "keyturn.customer.segmented.v1",
        "keyturn.customer.segmented.v1",
        "keyturn.lead.captured.v1",
    ]


async def test_our_own_events_are_on_the_timeline_under_the_ids_that_are_published(
    harness: Harness, say: Say
) -> None:
    await harness.receive(say(captured()))
    (message,) = await harness.messages(CustomerSegmented)
    (line,) = await harness.rows(
        "SELECT event_id, facts FROM timeline WHERE type = 'keyturn.customer.segmented.v1'"
    )
    assert line.event_id == message.envelope.id
    assert line.facts["to_segment"] == "unclassified"
    assert "customer_id" not in line.facts


async def test_an_event_of_another_batch_finds_what_was_stored(harness: Harness, say: Say) -> None:
    await harness.receive(say(registered()))
    await harness.receive(say(captured(), AT + DAY))
    (row,) = await harness.rows("SELECT version, facts, standing FROM customers")
    assert row.version == 2
    assert row.facts["household"][1]["incomes"] == "dual"
    assert row.facts["active"][0].startswith("2026-03-02T09:00:00.000000Z")
    assert len(await harness.published(CustomerSegmented)) == 1


async def test_a_birthday_moves_a_family_when_the_clock_reaches_it(
    harness: Harness, say: Say
) -> None:
    child = HouseholdMember(relationship=Relationship.CHILD, birth_date=date(2024, 6, 1))
    family = COUPLE.model_copy(update={"members": (*COUPLE.members, child)})
    await harness.receive(say(registered(household=family)))
    await harness.drive(datetime(2027, 5, 31, 23, tzinfo=UTC))
    assert len(await harness.published(CustomerSegmented)) == 1
    await harness.drive(datetime(2027, 6, 2, tzinfo=UTC))
    *_, move = await harness.messages(CustomerSegmented)
    assert (move.event.from_segment, move.event.to_segment) == (
        "couple-with-infant",
        "unclassified",
    )
    assert move.envelope.time == datetime(2027, 6, 1, tzinfo=UTC)


async def test_dormant_after_a_year_and_back_at_the_next_touch(harness: Harness, say: Say) -> None:
    await harness.receive(say(captured()))
    await harness.receive(say(captured(lead_id="l2"), AT + 100 * DAY))
    await harness.drive(AT + 464 * DAY)
    assert await harness.published(CustomerDormant) == []
    await harness.drive(AT + 466 * DAY)
    (dormant,) = await harness.messages(CustomerDormant)
    assert dormant.envelope.time == AT + 465 * DAY
    assert dormant.event.last_active_at == AT + 100 * DAY
    await harness.receive(say(captured(lead_id="l3"), AT + 470 * DAY))
    (back,) = await harness.published(CustomerReactivated)
    assert back.dormant_since == AT + 465 * DAY


async def test_merge_routes_later_events_and_un_merge_gives_them_back(
    harness: Harness, say: Say
) -> None:
    await harness.receive(say(captured("ann")), say(registered("bea")))
    merge = CustomersMerged(
        customer_id="ann", merge_id="m1", merged_customer_id="bea", rule="phone"
    )
    await harness.receive(say(merge, AT + DAY))
    assert await _segments(harness) == {"ann": "dual-income-couple"}
    single = COUPLE.model_copy(
        update={"members": COUPLE.members[:1], "marital_status": MaritalStatus.SINGLE}
    )
    update = CustomerUpdated(customer_id="bea", household=single)
    await harness.receive(say(update, AT + 2 * DAY))
    assert await _segments(harness) == {"ann": "established-single"}
    undo = CustomersUnmerged(customer_id="ann", merge_id="m1", restored_customer_id="bea")
    await harness.receive(say(undo, AT + 3 * DAY))
    assert await _segments(harness) == {"ann": "unclassified", "bea": "established-single"}
    timers = await harness.rows("SELECT owner FROM timers WHERE kind = 'silence' ORDER BY owner")
    assert [timer.owner for timer in timers] == ["ann", "bea"]


async def test_a_merge_with_somebody_never_heard_of_still_routes(
    harness: Harness, say: Say
) -> None:
    merge = CustomersMerged(
        customer_id="ann", merge_id="m1", merged_customer_id="bea", rule="phone"
    )
    await harness.receive(say(merge))
    await harness.receive(say(registered("bea"), AT + DAY))
    assert await _segments(harness) == {"ann": "dual-income-couple"}


async def test_erasure_removes_profile_timeline_segments_and_timers(
    harness: Harness, say: Say
) -> None:
    await harness.receive(say(registered()), say(captured("bea")))
    erasure = say(CustomerErased(customer_id="ann", erasure_id="x1"), AT + DAY)
    await harness.receive(erasure)
    await harness.receive(say(captured(), AT + 2 * DAY))
    assert await harness.rows("SELECT 1 FROM timeline WHERE customer_id = 'ann'") == []
    assert await harness.rows("SELECT 1 FROM timers WHERE owner = 'ann'") == []
    assert await _segments(harness) == {"bea": "unclassified"}
    (row,) = await harness.rows("SELECT facts FROM customers WHERE customer_id = 'ann'")
    assert set(row.facts) == {"erased"}


async def test_an_erasure_in_the_same_batch_as_the_first_events_leaves_no_line(
    harness: Harness, say: Say
) -> None:
    erasure = CustomerErased(customer_id="ann", erasure_id="x1")
    await harness.receive(say(registered()), say(erasure, AT + DAY))
    assert await harness.rows("SELECT 1 FROM timeline") == []
    assert await _segments(harness) == {}


async def test_concurrent_batches_about_one_person_lose_nothing(harness: Harness, say: Say) -> None:
    merge = CustomersMerged(
        customer_id="ann", merge_id="m1", merged_customer_id="bea", rule="phone"
    )
    await harness.receive(say(merge))
    batches = [
        [record(say(captured(id, f"{id}-{n}"), AT + n * DAY), offset=n)]
        for n in range(5)
        for id in ("ann", "bea")
    ]
    await asyncio.gather(*(Consumer(harness.runtime).handle(batch) for batch in batches))
    rows = await harness.rows("SELECT customer_id, facts FROM customers ORDER BY customer_id")
    leads = {
        row.customer_id: [name for name in row.facts if name.startswith("lead/")] for row in rows
    }
    assert {id: len(names) for id, names in leads.items()} == {"ann": 5, "bea": 5}
    (count,) = await harness.rows("SELECT count(*) AS n FROM timeline WHERE type LIKE '%lead%'")
    assert count.n == 10


async def test_an_event_that_cannot_be_read_parks_its_customer_and_nobody_else(
    harness: Harness, say: Say
) -> None:
    broken = record(say(captured("ann")), offset=1)
    broken = RawRecord(broken.topic, 0, 1, broken.key, b'{"customer_id": 7', broken.headers)
    fine = record(say(captured("bea")), offset=2)
    await harness.receive_records(broken, fine)
    (letter,) = await harness.rows("SELECT subject, code FROM dead_letters")
    assert (letter.subject, letter.code) == ("ann", "undecodable")
    assert await _segments(harness) == {"bea": "unclassified"}


async def test_the_number_of_statements_does_not_grow_with_the_batch(
    harness: Harness, say: Say
) -> None:
    from sqlalchemy import event

    counts: list[int] = []
    engine = harness.runtime.database.engine.sync_engine

    def count(*_: object) -> None:
        counts[-1] += 1

    event.listen(engine, "before_cursor_execute", count)
    for size in (2, 200):
        counts.append(0)
        await harness.receive(*(say(captured(f"c-{size}-{n}")) for n in range(size)))
    event.remove(engine, "before_cursor_execute", count)
    assert counts[0] == counts[1]


async def test_a_published_version_moves_the_population_once(harness: Harness, say: Say) -> None:
    await harness.receive(say(registered("ann")), say(registered("bea")), say(captured("cho")))
    response = await harness.client.put(
        "/models/pulte",
        headers=harness.headers("models:write"),
        json={
            "version": 2,
            "labels": {"en": "Couples", "zh": "夫妇"},
            "segments": [{"segment": "couple", "labels": {"en": "Couple", "zh": "夫妇"}}],
            "rules": [
                {
                    "rule": "is-a-couple",
                    "segment": "couple",
                    "when": [{"input": "couple", "compare": "equals", "value": True}],
                }
            ],
        },
    )
    assert response.status_code == 200, response.text
    before = len(await harness.published(CustomerSegmented))
    rollout = Rollout()
    while await rollout.step(harness.runtime):
        pass
    moves = (await harness.published(CustomerSegmented))[before:]
    assert [(m.customer_id, m.from_segment, m.to_segment, m.model_version) for m in moves] == [
        ("ann", "dual-income-couple", "couple", 2),
        ("bea", "dual-income-couple", "couple", 2),
    ]
    assert await rollout.step(harness.runtime) is False


async def _segments(harness: Harness) -> dict[str, str]:
    rows = await harness.rows("SELECT customer_id, segment FROM memberships")
    return {row.customer_id: row.segment for row in rows}
