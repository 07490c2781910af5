"""Leads and customers that were recorded by mistake: neither counts any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyturn_chassis.testing import Harness
from keyturn_events import Message
from keyturn_events.intake import (
    CustomerRegistered,
    CustomerWithdrawn,
    LeadCaptured,
    LeadWithdrawn,
)
from keyturn_events.segmentation import ProfileErased
from keyturn_events.vocabulary import LeadChannel
from segmentation.service import service

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)

Say = Callable[..., Message[Any]]


@pytest.fixture
async def harness(service_harness: Callable[..., Awaitable[Harness]]) -> Harness:
    return await service_harness(service)


def captured(lead_id: str) -> LeadCaptured:
    return LeadCaptured(
        customer_id="ann",
        lead_id=lead_id,
        channel=LeadChannel.FILE,
        captured_at=AT,
        joined=False,
        repeated=False,
    )


async def profile(harness: Harness) -> Any:
    headers = harness.headers("customers:read")
    return await harness.client.get("/customers/ann", headers=headers)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
async def test_a_withdrawn_lead_is_no_part_of_the_profile_in_whatever_order_it_is_told(
    harness: Harness, say: Say, order: tuple[int, ...]
) -> None:
    facts = (
        say(captured("l1")),
        say(captured("l2"), AT + DAY),
        say(LeadWithdrawn(customer_id="ann", lead_id="l1", import_id="i1"), AT + DAY),
    )
    await harness.receive(*(facts[place] for place in order))
    shown = (await profile(harness)).json()
    assert [lead["lead_id"] for lead in shown["profile"]["leads"]] == ["l2"]


async def test_a_withdrawn_customer_is_forgotten_and_nobody_is_sent_a_receipt(
    harness: Harness, say: Say
) -> None:
    registered = CustomerRegistered(customer_id="ann", channel=LeadChannel.FILE)
    await harness.receive(say(registered), say(captured("l1")))
    await harness.receive(say(CustomerWithdrawn(customer_id="ann", import_id="i1"), AT + DAY))
    await harness.receive(say(captured("l3"), AT + 2 * DAY))
    assert (await profile(harness)).status_code == 404
    assert await harness.rows("SELECT 1 FROM timeline") == []
    assert await harness.published(ProfileErased) == []
