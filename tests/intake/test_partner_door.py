"""The partner door: accepted, a duplicate, or rejected with the reason and the original."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from keyturn_events import Event, Message, Money
from keyturn_events.intake import (
    CompletionMoved,
    ConsentChanged,
    ContactChanged,
    CustomerRegistered,
    HomeReserved,
    LeadAdvanced,
    LeadCaptured,
    PartnerEventRejected,
    PurchasePaid,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.partners import (
    PartnerConsent,
    PartnerConstructionProgressed,
    PartnerLeadSubmitted,
    PartnerSaleRecorded,
    Person,
)
from keyturn_events.vocabulary import (
    Channel,
    ConsentBasis,
    ConsentStatus,
    LeadChannel,
    PurchaseStage,
    Purpose,
    RescissionReason,
)

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PRICE = Money(amount=Decimal("285000.00"), currency="GBP")
BUYER = Person(partner_customer_reference="c-1", name="Ann", phone="+44 20 7946 0958")


def sale(stage: str = "signed", **more: Any) -> PartnerSaleRecorded:
    fields: dict[str, Any] = {
        "sale_reference": "sale-1",
        "recorded_on": date(2026, 3, 1),
        "home_id": "home-1",
        "building": "riverside-3",
        "community_id": "riverside",
        "price": PRICE,
        "buyer": BUYER,
    }
    return PartnerSaleRecorded(stage=PurchaseStage(stage), **(fields | more))


def lead(**more: Any) -> PartnerLeadSubmitted:
    fields: dict[str, Any] = {
        "lead_reference": "lead-1",
        "submitted_at": NOON,
        "person": Person(phone="13800138000", name="张伟"),
        "community_id": "riverside",
    }
    return PartnerLeadSubmitted(**(fields | more))


@pytest.fixture
async def ledger(intake: Intake) -> Intake:
    """A partner that may send sales and leads, and no word on construction."""
    await intake.register_partner("ledger", PartnerSaleRecorded, PartnerLeadSubmitted)
    await intake.register_partner("builder", PartnerConstructionProgressed)
    return intake


async def rejections(intake: Intake) -> list[PartnerEventRejected]:
    return await intake.harness.published(PartnerEventRejected)


async def counts(intake: Intake, partner_id: str = "ledger") -> tuple[int, int, dict[str, int]]:
    shown = (await intake.get(f"/partners/{partner_id}")).json()
    return shown["accepted"], shown["duplicate"], shown["rejected"]


async def test_a_submitted_lead_is_a_capture(ledger: Intake) -> None:
    consent = PartnerConsent(channel=Channel.SMS, purpose=Purpose.MARKETING, granted=False)
    await ledger.partner_says(lead(consents=(consent,)))
    (captured,) = await ledger.harness.published(LeadCaptured)
    assert (captured.partner_id, captured.source_reference) == ("ledger", "lead-1")
    assert captured.channel is LeadChannel.PARTNER
    (changed,) = await ledger.harness.published(ConsentChanged)
    assert (changed.status, changed.collected_through) == ("denied", "partner")
    assert await counts(ledger) == (1, 0, {})


async def test_a_sale_that_is_first_heard_of_at_its_signature_registers_the_buyer(
    ledger: Intake,
) -> None:
    await ledger.partner_says(sale("signed", expected_completion=date(2027, 6, 30)))
    events: list[Event] = await ledger.harness.published()
    assert [type(event) for event in events] == [
        CustomerRegistered,
        ContactChanged,
        PurchaseSigned,
        *[ConsentChanged] * len(Channel),
    ]
    signed = events[2]
    assert isinstance(signed, PurchaseSigned)
    implied = [event for event in events if isinstance(event, ConsentChanged)]
    assert {event.channel for event in implied} == set(Channel)
    assert {(event.purpose, event.status, event.basis) for event in implied} == {
        (Purpose.SERVICE, ConsentStatus.GRANTED, ConsentBasis.CONTRACT)
    }
    assert (signed.partner_id, signed.sale_reference) == ("ledger", "sale-1")
    assert (signed.signed_on, signed.expected_completion) == (date(2026, 3, 1), date(2027, 6, 30))
    claim = (await ledger.get("/homes/home-1/claim")).json()
    assert claim["purchase_id"] == signed.purchase_id


async def test_a_sale_goes_on_from_stage_to_stage_and_never_back(ledger: Intake) -> None:
    for number, stage in enumerate(("reserved", "signed", "subscribed", "signed", "paid")):
        await ledger.partner_says(sale(stage), id=f"event-{number}")
    assert await counts(ledger) == (5, 0, {})
    assert len(await ledger.harness.published(HomeReserved)) == 1
    assert len(await ledger.harness.published(PurchaseSigned)) == 1
    assert len(await ledger.harness.published(PurchasePaid)) == 1


async def test_a_paid_sale_was_signed_before(ledger: Intake) -> None:
    await ledger.partner_says(sale("paid", signed_on=date(2026, 2, 1)))
    (signed,) = await ledger.harness.published(PurchaseSigned)
    (paid,) = await ledger.harness.published(PurchasePaid)
    assert (signed.signed_on, paid.paid_on) == (date(2026, 2, 1), date(2026, 3, 1))


async def test_a_rescinded_sale_frees_the_home_for_another(ledger: Intake) -> None:
    await ledger.partner_says(sale("signed"), id="1")
    gone = sale("rescinded", rescission_reason=RescissionReason.FINANCING_REFUSED)
    await ledger.partner_says(gone, id="2")
    await ledger.partner_says(sale("rescinded"), id="3")
    await ledger.partner_says(sale("signed", sale_reference="sale-2"), id="4")
    (rescinded,) = await ledger.harness.published(PurchaseRescinded)
    assert rescinded.reason is RescissionReason.FINANCING_REFUSED
    assert len(await ledger.harness.published(PurchaseSigned)) == 2
    assert await rejections(ledger) == []


async def test_the_buyer_is_recognised_and_the_lead_follows(ledger: Intake) -> None:
    known = await ledger.captured(phone="13800138000", community_id="riverside")
    await ledger.partner_says(sale("signed", buyer=Person(phone="+8613800138000")))
    (signed,) = await ledger.harness.published(PurchaseSigned)
    assert (signed.customer_id, signed.lead_id) == (known["customer_id"], known["lead_id"])
    (advanced,) = await ledger.harness.published(LeadAdvanced)
    assert advanced.to_stage == "signed"


async def test_a_home_that_somebody_has_is_rejected_with_the_reason(ledger: Intake) -> None:
    await ledger.reserved("home-1")
    await ledger.partner_says(sale("signed"), id="too-late")
    (rejected,) = await rejections(ledger)
    assert (rejected.partner_id, rejected.code) == ("ledger", "home-already-claimed")
    assert [problem.pointer for problem in rejected.problems] == ["/home_id"]
    assert (rejected.event_id, rejected.event_type) == ("too-late", "partner.sale.recorded.v1")
    assert rejected.original is not None
    assert orjson.loads(rejected.original.data)["sale_reference"] == "sale-1"
    assert await ledger.harness.published(PurchaseSigned) == []


async def test_a_rejected_event_may_come_again_when_it_has_become_possible(
    ledger: Intake,
) -> None:
    held = await ledger.reserved("home-1")
    await ledger.partner_says(sale("signed"), id="1")
    await ledger.post(f"/purchases/{held['purchase_id']}/rescissions", {"reason": "other"})
    await ledger.partner_says(sale("signed"), id="1")
    assert await counts(ledger) == (1, 0, {"home-already-claimed": 1})


async def test_rules_of_the_sale_reject_with_their_own_codes(ledger: Intake) -> None:
    await ledger.partner_says(sale("rescinded", sale_reference="never-told"), id="1")
    await ledger.partner_says(sale("signed"), id="2")
    await ledger.partner_says(sale("paid", home_id="home-2"), id="3")
    await ledger.partner_says(sale("rescinded"), id="4")
    await ledger.partner_says(sale("paid"), id="5")
    assert [event.code for event in await rejections(ledger)] == [
        "unknown-sale",
        "sale-of-another-home",
        "purchase-rescinded",
    ]


async def test_the_same_event_again_has_no_second_effect_and_is_counted(ledger: Intake) -> None:
    for _ in range(3):
        await ledger.partner_says(lead())
    assert await ledger.count("touches") == 1
    assert await counts(ledger) == (1, 2, {})


async def test_the_same_content_written_otherwise_is_a_duplicate(ledger: Intake) -> None:
    message = Message.of(lead(), id="1", source="/partners/ledger", time=NOON)
    await ledger.inbound(message.value, dict(message.headers))
    reordered = dict(reversed(list(orjson.loads(message.value or b"").items())))
    await ledger.inbound(orjson.dumps(reordered, option=orjson.OPT_INDENT_2), dict(message.headers))
    assert await counts(ledger) == (1, 1, {})


async def test_the_same_id_with_another_content_is_rejected(ledger: Intake) -> None:
    await ledger.partner_says(lead())
    await ledger.partner_says(lead(campaign="spring"))
    assert [event.code for event in await rejections(ledger)] == ["duplicate-id-different-body"]
    assert await counts(ledger) == (1, 0, {"duplicate-id-different-body": 1})


async def test_two_partners_may_use_the_same_event_id(ledger: Intake) -> None:
    await ledger.register_partner("portal", PartnerLeadSubmitted)
    await ledger.partner_says(lead(), id="1")
    await ledger.partner_says(lead(), id="1", partner_id="portal")
    assert await ledger.count("touches") == 2


def written(event: Event, **headers: bytes) -> tuple[bytes, dict[str, bytes]]:
    message = Message.of(event, id="wrong", source="/partners/ledger", time=NOON)
    changes = {f"ce_{name}": value for name, value in headers.items()}
    return message.value or b"", dict(message.headers) | changes


async def test_every_wrong_record_is_rejected_with_its_reason(ledger: Intake) -> None:
    good, headers = written(lead())
    document = orjson.loads(good)

    def body(**changes: object) -> bytes:
        return orjson.dumps(document | changes)

    wrong: list[tuple[str, bytes | None, dict[str, bytes]]] = [
        ("not-a-cloudevent", good, {}),
        ("not-a-cloudevent", good, written(lead(), specversion=b"0.3")[1]),
        ("not-a-cloudevent", good, written(lead(), id=b"a\x00b")[1]),
        ("not-a-cloudevent", good, written(lead(), time=b"yesterday")[1]),
        ("not-a-cloudevent", good, written(lead(), subject=b"another-lead")[1]),
        ("not-a-cloudevent", good, written(lead(), source=b"\xff\xfe")[1] | {"ce_id": b""}),
        ("unknown-partner", good, written(lead(), source=b"/partners/stranger")[1]),
        ("unknown-partner", good, written(lead(), source=b"ledger2")[1]),
        ("unknown-type", good, written(lead(), type=b"partner.lead.dreamed.v1")[1]),
        ("unknown-type", good, written(lead(), type=b"keyturn.purchase.signed.v1")[1]),
        ("type-not-allowed", good, written(lead(), type=b"partner.construction.progressed.v1")[1]),
        ("malformed-json", b'{"lead_reference": ', headers),
        ("malformed-json", b"", headers),
        ("malformed-json", None, headers),
        ("malformed-json", b'{"a": "\xff"}', headers),
        ("malformed-json", b"[" * 5000, headers),
        ("malformed-json", b'{"a": NaN}', headers),
        ("invalid-fields", b"[]", headers),
        ("invalid-fields", b"7", headers),
        ("invalid-fields", body(person={"phone": 13800138000}), headers),
        ("invalid-fields", body(channel="telepathy"), headers),
        ("invalid-fields", body(submitted_at="2026-02-30T00:00:00Z"), headers),
        ("invalid-fields", body(budget={"amount": "9" * 30, "currency": "CNY"}), headers),
        ("invalid-fields", body(campaign="a\x00b"), headers),
        ("no-identifier", body(person={"name": "张伟"}), headers),
        ("invalid-phone", body(person={"phone": "12"}), headers),
        ("invalid-email", body(person={"email": "at home"}), headers),
    ]
    for _, value, wrong_headers in wrong:
        await ledger.inbound(value, wrong_headers)
    assert [event.code for event in await rejections(ledger)] == [code for code, _, _ in wrong]
    for event, (_, value, _) in zip(await rejections(ledger), wrong, strict=True):
        assert event.detail
        assert (event.original is None) is (value is None)
    assert await ledger.count("touches") == 0
    assert await ledger.count("dead_letters") == 0
    invalid = [event for event in await rejections(ledger) if event.code == "invalid-fields"]
    assert all(event.problems for event in invalid)


async def test_one_wrong_record_keeps_no_other_of_its_batch_back(ledger: Intake) -> None:
    await ledger.inbound(b"nonsense", {})
    await ledger.partner_says(lead())
    assert await ledger.count("touches") == 1


async def test_a_later_completion_reaches_every_signed_purchase_of_the_building(
    ledger: Intake,
) -> None:
    for number in range(3):
        await ledger.partner_says(
            sale(
                "signed" if number else "reserved",
                sale_reference=f"sale-{number}",
                home_id=f"home-{number}",
                buyer=Person(wechat=f"buyer-{number}"),
                expected_completion=date(2027, 6, 30),
            ),
            id=f"sale-{number}",
        )
    progress = PartnerConstructionProgressed(
        community_id="riverside",
        building="riverside-3",
        progressed_on=date(2026, 3, 1),
        expected_completion=date(2027, 9, 30),
    )
    await ledger.partner_says(progress, partner_id="builder", id="1")
    older = progress.model_copy(
        update={"progressed_on": date(2026, 2, 1), "expected_completion": date(2027, 1, 1)}
    )
    await ledger.partner_says(older, partner_id="builder", id="2")
    moved = await ledger.harness.published(CompletionMoved)
    assert sorted(event.home_id for event in moved) == ["home-1", "home-2"]
    assert {(event.previous_completion, event.expected_completion) for event in moved} == {
        (date(2027, 6, 30), date(2027, 9, 30))
    }
    # Whoever signs afterwards is promised the day that the builder named last.
    late = sale("signed", sale_reference="late", home_id="home-9", buyer=Person(wechat="late"))
    await ledger.partner_says(late, id="late")
    signed = (await ledger.harness.published(PurchaseSigned))[-1]
    assert signed.expected_completion == date(2027, 9, 30)


async def test_of_contract_and_builder_the_later_word_counts_whichever_is_heard_first(
    ledger: Intake,
) -> None:
    contract = sale("signed", signed_on=date(2026, 3, 1), expected_completion=date(2027, 6, 30))
    for number, day in enumerate((28, 1)):
        home = {"sale_reference": f"sale-{day}", "home_id": f"home-{day}", "building": f"b-{day}"}
        signing = contract.model_copy(update=home)
        progress = PartnerConstructionProgressed(
            community_id="riverside",
            building=f"b-{day}",
            progressed_on=date(2026, 2 + number, day),
            expected_completion=date(2027, 9, 30),
        )
        await ledger.partner_says(progress, partner_id="builder", id=f"{day}")
        await ledger.partner_says(signing, id=f"{day}")
    moved = await ledger.harness.published(CompletionMoved)
    assert [(event.home_id, event.expected_completion) for event in moved] == [
        ("home-1", date(2027, 9, 30))
    ]


async def test_a_partner_is_registered_for_types_that_exist(intake: Intake) -> None:
    response = await intake.call(
        "PUT", "/partners/ledger", {"name": "Ledger", "allowed_types": ["keyturn.lead.lost.v1"]}
    )
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/allowed_types"
    for wrong in ({"time_zone": "Mars/Olympus"}, {"region": "china"}, {"cooling_off_days": -1}):
        assert (await intake.call("PUT", "/communities/riverside", wrong)).status_code == 422
