"""No request that can be made up from the OpenAPI document breaks campaigns' doors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keyturn_events import Envelope
from keyturn_events.intake import PurchaseSigned

EXAMPLE = Path(__file__).parents[2] / f"libs/events/examples/{PurchaseSigned.type}.json"


async def test_no_request_breaks_campaigns_or_its_document(
    desk: Any, said: Any, fuzzed: Any
) -> None:
    example = json.loads(EXAMPLE.read_text("utf-8"))
    signed = PurchaseSigned.model_validate(example["data"])
    at = Envelope.model_validate(example["attributes"]).time
    await desk.harness.drive(at)
    await desk.harness.receive(said(signed, at))
    known = {
        "customer_id": signed.customer_id,
        "member_id": signed.customer_id,
        "code": "welcome",
    }
    assert await fuzzed(desk.harness, known) == []
