"""At the door: who brings no known identifier is recognised by what they say of themselves."""

from __future__ import annotations

import asyncio
import math
import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from intake.domain.leads.capture import CaptureLead, PersonSaid, capture
from intake.domain.people.customers import Address
from intake.learning.matching.own_customers import fitted
from intake.reading.match_model_file import MatchModelFile, default_model
from intake.service import service
from intake.store.matching import model_in_use
from keyturn_chassis.group_commit import PendingCommand
from keyturn_chassis.idempotency import Answer, RequestKey
from keyturn_chassis.runtime import Runtime
from keyturn_events import Refusal
from keyturn_events.intake import CustomersMerged
from keyturn_events.partners import PartnerAddress, PartnerLeadSubmitted, Person
from keyturn_events.vocabulary import LeadChannel
from tests.intake.invented_people import chinese_buyers

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
HOME = {"street": "滨江路12号3栋501", "city": "杭州"}
SHAN = {
    "name": "单晓东", "phone": "13800138000", "birth_date": "1980-05-03", "address": HOME,
    "community_id": "riverside",
}  # fmt: skip
ZHANG = {**SHAN, "name": "张晓东"}
NEW_PHONE = {**SHAN, "phone": "13900139000"}


async def rows(intake: Intake, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await intake.harness.rows(sql)]


async def reviews(intake: Intake, **parameters: Any) -> list[dict[str, Any]]:
    response = await intake.get("/reviews", **parameters)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_who_comes_with_a_new_phone_is_recognised_by_name_birth_date_and_address(
    intake: Intake,
) -> None:
    known = await intake.captured(**SHAN)
    again = await intake.captured(**NEW_PHONE)
    assert again["outcome"] == "joined"
    assert again["customer_id"] == known["customer_id"]
    assert again["lead_id"] == known["lead_id"]
    customer = (await intake.get(f"/customers/{known['customer_id']}")).json()
    assert customer["phones"] == ["+8613800138000", "+8613900139000"]
    assert customer["birth_date"] == "1980-05-03"
    assert customer["address"] == {**HOME, "region": None, "postcode": None}
    assert await reviews(intake) == []


async def test_the_touch_tells_why_field_by_field_and_the_bits_add_up(intake: Intake) -> None:
    known = await intake.captured(**SHAN)
    await intake.captured(**NEW_PHONE)
    touches = (await intake.get(f"/leads/{known['lead_id']}")).json()["touches"]
    assert touches[0]["recognition"] is None
    why = touches[1]["recognition"]
    assert why["rule"] == "score"
    assert why["probability"] >= 0.97
    levels = {each["field"]: each["level"] for each in why["fields"]}
    assert levels == {
        "given_name": "same", "family_name": "same", "birth_date": "same",
        "phone": "different", "street": "same", "city": "same",
    }  # fmt: skip
    total = math.fsum([why["prior"], *(each["bits"] for each in why["fields"])])
    assert why["bits"] == pytest.approx(total, abs=1e-9)


async def test_members_of_a_household_are_not_one_person(intake: Intake) -> None:
    known = await intake.captured(**SHAN)
    wife = await intake.captured(
        name="李芳", phone="13900139000", birth_date="1982-11-20", address=HOME
    )
    son = await intake.captured(
        name="单一诺", phone="13800138000", birth_date="2004-07-14", address=HOME
    )
    assert len({known["customer_id"], wife["customer_id"], son["customer_id"]}) == 3
    assert wife["outcome"] == "created"
    assert son["outcome"] == "created"
    assert await reviews(intake) == []


async def test_who_may_be_known_is_registered_and_somebody_is_asked(intake: Intake) -> None:
    known = await intake.captured(**ZHANG)
    other = await intake.captured(
        name="张晓冬", phone="13900139000", birth_date="1980-05-03", community_id="riverside"
    )
    assert other["outcome"] == "created"
    (review,) = await reviews(intake)
    assert review["customer_id"] == other["customer_id"]
    assert review["other_customer_id"] == known["customer_id"]
    assert 0.1 <= review["probability"] < 0.97
    assert review["decision"] is None
    why = review["explanation"]
    total = math.fsum([why["prior"], *(each["bits"] for each in why["fields"])])
    assert why["bits"] == pytest.approx(total, abs=1e-9)
    assert (await intake.get(f"/reviews/{review['review_id']}")).json() == review


async def asked(intake: Intake) -> tuple[str, dict[str, Any], dict[str, Any]]:
    known = await intake.captured(**ZHANG)
    # Who was registered first survives.
    await intake.harness.drive(NOON + timedelta(hours=1))
    other = await intake.captured(name="张晓冬", phone="13900139000", birth_date="1980-05-03")
    (review,) = await reviews(intake)
    return review["review_id"], known, other


async def test_same_merges_the_two_once(intake: Intake) -> None:
    review_id, known, other = await asked(intake)
    answer = {"outcome": "same", "reason": "Showed the card."}
    decided = await intake.post(f"/reviews/{review_id}/decision", answer)
    assert decided.status_code == 200, decided.text
    assert decided.json()["decision"]["outcome"] == "same"
    again = await intake.post(f"/reviews/{review_id}/decision", answer)
    assert again.json() == decided.json()
    merge_id = decided.json()["decision"]["merge_id"]
    merge = (await intake.get(f"/merges/{merge_id}")).json()
    assert (merge["survivor_id"], merge["merged_id"]) == (
        known["customer_id"], other["customer_id"],
    )  # fmt: skip
    assert merge["rule"] == "review"
    assert merge["score"] == decided.json()["probability"]
    assert await reviews(intake) == []
    assert len(await reviews(intake, open=False)) == 1
    assert len(await intake.harness.published(CustomersMerged)) == 1
    refused = await intake.post(
        f"/reviews/{review_id}/decision", {"outcome": "different", "reason": "No."}
    )
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("review-decided")


async def test_different_is_remembered_and_may_become_same(intake: Intake) -> None:
    review_id, _, _ = await asked(intake)
    answer = {"outcome": "different", "reason": "Two brothers."}
    decided = await intake.post(f"/reviews/{review_id}/decision", answer)
    assert decided.json()["decision"]["merge_id"] is None
    assert await reviews(intake) == []
    changed = await intake.post(
        f"/reviews/{review_id}/decision", {"outcome": "same", "reason": "One after all."}
    )
    assert changed.json()["decision"]["merge_id"] is not None


async def test_a_review_that_is_not_there_is_not_found(intake: Intake) -> None:
    assert (await intake.get("/reviews/none")).status_code == 404
    answer = {"outcome": "same", "reason": "x"}
    assert (await intake.post("/reviews/none/decision", answer)).status_code == 404


async def test_the_national_id_recognises_for_certain_and_is_not_kept(intake: Intake) -> None:
    card = "11010519491231002X"
    known = await intake.captured(name="单晓东", phone="13800138000", national_id=card)
    again = await intake.captured(name="Shan", phone="13900139000", national_id=card.lower())
    assert again["customer_id"] == known["customer_id"]
    everything = await rows(
        intake,
        "SELECT document::text FROM customers UNION ALL SELECT value FROM identifiers"
        " UNION ALL SELECT answers::text FROM touches",
    )
    assert all("11010519491231002" not in row[0] for row in everything)


async def test_different_national_ids_are_never_outvoted(intake: Intake) -> None:
    known = await intake.captured(**SHAN, national_id="110105194912310021")
    twin = await intake.captured(**NEW_PHONE, national_id="110105194912310048")
    assert twin["outcome"] == "created"
    assert twin["customer_id"] != known["customer_id"]
    (review,) = await reviews(intake)
    refused = await intake.post(
        f"/reviews/{review['review_id']}/decision", {"outcome": "same", "reason": "Alike."}
    )
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("conflicting-identifiers")


async def test_different_openids_are_never_outvoted(intake: Intake) -> None:
    await intake.captured(**SHAN, wechat="openid-1")
    other = await intake.captured(**NEW_PHONE, wechat="openid-2")
    assert other["outcome"] == "created"
    assert len(await reviews(intake)) == 1


async def test_two_known_people_who_both_fit_are_a_question(intake: Intake) -> None:
    await intake.captured(**SHAN, wechat="openid-1")
    await intake.captured(**NEW_PHONE, wechat="openid-2")
    third = await intake.captured(**{**SHAN, "phone": "13700137000"})
    assert third["outcome"] == "created"
    open_reviews = await reviews(intake)
    assert len([each for each in open_reviews if each["customer_id"] == third["customer_id"]]) == 2


async def test_captures_of_one_person_at_the_same_moment_make_one_customer(
    intake: Intake,
) -> None:
    answers = await asyncio.gather(
        *(intake.post("/leads", {**SHAN, "phone": f"1380013{number:04}"}) for number in range(64))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["customer_id"] for answer in answers}) == 1
    assert await rows(intake, "SELECT count(*) FROM customers") == [(1,)]
    assert await rows(intake, "SELECT count(*) FROM touches") == [(64,)]


async def test_two_processes_that_capture_one_person_at_once_make_one_customer(
    intake: Intake,
) -> None:
    """Each touch brings another phone: only what they say of themselves is the same."""
    async with Runtime(service, intake.harness.runtime.settings) as second:
        await asyncio.gather(
            *(intake.captured(**{**SHAN, "phone": f"138001300{place:02}"}) for place in range(32)),
            *(_captured_by(second, place) for place in range(32)),
        )
    assert await rows(intake, "SELECT count(*) FROM customers") == [(1,)]
    assert await rows(intake, "SELECT count(*) FROM touches") == [(64,)]


async def _captured_by(runtime: Runtime, place: int) -> None:
    """Capture through another API process on the same database."""
    person = PersonSaid(
        name="单晓东",
        phone=f"139001300{place:02}",
        birth_date=date(1980, 5, 3),
        address=Address(HOME["street"], HOME["city"]),
    )
    await runtime.commands.execute(
        PendingCommand(
            CaptureLead(person, LeadChannel.WEB, community_id="riverside"),
            capture,
            lambda state, events: Answer(201, ""),
            RequestKey("second", str(place), ""),
            False,
            None,
        )
    )


async def test_a_partner_brings_the_same_person_with_another_phone(intake: Intake) -> None:
    known = await intake.captured(**SHAN)
    await intake.register_partner("portal", PartnerLeadSubmitted)
    await intake.partner_says(
        PartnerLeadSubmitted(
            lead_reference="l-1",
            person=Person(
                name="单晓东", phone="13900139000", birth_date=date(1980, 5, 3),
                address=PartnerAddress(street="滨江路12号3栋501", city="杭州"),
            ),
            submitted_at=NOON,
            community_id="riverside",
        ),
        partner_id="portal",
    )  # fmt: skip
    customers = await rows(intake, "SELECT DISTINCT customer_id FROM touches")
    assert customers == [(known["customer_id"],)]


async def test_an_ordinary_capture_leaves_nothing_in_the_index(intake: Intake) -> None:
    await intake.captured(name="张伟", phone="13800138000")
    assert await rows(intake, "SELECT count(*) FROM matching_keys") == [(0,)]
    assert await rows(intake, "SELECT count(*) FROM matching_gates") == [(0,)]


@pytest.mark.parametrize("national_id", ["11111", "000000", "1" * 41, "a\x00bcdefg"])
async def test_a_national_id_that_is_none_is_refused(intake: Intake, national_id: str) -> None:
    response = await intake.post("/leads", {"phone": "13800138000", "national_id": national_id})
    assert response.status_code == 422


async def test_what_is_learnt_of_our_own_customers_is_used_from_then_on(intake: Intake) -> None:
    people = chinese_buyers(random.Random(5), 60)
    leads = [
        {
            "name": one["name"], "wechat": f"openid-{number}",
            "birth_date": f"19{60 + number % 40}-01-{1 + number % 28:02}",
            "address": {"street": one["street"] or "无", "city": one["city"] or "杭州"},
        }
        for number, one in enumerate(people)
    ]  # fmt: skip
    answer = await intake.post("/leads/batch", {"leads": leads})
    assert answer.json()["rejected"] == 0, answer.text
    database = intake.harness.runtime.database
    async with database.transaction() as connection:
        with pytest.raises(Refusal, match="customers"):
            await fitted(connection, _silent, use=True)
        before = await model_in_use(connection)
        learnt = await fitted(connection, _silent, use=True, fewest=50)
        after = await model_in_use(connection)
    assert before == default_model()
    assert learnt.version == 1
    assert after == MatchModelFile.model_validate_json(learnt.text).model()
    assert after.learnt_from == f"{learnt.customers} of our own customers"
    await intake.captured(**SHAN)


def _silent(_doing: str, _done: int, _of: int) -> None:
    pass


async def test_the_queue_is_read_page_by_page_the_oldest_first(intake: Intake) -> None:
    asked = (("张", "1961-02-14"), ("王", "1975-08-30"), ("李", "1990-11-07"))
    for number, (family, born) in enumerate(asked):
        for given, phone in (("晓东", f"138{number}1357924"), ("晓冬", f"159{number}8642097")):
            await intake.captured(name=family + given, phone=phone, birth_date=born)
    seen: list[str] = []
    cursor = None
    while True:
        page = (
            await intake.get("/reviews", limit=1, **({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [review["review_id"] for review in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted({review["review_id"] for review in await reviews(intake)})
    assert len(seen) == 3
    assert (await intake.get("/reviews", cursor="nonsense")).status_code in {400, 422}
    assert (await intake.get("/reviews", open="perhaps")).status_code == 422
    assert (await intake.get("/reviews/%00")).status_code == 422
    for outcome in ("perhaps", None, 1):
        body = {"outcome": outcome, "reason": "x"}
        assert (await intake.post(f"/reviews/{seen[0]}/decision", body)).status_code == 422
