from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keyturn_chassis.testing import Harness
from keyturn_events import CATALOGUE, Envelope, Event, Message, Money
from keyturn_events.intake import CompletionMoved, PurchaseRescinded, PurchaseSigned
from keyturn_events.vocabulary import PurchaseStage, RescissionReason
from service_desk.domain.calendar import BusinessCalendar, Shift
from service_desk.service import service

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 3, 2, 2, tzinfo=UTC)

Facts = Callable[..., Any]


@pytest.fixture(scope="session")
def office() -> BusinessCalendar:
    """Monday to Friday, nine to five, in Shanghai."""
    day = (Shift(9 * 60, 17 * 60),)
    return BusinessCalendar("office", 1, "Asia/Shanghai", (day,) * 5 + ((), ()))


@pytest.fixture(scope="session")
def signed() -> Facts:
    def make(purchase_id: str = "p1", **fields: Any) -> PurchaseSigned:
        return PurchaseSigned(
            **_purchase(purchase_id)
            | {
                "signed_on": date(2026, 3, 2),
                "cooling_off_ends": datetime(2026, 3, 9, tzinfo=UTC),
                "expected_completion": date(2027, 3, 31),
            }
            | fields
        )

    return make


@pytest.fixture(scope="session")
def moved() -> Facts:
    def make(day: date, purchase_id: str = "p1", **fields: Any) -> CompletionMoved:
        return CompletionMoved(**_purchase(purchase_id) | {"expected_completion": day} | fields)

    return make


@pytest.fixture(scope="session")
def rescinded() -> Facts:
    def make(purchase_id: str = "p1", **fields: Any) -> PurchaseRescinded:
        return PurchaseRescinded(
            **_purchase(purchase_id)
            | {
                "stage": PurchaseStage.SIGNED,
                "rescinded_on": date(2026, 4, 1),
                "reason": RescissionReason.MUTUAL_AGREEMENT,
            }
            | fields
        )

    return make


def _purchase(purchase_id: str) -> dict[str, Any]:
    return {
        "customer_id": "ann",
        "purchase_id": purchase_id,
        "home_id": f"home-{purchase_id}",
        "building": "lakeside-1",
        "community_id": "lakeside",
        "price": Money(amount=Decimal("1980000.00"), currency="CNY"),
        "community_time_zone": "Asia/Shanghai",
    }


@pytest.fixture(scope="session")
def golden() -> Callable[[type[Event]], Message[Any]]:
    def message(event_type: type[Event]) -> Message[Any]:
        path = ROOT / "libs/events/examples" / f"{event_type.type}.json"
        example = json.loads(path.read_text(encoding="utf-8"))
        return Message(
            Envelope.model_validate(example["attributes"]),
            CATALOGUE[event_type.type].model_validate(example["data"]),
        )

    return message


@pytest.fixture(scope="session")
def say() -> Callable[..., Message[Any]]:
    """A message whose time the test may choose."""
    counter = iter(range(1_000_000))

    def message(event: Event, at: datetime = AT, source: str = "intake") -> Message[Any]:
        return Message.of(
            event, id=f"event-{next(counter)}", source=source, time=at, recordedtime=at
        )

    return message


class Desk:
    """The service desk over HTTP, with every scope, and its clock."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.headers = harness.headers(*service.scopes)

    async def get(self, path: str, **query: Any) -> Any:
        return self._body(
            await self.harness.client.get(path, params=query, headers=self.headers), 200
        )

    async def post(self, path: str, body: Any = None, *, expect: int = 201, **headers: str) -> Any:
        return self._body(
            await self.harness.client.post(path, json=body, headers=self.headers | headers), expect
        )

    async def put(self, path: str, body: Any, *, expect: int = 200) -> Any:
        return self._body(
            await self.harness.client.put(path, json=body, headers=self.headers), expect
        )

    async def delete(self, path: str) -> Any:
        return self._body(await self.harness.client.delete(path, headers=self.headers), 200)

    def _body(self, response: Any, expected: int) -> Any:
        assert response.status_code == expected, response.text
        return response.json()


@pytest.fixture
async def desk(service_harness: Callable[..., Awaitable[Harness]]) -> Desk:
    harness = await service_harness(service)
    await harness.drive(AT)
    return Desk(harness)
