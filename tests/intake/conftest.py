"""What the tests of intake share: the service on a database of its own, and its callers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from intake.service import service
from intake.tasks.imports import ImportTask
from keyturn_chassis.inputs import RawRecord
from keyturn_chassis.testing import Harness
from keyturn_events import Event, Message, Topic

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
"""Monday noon in Shanghai: where the clock of every test begins."""

SCOPES = (
    "advisors:read", "advisors:write", "communities:read", "communities:write", "consents:write",
    "customers:merge", "customers:read", "homes:read", "homes:write", "imports:read",
    "imports:write", "leads:read", "leads:write", "partners:read", "partners:write",
    "purchases:read", "purchases:write", "queue:read", "queue:write", "scoring:read",
    "scoring:write",
)  # fmt: skip


@dataclass
class Intake:
    """The service under test, with everything allowed."""

    harness: Harness
    offset: int = 0

    async def call(
        self, method: str, path: str, body: object = None, **options: Any
    ) -> httpx.Response:
        headers = {**self.harness.headers(*SCOPES), **options.pop("headers", {})}
        return await self.harness.client.request(
            method, path, json=body, headers=headers, **options
        )

    async def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        return await self.call("POST", path, body, **options)

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.call("GET", path, params=parameters)

    async def captured(self, **lead: Any) -> dict[str, Any]:
        """Capture a lead that is accepted."""
        response = await self.post("/leads", lead)
        assert response.status_code == 201, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def reserved(self, home_id: str = "home-1", **more: Any) -> dict[str, Any]:
        """Reserve a home for a new customer."""
        if "customer_id" not in more:
            more["customer_id"] = (await self.captured(wechat=f"buyer-of-{home_id}"))["customer_id"]
        response = await self.post("/purchases", RESERVATION | {"home_id": home_id} | more)
        assert response.status_code == 201, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def register_partner(self, partner_id: str, *types: type[Event]) -> None:
        response = await self.call(
            "PUT",
            f"/partners/{partner_id}",
            {"name": partner_id, "allowed_types": [event.type for event in types]},
        )
        assert response.status_code == 200, response.text

    async def partner_says(
        self, event: Event, *, partner_id: str = "ledger", id: str = "event-1"
    ) -> None:
        """Receive a well-formed event of a partner."""
        message = Message.of(event, id=id, source=f"/partners/{partner_id}", time=NOON)
        await self.inbound(message.value, dict(message.headers), key=message.key)

    async def inbound(
        self, value: bytes | None, headers: Mapping[str, bytes], *, key: bytes = b"key"
    ) -> None:
        """Receive a record of the partner door, whatever it is."""
        self.offset += 1
        await self.harness.receive_records(
            RawRecord(Topic.PARTNERS_INBOUND, 0, self.offset, key, value, tuple(headers.items()))
        )

    async def imported(self, content: bytes | str, **options: Any) -> dict[str, Any]:
        """Send a file, and work through it."""
        response = await self.send_file(content, **options)
        assert response.status_code == 201, response.text
        while await ImportTask().work(self.harness.runtime):
            pass
        answer: dict[str, Any] = (await self.get(response.headers["location"])).json()
        return answer

    async def send_file(
        self,
        content: bytes | str,
        *,
        content_type: str = "text/csv",
        headers: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> httpx.Response:
        return await self.call(
            "POST",
            "/imports",
            content=content.encode() if isinstance(content, str) else content,
            params=parameters,
            headers={"content-type": content_type, **(headers or {})},
        )

    async def count(self, table: str) -> int:
        rows = await self.harness.rows(f"SELECT count(*) AS n FROM {table}")
        return int(rows[0].n)


RESERVATION = {
    "community_id": "riverside",
    "building": "riverside-3",
    "price": {"amount": "1680000.00", "currency": "CNY"},
}


@pytest.fixture
async def intake(service_harness: Callable[..., Awaitable[Harness]]) -> Intake:
    """The service, its clock at NOON."""
    harness = await service_harness(service)
    await harness.drive(NOON)
    return Intake(harness)
