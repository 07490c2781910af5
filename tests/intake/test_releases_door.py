"""Releases, queue numbers and homes over HTTP."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy.exc import IntegrityError

from intake.service import service
from keyturn_chassis.app import create_app
from keyturn_chassis.runtime import Runtime
from keyturn_events import Message
from keyturn_events.intake import (
    HomeReserved,
    LeadAdvanced,
    QueueNumberGiven,
    QueueNumberSettled,
)
from keyturn_events.service_desk import HandoverCompleted

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
OPENS = NOON + timedelta(days=1)
TURN = timedelta(minutes=5)
PRICE = {"amount": "1680000.00", "currency": "CNY"}
AUTUMN = "/releases/autumn"


async def planned(intake: Intake, homes: int = 3, **more: Any) -> None:
    """A release that opens tomorrow, with its homes."""
    body = {"community_id": "riverside", "name": "Autumn", "opens_at": OPENS.isoformat()}
    assert (await intake.call("PUT", AUTUMN, body | more)).status_code == 200
    answer = await intake.post(
        "/homes/batch",
        {
            "homes": [
                {
                    "home_id": f"home-{number}",
                    "community_id": "riverside",
                    "building": "riverside-5",
                    "product_line": "first-home",
                    "list_price": {"amount": f"{100 + number}", "currency": "CNY"},
                    "release_id": "autumn",
                }
                for number in range(1, homes + 1)
            ]
        },
    )
    assert answer.json()["registered"] == homes, answer.text


async def buyers(intake: Intake, count: int) -> list[str]:
    """Customers with a lead in the community, each with the number of their place."""
    ids = []
    for number in range(1, count + 1):
        lead = await intake.captured(wechat=f"buyer-{number}", community_id="riverside")
        ids.append(lead["customer_id"])
        given = await intake.post(f"{AUTUMN}/numbers", {"customer_id": lead["customer_id"]})
        assert (given.status_code, given.json()["number"]) == (201, number)
    return ids


async def claimed(
    intake: Intake, number: int, customer_id: str, *homes: str, **more: Any
) -> httpx.Response:
    body = {"number": number, "customer_id": customer_id, "homes": homes}
    return await intake.post(f"{AUTUMN}/claims", body | more)


async def standing(intake: Intake, number: int) -> dict[str, Any]:
    answer: dict[str, Any] = (await intake.get(f"{AUTUMN}/claims/{number}")).json()
    return answer


async def test_a_queue_is_served_from_the_number_to_the_reserved_home(intake: Intake) -> None:
    await planned(intake, homes=2)
    first, second, third = await buyers(intake, 3)
    early = await claimed(intake, 2, second, "home-1", "home-2")
    assert (early.status_code, early.json()["state"], early.json()["ahead"]) == (201, "waiting", 1)
    assert early.json()["latest"] == (OPENS + TURN).isoformat().replace("+00:00", "Z")
    await intake.harness.drive(OPENS)
    got = (await claimed(intake, 1, first, "home-1")).json()
    assert (got["state"], got["home_id"], got["gone"]) == ("claimed", "home-1", [])
    after = await standing(intake, 2)
    assert (after["state"], after["home_id"], after["gone"]) == ("claimed", "home-2", ["home-1"])
    late = await claimed(intake, 3, third, "home-1")
    assert (late.status_code, late.json()["state"]) == (200, "sold-out")
    purchase = (await intake.get(f"/purchases/{got['purchase_id']}")).json()
    assert (purchase["stage"], purchase["customer_id"]) == ("reserved", first)
    assert purchase["price"] == {"amount": "101", "currency": "CNY"}
    assert (purchase["building"], purchase["product_line"]) == ("riverside-5", "first-home")
    page = (await intake.get(f"{AUTUMN}/numbers", limit=2)).json()
    rest = (await intake.get(f"{AUTUMN}/numbers", cursor=page["next_cursor"])).json()["items"]
    assert [(each["number"], each["home_id"]) for each in (*page["items"], *rest)] == [
        (1, "home-1"),
        (2, "home-2"),
        (3, None),
    ]
    without = (await intake.get(f"{AUTUMN}/numbers", outcome="sold-out")).json()["items"]
    assert [each["customer_id"] for each in without] == [third]
    shown = (await intake.get(AUTUMN)).json()
    assert (shown["status"], shown["homes"], shown["free"]) == ("done", 2, 0)
    assert shown["outcomes"] == {"claimed": 2, "sold-out": 1}
    reserved = await intake.harness.published(HomeReserved)
    assert [(event.customer_id, event.home_id) for event in reserved] == [
        (first, "home-1"),
        (second, "home-2"),
    ]
    settled = await intake.harness.published(QueueNumberSettled)
    assert [(event.number, event.outcome) for event in settled] == [
        (1, "claimed"),
        (2, "claimed"),
        (3, "sold-out"),
    ]
    stages = [event.to_stage for event in await intake.harness.published(LeadAdvanced)]
    assert stages == ["queued"] * 3 + ["reserved"] * 2


async def test_a_number_is_given_once_and_only_before_the_opening(intake: Intake) -> None:
    await planned(intake)
    (first,) = await buyers(intake, 1)
    again = await intake.post(f"{AUTUMN}/numbers", {"customer_id": first})
    assert (again.status_code, again.json()["number"]) == (200, 1)
    nobody = await intake.post(f"{AUTUMN}/numbers", {"customer_id": "nobody"})
    assert (nobody.status_code, nobody.json()["errors"][0]["pointer"]) == (422, "/customer_id")
    other = (await intake.captured(wechat="late"))["customer_id"]
    await intake.harness.drive(OPENS)
    late = await intake.post(f"{AUTUMN}/numbers", {"customer_id": other})
    assert (late.status_code, late.json()["type"].rpartition("/")[2]) == (409, "release-opened")
    (given,) = await intake.harness.published(QueueNumberGiven)
    assert (given.number, given.opens_at) == (1, OPENS)


async def test_of_many_who_ask_at_once_everybody_gets_a_number_of_their_own(
    intake: Intake,
) -> None:
    """Through two processes' worth of group commits on one database."""
    await planned(intake)
    leads = [{"wechat": f"buyer-{number}", "community_id": "riverside"} for number in range(60)]
    rows = (await intake.post("/leads/batch", {"leads": leads})).json()["rows"]
    async with Runtime(service, intake.harness.runtime.settings) as second:
        app = create_app(service, second)
        app.state.runtime = second
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as other:
            headers = intake.harness.headers("queue:write")
            doors = (intake.harness.client, other)
            answers = await asyncio.gather(
                *(
                    doors[place % 2].post(
                        f"{AUTUMN}/numbers", json={"customer_id": row["customer_id"]},
                        headers=headers,
                    )
                    for place, row in enumerate(rows)
                )
            )  # fmt: skip
    assert {answer.status_code for answer in answers} == {201}
    assert sorted(answer.json()["number"] for answer in answers) == list(range(1, 61))


async def test_a_turn_that_runs_out_passes_by_the_clock(intake: Intake) -> None:
    await planned(intake)
    first, second, third = await buyers(intake, 3)
    await claimed(intake, 2, second, "home-1")
    await intake.harness.drive(OPENS + TURN)
    assert (await standing(intake, 1))["state"] == "passed"
    assert (await standing(intake, 2))["home_id"] == "home-1"
    waiting = await standing(intake, 3)
    assert (waiting["state"], waiting["ahead"]) == ("numbered", 0)
    shown = (await intake.get(AUTUMN)).json()
    assert (shown["status"], shown["turn_of"]) == ("open", 3)
    assert shown["turn_ends"] == (OPENS + 2 * TURN).isoformat().replace("+00:00", "Z")
    told = await claimed(intake, 1, first, "home-2")
    assert (told.status_code, told.json()["state"]) == (200, "passed")
    given_up = await intake.post(f"{AUTUMN}/passes", {"number": 3, "customer_id": third})
    assert (given_up.status_code, given_up.json()["state"]) == (201, "passed")
    assert (await intake.get(AUTUMN)).json()["status"] == "done"


async def test_a_claim_decides_as_if_every_timer_had_fired_in_time(intake: Intake) -> None:
    await planned(intake)
    first, second = await buyers(intake, 2)
    await claimed(intake, 2, second, "home-1")
    async with intake.harness.runtime.database.transaction() as connection:
        await intake.harness.clock.drive(connection, OPENS + TURN)
    late = (await claimed(intake, 1, first, "home-1")).json()
    assert late["state"] == "passed"
    assert late["settled_at"] == (OPENS + TURN).isoformat().replace("+00:00", "Z")
    assert (await standing(intake, 2))["home_id"] == "home-1"


async def test_a_repeated_claim_is_answered_alike_and_has_no_second_effect(
    intake: Intake,
) -> None:
    await planned(intake)
    (first,) = await buyers(intake, 1)
    await intake.harness.drive(OPENS)
    key = {"idempotency-key": "claim-1"}
    body = {"number": 1, "customer_id": first, "homes": ["home-2"]}
    answers = [await intake.post(f"{AUTUMN}/claims", body, headers=key) for _ in range(2)]
    assert answers[0].status_code == answers[1].status_code == 201
    assert answers[0].json() == answers[1].json()
    other = await claimed(intake, 1, first, "home-3")
    assert (other.status_code, other.json()["home_id"]) == (200, "home-2")
    assert len(await intake.harness.published(HomeReserved)) == 1


async def test_who_waits_for_the_outcome_is_told_it_when_the_turn_comes(intake: Intake) -> None:
    await planned(intake)
    first, second, third = await buyers(intake, 3)
    await intake.harness.drive(OPENS)
    body = {"number": 2, "customer_id": second, "homes": ["home-1", "home-2"]}
    key = {"idempotency-key": "patient"}
    assert (await intake.post(f"{AUTUMN}/claims", body)).json()["state"] == "waiting"
    patient, shown, _ = await asyncio.gather(
        intake.post(f"{AUTUMN}/claims?wait=10", body, headers=key),
        intake.get(f"{AUTUMN}/claims/2", wait=10),
        claimed(intake, 1, first, "home-1"),
    )
    assert (patient.status_code, patient.json()["home_id"]) == (200, "home-2")
    assert shown.json() == patient.json()
    again = await intake.post(f"{AUTUMN}/claims?wait=10", body, headers=key)
    assert again.json() == patient.json()
    impatient = await intake.post(
        f"{AUTUMN}/claims?wait=16", {"number": 3, "customer_id": third, "homes": ["home-3"]}
    )
    assert impatient.status_code == 422


async def test_whose_wishes_are_gone_is_told_which_and_what_is_free(intake: Intake) -> None:
    await planned(intake)
    first, second = await buyers(intake, 2)
    await intake.harness.drive(OPENS)
    await claimed(intake, 1, first, "home-1")
    missed = (await claimed(intake, 2, second, "home-1")).json()
    assert (missed["state"], missed["gone"]) == ("missed", ["home-1"])
    assert missed["free"] == ["home-2", "home-3"]


async def test_any_home_is_claimed_by_what_it_must_be_like(intake: Intake) -> None:
    await planned(intake)
    first, second = await buyers(intake, 2)
    await intake.harness.drive(OPENS)
    cheap = {"most_price": {"amount": "102", "currency": "CNY"}}
    got = (await claimed(intake, 1, first, otherwise=cheap)).json()
    assert got["home_id"] == "home-1"
    got = (await claimed(intake, 2, second, "home-1", otherwise=cheap)).json()
    assert (got["home_id"], got["gone"]) == ("home-2", ["home-1"])


async def test_a_wrong_claim_is_refused_with_its_place(intake: Intake) -> None:
    await planned(intake)
    first, second = await buyers(intake, 2)
    wrong = {
        "number-of-another-customer": (403, await claimed(intake, 1, second, "home-1")),
        "queue-number-not-found": (404, await claimed(intake, 9, first, "home-1")),
        "home-not-in-release": (422, await claimed(intake, 1, first, "home-1", "home-9")),
        "no-wish": (422, await claimed(intake, 1, first)),
    }
    for code, (status, response) in wrong.items():
        told = response.json()["type"].rpartition("/")[2]
        assert (told, response.status_code) == (code, status)
    pointer = wrong["home-not-in-release"][1].json()["errors"][0]["pointer"]
    assert pointer == "/homes/1"
    assert (await intake.get(f"{AUTUMN}/claims/9")).status_code == 404
    assert (await intake.get("/releases/none")).status_code == 404
    nowhere = await intake.post("/releases/none/numbers", {"customer_id": first})
    assert nowhere.status_code == 404


async def test_a_home_of_a_release_is_not_sold_past_its_queue(intake: Intake) -> None:
    await planned(intake)
    (first,) = await buyers(intake, 1)
    body = {
        "customer_id": first, "home_id": "home-3", "community_id": "riverside", "price": PRICE,
    }  # fmt: skip
    for moment in (NOON + timedelta(hours=1), OPENS):
        await intake.harness.drive(moment)
        refused = await intake.post("/purchases", body)
        assert refused.status_code == 409
        assert refused.json()["type"].endswith("/home-in-release")
    await claimed(intake, 1, first, "home-1")
    sold = await intake.post("/purchases", body)
    assert sold.status_code == 201
    assert (sold.json()["building"], sold.json()["product_line"]) == ("riverside-5", "first-home")


async def test_a_home_that_is_given_back_is_there_for_the_next_number(intake: Intake) -> None:
    await planned(intake, homes=2)
    first, second, third = await buyers(intake, 3)
    await intake.harness.drive(OPENS)
    got = (await claimed(intake, 1, first, "home-1")).json()
    await claimed(intake, 3, third, "home-1")
    await intake.post(
        f"/purchases/{got['purchase_id']}/rescissions", {"reason": "mutual-agreement"}
    )
    told = (await claimed(intake, 2, second, "home-1")).json()
    assert (told["state"], told["home_id"]) == ("claimed", "home-1")
    assert (await standing(intake, 3))["state"] == "missed"


async def test_what_has_opened_stays_as_it_is(intake: Intake) -> None:
    await planned(intake)
    await buyers(intake, 1)
    body = {"community_id": "riverside", "name": "Later", "opens_at": OPENS.isoformat()}
    moved = await intake.call("PUT", AUTUMN, body | {"community_id": "hillside"})
    assert moved.status_code == 422
    await intake.harness.drive(OPENS)
    assert (await intake.call("PUT", AUTUMN, body)).json()["type"].endswith("/release-opened")
    home = {"home_id": "home-1", "community_id": "riverside", "list_price": PRICE}
    rows = (await intake.post("/homes/batch", {"homes": [home]})).json()["rows"]
    assert [(row["outcome"], row["code"]) for row in rows] == [("rejected", "release-opened")]


async def test_homes_are_listed_as_they_stand(intake: Intake) -> None:
    homes = [
        {"home_id": f"a-{n}", "community_id": "riverside", "list_price": PRICE, "for_sale": n != 3}
        for n in range(1, 5)
    ]
    answer = (await intake.post("/homes/batch", {"homes": homes})).json()
    assert (answer["registered"], answer["changed"], answer["rejected"]) == (4, 0, 0)
    await intake.reserved("a-2")
    listed = (await intake.get("/communities/riverside/homes")).json()["items"]
    assert [(home["home_id"], home["status"]) for home in listed] == [
        ("a-1", "available"),
        ("a-2", "reserved"),
        ("a-3", "planned"),
        ("a-4", "available"),
    ]
    page = (await intake.get("/communities/riverside/homes", status="available", limit=1)).json()
    assert [home["home_id"] for home in page["items"]] == ["a-1"]
    page = await intake.get(
        "/communities/riverside/homes", status="available", cursor=page["next_cursor"]
    )
    assert [home["home_id"] for home in page.json()["items"]] == ["a-4"]
    planned_home = (await intake.get("/homes/a-3")).json()
    assert (planned_home["status"], planned_home["purchase_id"]) == ("planned", None)
    assert (await intake.get("/homes/a-9")).status_code == 404
    refused = await intake.post(
        "/purchases",
        {
            "customer_id": (await intake.captured(wechat="x"))["customer_id"],
            "home_id": "a-3",
            "community_id": "riverside",
            "price": PRICE,
        },
    )
    assert refused.json()["type"].endswith("/home-not-for-sale")


async def test_a_batch_of_homes_tells_of_each_what_is_wrong(intake: Intake) -> None:
    good = {"home_id": "a-1", "community_id": "riverside", "list_price": PRICE}
    await intake.post("/homes/batch", {"homes": [good]})
    batch = [
        good | {"rooms": 3},
        good | {"community_id": "hillside"},
        good | {"home_id": "a-2", "release_id": "none"},
        good | {"home_id": "a-3", "list_price": {"amount": "0", "currency": "CNY"}},
    ]
    answer = (await intake.post("/homes/batch", {"homes": batch})).json()
    assert [(row["outcome"], row["code"], row["pointer"]) for row in answer["rows"]] == [
        ("changed", None, None),
        ("rejected", "home-of-another-community", "/community_id"),
        ("rejected", "unknown-release", "/release_id"),
        ("rejected", "amount-not-positive", "/list_price"),
    ]


async def test_the_database_itself_refuses_a_second_number(intake: Intake) -> None:
    await planned(intake)
    await buyers(intake, 1)
    with pytest.raises(IntegrityError):
        await intake.harness.rows(
            "INSERT INTO queue_numbers (release_id, number, version, customer_id, given_at)"
            " SELECT release_id, 2, 1, customer_id, given_at FROM queue_numbers RETURNING number"
        )


async def test_a_home_is_handed_over_when_the_service_desk_says_so(intake: Intake) -> None:
    home = {"home_id": "home-1", "community_id": "riverside", "list_price": PRICE}
    await intake.post("/homes/batch", {"homes": [home]})
    purchase = await intake.reserved()
    await intake.post(f"/purchases/{purchase['purchase_id']}/signatures", {})
    assert (await intake.get("/homes/home-1")).json()["status"] == "signed"
    completed = HandoverCompleted(
        customer_id=purchase["customer_id"],
        handover_id="handover-1",
        purchase_id=purchase["purchase_id"],
        home_id="home-1",
        community_id="riverside",
        promised_on=date(2026, 3, 1),
        completed_on=date(2026, 3, 2),
        late=True,
        open_defects=0,
    )
    message = Message.of(completed, id="handed-over", source="service-desk", time=NOON)
    await intake.harness.receive(message)
    assert (await intake.get("/homes/home-1")).json()["status"] == "handed-over"
    shown = (await intake.get(f"/purchases/{purchase['purchase_id']}")).json()
    assert (shown["stage"], shown["handed_over_on"]) == ("signed", "2026-03-02")
