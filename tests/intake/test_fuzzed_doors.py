"""No request that can be made up from the OpenAPI document breaks intake's doors."""

from __future__ import annotations

from typing import Any

from intake.reading.link_tokens import preference_token


async def test_no_request_breaks_intake_or_its_document(intake: Any, fuzzed: Any) -> None:
    purchase = await intake.reserved()
    await intake.register_partner("ledger")
    job = (await intake.send_file("name,phone\n张伟,13800138000\n")).json()
    lead = await intake.captured(phone="13800138000")
    advisor = {"display_name": "Wang", "communities": ["riverside"]}
    await intake.call("PUT", "/advisors/wang", advisor)
    known = {
        "lead_id": lead["lead_id"],
        "customer_id": lead["customer_id"],
        "purchase_id": purchase["purchase_id"],
        "home_id": purchase["home_id"],
        "import_id": job["import_id"],
        "partner_id": "ledger",
        "community_id": "riverside",
        "advisor_id": "wang",
        "release_id": await _release(intake, lead["customer_id"]),
        "number": "1",
        "review_id": await _review(intake),
        "merge_id": await _merge(intake, lead["customer_id"], purchase["customer_id"]),
        "token": preference_token(lead["customer_id"]),
    }
    assert await fuzzed(intake.harness, known) == []


async def _review(intake: Any) -> str:
    for name, phone in (("张晓东", "13600136001"), ("张晓冬", "13900139000")):
        await intake.captured(name=name, phone=phone, birth_date="1980-05-03")
    (review,) = (await intake.get("/reviews")).json()["items"]
    return str(review["review_id"])


async def _merge(intake: Any, one: str, other: str) -> str:
    body = {"other_customer_id": other, "reason": "one card", "accept_conflicts": True}
    return str((await intake.post(f"/customers/{one}/merges", body)).json()["merge_id"])


async def _release(intake: Any, customer_id: str) -> str:
    plan = {"community_id": "riverside", "name": "Autumn", "opens_at": "2026-04-01T09:00:00+08:00"}
    await intake.call("PUT", "/releases/autumn", plan)
    await intake.post("/releases/autumn/numbers", {"customer_id": customer_id})
    return "autumn"
