"""A person is forgotten: what goes, what stays, and how it is proved by receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from intake.domain.privacy.erasures import (
    READERS,
    Erasure,
    ErasureFile,
    ErasureStatus,
    LegalBasis,
    receive,
)
from intake.tasks.erasures import ERASURES, ErasureGauge
from keyturn_chassis.inputs import Cause
from keyturn_events import Event, Message
from keyturn_events.campaigns import MessagesErased
from keyturn_events.erasure import ErasureReceipt, counted
from keyturn_events.intake import (
    ContactChanged,
    ContactErased,
    CustomerErased,
    ErasureCompleted,
    LeadLost,
)
from keyturn_events.segmentation import ProfileErased
from keyturn_events.service_desk import CasesErased
from keyturn_events.vocabulary import ErasureTreatment

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
RESERVATION = {
    "community_id": "riverside",
    "price": {"amount": "1680000.00", "currency": "CNY"},
}
BASIS = {"reason": "customer-request", "legal_basis": "consent-withdrawn"}
SOURCES: dict[type[ErasureReceipt], str] = {
    ProfileErased: "segmentation",
    CasesErased: "service-desk",
    MessagesErased: "campaigns",
}


async def ask(intake: Intake, method: str, path: str, scope: str, body: object = None) -> Any:
    return await intake.harness.client.request(
        method, path, json=body, headers=intake.harness.headers(scope)
    )


async def erased(intake: Intake, customer_id: str, **more: Any) -> dict[str, Any]:
    path = f"/customers/{customer_id}/erasure"
    answer = await ask(intake, "POST", path, "customers:erase", BASIS | more)
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def shown(intake: Intake, erasure_id: str) -> dict[str, Any]:
    answer = await ask(intake, "GET", f"/erasures/{erasure_id}", "erasures:read")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def listed(intake: Intake, **parameters: str) -> list[tuple[str, str]]:
    answer = await intake.harness.client.get(
        "/erasures", params=parameters, headers=intake.harness.headers("erasures:read")
    )
    return [(item["erasure_id"], item["status"]) for item in answer.json()["items"]]


def receipt(kind: type[ErasureReceipt], erasure: Any, customer_id: str, *, count: int = 1) -> Any:
    event = kind(
        customer_id=customer_id,
        erasure_id=erasure["erasure_id"],
        counts=counted("records", ErasureTreatment.ERASED, count),
    )
    id = f"{kind.__name__}/{customer_id}/{count}"
    return Message.of(event, id=id, source=SOURCES[kind], time=NOON + timedelta(seconds=1))


async def told(intake: Intake, *kinds: type[Event]) -> list[tuple[str, str]]:
    return [(type(e).__name__, e.subject) for e in await intake.harness.published(*kinds)]


async def test_everything_personal_goes_and_what_the_ledger_needs_stays(intake: Intake) -> None:
    captured = await intake.captured(
        name="张伟", phone="13800138000", email="zhang@example.com", consents=[SMS],
        source_reference="portal-7", budget={"amount": "1680000.00", "currency": "CNY"},
        community_id="riverside",
    )  # fmt: skip
    purchase = await intake.reserved(
        customer_id=captured["customer_id"], deposit={"amount": "20000.00", "currency": "CNY"}
    )

    body = await erased(intake, captured["customer_id"])

    assert body["status"] == "open"
    (own,) = body["services"]["intake"]["receipts"]
    assert {c["kind"]: (c["treatment"], c["count"], c["reason"]) for c in own["counts"]} == {
        "customers": ("pseudonymised", 1, "ledger"),
        "identifiers": ("erased", 2, None),
        "consent-words": ("erased", 1, None),
        "leads": ("pseudonymised", 1, "attribution"),
        "touches": ("pseudonymised", 1, "attribution"),
        "lead-steps": ("kept", 1, "attribution"),
        "ownership-facts": ("kept", 1, "lead-ownership"),
        "purchases": ("kept", 1, "ledger"),
        "deposits": ("kept", 1, "ledger"),
    }
    assert await intake.count("identifiers") == 0
    assert await intake.count("consent_words") == 0
    (touch,) = await intake.harness.rows("SELECT answers, source_reference FROM touches")
    assert (touch.answers, touch.source_reference) == ({}, None)
    after = await intake.get(f"/purchases/{purchase['purchase_id']}")
    assert after.json()["customer_id"] == captured["customer_id"]
    assert [d["amount"]["amount"] for d in after.json()["deposits"]] == ["20000.00"]


SMS = {"channel": "sms", "purpose": "marketing", "status": "granted", "basis": "express"}


async def test_it_is_told_of_the_person_and_no_contact_is_sent_any_more(intake: Intake) -> None:
    customer_id = (await intake.captured(phone="13800138000", name="张伟"))["customer_id"]

    erasure = await erased(intake, customer_id)

    assert await told(intake, LeadLost, CustomerErased, ContactErased, ContactChanged) == [
        ("LeadLost", customer_id),
        ("CustomerErased", customer_id),
        ("ContactErased", customer_id),
    ]
    (event,) = await intake.harness.published(CustomerErased)
    assert event.erasure_id == erasure["erasure_id"]
    (lost,) = await intake.harness.published(LeadLost)
    assert lost.reason == "erased"


async def test_every_id_of_a_merged_person_is_erased_and_told(intake: Intake) -> None:
    one = (await intake.captured(phone="13800138000"))["customer_id"]
    other = (await intake.captured(email="zhang@example.com"))["customer_id"]
    third = (await intake.captured(email="li@example.com"))["customer_id"]
    merged = await ask(
        intake, "POST", f"/customers/{one}/merges", "customers:merge",
        {"other_customer_id": other, "reason": "Zhang Wei showed his card."},
    )  # fmt: skip
    assert merged.is_success, merged.text

    body = await erased(intake, other)

    assert set(body["customer_ids"]) == {one, other}
    assert {id for _, id in await told(intake, CustomerErased)} == {one, other}
    assert {id for _, id in await told(intake, ContactErased)} == {one, other}
    owners = await intake.harness.rows("SELECT customer_id FROM identifiers")
    assert [row.customer_id for row in owners] == [third]
    (merge,) = await intake.harness.rows("SELECT document::text AS text FROM merges")
    assert "Zhang" not in merge.text
    assert (await erased(intake, one))["erasure_id"] == body["erasure_id"]


async def test_a_dry_run_tells_what_would_go_and_changes_nothing(intake: Intake) -> None:
    customer_id = (await intake.captured(phone="13800138000"))["customer_id"]

    plan = await erased(intake, customer_id, dry_run=True)

    assert (plan["status"], plan["erasure_id"]) == ("planned", None)
    counts = {c["kind"]: c["count"] for c in plan["services"]["intake"]["receipts"][0]["counts"]}
    assert counts == {"customers": 1, "identifiers": 1, "leads": 1, "touches": 1}
    assert await intake.count("erasures") == 0
    assert await intake.count("identifiers") == 1
    assert await told(intake, CustomerErased) == []
    real = await erased(intake, customer_id)
    assert real["services"]["intake"]["receipts"] == plan["services"]["intake"]["receipts"]


async def test_erasing_again_is_the_same_erasure(intake: Intake) -> None:
    customer_id = (await intake.captured(phone="13800138000"))["customer_id"]

    first, *others = await asyncio.gather(*(erased(intake, customer_id) for _ in range(8)))

    assert all(other == first for other in others)
    assert len(await told(intake, CustomerErased)) == 1
    assert await erased(intake, customer_id) == first
    assert (await erased(intake, customer_id, dry_run=True))["erasure_id"] == first["erasure_id"]


async def test_a_stranger_cannot_be_erased(intake: Intake) -> None:
    answer = await ask(intake, "POST", "/customers/nobody/erasure", "customers:erase", BASIS)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (
        404,
        "customer-not-found",
    )
    unknown = await ask(intake, "GET", "/erasures/none", "erasures:read")
    assert unknown.status_code == 404


async def test_the_last_receipt_completes_an_erasure(intake: Intake) -> None:
    customer_id = (await intake.captured(phone="13800138000"))["customer_id"]
    erasure = await erased(intake, customer_id)

    await intake.harness.receive(receipt(ProfileErased, erasure, customer_id, count=31))
    await intake.harness.receive(receipt(CasesErased, erasure, customer_id))
    body = await shown(intake, erasure["erasure_id"])
    assert {name: service["status"] for name, service in body["services"].items()} == {
        "intake": "complete",
        "segmentation": "complete",
        "service-desk": "complete",
        "campaigns": "open",
    }
    assert body["services"]["segmentation"]["receipts"][0]["counts"][0]["count"] == 31
    assert await told(intake, ErasureCompleted) == []

    again = receipt(CasesErased, erasure, customer_id, count=9)
    await intake.harness.receive(receipt(MessagesErased, erasure, customer_id), again)

    body = await shown(intake, erasure["erasure_id"])
    assert (body["status"], body["completed_at"]) == ("complete", "2026-03-02T04:00:01Z")
    assert body["services"]["service-desk"]["receipts"][0]["counts"][0]["count"] == 1
    (completed,) = await intake.harness.published(ErasureCompleted)
    assert (completed.subject, completed.late) == (customer_id, False)


async def test_an_erasure_without_all_receipts_after_a_day_is_overdue(intake: Intake) -> None:
    customer_id = (await intake.captured(phone="13800138000"))["customer_id"]
    erasure = await erased(intake, customer_id)
    await intake.harness.receive(receipt(ProfileErased, erasure, customer_id))
    id = erasure["erasure_id"]

    await intake.harness.drive(NOON + timedelta(hours=24) - timedelta(seconds=1))
    assert await listed(intake, status="overdue") == []
    await intake.harness.drive(NOON + timedelta(hours=24))
    assert await listed(intake, status="overdue") == [(id, "overdue")]
    await ErasureGauge().measure(intake.harness.runtime)
    assert ERASURES.labels("overdue")._value.get() == 1

    reminded = await ask(intake, "POST", f"/erasures/{id}/reminders", "customers:erase")
    assert reminded.status_code == 200
    assert await told(intake, CustomerErased) == [("CustomerErased", customer_id)] * 2
    await intake.harness.receive(
        receipt(CasesErased, erasure, customer_id), receipt(MessagesErased, erasure, customer_id)
    )

    assert (await shown(intake, id))["overdue_since"] == "2026-03-03T04:00:00Z"
    assert await listed(intake) == [(id, "complete")]
    (completed,) = await intake.harness.published(ErasureCompleted)
    assert completed.late is True
    late = await ask(intake, "POST", f"/erasures/{id}/reminders", "customers:erase")
    assert late.json()["type"].rpartition("/")[2] == "erasure-complete"


async def test_what_was_being_written_meanwhile_is_swept_away(intake: Intake) -> None:
    captured = await intake.captured(phone="13800138000")
    await erased(intake, captured["customer_id"])
    async with intake.harness.runtime.database.transaction() as connection:
        await connection.exec_driver_sql('UPDATE touches SET answers = \'{"utm": "late"}\'')

    await intake.harness.drive(NOON + timedelta(minutes=10))

    (touch,) = await intake.harness.rows("SELECT answers FROM touches")
    assert touch.answers == {}


async def test_nothing_can_be_done_to_an_erased_person_but_the_ledger_goes_on(
    intake: Intake,
) -> None:
    purchase = await intake.reserved()
    lead = await intake.captured(wechat="buyer-of-home-1", community_id="lakeside")
    customer_id = purchase["customer_id"]
    await erased(intake, customer_id)

    refused = [
        await intake.post("/purchases", RESERVATION | {"home_id": "h", "customer_id": customer_id}),
        await intake.call(
            "PUT",
            f"/customers/{customer_id}/consents",
            {"collected_through": "app", "consents": [SMS]},
        ),
        await intake.post(f"/leads/{lead['lead_id']}/revivals", {"reason": "called"}),
    ]
    assert [answer.json()["type"].rpartition("/")[2] for answer in refused] == [
        "customer-not-found",
        "customer-not-found",
        "lead-not-found",
    ]
    signed = await intake.post(f"/purchases/{purchase['purchase_id']}/signatures", {})
    assert signed.status_code == 201, signed.text
    assert await intake.count("consent_words") == 0


async def test_a_receipt_of_an_erasure_that_intake_does_not_know_changes_nothing(
    intake: Intake,
) -> None:
    await intake.harness.receive(receipt(CasesErased, {"erasure_id": "ers-0"}, "cus-1"))

    assert await intake.count("erasures") == 0
    assert await intake.count("dead_letters") == 0


@given(st.permutations([(kind, id) for kind in READERS for id in ("a", "b")]), st.data())
def test_receipts_in_any_order_and_any_repetition_complete_it_once(
    order: Sequence[tuple[type[ErasureReceipt], str]], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(list(order)), max_size=5))
    file = ErasureFile(
        erasure=Erasure("ers-1", "a", ("a", "b"), NOON, "me", "request", LegalBasis.OBJECTION)
    )
    events: list[Event] = []
    for number, (kind, id) in enumerate([*order, *again]):
        event = kind(customer_id=id, erasure_id="ers-1")
        file, said = receive(file, event, Cause("s", str(number), NOON), None)
        events += said
    assert file.erasure is not None
    assert file.erasure.status is ErasureStatus.COMPLETE
    assert [type(event) for event in events] == [ErasureCompleted]
