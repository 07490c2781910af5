"""POST /leads and POST /leads/batch, and what can be read of leads and customers afterwards."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from keyturn_events import Event
from keyturn_events.intake import (
    ConsentChanged,
    ContactChanged,
    CustomerRegistered,
    CustomerUpdated,
    LeadAdvanced,
    LeadAssigned,
    LeadCaptured,
    LeadLost,
    LeadRevived,
    LeadScored,
    LeadStalled,
)

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

ZHANG = {
    "name": "张伟",
    "phone": "138 0013 8000",
    "channel": "walk-in",
    "community_id": "riverside",
    "consents": [{"channel": "sms", "purpose": "marketing", "wording": "privacy-1"}],
    "budget": {"amount": "1680000.00", "currency": "CNY"},
    "utm": {"source": "metro"},
}


async def test_a_first_capture_registers_the_customer_and_opens_a_lead(intake: Intake) -> None:
    answer = await intake.captured(**ZHANG)
    assert answer["outcome"] == "created"
    events: list[Event] = await intake.harness.published()
    assert [type(event) for event in events] == [
        CustomerRegistered,
        ContactChanged,
        ConsentChanged,
        LeadCaptured,
        LeadScored,
    ]
    contact, captured, scored = events[1], events[3], events[4]
    assert isinstance(contact, ContactChanged)
    assert (contact.name, contact.phones) == ("张伟", ("+8613800138000",))
    assert isinstance(captured, LeadCaptured)
    assert (captured.joined, captured.repeated) == (False, False)
    assert captured.community_time_zone == "Asia/Shanghai"
    assert isinstance(scored, LeadScored)
    assert scored.score == 40
    for event in events:
        if not isinstance(event, ContactChanged):
            assert "13800138000" not in event.model_dump_json()


async def test_a_known_person_is_joined_and_nothing_known_is_told_or_overwritten(
    intake: Intake,
) -> None:
    first = await intake.captured(**ZHANG)
    again = await intake.captured(
        name="Somebody Else", phone="+86 13800138000", email="New@Example.com", language="zh",
        community_id="riverside", channel="web",
    )  # fmt: skip
    assert again == {
        "lead_id": first["lead_id"],
        "customer_id": first["customer_id"],
        "touch_id": again["touch_id"],
        "outcome": "joined",
    }
    customer = (await intake.get(f"/customers/{first['customer_id']}")).json()
    assert (customer["name"], customer["phones"]) == ("张伟", ["+8613800138000"])
    assert (customer["emails"], customer["language"]) == (["new@example.com"], "zh")
    contact = (await intake.harness.published(ContactChanged))[-1]
    assert (contact.name, contact.emails) == ("张伟", ("new@example.com",))
    updated = await intake.harness.published(CustomerUpdated)
    assert [event.changed for event in updated] == [("language",)]


async def test_an_identifier_is_never_taken_from_its_owner(intake: Intake) -> None:
    zhang = await intake.captured(phone="13800138000", wechat="openid-zhang")
    li = await intake.captured(phone="13800138000", wechat="openid-li")
    assert zhang["customer_id"] != li["customer_id"]
    alone = await intake.captured(phone="13800138000")
    assert alone["customer_id"] == zhang["customer_id"]


async def test_another_community_is_another_lead_of_the_same_customer(intake: Intake) -> None:
    first = await intake.captured(**ZHANG)
    second = await intake.captured(**ZHANG | {"community_id": "hillside"})
    assert second["customer_id"] == first["customer_id"]
    assert second["lead_id"] != first["lead_id"]


async def test_every_touch_stays_with_its_answers(intake: Intake) -> None:
    first = await intake.captured(**ZHANG)
    await intake.captured(**ZHANG | {"budget": {"amount": "2000000", "currency": "CNY"}})
    lead = (await intake.get(f"/leads/{first['lead_id']}")).json()
    assert lead["lead"]["touches"] == 2
    assert [touch["joined"] for touch in lead["touches"]] == [False, True]
    assert [touch["answers"]["budget"]["amount"] for touch in lead["touches"]] == [
        "1680000.00",
        "2000000",
    ]


async def test_a_touch_on_a_lost_lead_revives_it(intake: Intake) -> None:
    lead_id = (await intake.captured(**ZHANG))["lead_id"]
    lost = await intake.post(f"/leads/{lead_id}/losses", {"reason": "price"})
    assert (lost.status_code, lost.json()["status"]) == (201, "lost")
    assert (await intake.captured(**ZHANG))["lead_id"] == lead_id
    assert len(await intake.harness.published(LeadLost)) == 1
    revived = await intake.harness.published(LeadRevived)
    assert [event.reason for event in revived] == ["new-touch"]


async def test_the_advisor_whom_the_person_asks_for_gets_the_lead_once(intake: Intake) -> None:
    answer = await intake.captured(**ZHANG, advisor_id="advisor-7")
    await intake.captured(**ZHANG, advisor_id="advisor-8")
    assigned = await intake.harness.published(LeadAssigned)
    assert [(event.advisor_id, event.reason) for event in assigned] == [
        ("advisor-7", "customer-preference")
    ]
    moved = await intake.post(
        f"/leads/{answer['lead_id']}/assignments", {"advisor_id": "advisor-8"}
    )
    assert moved.json()["advisor_id"] == "advisor-8"


async def test_a_lead_shows_its_steps_with_their_reasons(intake: Intake) -> None:
    lead_id = (await intake.captured(**ZHANG))["lead_id"]
    for stage in ("contacted", "visited", "queued"):
        step = {"to_stage": stage, "reason": f"was-{stage}"}
        response = await intake.post(f"/leads/{lead_id}/advances", step)
        assert response.status_code == 201, response.text
    steps = (await intake.get(f"/leads/{lead_id}")).json()["steps"]
    assert [(step["from_stage"], step["to_stage"], step["reason"]) for step in steps] == [
        ("new", "contacted", "was-contacted"),
        ("contacted", "visited", "was-visited"),
        ("visited", "queued", "was-queued"),
    ]
    assert len(await intake.harness.published(LeadAdvanced)) == 3


async def test_an_idle_lead_stalls_once_by_the_clock_and_again_after_a_touch(
    intake: Intake,
) -> None:
    await intake.captured(**ZHANG)
    noon = (await intake.harness.rows("SELECT now FROM driven_clock"))[0].now
    await intake.harness.drive(noon + timedelta(days=30))
    stalled = await intake.harness.messages(LeadStalled)
    assert [message.envelope.time for message in stalled] == [noon + timedelta(days=3)]
    await intake.captured(**ZHANG)
    await intake.harness.drive(noon + timedelta(days=60))
    assert len(await intake.harness.published(LeadStalled)) == 2


async def test_the_community_sets_the_region_and_when_leads_stall(intake: Intake) -> None:
    rules = {
        "name": "Thames", "time_zone": "Europe/London", "region": "GB",
        "stalled_after_days": {"new": 1},
    }  # fmt: skip
    response = await intake.call("PUT", "/communities/thames", rules)
    assert response.status_code == 200, response.text
    assert (await intake.get("/communities/thames")).json() == response.json()
    await intake.captured(phone="020 7946 0958", community_id="thames")
    contact = (await intake.harness.published(ContactChanged))[0]
    captured = (await intake.harness.published(LeadCaptured))[0]
    assert contact.phones == ("+442079460958",)
    assert captured.community_time_zone == "Europe/London"
    noon = (await intake.harness.rows("SELECT now FROM driven_clock"))[0].now
    await intake.harness.drive(noon + timedelta(days=1))
    assert len(await intake.harness.published(LeadStalled)) == 1


async def test_consents_are_recorded_and_the_latest_word_counts(intake: Intake) -> None:
    customer_id = (await intake.captured(**ZHANG))["customer_id"]
    noon = (await intake.harness.rows("SELECT now FROM driven_clock"))[0].now
    await intake.harness.drive(noon + timedelta(minutes=1))
    withdrawn = {
        "collected_through": "owners-app",
        "consents": [{"channel": "sms", "purpose": "marketing", "status": "withdrawn"}],
    }
    response = await intake.call("PUT", f"/customers/{customer_id}/consents", withdrawn)
    assert [consent["status"] for consent in response.json()["consents"]] == ["withdrawn"]
    # The import of an older file brings the old word again: it has been overtaken.
    await intake.captured(**ZHANG, captured_at="2026-03-01T09:00:00+08:00")
    changed = await intake.harness.published(ConsentChanged)
    assert [event.status for event in changed] == ["granted", "withdrawn"]
    assert changed[1].collected_through == "owners-app"


async def test_sending_a_capture_again_with_its_key_answers_as_before(intake: Intake) -> None:
    key = {"idempotency-key": "form-1"}
    first = await intake.post("/leads", ZHANG, headers=key)
    again = await intake.post("/leads", ZHANG, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert await intake.count("touches") == 1
    other = await intake.post("/leads", ZHANG | {"name": "x"}, headers=key)
    assert other.status_code == 422


async def test_a_wrong_field_is_refused_with_its_place(intake: Intake) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"phone": 13800138000}, "/phone"),
        ({"phone": "1" * 41}, "/phone"),
        ({"channel": "telepathy"}, "/channel"),
        ({"captured_at": "2026-13-45"}, "/captured_at"),
        ({"captured_at": 1772424000}, "/captured_at"),
        ({"budget": {"amount": 1.5, "currency": "CNY"}}, "/budget/amount"),
        ({"budget": {"amount": "1", "currency": "XXQ"}}, "/budget/currency"),
        ({"household": {"homes_owned": -1}}, "/household/homes_owned"),
        ({"consents": [{"channel": "sms", "purpose": "fun"}]}, "/consents/0/purpose"),
        ({"nickname": "x"}, "/nickname"),
        ({"name": "a\x07b"}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"household": {"homes_owned": 2**60}}, "/household/homes_owned"),
    ]
    for change, pointer in wrong:
        response = await intake.post("/leads", ZHANG | change)
        assert response.status_code == 422, response.text
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert await intake.count("touches") == 0


async def test_somebody_who_cannot_be_recognised_is_refused(intake: Intake) -> None:
    for lead, code in (
        ({"name": "张伟"}, "no-identifier"),
        ({"phone": "12"}, "invalid-phone"),
        ({"email": "not an address"}, "invalid-email"),
    ):
        response = await intake.post("/leads", lead)
        assert response.status_code == 422
        assert response.json()["type"].endswith(f"/{code}")


async def test_malformed_json_a_missing_token_and_a_missing_scope_are_refused(
    intake: Intake,
) -> None:
    client, headers = intake.harness.client, intake.harness.headers
    json_type = {"content-type": "application/json"}
    malformed = await client.post(
        "/leads", content=b'{"phone": ', headers=headers("leads:write") | json_type
    )
    assert malformed.status_code == 400
    assert (await client.post("/leads", json=ZHANG)).status_code == 401
    wrong_scope = await client.post("/leads", json=ZHANG, headers=headers("leads:read"))
    assert wrong_scope.status_code == 403


async def test_a_batch_answers_for_each_row_and_adds_up(intake: Intake) -> None:
    rows: list[Any] = [
        ZHANG,
        {"phone": "13800138000"},
        {"phone": "12"},
        {"channel": "telepathy", "phone": "13900139000"},
        "not an object",
        {"email": "li@example.com"},
    ]
    response = await intake.post("/leads/batch", {"leads": rows})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["created"], answer["joined"], answer["rejected"]) == (2, 1, 3)
    assert [row["outcome"] for row in answer["rows"]] == [
        "created", "joined", "rejected", "rejected", "rejected", "created",
    ]  # fmt: skip
    assert [(row["code"], row["pointer"]) for row in answer["rows"][2:5]] == [
        ("invalid-phone", "/phone"),
        ("invalid-fields", "/channel"),
        ("invalid-fields", ""),
    ]
    assert await intake.count("touches") == 3


async def test_a_batch_of_one_new_person_makes_one_customer(intake: Intake) -> None:
    response = await intake.post("/leads/batch", {"leads": [ZHANG] * 256})
    answer = response.json()
    assert (answer["created"], answer["joined"]) == (1, 255)
    assert await intake.count("customers") == 1
    assert await intake.count("leads") == 1
    assert await intake.count("touches") == 256


async def test_a_batch_has_a_thousand_rows_at_most(intake: Intake) -> None:
    full = await intake.post("/leads/batch", {"leads": [{}] * 1000})
    assert (full.status_code, full.json()["rejected"]) == (200, 1000)
    assert (await intake.post("/leads/batch", {"leads": [{}] * 1001})).status_code == 422
    assert (await intake.post("/leads/batch", {"leads": []})).status_code == 422


async def test_a_batch_sent_again_with_its_key_doubles_nothing(intake: Intake) -> None:
    key = {"idempotency-key": "batch-1"}
    first = await intake.post("/leads/batch", {"leads": [ZHANG, ZHANG]}, headers=key)
    again = await intake.post("/leads/batch", {"leads": [ZHANG, ZHANG]}, headers=key)
    assert again.json() == first.json()
    assert await intake.count("touches") == 2


async def test_leads_are_listed_by_phone_stage_and_community_in_pages(intake: Intake) -> None:
    ids = [
        (await intake.captured(phone=f"1380013800{n}", community_id="riverside"))["lead_id"]
        for n in range(5)
    ]
    await intake.captured(phone="13900139000", community_id="hillside")
    listed: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await intake.get("/leads", community_id="riverside", limit=2, **cursor)).json()
        listed += [lead["lead_id"] for lead in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(listed) == sorted(ids)
    by_phone = (await intake.get("/leads", phone="138 0013 8003")).json()
    assert [lead["lead_id"] for lead in by_phone["items"]] == [ids[3]]
    assert (await intake.get("/leads", stage="visited")).json()["items"] == []
    assert (await intake.get("/leads", cursor="nonsense")).status_code == 422


async def test_what_is_not_there_is_not_found(intake: Intake) -> None:
    for path in (
        "/leads/nobody", "/customers/nobody", "/purchases/none", "/homes/none/claim",
        "/imports/none", "/imports/none/rows", "/partners/none", "/communities/none",
    ):  # fmt: skip
        response = await intake.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


async def test_captures_that_race_make_one_customer(intake: Intake) -> None:
    answers = await asyncio.gather(*(intake.captured(**ZHANG) for _ in range(40)))
    assert [answer["outcome"] for answer in answers].count("created") == 1
    assert len({answer["customer_id"] for answer in answers}) == 1
    assert await intake.count("touches") == 40
