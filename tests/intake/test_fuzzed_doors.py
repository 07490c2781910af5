"""No request that can be made up from the OpenAPI document breaks intake's doors."""

from __future__ import annotations

from typing import Any


async def test_no_request_breaks_intake_or_its_document(intake: Any, fuzzed: Any) -> None:
    purchase = await intake.reserved()
    await intake.register_partner("ledger")
    job = (await intake.send_file("name,phone\n张伟,13800138000\n")).json()
    lead = await intake.captured(phone="13800138000")
    known = {
        "lead_id": lead["lead_id"],
        "customer_id": lead["customer_id"],
        "purchase_id": purchase["purchase_id"],
        "home_id": purchase["home_id"],
        "import_id": job["import_id"],
        "partner_id": "ledger",
        "community_id": "riverside",
    }
    assert await fuzzed(intake.harness, known) == []
