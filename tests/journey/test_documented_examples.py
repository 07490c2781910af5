"""Every example of a request body in an OpenAPI document works when it is sent as it is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import campaigns.service
import intake.service
import segmentation.service
import service_desk.service
from keyturn_chassis.app import create_app
from keyturn_chassis.auth import CHASSIS_SCOPES
from keyturn_chassis.service import Service
from keyturn_chassis.testing import Harness
from keyturn_events import CATALOGUE, Envelope, Event, Message
from keyturn_events.intake import ContactChanged, PurchaseSigned

EXAMPLES = Path(__file__).parents[2] / "libs/events/examples"
START = datetime(2026, 7, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Call:
    """An operation with a body; its path parameters are given, or come from earlier answers."""

    operation: str
    status: int = 201
    path: Mapping[str, str] = field(default_factory=dict)
    body: tuple[str, ...] = ()
    """Fields that refer to something an earlier answer made."""
    listed: str | None = None
    """A list whose first item tells ids that no answer told."""
    link: str | None = None
    """Which link of those that were sent to a person `token` is."""


@dataclass(frozen=True)
class Walk:
    """The calls of a service in an order that makes sense, and what it hears before them."""

    service: Service
    calls: tuple[Call, ...]
    hears: type[Event] | None = None


WALKS = (
    Walk(
        intake.service.service,
        (
            Call("PUT /communities/{community_id}", 200, {"community_id": "riverside"}),
            Call("PUT /partners/{partner_id}", 200, {"partner_id": "ledger"}),
            Call("PUT /advisors/{advisor_id}", 200, {"advisor_id": "advisor-7"}),
            Call("PUT /advisors/{advisor_id}/duty", 200, {"advisor_id": "advisor-7"}),
            Call("POST /leads/batch", 200),
            Call("POST /reviews/{review_id}/decision", 200, listed="/reviews"),
            Call("POST /leads"),
            Call("POST /customers/{customer_id}/merges", body=("other_customer_id",)),
            Call("POST /merges/{merge_id}/undo", 200),
            Call("POST /leads/{lead_id}/assignments"),
            Call("POST /leads/{lead_id}/contacts"),
            Call("POST /leads/{lead_id}/disputes"),
            Call("POST /leads/{lead_id}/advances"),
            Call("POST /leads/{lead_id}/losses"),
            Call("POST /leads/{lead_id}/revivals"),
            Call("PUT /scoring/model", 200),
            Call("PUT /customers/{customer_id}/consents", 200),
            Call("PUT /preferences/{token}", 200, link="preferences"),
            Call("POST /unsubscribe/{token}", 200, link="unsubscribe"),
            Call("POST /confirmations", 200, body=("token",), link="confirm"),
            Call("PUT /releases/{release_id}", 200, {"release_id": "riverside-5-autumn"}),
            Call("POST /homes/batch", 200),
            Call("POST /releases/{release_id}/numbers", body=("customer_id",)),
            Call("POST /releases/{release_id}/claims", body=("customer_id",)),
            Call("POST /releases/{release_id}/passes", body=("customer_id",)),
            Call("POST /purchases", body=("customer_id",)),
            Call("POST /purchases/{purchase_id}/exchanges"),
            Call("PUT /purchases/{purchase_id}/instalments", 200),
            Call("POST /purchases/{purchase_id}/deposits"),
            Call("POST /purchases/{purchase_id}/refunds"),
            Call("POST /purchases/{purchase_id}/subscriptions"),
            Call("POST /purchases/{purchase_id}/mortgage/applications"),
            Call("POST /purchases/{purchase_id}/mortgage/decisions"),
            Call("POST /purchases/{purchase_id}/mortgage/withdrawals"),
            Call("POST /purchases/{purchase_id}/signatures"),
            Call("POST /purchases/{purchase_id}/payments"),
            Call("POST /purchases/{purchase_id}/rescissions"),
            Call("POST /imports"),
            Call("POST /advisors/{advisor_id}/leave", 200, {"advisor_id": "advisor-7"}),
            Call("POST /customers/{customer_id}/erasure", 202),
            Call("POST /suppressions/liftings", 200),
            Call("PUT /clock", 200),
        ),
    ),
    Walk(
        segmentation.service.service,
        (
            Call("PUT /models/silence", 200),
            Call("PUT /models/{model}", 200, {"model": "pulte"}),
            Call("PUT /clock", 200),
        ),
    ),
    Walk(
        service_desk.service.service,
        (
            Call("PUT /calendars/{code}", 200, {"code": "standard"}),
            Call("PUT /handover-templates/{code}", 200, {"code": "standard"}),
            Call("PUT /communities/{community_id}", 200, {"community_id": "riverside"}),
            Call(
                "POST /handovers/{handover_id}/gates/{gate}/passes",
                path={"gate": "risk-inspection"},
            ),
            Call("PUT /handovers/{handover_id}/veto", 200),
            Call("POST /homes/{home_id}/defects"),
            Call("POST /defects/{defect_id}/rectifications"),
            Call("POST /complaints"),
            Call("PUT /complaints/{complaint_id}/assignment", 200),
            Call("POST /complaints/{complaint_id}/acknowledgements"),
            Call("POST /complaints/{complaint_id}/updates"),
            Call("POST /complaints/{complaint_id}/resolutions"),
            Call("POST /complaints/{complaint_id}/verdicts"),
            Call("POST /complaints/{complaint_id}/reopenings"),
            Call("POST /surveys/answers"),
            Call("POST /surveys/answers/{response_id}/actions"),
            Call("POST /crises"),
            Call("POST /crises/{crisis_id}/liftings"),
            Call("PUT /clock", 200),
        ),
        PurchaseSigned,
    ),
    Walk(
        campaigns.service.service,
        (
            Call("PUT /templates/{code}", 200, {"code": "welcome"}),
            Call("POST /campaigns"),
            Call("PUT /campaigns/{code}", 200, {"code": "visit-thanks"}),
            Call("POST /campaigns/{code}/preview", 200, {"code": "visit-thanks"}),
            Call("PUT /sending-policy", 200),
            Call("PUT /customers/{customer_id}/suppressions/{channel}", 200, {"channel": "sms"}),
            Call("POST /members/{member_id}/awards"),
            Call("POST /members/{member_id}/redemptions"),
            Call("POST /members/{member_id}/reversals", body=("entry_id",)),
            Call("PUT /clock", 200),
        ),
        PurchaseSigned,
    ),
)


def documented(document: Mapping[str, Any], operation: str) -> Iterator[tuple[str, Any]]:
    """The content type and the value of every example of a request body."""
    method, path = operation.split()
    body = document["paths"][path][method.lower()]["requestBody"]
    for content_type, content in body["content"].items():
        if "example" in content:
            yield content_type, content["example"]
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        for example in document["components"]["schemas"].get(name, {}).get("examples", ()):
            yield content_type, example


def with_a_body(document: Mapping[str, Any]) -> set[str]:
    return {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "requestBody" in operation
    }


def ids(answer: Mapping[str, Any]) -> dict[str, str]:
    return {k: v for k, v in answer.items() if k.endswith("_id") and isinstance(v, str)}


async def links(harness: Harness) -> dict[str, str]:
    """The links that were last told of to whoever sends messages."""
    found: dict[str, str] = {}
    for event in await harness.published(ContactChanged):
        if event.preference_token is not None:
            found["preferences"] = event.preference_token
            found["unsubscribe"] = f"{event.preference_token}.sms.marketing"
        for opt_in in event.opt_ins:
            found["confirm"] = opt_in.token
    return found


def written(content_type: str, example: Any) -> str:
    if isinstance(example, str):
        return example
    if content_type == "application/x-www-form-urlencoded":
        return urlencode(example)
    return json.dumps(example)


def golden(event_type: type[Event]) -> Message[Any]:
    example = json.loads((EXAMPLES / f"{event_type.type}.json").read_text("utf-8"))
    return Message(
        Envelope.model_validate(example["attributes"]),
        CATALOGUE[event_type.type].model_validate(example["data"]),
    )


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.service.name)
def test_every_request_body_has_an_example_that_is_sent(walk: Walk) -> None:
    document = create_app(walk.service, None).openapi()
    assert {call.operation for call in walk.calls} == with_a_body(document)
    for call in walk.calls:
        assert list(documented(document, call.operation)), call.operation


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.service.name)
async def test_every_documented_example_works_when_it_is_pasted(
    walk: Walk, service_harness: Callable[..., Awaitable[Harness]]
) -> None:
    harness = await service_harness(walk.service)
    await harness.drive(START)
    document = create_app(walk.service, None).openapi()
    headers = harness.headers(*walk.service.scopes, *CHASSIS_SCOPES)
    known: dict[str, str] = {}
    if walk.hears:
        signed = golden(walk.hears)
        await harness.receive(signed)
        known = ids(signed.event.model_dump())
        known["member_id"] = known["customer_id"]
    handovers = await harness.client.get("/handovers", headers=headers)
    if handovers.is_success:
        known |= ids(handovers.json()["items"][0])
    failed = []
    for call in walk.calls:
        method, path = call.operation.split()
        if call.listed is not None:
            items = (await harness.client.get(call.listed, headers=headers)).json()["items"]
            known |= ids(items[0])
        for content_type, example in documented(document, call.operation):
            if call.link is not None:
                known["token"] = (await links(harness))[call.link]
            if not isinstance(example, str):
                example |= {name: known[name] for name in call.body}
            content = written(content_type, example)
            response = await harness.client.request(
                method,
                path.format_map({**known, **call.path}),
                content=content.encode(),
                headers=headers | {"content-type": content_type},
            )
            if response.status_code != call.status:
                failed.append(f"{call.operation} {response.status_code} {response.text}")
            known |= ids(response.json())
    assert failed == []
