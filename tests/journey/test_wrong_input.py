"""One table of wrong requests a service: each is refused, says what to mend, and changes nothing.

What comes over the partners' topic has a table of its own with the partner door of intake.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

import campaigns.service
import intake.service
import segmentation.service
import service_desk.service
from keyturn_chassis.app import create_app
from keyturn_chassis.auth import CHASSIS_SCOPES
from keyturn_chassis.service import Service
from keyturn_chassis.testing import Harness
from keyturn_events import Event

LARGEST_BODY = 8_192


@dataclass(frozen=True)
class Door:
    """A door, the name of its body, and values that are wrong by the place they are put at."""

    service: Service
    method: str
    path: str
    body: str
    scope: str
    wrong: tuple[tuple[str, object], ...]
    other: tuple[str, object]
    """A change that makes another good request of the example."""


DOORS = (
    Door(
        intake.service.service,
        "POST",
        "/leads",
        "LeadForm",
        "leads:write",
        (
            ("/name", 7),
            ("/channel", "telepathy"),
            ("/captured_at", "2026-02-30T09:00:00Z"),
            ("/household/homes_owned", 10**30),
            ("/name", "张\x00伟"),
            ("/community_id", "x" * 65),
            ("/nickname", "unknown field"),
        ),
        ("/name", "张维"),
    ),
    Door(
        segmentation.service.service,
        "PUT",
        "/models/silence",
        "SilenceBody",
        "models:write",
        (
            ("/version", "two"),
            ("/dormant_after_days", 10**30),
            ("/dormant_after_days", -1),
            ("/labels/en", "Sil\x00ence"),
            ("/labels/zh", 7),
            ("/nickname", "unknown field"),
        ),
        ("/dormant_after_days", 90),
    ),
    Door(
        service_desk.service.service,
        "POST",
        "/complaints",
        "NewComplaint",
        "complaints:write",
        (
            ("/description", 7),
            ("/severity", "apocalyptic"),
            ("/received_at", "2026-02-30T09:00:00Z"),
            ("/description", "lea\x00k"),
            ("/description", 10**30),
            ("/home_id", "x" * 65),
            ("/nickname", "unknown field"),
        ),
        ("/severity", "minor"),
    ),
    Door(
        campaigns.service.service,
        "POST",
        "/campaigns",
        "NewCampaign",
        "campaigns:write",
        (
            ("/name/en", 7),
            ("/purpose", "mischief"),
            ("/trigger/event", "keyturn.unicorn.seen.v1"),
            ("/steps/0/wait_days", 10**30),
            ("/name/zh", "感\x00谢"),
            ("/nickname", "unknown field"),
        ),
        ("/code", "visit-thanks-again"),
    ),
)


def changed(body: Any, pointer: str, value: object) -> Any:
    """A copy of `body` with `value` at the place of a JSON Pointer."""
    whole = deepcopy(body)
    inside = whole
    *path, last = pointer[1:].split("/")
    for part in path:
        inside = inside[int(part)] if isinstance(inside, list) else inside[part]
    inside[last] = value
    return whole


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.service.name)
async def test_a_wrong_request_is_refused_with_its_reason_and_changes_nothing(
    door: Door,
    service_harness: Callable[..., Awaitable[Harness]],
    subtests: pytest.Subtests,
) -> None:
    harness = await service_harness(door.service, max_body_bytes=LARGEST_BODY)
    schemas = create_app(door.service, None).openapi()["components"]["schemas"]
    good = schemas[door.body]["examples"][0]
    every_scope = {*door.service.scopes, *CHASSIS_SCOPES}
    allowed = harness.headers(door.scope)
    expired = harness.issuer.mint("tester", [door.scope], timedelta(hours=-1))

    async def refused(
        body: Any,
        headers: dict[str, str],
        *,
        path: str = door.path,
        method: str = door.method,
    ) -> tuple[int, str, list[str]]:
        response = await harness.client.request(
            method,
            path,
            content=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={"content-type": "application/json"} | headers,
        )
        problem = response.json()
        places = [e.get("pointer", e.get("parameter")) for e in problem.get("errors", ())]
        return response.status_code, problem["type"].rpartition("/")[2], places

    for pointer, value in door.wrong:
        with subtests.test(pointer, value=str(value)[:40]):
            status, slug, places = await refused(changed(good, pointer, value), allowed)
            assert (status, places) == (422, [pointer])
            assert slug
    requests: tuple[tuple[str, Any, dict[str, str], tuple[int, str, list[str]]], ...] = (
        ("cut short", b'{"name": ', allowed, (400, "malformed-body", [])),
        ("a list", b"[]", allowed, (422, "invalid-request", [""])),
        ("too large", b" " * (LARGEST_BODY + 1), allowed, (413, "body-too-large", [])),
        ("no token", good, {}, (401, "token-missing", [])),
        (
            "an expired token",
            good,
            {"authorization": f"Bearer {expired}"},
            (401, "token-expired", []),
        ),
        (
            "a missing scope",
            good,
            harness.headers(*(every_scope - {door.scope})),
            (403, "scope-missing", []),
        ),
        (
            "another content type",
            good,
            allowed | {"content-type": "text/plain"},
            (415, "unsupported-media-type", []),
        ),
    )
    for what, body, headers, expected in requests:
        with subtests.test(what):
            assert await refused(body, headers) == expected
    with subtests.test("a bad date"):
        driver = harness.headers("clock:drive")
        wrong_date = {"now": "2026-02-30T09:00:00Z"}
        answer = await refused(wrong_date, driver, path="/clock", method="PUT")
        assert answer == (422, "invalid-request", ["/now"])
    assert await harness.published() == []

    with subtests.test("an Idempotency-Key with another body"):
        key = allowed | {"idempotency-key": "once"}
        first = await harness.client.request(door.method, door.path, json=good, headers=key)
        assert first.is_success, first.text
        told: list[Event] = await harness.published()
        another = changed(good, *door.other)
        reused = (422, "idempotency-key-reused", ["idempotency-key"])
        assert await refused(another, key) == reused
        assert await harness.published() == told
