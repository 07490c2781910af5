"""Deposits, instalments, mortgages and exchanges of purchases, as rules and over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.domain.sales import deposits
from intake.domain.sales.purchases import Deposit, DepositKind, Instalment, Purchase
from keyturn_chassis.inputs import Cause
from keyturn_events import Money, Refusal
from keyturn_events.intake import HomeReserved, MortgageChanged, PurchaseRescinded
from keyturn_events.vocabulary import PurchaseStage, RescissionReason

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
TODAY = date(2026, 3, 2)
CAUSE = Cause("test", "1", NOON)


def money(amount: str | int) -> Money:
    return Money(amount=Decimal(amount), currency="CNY")


def cny(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "CNY"}


PURCHASE = Purchase(
    "purchase-1", "zhang", "home-1", "riverside", money(1000), PurchaseStage.SUBSCRIBED
)


def received(*amounts: int) -> list[Deposit]:
    return [
        Deposit(f"d{n}", "purchase-1", PurchaseStage.RESERVED, money(amount), TODAY, NOON)
        for n, amount in enumerate(amounts)
    ]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(amounts=st.lists(st.integers(1, 500), max_size=6), data=st.data())
def test_what_is_held_is_the_sum_however_often_some_is_given_back(
    amounts: list[int], data: st.DataObject
) -> None:
    entries: list[Deposit] = received(*amounts)
    while held := int(deposits.held(entries, PURCHASE).amount):
        part = data.draw(st.integers(1, held))
        cause = Cause("test", str(len(entries)), NOON)
        given_back = deposits.returned(entries, PURCHASE, money(part), TODAY, cause)
        assert sum(entry.amount.amount for entry in given_back) == -part
        entries += given_back
        assert int(deposits.held(entries, PURCHASE).amount) == held - part
        _assert_no_receipt_is_given_back_twice(entries)
    assert len({entry.deposit_id for entry in entries}) == len(entries)


def _assert_no_receipt_is_given_back_twice(entries: Sequence[Deposit]) -> None:
    for receipt in entries:
        back = sum(e.amount.amount for e in entries if e.reverses == receipt.deposit_id)
        assert receipt.amount.amount < 0 or -back <= receipt.amount.amount


def test_a_refund_names_the_latest_receipts_first() -> None:
    given_back = deposits.returned(received(100, 50), PURCHASE, money(70), TODAY, CAUSE)
    assert [(entry.reverses, entry.amount.amount) for entry in given_back] == [
        ("d1", Decimal(-50)),
        ("d0", Decimal(-20)),
    ]
    assert {entry.kind for entry in given_back} == {DepositKind.REFUND}


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (money(151), "refund-above-deposits"),
        (money(-1), "amount-not-positive"),
        (Money(amount=Decimal(1), currency="USD"), "other-currency"),
    ],
)
def test_no_more_is_given_back_than_is_held(amount: Money, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        deposits.returned(received(100, 50), PURCHASE, amount, TODAY, CAUSE)
    assert (refused.value.code, refused.value.pointer) == (code, "/refund")


def test_all_goes_back_unless_the_buyer_defaulted_or_somebody_says_how_much() -> None:
    entries = received(100)
    due = deposits.refund_due
    for reason in RescissionReason:
        expected = 0 if reason is RescissionReason.BUYER_DEFAULT else 100
        assert due(entries, PURCHASE, reason, None) == money(expected)
    assert due(entries, PURCHASE, RescissionReason.COOLING_OFF, money(30)) == money(30)


def test_a_ledger_has_its_limits() -> None:
    full = received(*[1] * (deposits.MOST_ENTRIES - 1))
    deposits.receipt(full, PURCHASE, money(1), TODAY, CAUSE)
    with pytest.raises(Refusal, match="too-many-deposits"):
        deposits.receipt([*full, *received(1)], PURCHASE, money(1), TODAY, CAUSE)
    largest = replace(received(1)[0], amount=money("99999999999999.9999"))
    with pytest.raises(Refusal, match="amount-too-large"):
        deposits.receipt([largest], PURCHASE, money("0.0001"), TODAY, CAUSE)


def test_what_is_overdue_follows_from_the_plan_and_the_ledger() -> None:
    plan = (
        Instalment(TODAY - timedelta(days=2), money(100)),
        Instalment(TODAY - timedelta(days=1), money(200)),
        Instalment(TODAY, money(300)),
    )
    purchase = replace(PURCHASE, instalments=plan)
    told = deposits.standing(purchase, received(150), TODAY)
    assert [(int(each.received.amount), each.overdue) for each in told] == [
        (100, False),
        (50, True),
        (0, False),
    ]
    gone = replace(purchase, stage=PurchaseStage.RESCINDED)
    assert not any(each.overdue for each in deposits.standing(gone, [], TODAY))


@pytest.mark.parametrize(
    ("instalments", "code", "pointer"),
    [
        ([(1, 600), (2, 401)], "instalments-above-price", "/instalments"),
        ([(2, 1), (1, 1)], "instalments-out-of-order", "/instalments/1/due_on"),
        ([(1, 0)], "amount-not-positive", "/instalments/0/amount"),
    ],
)
def test_a_plan_must_be_payable(
    instalments: list[tuple[int, int]], code: str, pointer: str
) -> None:
    plan = [Instalment(date(2026, 4, day), money(amount)) for day, amount in instalments]
    with pytest.raises(Refusal) as refused:
        deposits.ensure_payable(plan, PURCHASE)
    assert (refused.value.code, refused.value.pointer) == (code, pointer)


async def ledger(intake: Intake, purchase: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = (
        await intake.get(f"/purchases/{purchase['purchase_id']}/ledger")
    ).json()
    return answer


async def test_a_change_of_the_plan_never_changes_what_was_received(intake: Intake) -> None:
    purchase = await intake.reserved(deposit=cny("20000.00"))
    path = f"/purchases/{purchase['purchase_id']}"
    response = await intake.post(f"{path}/deposits", {"amount": cny("30000.00")})
    assert response.status_code == 201
    before = (await ledger(intake, purchase))["entries"]
    plan = [
        {"due_on": "2026-03-01", "amount": cny("40000.00"), "label": "first"},
        {"due_on": "2026-03-02", "amount": cny("40000.00")},
        {"due_on": "2026-06-01", "amount": cny("40000.00")},
    ]
    told: dict[str, Any] = {}
    for instalments in (plan, plan[:1], [], plan):
        response = await intake.call("PUT", f"{path}/instalments", {"instalments": instalments})
        assert response.status_code == 200, response.text
        told = await ledger(intake, purchase)
        assert told["entries"] == before
        assert told["held"] == cny("50000.00")
    assert [each["received"]["amount"] for each in told["instalments"]] == [
        "40000.00",
        "10000.00",
        "0.00",
    ]
    assert told["overdue"]["amount"] == "0"
    await intake.harness.drive(NOON + timedelta(days=1))
    assert (await ledger(intake, purchase))["overdue"]["amount"] == "30000.00"


async def test_what_is_overdue_is_listed_the_longest_first(intake: Intake) -> None:
    due = {"home-1": "2026-02-20", "home-2": "2026-02-10", "home-3": "2026-03-02"}
    for home, day in due.items():
        purchase = await intake.reserved(home, deposit=cny("10"))
        plan = {"instalments": [{"due_on": day, "amount": cny("25")}]}
        await intake.call("PUT", f"/purchases/{purchase['purchase_id']}/instalments", plan)
    listed = (await intake.get("/overdue-deposits")).json()["items"]
    assert [(each["home_id"], each["since"], each["amount"]["amount"]) for each in listed] == [
        ("home-2", "2026-02-10", "15"),
        ("home-1", "2026-02-20", "15"),
    ]
    page = (await intake.get("/overdue-deposits", limit=1, community_id="riverside")).json()
    rest = (await intake.get("/overdue-deposits", cursor=page["next_cursor"])).json()
    assert [each["home_id"] for each in page["items"] + rest["items"]] == ["home-2", "home-1"]
    later = (await intake.get("/overdue-deposits", on="2026-03-03")).json()["items"]
    assert len(later) == 3
    assert (await intake.get("/overdue-deposits", community_id="hillside")).json()["items"] == []


async def test_a_rescission_gives_the_deposits_back_in_the_ledger(intake: Intake) -> None:
    purchase = await intake.reserved(deposit=cny("20000.00"))
    path = f"/purchases/{purchase['purchase_id']}"
    await intake.post(f"{path}/subscriptions", {"deposit": cny("80000.00")})
    await intake.post(f"{path}/rescissions", {"reason": "mutual-agreement"})
    told = await ledger(intake, purchase)
    amounts = [(entry["kind"], entry["amount"]["amount"]) for entry in told["entries"]]
    assert amounts == [
        ("receipt", "20000.00"),
        ("receipt", "80000.00"),
        ("refund", "-80000.00"),
        ("refund", "-20000.00"),
    ]
    assert told["held"]["amount"] == "0.00"
    first, second, of_second, of_first = told["entries"]
    assert (of_second["reverses"], of_first["reverses"]) == (
        second["deposit_id"],
        first["deposit_id"],
    )
    # Nothing is left to give back.
    refused = await intake.post(f"{path}/refunds", {"amount": cny("0.01")})
    assert refused.json()["type"].endswith("/refund-above-deposits")


async def test_a_buyer_who_defaults_forfeits_unless_some_is_given_back(intake: Intake) -> None:
    purchase = await intake.reserved("home-1", deposit=cny("100"))
    path = f"/purchases/{purchase['purchase_id']}"
    await intake.post(f"{path}/rescissions", {"reason": "buyer-default"})
    assert (await ledger(intake, purchase))["held"]["amount"] == "100"
    purchase = await intake.reserved("home-2", deposit=cny("100"))
    path = f"/purchases/{purchase['purchase_id']}"
    some = {"reason": "buyer-default", "refund": cny("40")}
    await intake.post(f"{path}/rescissions", some)
    assert (await ledger(intake, purchase))["held"]["amount"] == "60"
    refunded = await intake.post(f"{path}/refunds", {"amount": cny("60")})
    assert refunded.status_code == 201
    assert (await ledger(intake, purchase))["held"]["amount"] == "0"


async def test_a_declined_mortgage_may_undo_its_purchase(intake: Intake) -> None:
    purchase = await intake.reserved(deposit=cny("20000.00"))
    path = f"/purchases/{purchase['purchase_id']}"
    await intake.post(f"{path}/signatures", {"financing": "mortgage"})
    asked = {"amount": cny("1000000"), "lender": "Delta", "on": "2026-03-02"}
    applied = await intake.post(f"{path}/mortgage/applications", asked)
    assert applied.status_code == 201, applied.text
    declined = await intake.post(
        f"{path}/mortgage/decisions", {"approved": False, "rescind": True, "on": "2026-03-20"}
    )
    assert declined.status_code == 201, declined.text
    body = declined.json()
    assert (body["stage"], body["rescission_reason"]) == ("rescinded", "financing-refused")
    assert body["mortgages"] == [
        {
            "amount": cny("1000000"),
            "status": "declined",
            "lender": "Delta",
            "applied_on": "2026-03-02",
            "decided_on": "2026-03-20",
            "withdrawn_on": None,
        }
    ]
    assert (await ledger(intake, purchase))["held"]["amount"] == "0.00"
    changed = await intake.harness.published(MortgageChanged)
    assert [(event.status, event.previous_status) for event in changed] == [
        ("applied", None),
        ("declined", "applied"),
    ]
    (rescinded,) = await intake.harness.published(PurchaseRescinded)
    assert (rescinded.reason, rescinded.rescinded_on) == ("financing-refused", date(2026, 3, 20))


async def test_another_application_follows_on_a_declined_or_withdrawn_one(
    intake: Intake,
) -> None:
    purchase = await intake.reserved()
    mortgage = f"/purchases/{purchase['purchase_id']}/mortgage"
    apply = {"amount": cny("900000")}
    steps: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("decisions", {"approved": True}, "mortgage-not-applied-for"),
        ("applications", {"amount": cny("1680000.01")}, "mortgage-above-price"),
        ("applications", {"amount": {"amount": "1", "currency": "USD"}}, "other-currency"),
        ("applications", apply, ""),
        ("applications", apply, "mortgage-under-way"),
        ("decisions", {"approved": True, "rescind": True}, "approved-and-rescinded"),
        ("decisions", {"approved": False, "on": "2026-03-01"}, "day-before-application"),
        ("decisions", {"approved": False}, ""),
        ("applications", apply, ""),
        ("decisions", {"approved": True, "amount": cny("800000")}, ""),
        ("applications", apply, "mortgage-under-way"),
        ("withdrawals", {}, ""),
        ("withdrawals", {}, "mortgage-not-applied-for"),
    )
    for step, body, code in steps:
        response = await intake.post(f"{mortgage}/{step}", body)
        told = "" if response.status_code == 201 else response.json()["type"].rpartition("/")[2]
        assert told == code, (step, body, response.text)
    shown = (await intake.get(f"/purchases/{purchase['purchase_id']}")).json()["mortgages"]
    assert [(each["status"], each["amount"]["amount"]) for each in shown] == [
        ("declined", "900000"),
        ("withdrawn", "800000"),
    ]


async def test_a_buyer_changes_home_and_keeps_deposits_and_lead(intake: Intake) -> None:
    lead = await intake.captured(phone="13800138000", community_id="riverside")
    old = await intake.reserved(customer_id=lead["customer_id"], deposit=cny("20000.00"))
    taken = await intake.reserved("home-2")
    path = f"/purchases/{old['purchase_id']}/exchanges"
    refused = await intake.post(path, {"home_id": "home-2", "price": cny("1")})
    assert refused.json()["type"].endswith("/home-already-claimed")
    assert (
        (await intake.post(path, {"home_id": "home-3"})).json()["type"].endswith("/price-missing")
    )
    assert (await intake.post(path, {})).json()["type"].endswith("/nothing-changes")
    response = await intake.post(path, {"home_id": "home-3", "price": cny("1700000")})
    assert response.status_code == 201, response.text
    new = response.json()
    assert (new["stage"], new["home_id"], new["replaces"]) == (
        "reserved",
        "home-3",
        old["purchase_id"],
    )
    assert (new["lead_id"], new["customer_id"]) == (lead["lead_id"], lead["customer_id"])
    before = (await intake.get(f"/purchases/{old['purchase_id']}")).json()
    assert (before["stage"], before["replaced_by"]) == ("rescinded", new["purchase_id"])
    assert [(e["kind"], e["amount"]["amount"]) for e in before["deposits"]] == [
        ("receipt", "20000.00"),
        ("transfer", "-20000.00"),
    ]
    assert (await ledger(intake, new))["held"]["amount"] == "20000.00"
    assert (await intake.get("/homes/home-1/claim")).status_code == 404
    assert taken["stage"] == "reserved"
    shown = (await intake.get(f"/leads/{lead['lead_id']}")).json()["lead"]
    assert shown["stage"] == "reserved"
    # The money that came along can be given back like any other.
    await intake.post(f"/purchases/{new['purchase_id']}/rescissions", {"reason": "cooling-off"})
    await intake.post(f"/purchases/{new['purchase_id']}/rescissions", {"reason": "other"})
    assert (await ledger(intake, new))["held"]["amount"] == "0.00"


async def test_a_home_goes_to_another_buyer_without_ever_being_free(intake: Intake) -> None:
    first = await intake.captured(phone="13800138000", community_id="riverside")
    second = await intake.captured(phone="13900139000", community_id="riverside")
    old = await intake.reserved(customer_id=first["customer_id"], deposit=cny("20000"))
    response = await intake.post(
        f"/purchases/{old['purchase_id']}/exchanges", {"customer_id": second["customer_id"]}
    )
    assert response.status_code == 201, response.text
    new = response.json()
    assert (new["customer_id"], new["home_id"], new["lead_id"], new["price"]) == (
        second["customer_id"],
        "home-1",
        second["lead_id"],
        old["price"],
    )
    claim = (await intake.get("/homes/home-1/claim")).json()
    assert claim["purchase_id"] == new["purchase_id"]
    stages = [
        (await intake.get(f"/leads/{lead['lead_id']}")).json()["lead"]["stage"]
        for lead in (first, second)
    ]
    assert stages == ["visited", "reserved"]
    events = await intake.harness.published(HomeReserved, PurchaseRescinded)
    assert [type(event).__name__ for event in events] == [
        "HomeReserved",
        "PurchaseRescinded",
        "HomeReserved",
    ]
    signed = f"/purchases/{new['purchase_id']}"
    await intake.post(f"{signed}/signatures", {})
    late = await intake.post(f"{signed}/exchanges", {"customer_id": first["customer_id"]})
    assert late.json()["type"].endswith("/stage-not-possible")


async def test_a_reservation_runs_out_as_the_community_has_it(intake: Intake) -> None:
    await intake.call("PUT", "/communities/riverside", {"reservation_days": 3})
    purchase = await intake.reserved(deposit=cny("5000"))
    assert purchase["expires_at"] == "2026-03-05T04:00:00Z"
    (event,) = await intake.harness.published(HomeReserved)
    assert event.expires_at == NOON + timedelta(days=3)
    await intake.harness.drive(NOON + timedelta(days=3))
    shown = (await intake.get(f"/purchases/{purchase['purchase_id']}")).json()
    assert (shown["stage"], shown["rescission_reason"]) == ("rescinded", "reservation-expired")
    assert (await ledger(intake, purchase))["held"]["amount"] == "0"
