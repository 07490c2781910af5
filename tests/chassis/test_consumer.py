"""The batch consumer at its crash points."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from keyturn_chassis.consumer import Consumer, raw_record
from keyturn_chassis.database import Database
from keyturn_chassis.inputs import RawRecord
from keyturn_chassis.testing import Harness, record
from keyturn_events.intake import LeadScored


@pytest.fixture
async def tally(service_harness: Any, tally_service: Any) -> Harness:
    harness: Harness = await service_harness(tally_service)
    return harness


async def leads_of(tally: Harness, customer_id: str) -> list[str]:
    rows = await tally.rows("SELECT leads FROM tallies WHERE customer_id = :c", c=customer_id)
    return list(rows[0].leads) if rows else []


async def parked(tally: Harness) -> list[tuple[str, str]]:
    rows = await tally.rows("SELECT subject, code FROM dead_letters ORDER BY id")
    return [(row.subject, row.code) for row in rows]


async def test_a_batch_is_folded_in_order_and_its_events_follow_from_it(
    tally: Harness, lead: Any
) -> None:
    await tally.receive(lead("c1", "l1"), lead("c2", "l2"), lead("c1", "l3"))

    assert await leads_of(tally, "c1") == ["l1", "l3"]
    scored = await tally.published(LeadScored)
    assert [(event.lead_id, event.score) for event in scored] == [("l1", 1), ("l2", 1), ("l3", 2)]


async def test_an_event_delivered_again_has_no_second_effect(tally: Harness, lead: Any) -> None:
    await tally.receive(lead("c1", "l1"), lead("c1", "l1"))
    await tally.receive(lead("c1", "l1"), lead("c1", "l2"))

    assert await leads_of(tally, "c1") == ["l1", "l2"]
    assert len(await tally.published(LeadScored)) == 2


async def test_the_same_id_from_another_source_is_another_event(tally: Harness, lead: Any) -> None:
    first = lead("c1", "l1", id="1")
    other = RawRecord(
        "intake.leads",
        0,
        9,
        b"c1",
        lead("c1", "l2", id="1").value,
        tuple((n, b"elsewhere" if n == "ce_source" else v) for n, v in first.headers),
    )
    await tally.receive(first)
    await tally.receive_records(other)

    assert await leads_of(tally, "c1") == ["l1", "l2"]


async def test_emitted_events_carry_cause_trace_and_business_time(
    tally: Harness, lead: Any
) -> None:
    captured = lead("c1", "l1")
    await tally.receive(captured)

    [scored] = await tally.messages(LeadScored)
    assert scored.envelope.source == "tally"
    assert scored.envelope.causationid == "event-l1"
    assert scored.envelope.time == captured.envelope.time
    assert scored.envelope.traceparent is not None
    assert scored.envelope.traceparent.split("-")[1] == "0af7651916cd43dd8448eb211c80319c"


async def test_emitted_ids_are_the_same_whenever_the_same_event_is_decided(
    tally: Harness, lead: Any, service_harness: Any, tally_service: Any
) -> None:
    other = await service_harness(tally_service)
    await tally.receive(lead("c1", "l1"))
    await other.receive(lead("c1", "l1"))

    ids = "SELECT id FROM outbox"
    assert await tally.rows(ids) == await other.rows(ids)


async def test_a_refused_event_is_parked_and_the_customers_later_ones_wait_behind_it(
    tally: Harness, lead: Any, mended: set[str]
) -> None:
    await tally.receive(lead("c1", "poison-1"), lead("c1", "l2"), lead("c2", "l3"))
    await tally.receive(lead("c1", "l4"), lead("c2", "l5"))

    assert await leads_of(tally, "c1") == []
    assert await leads_of(tally, "c2") == ["l3", "l5"]
    assert await parked(tally) == [
        ("c1", "poison"),
        ("c1", "behind-parked"),
        ("c1", "behind-parked"),
    ]


async def test_a_parked_event_delivered_again_is_not_parked_twice(
    tally: Harness, lead: Any, mended: set[str]
) -> None:
    await tally.receive(lead("c1", "poison-1"))
    await tally.receive(lead("c1", "poison-1"))

    assert await parked(tally) == [("c1", "poison")]


async def test_a_decision_with_a_bug_parks_its_event_and_nobody_elses(
    tally: Harness, lead: Any
) -> None:
    await tally.receive(lead("c1", "bug-1"), lead("c2", "l2"))

    assert await parked(tally) == [("c1", "decision-failed")]
    assert await leads_of(tally, "c2") == ["l2"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"value": b"{not json"}, "undecodable"),
        ({"value": None}, "undecodable"),
        ({"value": b'{"customer_id": "c1"}'}, "undecodable"),
        ({"drop": "ce_id"}, "not-a-cloudevent"),
        ({"drop": "ce_type"}, "not-a-cloudevent"),
        ({"drop": "ce_time"}, "not-a-cloudevent"),
    ],
)
async def test_what_cannot_be_decoded_is_parked_under_its_record_key(
    tally: Harness, lead: Any, change: dict[str, Any], code: str
) -> None:
    good = record(lead("c1", "l1"), offset=7)
    bad = RawRecord(
        good.topic,
        good.partition,
        good.offset,
        good.key,
        change.get("value", good.value),
        tuple(h for h in good.headers if h[0] != change.get("drop")),
    )
    await tally.receive_records(bad)

    assert await parked(tally) == [("c1", code)]


async def test_a_parked_detail_never_repeats_the_value_that_was_wrong(
    tally: Harness, lead: Any
) -> None:
    good = record(lead("c1", "l1"))
    secret = good.value.replace(b'"web"', b'"+8613800000000"')  # type: ignore[union-attr]
    await tally.receive_records(RawRecord(good.topic, 0, 1, good.key, secret, good.headers))

    [row] = await tally.rows("SELECT detail FROM dead_letters")
    assert "13800000000" not in row.detail
    assert "/channel" in row.detail


async def test_an_unknown_event_type_is_skipped(tally: Harness, lead: Any) -> None:
    good = record(lead("c1", "l1"))
    unknown = tuple(
        (name, b"keyturn.lead.teleported.v1" if name == "ce_type" else value)
        for name, value in good.headers
    )
    await tally.receive_records(RawRecord(good.topic, 0, 1, good.key, good.value, unknown))

    assert await parked(tally) == []
    assert await tally.published() == []


async def test_untrusted_records_are_deduplicated_by_their_position(tally: Harness) -> None:
    raw = RawRecord("partners.inbound", 2, 40, None, b"anything", ())
    await tally.receive_records(raw, raw)
    await tally.receive_records(raw, RawRecord("partners.inbound", 2, 41, None, b"anything", ()))

    rows = await tally.rows("SELECT notes FROM tallies WHERE customer_id = 'partner'")
    assert rows[0].notes == 2


async def test_two_workers_with_the_same_batch_have_its_effects_once(
    tally: Harness, lead: Any
) -> None:
    records = [record(lead(f"c{n % 7}", f"l{n}"), offset=n) for n in range(50)]

    await asyncio.gather(*(Consumer(tally.runtime).handle(records) for _ in range(4)))

    rows = await tally.rows("SELECT leads FROM tallies")
    assert sorted(lead for row in rows for lead in row.leads) == sorted(f"l{n}" for n in range(50))
    assert len(await tally.published(LeadScored)) == 50
    assert await parked(tally) == []


async def test_while_the_database_is_away_nothing_is_parked_and_the_batch_waits(
    tally: Harness, lead: Any
) -> None:
    real = tally.runtime.database
    tally.runtime.database = Database("postgresql://nobody@127.0.0.1:1/nowhere")
    handling = asyncio.create_task(Consumer(tally.runtime).handle([record(lead("c1", "l1"))]))
    await asyncio.sleep(0.15)
    assert not handling.done()

    tally.runtime.database = real
    await handling

    assert await leads_of(tally, "c1") == ["l1"]
    assert await parked(tally) == []


async def test_an_event_that_the_store_refuses_is_parked_alone(tally: Harness, lead: Any) -> None:
    async with tally.runtime.database.transaction() as connection:
        await connection.execute(
            text("ALTER TABLE tallies ADD CHECK (NOT jsonb_exists(leads, 'l3'))")
        )
    await tally.receive(*(lead(f"c{n}", f"l{n}") for n in range(8)))

    assert await parked(tally) == [("c3", "store-refused")]
    rows = await tally.rows("SELECT customer_id FROM tallies ORDER BY 1")
    assert [row.customer_id for row in rows] == ["c0", "c1", "c2", "c4", "c5", "c6", "c7"]


async def test_replay_after_mending_leaves_the_state_as_if_nothing_had_failed(
    tally: Harness, lead: Any, mended: set[str], service_harness: Any, tally_service: Any
) -> None:
    batch = [lead("c1", "l1"), lead("c1", "poison-2"), lead("c1", "l3"), lead("c2", "l4")]
    await tally.receive(*batch)
    refused = await tally.replay("c1")
    assert (refused.handled, refused.remaining, refused.code) == (0, 2, "poison")

    mended.add("poison-2")
    done = await tally.replay("c1")
    assert (done.handled, done.remaining, done.code) == (2, 0, None)

    well = await service_harness(tally_service)
    await well.receive(*batch)
    state = "SELECT customer_id, leads FROM tallies ORDER BY 1"
    assert await tally.rows(state) == await well.rows(state)
    ids = "SELECT id FROM outbox ORDER BY 1"
    assert await tally.rows(ids) == await well.rows(ids)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    key=st.none() | st.binary(max_size=12),
    value=st.none() | st.binary(max_size=40),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["ce_type", "ce_id", "ce_source", "x"]),
            st.sampled_from([b"keyturn.lead.captured.v1", b"\x00", b"\xff", b""]),
        ),
        max_size=4,
    ),
    topic=st.sampled_from(["intake.leads", "partners.inbound"]),
    offset=st.integers(0, 2**40),
)
async def test_no_record_whatever_stops_the_consumer(  # noqa: PLR0917 - hypothesis names them
    tally: Harness,
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes]],
    topic: str,
    offset: int,
) -> None:
    hostile = RawRecord(topic, 0, offset, key, value, tuple(headers))
    assert await Consumer(tally.runtime).handle([hostile])


def test_a_header_without_a_value_is_read_as_an_empty_one() -> None:
    record = ConsumerRecord(
        "intake.leads", 0, 1, 0, 0, None, None, 0, 0, 0, (("ce_type", None), ("x", b"1"))
    )
    assert raw_record(record).headers == (("ce_type", b""), ("x", b"1"))


async def test_an_event_on_a_topic_that_is_not_its_owners_is_parked_and_stops_no_customer(
    tally: Harness, lead: Any
) -> None:
    forged = record(lead("c1", "l1"), offset=3)
    await tally.receive_records(
        RawRecord("campaigns.messages", 0, 3, forged.key, forged.value, forged.headers)
    )
    await tally.receive(lead("c1", "l2"))

    assert await parked(tally) == [("campaigns.messages/0/3", "wrong-topic")]
    assert await leads_of(tally, "c1") == ["l2"]


async def test_asked_to_stop_while_the_database_is_away_it_leaves_the_batch_for_later(
    tally: Harness, lead: Any
) -> None:
    tally.runtime.database = Database("postgresql://nobody@127.0.0.1:1/nowhere")
    consumer = Consumer(tally.runtime)
    consumer.stop()

    async with asyncio.timeout(5):
        assert not await consumer.handle([record(lead("c1", "l1"))])


async def test_an_event_that_became_decodable_has_its_effect_once_however_often_it_comes(
    tally: Harness, lead: Any
) -> None:
    good = record(lead("c1", "l1"), offset=5)
    unread = RawRecord(good.topic, 0, 5, good.key, b"{", good.headers)
    await tally.receive_records(unread)
    async with tally.runtime.database.transaction() as connection:
        await connection.execute(
            text("UPDATE dead_letters SET value = CAST(:value AS bytea)"), {"value": good.value}
        )

    assert (await tally.replay("c1")).handled == 1
    await tally.receive_records(RawRecord(good.topic, 0, 9, good.key, good.value, good.headers))

    assert await leads_of(tally, "c1") == ["l1"]
    assert await parked(tally) == []


async def test_an_event_that_fails_otherwise_after_mending_stays_parked(
    tally: Harness, lead: Any, mended: set[str]
) -> None:
    good = record(lead("c1", "poison-1"), offset=5)
    await tally.receive_records(RawRecord(good.topic, 0, 5, good.key, b"{", good.headers))
    async with tally.runtime.database.transaction() as connection:
        await connection.execute(
            text("UPDATE dead_letters SET value = CAST(:value AS bytea)"), {"value": good.value}
        )
    assert (await tally.replay("c1")).code == "poison"

    mended.add("poison-1")
    assert (await tally.replay("c1")).handled == 1
    assert await leads_of(tally, "c1") == ["poison-1"]


async def test_a_queue_longer_than_a_transaction_is_replayed_in_order(
    tally: Harness, lead: Any, mended: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyturn_chassis.replay.BATCH", 3)
    names = ["poison-1", *(f"l{n}" for n in range(9))]
    await tally.receive(*(lead("c1", name) for name in names))
    mended.add("poison-1")

    assert (await tally.replay("c1")).handled == 10
    assert await leads_of(tally, "c1") == names


async def test_a_record_that_cannot_be_unpacked_does_not_end_the_worker(
    tally: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Consumer(tally.runtime)
    attempts = 0

    async def unpack() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            consumer.stop()
        b"\xff".decode()

    monkeypatch.setattr(consumer, "_consume", unpack)
    async with asyncio.timeout(5):
        await consumer.run()

    assert attempts == 2
