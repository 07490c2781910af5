"""No request that can be made up from the OpenAPI document breaks segmentation's doors."""

from __future__ import annotations

from typing import Any

from keyturn_events.intake import CustomerRegistered
from segmentation.service import service


async def test_no_request_breaks_segmentation_or_its_document(
    service_harness: Any, golden: Any, fuzzed: Any
) -> None:
    harness = await service_harness(service)
    registered = golden(CustomerRegistered)
    await harness.drive(registered.envelope.time)
    await harness.receive(registered)
    known = {"customer_id": registered.event.customer_id, "model": "pulte"}
    assert await fuzzed(harness, known) == []
