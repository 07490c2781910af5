"""A consent that is to be confirmed holds from its confirmation, once, at the contact point."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from intake.reading.link_tokens import confirmation_token, read_confirmation
from keyturn_events import Topic
from keyturn_events.intake import ConsentChanged, ContactChanged
from keyturn_events.values import OptIn
from keyturn_events.vocabulary import Channel, ConsentBasis, ConsentStatus, Purpose

E_MAIL = {"channel": "email", "purpose": "marketing"}
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
ADDRESS = "zhou.lan@mail.example"


async def strict_community(intake: Any, *kinds: dict[str, str]) -> None:
    response = await intake.call(
        "PUT", "/communities/riverside", {"double_opt_in": list(kinds or [E_MAIL])}
    )
    assert response.status_code == 200, response.text


async def asked(intake: Any, **lead: Any) -> str:
    """A lead with a consent that is to be confirmed; the customer's id."""
    await strict_community(intake)
    captured = await intake.captured(
        **{"email": ADDRESS, "community_id": "riverside", "consents": [E_MAIL]} | lead
    )
    customer_id: str = captured["customer_id"]
    return customer_id


async def told(intake: Any) -> list[tuple[ConsentStatus, ConsentBasis]]:
    events = await intake.harness.published(ConsentChanged)
    return [(event.status, event.basis) for event in events]


async def opt_ins(intake: Any) -> list[tuple[OptIn, ...]]:
    return [event.opt_ins for event in await intake.harness.published(ContactChanged)]


async def token(intake: Any) -> str:
    (opt_in,) = (await opt_ins(intake))[-1]
    sent: str = opt_in.token
    return sent


async def confirm(intake: Any, link: str) -> Any:
    return await intake.harness.client.post("/confirmations", json={"token": link})


async def test_a_consent_that_is_to_be_confirmed_waits_and_its_link_is_told_to_whoever_sends(
    intake: Any,
) -> None:
    await asked(intake)
    assert await told(intake) == [(ConsentStatus.PENDING, ConsentBasis.EXPRESS)]
    ((opt_in,),) = await opt_ins(intake)
    assert (opt_in.channel, opt_in.purpose) == (Channel.EMAIL, Purpose.MARKETING)
    assert (opt_in.through, opt_in.to) == (Channel.EMAIL, ADDRESS)
    assert opt_in.expires_at == NOON + timedelta(days=7)


async def test_no_link_is_kept_anywhere_and_none_is_on_a_shared_topic(intake: Any) -> None:
    customer_id = await asked(intake)
    link = await token(intake)
    rows = await intake.harness.rows("SELECT document::text AS document FROM customers")
    assert all(link not in row.document for row in rows)
    shared = [
        event.model_dump_json()
        for event in await intake.harness.published()
        if event.topic is not Topic.INTAKE_CONTACTS
    ]
    assert shared
    assert all(link not in told for told in shared)
    assert read_confirmation(link).customer_id == customer_id


async def test_the_confirmation_is_the_persons_word(intake: Any) -> None:
    customer_id = await asked(intake)
    answer = await confirm(intake, await token(intake))
    assert (answer.status_code, answer.json()["state"]) == (200, "confirmed")
    assert (await told(intake))[-1] == (ConsentStatus.GRANTED, ConsentBasis.EXPRESS)
    assert (await opt_ins(intake))[-1] == ()
    (account,) = (await intake.get(f"/customers/{customer_id}/consents")).json()["consents"]
    assert account["status"] == "granted"
    assert account["counts"]["collected_through"] == "double-opt-in"
    assert [beaten["because"] for beaten in account["beaten"]] == ["unconfirmed"]


async def test_confirming_again_gives_the_same_answer_and_changes_nothing(intake: Any) -> None:
    await asked(intake)
    link = await token(intake)
    first = await confirm(intake, link)
    before = await intake.harness.published()
    again = await confirm(intake, link)
    assert (again.status_code, again.json()) == (200, first.json())
    assert await intake.harness.published() == before
    assert await intake.count("consent_words") == 2


async def test_looking_at_the_link_confirms_nothing(intake: Any) -> None:
    await asked(intake)
    link = await token(intake)
    answer = await intake.harness.client.get(f"/confirmations/{link}")
    assert (answer.status_code, answer.json()["state"]) == (200, "waiting")
    assert ADDRESS not in answer.text
    assert (await told(intake))[-1][0] is ConsentStatus.PENDING


async def test_a_link_is_good_for_seven_days_and_the_request_then_expires(intake: Any) -> None:
    await asked(intake)
    link = await token(intake)
    await intake.harness.drive(NOON + timedelta(days=7))
    assert (await told(intake))[-1] == (ConsentStatus.EXPIRED, ConsentBasis.EXPRESS)
    assert (await opt_ins(intake))[-1] == ()
    refused = await confirm(intake, link)
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (
        409,
        "confirmation-expired",
    )


async def test_a_link_still_confirms_just_before_its_end(intake: Any) -> None:
    await asked(intake)
    link = await token(intake)
    await intake.harness.drive(NOON + timedelta(days=7) - timedelta(seconds=1))
    assert (await confirm(intake, link)).status_code == 200
    await intake.harness.drive(NOON + timedelta(days=8))
    assert (await told(intake))[-1][0] is ConsentStatus.GRANTED


async def test_a_request_takes_nothing_away_that_was_said_before(intake: Any) -> None:
    lead = await intake.captured(email=ADDRESS, consents=[E_MAIL])
    await strict_community(intake)
    await intake.captured(email=ADDRESS, community_id="riverside", consents=[E_MAIL])
    assert await told(intake) == [(ConsentStatus.GRANTED, ConsentBasis.EXPRESS)]
    assert (await opt_ins(intake))[-1] == ()
    consents = (await intake.get(f"/customers/{lead['customer_id']}/consents")).json()
    assert consents["consents"][0]["status"] == "granted"


async def test_a_request_does_not_bring_back_what_was_refused_until_it_is_confirmed(
    intake: Any,
) -> None:
    lead = await intake.captured(email=ADDRESS, consents=[E_MAIL | {"status": "denied"}])
    await strict_community(intake)
    await intake.harness.drive(NOON + timedelta(hours=1))
    await intake.captured(email=ADDRESS, community_id="riverside", consents=[E_MAIL])
    assert await told(intake) == [(ConsentStatus.DENIED, ConsentBasis.EXPRESS)]
    assert (await confirm(intake, await token(intake))).status_code == 200
    assert (await told(intake))[-1][0] is ConsentStatus.GRANTED
    consents = (await intake.get(f"/customers/{lead['customer_id']}/consents")).json()
    assert [b["because"] for b in consents["consents"][0]["beaten"]] == ["unconfirmed", "earlier"]


async def test_a_refusal_voids_a_link_that_was_sent_before_it(intake: Any) -> None:
    customer_id = await asked(intake)
    link = await token(intake)
    await intake.call(
        "PUT",
        f"/customers/{customer_id}/consents",
        {"collected_through": "phone", "consents": [E_MAIL | {"status": "denied"}]},
    )
    refused = await confirm(intake, link)
    assert refused.json()["type"].rpartition("/")[2] == "confirmation-void"
    assert (await told(intake))[-1][0] is ConsentStatus.DENIED


async def test_nobody_is_asked_twice_while_a_request_waits(intake: Any) -> None:
    await asked(intake)
    for _ in range(3):
        await intake.captured(email=ADDRESS, community_id="riverside", consents=[E_MAIL])
    assert len(await opt_ins(intake)) == 1
    assert await intake.count("consent_words") == 4


async def test_a_second_address_is_asked_for_itself_and_the_first_link_is_worth_nothing_more(
    intake: Any,
) -> None:
    await asked(intake, wechat="openid-1")
    link = await token(intake)
    await intake.harness.drive(NOON + timedelta(hours=1))
    await intake.captured(
        wechat="openid-1", email="other@mail.example", community_id="riverside", consents=[E_MAIL]
    )
    ((opt_in,),) = (await opt_ins(intake))[-1:]
    assert opt_in.to == "other@mail.example"
    assert (await confirm(intake, link)).status_code == 404


async def test_any_door_may_ask_for_a_confirmation_by_saying_pending(intake: Any) -> None:
    lead = await intake.captured(phone="13800138000")
    await intake.call(
        "PUT",
        f"/customers/{lead['customer_id']}/consents",
        {
            "collected_through": "owners-app",
            "consents": [{"channel": "phone", "purpose": "survey", "status": "pending"}],
        },
    )
    ((opt_in,),) = (await opt_ins(intake))[-1:]
    assert (opt_in.channel, opt_in.through, opt_in.to) == (
        Channel.PHONE,
        Channel.SMS,
        "+8613800138000",
    )


async def test_a_link_that_nobody_sent_confirms_nothing(intake: Any) -> None:
    customer_id = await asked(intake)
    for link in ("x", "A" * 200, confirmation_token(customer_id, "made-up")):
        refused = await confirm(intake, link)
        assert refused.status_code == 404, link
        assert (await intake.harness.client.get(f"/confirmations/{link}")).status_code == 404
    assert (await told(intake))[-1][0] is ConsentStatus.PENDING


async def test_requests_of_long_ago_that_come_by_file_are_not_sent_after_all_this_time(
    intake: Any,
) -> None:
    await asked(intake, captured_at=(NOON - timedelta(days=8)).isoformat())
    assert await opt_ins(intake) == [()]
    assert await told(intake) == [(ConsentStatus.EXPIRED, ConsentBasis.EXPRESS)]
