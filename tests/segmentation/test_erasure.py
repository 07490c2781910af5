"""Segmentation forgets a person, and its receipt counts what there was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyturn_chassis.testing import Harness
from keyturn_events import Household, Message
from keyturn_events.intake import CustomerErased, CustomerRegistered, CustomersMerged, LeadCaptured
from keyturn_events.segmentation import ProfileErased
from keyturn_events.vocabulary import LeadChannel
from segmentation.service import service

AT = datetime(2026, 3, 1, 4, tzinfo=UTC)
DAY = timedelta(days=1)

Say = Callable[..., Message[Any]]


def registered(customer_id: str) -> CustomerRegistered:
    return CustomerRegistered(
        customer_id=customer_id, channel=LeadChannel.WEB, household=Household(homes_owned=0)
    )


def captured(customer_id: str) -> LeadCaptured:
    return LeadCaptured(
        customer_id=customer_id,
        lead_id=f"lead-of-{customer_id}",
        channel=LeadChannel.WEB,
        captured_at=AT,
        joined=False,
        repeated=False,
    )


def erased(customer_id: str) -> CustomerErased:
    return CustomerErased(customer_id=customer_id, erasure_id="ers-1")


@pytest.fixture
async def harness(service_harness: Callable[..., Awaitable[Harness]]) -> Harness:
    return await service_harness(service)


async def counts(harness: Harness) -> list[tuple[str, dict[str, int]]]:
    return [
        (receipt.customer_id, {count.kind: count.count for count in receipt.counts})
        for receipt in await harness.published(ProfileErased)
    ]


async def held(harness: Harness, customer_id: str) -> tuple[int, int, int]:
    """Facts, timeline lines and segments of one id as they stand in the store."""
    (row,) = await harness.rows(
        "SELECT (SELECT count(*) FROM json_object_keys(facts)) AS facts,"
        " (SELECT count(*) FROM timeline AS t WHERE t.customer_id = c.customer_id) AS lines,"
        " (SELECT count(*) FROM memberships AS m WHERE m.customer_id = c.customer_id) AS segments"
        " FROM customers AS c WHERE customer_id = :id",
        id=customer_id,
    )
    return row.facts, row.lines, row.segments


async def test_the_receipt_counts_what_was_there(harness: Harness, say: Say) -> None:
    await harness.receive(say(registered("ann")), say(captured("ann")), say(registered("bea")))
    facts, lines, segments = await held(harness, "ann")

    await harness.receive(say(erased("ann"), AT + DAY))

    assert await counts(harness) == [
        ("ann", {"facts": facts, "timeline": lines, "segments": segments})
    ]
    assert (facts, lines, segments) >= (3, 3, 1)


async def test_what_came_in_the_same_batch_is_counted_too(harness: Harness, say: Say) -> None:
    await harness.receive(say(registered("ann")))
    _, lines, _ = await held(harness, "ann")

    await harness.receive(say(captured("ann"), AT + DAY), say(erased("ann"), AT + 2 * DAY))

    ((_, given),) = await counts(harness)
    assert given["timeline"] == lines + 1


async def test_each_id_of_a_person_gets_a_receipt_of_its_own(harness: Harness, say: Say) -> None:
    merge = CustomersMerged(
        customer_id="ann", merge_id="m1", merged_customer_id="bea", rule="phone"
    )
    await harness.receive(say(registered("ann")), say(registered("bea")), say(merge, AT + DAY))

    await harness.receive(say(erased("ann"), AT + 2 * DAY), say(erased("bea"), AT + 2 * DAY))
    await harness.receive(say(erased("ann"), AT + 3 * DAY), say(erased("cho"), AT + 3 * DAY))

    given = await counts(harness)
    assert [customer_id for customer_id, _ in given] == ["ann", "bea", "ann", "cho"]
    assert given[0] == given[2]
    assert given[3] == ("cho", {})


async def test_an_export_is_of_all_ids_of_a_person(harness: Harness, say: Say) -> None:
    merge = CustomersMerged(
        customer_id="ann", merge_id="m1", merged_customer_id="bea", rule="phone"
    )
    await harness.receive(say(registered("ann")), say(captured("bea")), say(merge, AT + DAY))

    answer = await harness.client.get(
        "/customers/bea/export", headers=harness.headers("customers:export")
    )

    body = answer.json()
    assert body["customer_ids"] == ["bea", "ann"]
    assert {row["customer_id"] for row in body["held"]["customers"]} == {"ann", "bea"}
    assert {row["type"] for row in body["held"]["timeline"]} >= {LeadCaptured.type}
