"""Every word of consent is kept with its evidence, and it is told which counts and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from keyturn_events.intake import ConsentChanged
from keyturn_events.partners import PartnerLeadSubmitted, PartnerSaleRecorded
from keyturn_events.values import Money
from keyturn_events.vocabulary import Channel, ConsentBasis, ConsentStatus, Purpose

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
SMS = {"channel": "sms", "purpose": "marketing"}


async def say(intake: Any, customer_id: str, **word: Any) -> None:
    response = await intake.call(
        "PUT",
        f"/customers/{customer_id}/consents",
        {"collected_through": "owners-app", "consents": [SMS | word]},
    )
    assert response.status_code == 200, response.text


async def account(intake: Any, customer_id: str) -> dict[str, Any]:
    (found,) = (await intake.get(f"/customers/{customer_id}/consents")).json()["consents"]
    consent: dict[str, Any] = found
    return consent


async def told(intake: Any) -> list[ConsentChanged]:
    events: list[ConsentChanged] = await intake.harness.published(ConsentChanged)
    return events


async def signed(intake: Any, **more: Any) -> dict[str, Any]:
    purchase = await intake.reserved(**more)
    answer = await intake.post(f"/purchases/{purchase['purchase_id']}/signatures", {})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_word_is_kept_with_the_wording_the_source_the_time_and_who_wrote_it_down(
    intake: Any,
) -> None:
    lead = await intake.captured(phone="13800138000", consents=[SMS | {"wording": "privacy-1"}])
    (word,) = (await intake.get(f"/customers/{lead['customer_id']}/consents/history")).json()[
        "items"
    ]
    del word["word_id"]
    assert word == {
        "customer_id": lead["customer_id"],
        "channel": "sms",
        "purpose": "marketing",
        "status": "granted",
        "basis": "express",
        "said_at": "2026-03-02T04:00:00Z",
        "expires_at": None,
        "wording": "privacy-1",
        "collected_through": "api",
        "recorded_at": "2026-03-02T04:00:00Z",
        "recorded_by": "tester",
    }


async def test_no_word_is_ever_lost_and_each_that_does_not_count_says_why(intake: Any) -> None:
    said = NOON - timedelta(days=1)
    lead = await intake.captured(
        phone="13800138000",
        captured_at=said.isoformat(),
        consents=[SMS, SMS | {"basis": "implied"}],
    )
    customer_id = lead["customer_id"]
    await say(intake, customer_id, status="withdrawn")
    await say(intake, customer_id, status="withdrawn")
    await say(intake, customer_id)
    found = await account(intake, customer_id)
    assert (found["status"], found["counts"]["status"]) == ("withdrawn", "withdrawn")
    assert [(b["status"], b["basis"], b["because"]) for b in found["beaten"]] == [
        ("granted", "express", "laxer"),
        ("withdrawn", "express", "repeated"),
        ("granted", "implied", "inferred"),
        ("granted", "express", "earlier"),
    ]
    assert await intake.count("consent_words") == 5


async def test_the_history_goes_page_by_page_from_the_newest(intake: Any) -> None:
    lead = await intake.captured(phone="13800138000")
    path = f"/customers/{lead['customer_id']}/consents/history"
    for hour in range(3):
        await intake.harness.drive(NOON + timedelta(hours=hour))
        await say(intake, lead["customer_id"], wording=f"v{hour}")
    first = (await intake.get(path, limit=2)).json()
    rest = (await intake.get(path, limit=2, cursor=first["next_cursor"])).json()
    assert [word["wording"] for word in first["items"]] == ["v2", "v1"]
    assert ([word["wording"] for word in rest["items"]], rest["next_cursor"]) == (["v0"], None)


async def test_of_a_stranger_nothing_is_told(intake: Any) -> None:
    for path in ("/customers/nobody/consents", "/customers/nobody/consents/history"):
        assert (await intake.get(path)).status_code == 404


async def test_what_a_partner_brings_names_the_partner(intake: Any) -> None:
    await intake.register_partner("portal", PartnerLeadSubmitted)
    await intake.partner_says(
        PartnerLeadSubmitted.model_validate(
            {
                "lead_reference": "L-1",
                "submitted_at": NOON.isoformat(),
                "person": {"phone": "13800138000"},
                "consents": [{"channel": "sms", "purpose": "marketing", "granted": True}],
                "community_id": "riverside",
            }
        ),
        partner_id="portal",
    )
    rows = await intake.harness.rows("SELECT collected_through, recorded_by FROM consent_words")
    assert [tuple(row) for row in rows] == [("partner", "portal")]


async def test_a_consent_for_a_time_ends_by_itself_once_however_late_that_is_noticed(
    intake: Any,
) -> None:
    lead = await intake.captured(phone="13800138000", consents=[SMS | {"basis": "implied"}])
    await intake.harness.drive(datetime(2026, 9, 2, 3, 59, 59, tzinfo=UTC))
    assert [event.status for event in await told(intake)] == [ConsentStatus.GRANTED]
    await intake.harness.drive(datetime(2027, 1, 1, tzinfo=UTC))
    messages = await intake.harness.messages(ConsentChanged)
    assert [message.event.status for message in messages] == [
        ConsentStatus.GRANTED,
        ConsentStatus.EXPIRED,
    ]
    assert messages[-1].envelope.time == datetime(2026, 9, 2, 4, 0, tzinfo=UTC)
    assert (await account(intake, lead["customer_id"]))["status"] == "expired"


async def test_a_newer_word_takes_the_end_of_the_older_one_away(intake: Any) -> None:
    until = (NOON + timedelta(days=10)).isoformat()
    lead = await intake.captured(phone="13800138000", consents=[SMS | {"expires_at": until}])
    await intake.harness.drive(NOON + timedelta(days=1))
    await say(intake, lead["customer_id"])
    await intake.harness.drive(NOON + timedelta(days=30))
    assert [event.status for event in await told(intake)] == [
        ConsentStatus.GRANTED,
        ConsentStatus.GRANTED,
    ]
    timers = await intake.harness.rows("SELECT kind FROM timers WHERE kind = 'consent-ends'")
    assert timers == []


async def test_each_of_several_ends_is_told_at_its_own_time(intake: Any) -> None:
    ends = {"sms": NOON + timedelta(days=2), "phone": NOON + timedelta(days=1)}
    await intake.captured(
        phone="13800138000",
        consents=[
            {"channel": channel, "purpose": "marketing", "expires_at": end.isoformat()}
            for channel, end in ends.items()
        ],
    )
    await intake.harness.drive(NOON + timedelta(days=5))
    over = (await intake.harness.messages(ConsentChanged))[2:]
    assert [(message.event.channel, message.envelope.time) for message in over] == [
        (Channel.PHONE, ends["phone"]),
        (Channel.SMS, ends["sms"]),
    ]


async def test_a_signed_contract_implies_service_on_every_channel_for_two_years(
    intake: Any,
) -> None:
    lead = await intake.captured(phone="13800138000", email="zhou@mail.example")
    await signed(intake, customer_id=lead["customer_id"])
    events = await told(intake)
    assert [(e.channel, e.purpose, e.status, e.basis) for e in events] == [
        (channel, Purpose.SERVICE, ConsentStatus.GRANTED, ConsentBasis.CONTRACT)
        for channel in Channel
    ]
    assert {event.expires_at for event in events} == {datetime(2028, 3, 1, 16, tzinfo=UTC)}


async def test_a_contract_never_overrides_the_buyers_own_word(intake: Any) -> None:
    service = {"channel": "sms", "purpose": "service"}
    lead = await intake.captured(wechat="openid-1", consents=[service | {"status": "denied"}])
    await intake.captured(wechat="openid-1", phone="13800138000")
    await signed(intake, customer_id=lead["customer_id"])
    await intake.harness.drive(NOON + timedelta(days=800))
    sms = [event.status for event in await told(intake) if event.channel is Channel.SMS]
    assert sms == [ConsentStatus.DENIED]


async def test_a_community_says_for_what_a_contract_allows_messages(intake: Any) -> None:
    rules = {"contract_allows": ["service", "survey"]}
    assert (await intake.call("PUT", "/communities/riverside", rules)).status_code == 200
    lead = await intake.captured(email="zhou@mail.example")
    await signed(intake, customer_id=lead["customer_id"])
    assert [event.purpose for event in await told(intake)] == [
        Purpose.SERVICE,
        Purpose.SURVEY,
    ] * len(Channel)


async def test_a_sale_that_a_ledger_records_implies_the_same_once(intake: Any) -> None:
    await intake.register_partner("ledger", PartnerSaleRecorded)
    sale = {
        "sale_reference": "S-1",
        "home_id": "home-1",
        "community_id": "riverside",
        "buyer": {"phone": "13800138000"},
        "price": Money(amount="1680000.00", currency="CNY"),  # type: ignore[arg-type]  # as a sender writes it
        "recorded_on": "2026-03-01",
        "signed_on": "2024-03-05",
    }
    for stage in ("signed", "paid"):
        await intake.partner_says(
            PartnerSaleRecorded.model_validate(sale | {"stage": stage}), id=f"sale-{stage}"
        )
    events = await told(intake)
    assert [(event.channel, event.basis) for event in events] == [
        (channel, ConsentBasis.CONTRACT) for channel in Channel
    ]
    await intake.harness.drive(NOON + timedelta(days=5))
    assert [event.status for event in await told(intake)][5:] == [ConsentStatus.EXPIRED] * 5


async def test_a_contract_of_long_ago_implies_nothing_any_more(intake: Any) -> None:
    purchase = await intake.reserved(
        customer_id=(await intake.captured(phone="13800138000"))["customer_id"]
    )
    answer = await intake.post(
        f"/purchases/{purchase['purchase_id']}/signatures", {"on": "2024-03-01"}
    )
    assert answer.status_code == 201, answer.text
    assert await told(intake) == []
