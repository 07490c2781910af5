"""The read side through the API: who is found, page by page, and what one lead's page tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyturn_events.vocabulary import LeadStage

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)


async def listed(intake: Intake, **asked: Any) -> list[str]:
    response = await intake.get("/leads", **asked)
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


@pytest.fixture
async def visitors(intake: Intake) -> Intake:
    people: list[tuple[str, dict[str, Any]]] = [
        ("张伟", {"community_id": "riverside", "email": "zhang.wei@example.com"}),
        ("张伟明", {"community_id": "hillside", "product_line": "first-home"}),
        ("李娜", {"community_id": "riverside", "budget": {"amount": "1", "currency": "CNY"}}),
        ("José García", {"community_id": "riverside", "channel": "walk-in"}),
        ("王芳", {}),
    ]
    for number, (name, more) in enumerate(people):
        at = (NOON - timedelta(hours=number)).isoformat()
        await intake.captured(name=name, phone=f"1380000800{number}", captured_at=at, **more)
    return intake


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"q": "张"}, ["张伟", "张伟明"]),
        ({"q": "伟"}, ["张伟", "张伟明"]),
        ({"q": "伟明"}, ["张伟明"]),
        ({"q": "gar"}, ["José García"]),
        ({"q": "JOSE garcia"}, ["José García"]),
        ({"q": "张", "community_id": "riverside"}, ["张伟"]),
        ({"q": "张", "product_line": "first-home"}, ["张伟明"]),
        ({"q": "张", "stage": "visited"}, []),
        ({"q": "赵"}, []),
        ({"q": "8002"}, ["李娜"]),
        ({"q": "13800008003"}, ["José García"]),
        ({"q": "+86 138 0000 8004"}, ["王芳"]),
        ({"q": "0800"}, []),
        ({"q": "张 8001"}, ["张伟明"]),
        ({"q": "李 8001"}, []),
        ({"q": "Zhang.Wei@example.com"}, ["张伟"]),
        ({"phone": "138-0000-8000"}, ["张伟"]),
        ({"community_id": "riverside"}, ["张伟", "李娜", "José García"]),
        ({"status": "open", "stage": "new"}, ["张伟", "张伟明", "李娜", "José García", "王芳"]),
        ({"status": "lost"}, []),
        ({"status": "withdrawn"}, []),
        ({"product_line": "first-home"}, ["张伟明"]),
    ],
)
async def test_whoever_fits_everything_that_is_asked_is_listed_the_newest_first(
    visitors: Intake, asked: dict[str, str], names: list[str]
) -> None:
    assert await listed(visitors, **asked) == names


async def test_leads_are_listed_by_score_and_by_advisor(visitors: Intake) -> None:
    leads = (await visitors.get("/leads")).json()["items"]
    scores = {lead["name"]: lead["score"] for lead in leads}
    await visitors.post(f"/leads/{leads[0]['lead_id']}/assignments", {"advisor_id": "advisor-7"})

    high = [name for name, score in scores.items() if score >= scores["李娜"]]
    assert await listed(visitors, least_score=scores["李娜"]) == high
    exactly = [name for name, score in scores.items() if score == scores["李娜"]]
    low, most = scores["李娜"], scores["李娜"]
    assert await listed(visitors, least_score=low, most_score=most) == exactly
    assert await listed(visitors, advisor_id="advisor-7") == [leads[0]["name"]]
    assert await listed(visitors, advisor_id="advisor-7", q="王") == []
    assert await listed(visitors, least_score=101 - 1, most_score=0) == []


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"q": "80"}, "q"),
        ({"q": "?"}, "q"),
        ({"q": "x" * 101}, "q"),
        ({"least_score": "101"}, "least_score"),
        ({"stage": "gone"}, "stage"),
        ({"cursor": "bm9uZQ"}, "cursor"),
        ({"limit": "201"}, "limit"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_the_parameter(
    intake: Intake, asked: dict[str, str], parameter: str
) -> None:
    response = await intake.get("/leads", **asked)

    assert response.status_code == 422
    assert [error["parameter"] for error in response.json()["errors"]] == [parameter]


async def test_a_search_for_what_no_store_can_hold_is_refused(intake: Intake) -> None:
    assert (await intake.get("/leads", q="a\x00b")).status_code in (400, 422)


async def test_a_hundred_characters_may_be_searched(intake: Intake) -> None:
    assert await listed(intake, q="x" * 100) == []


async def test_a_customer_who_gets_a_name_is_found_by_it_on_all_their_leads(
    intake: Intake,
) -> None:
    await intake.captured(wechat="visitor", community_id="riverside")
    await intake.captured(wechat="visitor", community_id="hillside")
    assert await listed(intake, q="张") == []

    await intake.captured(wechat="visitor", name="张伟", community_id="lakeside")

    assert await listed(intake, q="张伟") == ["张伟"] * 3


@pytest.mark.parametrize("asked", [{}, {"q": "王"}, {"status": "open"}, {"community_id": "c"}])
async def test_pages_hold_every_lead_once_while_others_come(
    intake: Intake, asked: dict[str, str]
) -> None:
    at = NOON - timedelta(days=2)
    there = [
        # Four at the same moment: their ids alone put them in order.
        (await capture(intake, number, at + timedelta(hours=number // 4)))["lead_id"]
        for number in range(24)
    ]
    seen: list[str] = []
    page: dict[str, str] = {}
    number = 100
    while True:
        body = (await intake.get("/leads", limit=5, **asked, **page)).json()
        seen += [item["lead_id"] for item in body["items"]]
        if body["next_cursor"] is None:
            break
        page = {"cursor": body["next_cursor"]}
        # One before everything, one in the middle of what is still to come or has been.
        for moment in (NOON, at + timedelta(hours=3)):
            number += 1
            await capture(intake, number, moment)

    assert len(seen) == len(set(seen))
    assert [lead_id for lead_id in seen if lead_id in set(there)] == sorted(
        there, key=lambda lead_id: (-(there.index(lead_id) // 4), _descending(lead_id))
    )


async def capture(intake: Intake, number: int, at: datetime) -> dict[str, Any]:
    return await intake.captured(
        name="王芳",
        phone=f"139{number:08d}",
        community_id="c",
        captured_at=at.isoformat(),
    )


def _descending(text: str) -> tuple[int, ...]:
    return tuple(-ord(character) for character in text)


async def test_one_lead_tells_where_it_came_from_what_came_of_it_and_whom_to_ask(
    intake: Intake,
) -> None:
    captured = await intake.captured(
        name="张伟",
        phone="13800138000",
        community_id="riverside",
        consents=[{"channel": "sms", "purpose": "marketing"}],
    )
    lead_id = captured["lead_id"]
    await intake.post(f"/leads/{lead_id}/advances", {"to_stage": "visited", "reason": "came"})
    await intake.reserved(
        customer_id=captured["customer_id"], lead_id=lead_id, community_id="riverside"
    )

    shown = (await intake.get(f"/leads/{lead_id}")).json()

    assert (shown["lead"]["name"], shown["lead"]["stage"]) == ("张伟", "reserved")
    assert [touch["touch_id"] for touch in shown["touches"]] == [captured["touch_id"]]
    assert [(s["kind"], s["to_stage"], s["reason"]) for s in shown["steps"]] == [
        ("advanced", "visited", "came"),
        ("advanced", "reserved", "home-reserved"),
    ]
    assert [(p["home_id"], p["stage"]) for p in shown["purchases"]] == [("home-1", "reserved")]
    assert {"channel": "sms", "purposes": ["marketing"]} in shown["reachable"]
    for path in shown["see"].values():
        assert (await intake.get(path)).status_code == 200, path


async def test_an_advisors_day_has_what_needs_something_the_most_urgent_first(
    intake: Intake,
) -> None:
    mine = {"advisor_id": "advisor-7", "community_id": "riverside"}
    fresh = await intake.captured(name="新", wechat="fresh", **mine)
    await intake.harness.drive(NOON + timedelta(days=2, hours=20))
    again = await intake.captured(name="旧", wechat="again", **mine)
    await intake.captured(name="别", wechat="other", community_id="riverside")

    response = await intake.get("/leads/today", advisor_id="advisor-7")

    items = response.json()["items"]
    assert [item["name"] for item in items[-2:]] == ["新", "旧"] or len(items) == 2
    due = {item["lead_id"]: [one["reason"] for one in item["due"]] for item in items}
    assert "stalling" in due[fresh["lead_id"]]
    assert "new-since-yesterday" in due[again["lead_id"]]
    assert set(due) == {fresh["lead_id"], again["lead_id"]}


async def test_an_advisors_day_is_paged_without_repetition(intake: Intake) -> None:
    captured = {
        (await intake.captured(wechat=f"v{number}", advisor_id="advisor-7"))["lead_id"]
        for number in range(5)
    }
    first = (await intake.get("/leads/today", advisor_id="advisor-7", limit=3)).json()
    rest = (
        await intake.get(
            "/leads/today", advisor_id="advisor-7", limit=3, cursor=first["next_cursor"]
        )
    ).json()

    seen = [item["lead_id"] for page in (first, rest) for item in page["items"]]
    assert (len(seen), set(seen), rest["next_cursor"]) == (5, captured, None)


async def test_a_reservation_that_runs_out_is_something_to_do(intake: Intake) -> None:
    captured = await intake.captured(wechat="buyer", advisor_id="advisor-7", community_id="c")
    expires = (NOON + timedelta(days=9)).isoformat()
    await intake.reserved(
        customer_id=captured["customer_id"],
        lead_id=captured["lead_id"],
        community_id="c",
        expires_at=expires,
    )
    await intake.harness.drive(NOON + timedelta(days=8, hours=12))

    (lead,) = (await intake.get("/leads/today", advisor_id="advisor-7")).json()["items"]

    assert lead["stage"] == LeadStage.RESERVED
    assert "reservation-expiring" in [one["reason"] for one in lead["due"]]


async def test_a_lead_that_somebody_changed_in_between_is_not_changed_blindly(
    intake: Intake,
) -> None:
    lead_id = (await intake.captured(wechat="visitor"))["lead_id"]
    path = f"/leads/{lead_id}"
    seen = (await intake.get(path)).headers["etag"]
    visited = {"to_stage": "visited", "reason": "came"}
    queued = {"to_stage": "queued", "reason": "took-a-number"}

    first = await intake.post(f"{path}/advances", visited, headers={"if-match": seen})
    second = await intake.post(f"{path}/advances", queued, headers={"if-match": seen})
    now_seen = (await intake.get(path)).headers["etag"]
    third = await intake.post(f"{path}/advances", queued, headers={"if-match": now_seen})

    assert [answer.status_code for answer in (first, second, third)] == [201, 412, 201]
    assert second.json()["type"].endswith("/precondition-failed")
    assert second.json()["errors"][0]["parameter"] == "if-match"


async def test_the_same_request_again_is_answered_again_and_not_refused(intake: Intake) -> None:
    lead_id = (await intake.captured(wechat="visitor"))["lead_id"]
    seen = (await intake.get(f"/leads/{lead_id}")).headers["etag"]
    headers = {"if-match": seen, "idempotency-key": "once"}
    body = {"to_stage": "visited", "reason": "came"}

    first = await intake.post(f"/leads/{lead_id}/advances", body, headers=headers)
    again = await intake.post(f"/leads/{lead_id}/advances", body, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/communities/riverside", {"name": "Riverside"}),
        ("/partners/ledger", {"name": "Ledger", "allowed_types": []}),
    ],
)
async def test_what_is_registered_is_replaced_only_as_it_was_seen(
    intake: Intake, path: str, body: dict[str, Any]
) -> None:
    async def put(name: str, tag: str) -> int:
        told = await intake.call("PUT", path, body | {"name": name}, headers={"if-match": tag})
        return told.status_code

    assert await put("new", "*") == 412
    assert await put("new", '"1"') == 412
    assert (await intake.call("PUT", path, body)).status_code == 200
    seen = (await intake.get(path)).headers["etag"]
    assert seen == '"1"'
    assert await put("A", seen) == 200
    assert await put("B", seen) == 412
    assert await put("B", "*") == 200
    assert (await intake.get(path)).headers["etag"] == '"3"'
    assert await put("C", 'W/"3", "9"') == 412
    assert await put("C", '"9", "3"') == 200
