"""One person through all four services: known everywhere, forgotten everywhere, and it is proved.

The services are real, each on a database of its own; what one says is carried to the others by
hand, in the order of each outbox, so that the test can stop the post where it wants.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest

import campaigns.service
import intake.service
import segmentation.service
import service_desk.service
from intake.domain.privacy.erasures import READERS
from keyturn_chassis.testing import Harness
from keyturn_events import Message
from keyturn_events.intake import ErasureCompleted

HarnessFactory: TypeAlias = Callable[..., Awaitable[Harness]]

START = datetime(2026, 3, 2, 4, tzinfo=UTC)
NAME, PHONE, EMAIL, WECHAT = "Zqmark Wei", "13855501234", "zqmark@example.com", "wx-zqmark"
PERSONAL = ("zqmark", "13855501234")
SERVICES = (
    intake.service.service,
    segmentation.service.service,
    service_desk.service.service,
    campaigns.service.service,
)


@dataclass
class Builder:
    """The four services, and the post between them."""

    harnesses: dict[str, Harness]
    carried: set[str] = field(default_factory=set)
    """The ids of what has been carried."""

    async def carry(self, *, but: str = "") -> None:
        """Carry what was said to whoever reacts to it, until nobody says anything new."""
        news = True
        while news:
            news = False
            for harness in self.harnesses.values():
                said: list[Message[Any]] = await harness.messages()
                fresh = [message for message in said if message.envelope.id not in self.carried]
                self.carried |= {message.envelope.id for message in fresh}
                news = news or bool(fresh)
                for reader, other in self.harnesses.items():
                    heard = other.runtime.service.reactions.events
                    post = [m for m in fresh if m.envelope.type in heard and reader != but]
                    if post:
                        await other.receive(*post)

    async def call(self, name: str, method: str, path: str, body: object = None) -> Any:
        """Call a service with every scope."""
        harness = self.harnesses[name]
        answer = await harness.client.request(
            method, path, json=body, headers=harness.headers(*harness.runtime.service.scopes)
        )
        assert answer.is_success, answer.text
        return answer.json()

    async def places(self) -> set[tuple[str, str]]:
        """The services and tables in which the person can be found."""
        found = set()
        for name, harness in self.harnesses.items():
            tables = await harness.rows("SELECT tablename FROM pg_tables WHERE schemaname='public'")
            for (table,) in tables:
                rows = await harness.rows(f'SELECT row_to_json(t)::text FROM "{table}" AS t')
                if any(mark in row[0].casefold() for row in rows for mark in PERSONAL):
                    found.add((name, table))
        return found


@pytest.fixture
async def builder(service_harness: HarnessFactory) -> Builder:
    harnesses = {}
    for service in SERVICES:
        harnesses[service.name] = await service_harness(service)
        await harnesses[service.name].drive(START)
    return Builder(harnesses)


async def owner(builder: Builder) -> str:
    """A person who bought a home, and of whom every service knows something; their id."""
    captured = await builder.call(
        "intake", "POST", "/leads",
        {
            "name": NAME, "phone": PHONE, "email": EMAIL, "wechat": WECHAT,
            "community_id": "riverside", "channel": "walk-in",
            "consents": [{"channel": "email", "purpose": "marketing"}],
            "household": {"marital_status": "married", "homes_owned": 0},
        },
    )  # fmt: skip
    customer_id: str = captured["customer_id"]
    purchase = await builder.call(
        "intake", "POST", "/purchases",
        {
            "customer_id": customer_id, "home_id": "home-1", "community_id": "riverside",
            "price": {"amount": "1680000.00", "currency": "CNY"},
            "deposit": {"amount": "20000.00", "currency": "CNY"},
        },
    )  # fmt: skip
    await builder.call("intake", "POST", f"/purchases/{purchase['purchase_id']}/signatures", {})
    await builder.carry()
    await builder.call(
        "service-desk", "POST", "/complaints",
        {
            "customer_id": customer_id, "category": "quality.leak", "severity": "minor",
            "channel": "app", "description": f"{NAME} says that it drips",
        },
    )  # fmt: skip
    await builder.carry()
    return customer_id


async def erase(builder: Builder, customer_id: str) -> dict[str, Any]:
    body: dict[str, Any] = await builder.call(
        "intake", "POST", f"/customers/{customer_id}/erasure",
        {"reason": "customer-request", "legal_basis": "consent-withdrawn"},
    )  # fmt: skip
    return body


async def test_a_person_is_forgotten_by_all_four_services_and_it_is_proved(
    builder: Builder,
) -> None:
    customer_id = await owner(builder)
    known = await builder.places()
    assert {name for name, _ in known} == {"intake", "service-desk", "campaigns"}
    exported = {
        service.name: await builder.call(service.name, "GET", f"/customers/{customer_id}/export")
        for service in SERVICES
    }
    assert all(body["customer_ids"] == [customer_id] for body in exported.values())

    erasure = await erase(builder, customer_id)
    await builder.carry()

    shown = await builder.call("intake", "GET", f"/erasures/{erasure['erasure_id']}")
    assert shown["status"] == "complete"
    counted = {
        name: {c["kind"] for receipt in service["receipts"] for c in receipt["counts"]}
        for name, service in shown["services"].items()
    }
    assert counted["intake"] >= {"customers", "identifiers", "touches", "purchases", "deposits"}
    assert counted["segmentation"] == {"facts", "timeline", "segments"}
    assert counted["service-desk"] == {"segments", "handovers", "cases"}
    assert counted["campaigns"] >= {"contact-points", "consents", "messages", "purchases"}
    (completed,) = await builder.harnesses["intake"].published(ErasureCompleted)
    assert completed.late is False
    assert await builder.places() == set()
    kept = await builder.call("intake", "GET", f"/customers/{customer_id}/export")
    assert [row["home_id"] for row in kept["held"]["purchases"]] == ["home-1"]


async def test_a_service_that_was_away_is_overdue_reminded_and_then_forgets_as_well(
    builder: Builder,
) -> None:
    customer_id = await owner(builder)
    erasure = await erase(builder, customer_id)
    path = f"/erasures/{erasure['erasure_id']}"
    await builder.carry(but="campaigns")

    await builder.harnesses["intake"].drive(START + timedelta(hours=24))
    overdue = await builder.call("intake", "GET", "/erasures?status=overdue")
    assert [item["missing"] for item in overdue["items"]] == [{"campaigns": 1}]

    await builder.call("intake", "POST", f"{path}/reminders")
    await builder.carry()

    shown = await builder.call("intake", "GET", path)
    assert (shown["status"], shown["overdue_since"]) == ("complete", "2026-03-03T04:00:00Z")
    assert await builder.places() == set()


async def test_nothing_personal_is_on_a_shared_topic_or_in_a_log(
    builder: Builder, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    customer_id = await owner(builder)
    refused = await builder.harnesses["intake"].client.post(
        "/leads",
        json={"name": NAME, "phone": PHONE, "email": "zqmark"},
        headers=builder.harnesses["intake"].headers("leads:write"),
    )
    assert refused.status_code == 422

    for harness in builder.harnesses.values():
        said: list[Message[Any]] = await harness.messages()
        shared = [m for m in said if not m.event.topic.restricted]
        assert shared
        for message in shared:
            told = (message.value or b"").decode().casefold()
            assert not any(mark in told for mark in PERSONAL), message.envelope.type
            headers = b" ".join(value for _, value in message.headers).decode().casefold()
            assert not any(mark in headers for mark in PERSONAL)
    await erase(builder, customer_id)
    await builder.carry()
    output = capfd.readouterr()
    logged = f"{caplog.text}{output.out}{output.err}".casefold()
    assert not any(mark in logged for mark in PERSONAL)


def test_the_saga_is_of_all_services_that_react_to_an_erasure() -> None:
    described = {service.erasing.receipt: service.name for service in SERVICES if service.erasing}
    assert described == READERS
