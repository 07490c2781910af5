"""Purchases over HTTP: the machine, the claims on homes, and the deposits."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError

from keyturn_events.intake import (
    HomeReserved,
    LeadAdvanced,
    PurchasePaid,
    PurchaseRescinded,
    PurchaseSigned,
)

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

DEPOSIT = {"amount": "20000.00", "currency": "CNY"}


async def test_a_purchase_goes_from_the_reservation_to_the_paid_price(intake: Intake) -> None:
    purchase = await intake.reserved(deposit=DEPOSIT)
    path = f"/purchases/{purchase['purchase_id']}"
    steps: tuple[tuple[str, dict[str, object]], ...] = (
        ("subscriptions", {"deposit": DEPOSIT | {"amount": "80000.00"}}),
        ("signatures", {"expected_completion": "2027-06-30", "financing": "mortgage"}),
        ("payments", {}),
    )
    for step, body in steps:
        response = await intake.post(f"{path}/{step}", body)
        assert response.status_code == 201, response.text
    shown = (await intake.get(path)).json()
    assert (shown["stage"], shown["paid_on"]) == ("paid", "2026-03-02")
    assert [deposit["amount"]["amount"] for deposit in shown["deposits"]] == [
        "20000.00",
        "80000.00",
    ]
    (signed,) = await intake.harness.published(PurchaseSigned)
    assert signed.cooling_off_ends.isoformat() == "2026-03-10T00:00:00+08:00"
    assert signed.community_time_zone == "Asia/Shanghai"
    assert len(await intake.harness.published(PurchasePaid)) == 1


async def test_the_lead_in_the_community_follows_its_purchase(intake: Intake) -> None:
    lead = await intake.captured(
        phone="13800138000", community_id="riverside", referral_code="owner-1"
    )
    purchase = await intake.reserved(customer_id=lead["customer_id"])
    assert (purchase["lead_id"], purchase["referral_code"]) == (lead["lead_id"], "owner-1")
    await intake.post(f"/purchases/{purchase['purchase_id']}/signatures", {})
    stages = [event.to_stage for event in await intake.harness.published(LeadAdvanced)]
    assert stages == ["reserved", "signed"]
    shown = (await intake.get(f"/leads/{lead['lead_id']}")).json()["lead"]
    assert (shown["stage"], shown["status"]) == ("signed", "won")
    # The next interest of a buyer is a lead of its own.
    again = await intake.captured(phone="13800138000", community_id="riverside")
    assert again["lead_id"] != lead["lead_id"]


async def test_a_second_claim_on_a_home_is_refused_until_the_first_is_rescinded(
    intake: Intake,
) -> None:
    first = await intake.reserved()
    claim = (await intake.get("/homes/home-1/claim")).json()
    assert claim["purchase_id"] == first["purchase_id"]
    other = (await intake.captured(phone="13900139000"))["customer_id"]
    body = {
        "customer_id": other, "home_id": "home-1", "community_id": "riverside",
        "price": {"amount": "1", "currency": "CNY"},
    }  # fmt: skip
    refused = await intake.post("/purchases", body)
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("/home-already-claimed")
    assert refused.json()["errors"][0]["pointer"] == "/home_id"
    rescinded = await intake.post(
        f"/purchases/{first['purchase_id']}/rescissions", {"reason": "mutual-agreement"}
    )
    assert rescinded.json()["stage"] == "rescinded"
    assert (await intake.get("/homes/home-1/claim")).status_code == 404
    assert (await intake.post("/purchases", body)).status_code == 201
    (event,) = await intake.harness.published(PurchaseRescinded)
    assert (event.stage, event.within_cooling_off) == ("reserved", False)


async def test_of_twenty_who_race_for_a_home_one_gets_it(intake: Intake) -> None:
    buyers = await asyncio.gather(*(intake.captured(wechat=f"buyer-{n}") for n in range(20)))
    responses = await asyncio.gather(
        *(
            intake.post(
                "/purchases",
                {
                    "customer_id": buyer["customer_id"],
                    "home_id": "home-1",
                    "community_id": "riverside",
                    "price": {"amount": "1680000", "currency": "CNY"},
                },
            )
            for buyer in buyers
        )
    )
    assert Counter(response.status_code for response in responses) == {201: 1, 409: 19}
    assert len(await intake.harness.published(HomeReserved)) == 1
    assert await intake.count("purchases") == 1


async def test_the_database_itself_refuses_a_second_live_claim(intake: Intake) -> None:
    await intake.reserved()
    with pytest.raises(IntegrityError):
        await intake.harness.rows(
            "INSERT INTO purchases SELECT 'another', version, customer_id, home_id, community_id,"
            " building, stage, lead_id, partner_id, sale_reference, document FROM purchases"
            " RETURNING purchase_id"
        )


async def test_deposits_can_only_be_added(intake: Intake) -> None:
    await intake.reserved(deposit=DEPOSIT)
    for statement in ("UPDATE deposits SET amount = 1", "DELETE FROM deposits"):
        with pytest.raises(IntegrityError, match="append-only"):
            await intake.harness.rows(f"{statement} RETURNING deposit_id")


async def test_a_reservation_runs_out_by_the_clock(intake: Intake) -> None:
    noon = (await intake.harness.rows("SELECT now FROM driven_clock"))[0].now
    purchase = await intake.reserved(expires_at=(noon + timedelta(days=3)).isoformat())
    await intake.harness.drive(noon + timedelta(days=10))
    (event,) = await intake.harness.published(PurchaseRescinded)
    assert event.reason == "reservation-expired"
    assert event.rescinded_on.isoformat() == "2026-03-05"
    shown = (await intake.get(f"/purchases/{purchase['purchase_id']}")).json()
    assert shown["stage"] == "rescinded"


async def test_the_cooling_off_of_a_community_is_its_own(intake: Intake) -> None:
    await intake.call("PUT", "/communities/riverside", {"cooling_off_days": 10})
    purchase = await intake.reserved()
    path = f"/purchases/{purchase['purchase_id']}"
    await intake.post(f"{path}/signatures", {"on": "2026-03-02"})
    late = await intake.post(f"{path}/rescissions", {"reason": "cooling-off", "on": "2026-03-13"})
    assert late.json()["type"].endswith("/cooling-off-over")
    in_time = await intake.post(
        f"{path}/rescissions", {"reason": "cooling-off", "on": "2026-03-12"}
    )
    assert in_time.status_code == 201


async def test_a_step_out_of_order_changes_nothing(intake: Intake) -> None:
    purchase = await intake.reserved()
    path = f"/purchases/{purchase['purchase_id']}"
    refused = await intake.post(f"{path}/payments", {})
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("/stage-not-possible")
    assert (await intake.get(path)).json()["stage"] == "reserved"


async def test_a_wrong_reservation_is_refused_with_its_place(intake: Intake) -> None:
    customer_id = (await intake.captured(phone="13800138000"))["customer_id"]
    body = {
        "customer_id": customer_id, "home_id": "home-1", "community_id": "riverside",
        "price": {"amount": "1680000", "currency": "CNY"},
    }  # fmt: skip
    wrong: dict[str, dict[str, object]] = {
        "/customer_id": {"customer_id": "nobody"},
        "/lead_id": {"lead_id": "no-lead"},
        "/price/amount": {"price": {"amount": "1e9", "currency": "CNY"}},
        "/home_id": {"home_id": "home with spaces"},
        "/reserved_on": {"reserved_on": "2026-02-30"},
        "/price": {"price": {"amount": "0", "currency": "CNY"}},
        "/deposit": {"deposit": {"amount": "-1", "currency": "CNY"}},
    }
    for pointer, change in wrong.items():
        response = await intake.post("/purchases", body | change)
        assert response.status_code == 422
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert await intake.count("purchases") == 0


async def test_a_step_of_an_unknown_purchase_is_not_found(intake: Intake) -> None:
    assert (await intake.post("/purchases/none/payments", {})).status_code == 404
