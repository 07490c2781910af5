"""Advisors and assignment through the API, on a real database."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from keyturn_events.intake import LeadAssigned, LeadReleased, LeadResponseOverdue, LeadStalled
from keyturn_events.partners import PartnerLeadSubmitted, Person

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

COMMUNITY = "riverside"


async def staffed(intake: Intake, *advisors: str, **more: Any) -> None:
    """Register advisors of the community."""
    for advisor_id in advisors:
        body = {"display_name": advisor_id.title(), "communities": [COMMUNITY], **more}
        response = await intake.call("PUT", f"/advisors/{advisor_id}", body)
        assert response.status_code == 200, response.text


async def ruled(intake: Intake, **rules: Any) -> None:
    """Set the rules of the community."""
    response = await intake.call("PUT", f"/communities/{COMMUNITY}", rules)
    assert response.status_code == 200, response.text


async def captured(intake: Intake, number: int, **more: Any) -> dict[str, Any]:
    return await intake.captured(**{"wechat": f"person-{number}", "community_id": COMMUNITY} | more)


async def after(intake: Intake, **time: float) -> None:
    """Let business time pass, and the timers that fall due in it."""
    now = (await intake.harness.rows("SELECT now FROM driven_clock"))[0].now
    await intake.harness.drive(now + timedelta(**time))


async def holders(intake: Intake) -> Counter[str | None]:
    rows = await intake.harness.rows("SELECT advisor_id FROM leads")
    return Counter(row.advisor_id for row in rows)


async def test_without_advisors_nobody_is_given_a_lead(intake: Intake) -> None:
    await captured(intake, 1)
    assert await holders(intake) == {None: 1}
    assert await intake.count("ownership_facts") == 0


async def test_new_leads_are_shared_out_at_capture_by_capacity(intake: Intake) -> None:
    await staffed(intake, "wang", capacity=20)
    await staffed(intake, "liu", capacity=10)
    await asyncio.gather(*(captured(intake, number) for number in range(12)))
    assert await holders(intake) == {"wang": 8, "liu": 4}
    assigned = await intake.harness.published(LeadAssigned)
    assert len(assigned) == 12
    assert {event.reason for event in assigned} == {"rotation"}
    assert all(event.protected_until and event.first_response_due for event in assigned)


async def test_a_batch_fills_an_advisor_to_the_capacity_and_leaves_the_rest_in_the_pool(
    intake: Intake,
) -> None:
    await staffed(intake, "wang", capacity=3, daily_quota=9)
    rows = [{"wechat": f"person-{n}", "community_id": COMMUNITY} for n in range(5)]
    answer = (await intake.post("/leads/batch", {"leads": rows})).json()
    assert answer["created"] == 5
    assert await holders(intake) == {"wang": 3, None: 2}
    pool = (await intake.get("/pool", community_id=COMMUNITY)).json()
    assert len(pool["items"]) == 2
    explained = (await intake.get(f"/leads/{pool['items'][0]['lead_id']}/assignment")).json()
    assert explained["advisor_id"] is None
    assert explained["assignments"][0]["considered"] == [
        {
            "advisor_id": "wang",
            "standing": "at-capacity",
            "open_leads": 3,
            "given_in_24_hours": 3,
            "given_lately": 3,
            "capacity": 3,
        }
    ]


async def test_a_lost_lead_makes_room_for_another(intake: Intake) -> None:
    await staffed(intake, "wang", capacity=1)
    first = await captured(intake, 1)
    await intake.post(f"/leads/{first['lead_id']}/losses", {"reason": "price"})
    await captured(intake, 2)
    assert await holders(intake) == {"wang": 2}


async def test_the_pool_is_listed_by_pages_the_longest_waiting_first(intake: Intake) -> None:
    for number in range(3):
        await captured(intake, number, captured_at=f"2026-03-01T0{number}:00:00+08:00")
    await intake.captured(wechat="elsewhere")
    first = (await intake.get("/pool", community_id=COMMUNITY, limit=2)).json()
    rest = (
        await intake.get("/pool", community_id=COMMUNITY, limit=2, cursor=first["next_cursor"])
    ).json()
    times = [lead["captured_at"] for lead in first["items"] + rest["items"]]
    assert times == sorted(times)
    assert (len(times), rest["next_cursor"]) == (3, None)
    assert len((await intake.get("/pool")).json()["items"]) == 1


async def test_who_is_asked_for_and_who_is_known_come_first(intake: Intake) -> None:
    await staffed(intake, "wang", "liu", communities=[COMMUNITY, "hillside"])
    for number in range(4):
        first = await captured(intake, number, advisor_id="liu")
        second = await captured(intake, number, community_id="hillside")
        assert first["customer_id"] == second["customer_id"]
    assert await holders(intake) == {"liu": 8}


async def test_an_unknown_advisor_who_is_asked_for_does_not_get_the_lead(intake: Intake) -> None:
    await staffed(intake, "wang")
    lead = await captured(intake, 1, advisor_id="nobody")
    explained = (await intake.get(f"/leads/{lead['lead_id']}/assignment")).json()
    standings = {
        each["advisor_id"]: each["standing"] for each in explained["assignments"][0]["considered"]
    }
    assert standings == {"wang": "chosen", "nobody": "not-of-this-community"}
    refused = await intake.post(f"/leads/{lead['lead_id']}/assignments", {"advisor_id": "nobody"})
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (
        422,
        "unknown-advisor",
    )


async def test_duty_decides_who_gets_the_next_lead(intake: Intake) -> None:
    await staffed(intake, "wang", "liu")
    off = await intake.call("PUT", "/advisors/wang/duty", {"duty": "off"})
    assert off.json()["duty_call"] == {"on_duty": False, "until": None}
    for number in range(3):
        await captured(intake, number)
    assert await holders(intake) == {"liu": 3}
    back = await intake.call("PUT", "/advisors/wang/duty", {"duty": "by-shifts"})
    assert back.json()["duty_call"] is None
    await captured(intake, 4)
    assert await holders(intake) == {"liu": 3, "wang": 1}
    missing = await intake.call("PUT", "/advisors/nobody/duty", {"duty": "on"})
    assert (missing.status_code, missing.json()["type"].rpartition("/")[2]) == (
        404,
        "advisor-not-found",
    )


async def test_advisors_are_listed_with_their_duty_and_their_workload(intake: Intake) -> None:
    await staffed(intake, "liu", "wang", capacity=7)
    await staffed(
        intake,
        "chen",
        communities=["hillside"],
        shifts=[{"community_id": "hillside", "weekday": 2, "opens": "09:00", "closes": "24:00"}],
    )
    await captured(intake, 1, advisor_id="wang")
    here = (await intake.get("/advisors", community_id=COMMUNITY)).json()["items"]
    assert [(each["advisor_id"], each["open_leads"], each["on_duty_in"]) for each in here] == [
        ("liu", 0, [COMMUNITY]),
        ("wang", 1, [COMMUNITY]),
    ]
    page = (await intake.get("/advisors", limit=1)).json()
    assert [(each["advisor_id"], each["on_duty_in"]) for each in page["items"]] == [("chen", [])]
    rest = (await intake.get("/advisors", limit=2, cursor=page["next_cursor"])).json()
    assert [each["advisor_id"] for each in rest["items"]] == ["liu", "wang"]
    assert (await intake.get("/advisors/nobody")).status_code == 404


async def test_two_who_edit_an_advisor_do_not_overwrite_each_other(intake: Intake) -> None:
    await staffed(intake, "wang")
    shown = await intake.get("/advisors/wang")
    tag = {"if-match": shown.headers["etag"]}
    body = {"display_name": "Wang", "communities": [COMMUNITY], "capacity": 5}
    assert (await intake.call("PUT", "/advisors/wang", body, headers=tag)).status_code == 200
    assert (await intake.call("PUT", "/advisors/wang", body | {"capacity": 6}, headers=tag)
            ).status_code == 412  # fmt: skip
    assert (await intake.get("/advisors/wang")).json()["capacity"] == 5


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"capacity": 0}, "/capacity"),
        ({"capacity": 1001}, "/capacity"),
        ({"daily_quota": 0}, "/daily_quota"),
        ({"communities": []}, "/communities"),
        ({"shifts": [{"community_id": COMMUNITY, "weekday": 8, "opens": "09:00",
                      "closes": "10:00"}]}, "/shifts/0/weekday"),
        ({"shifts": [{"community_id": COMMUNITY, "weekday": 1, "opens": "24:30",
                      "closes": "10:00"}]}, "/shifts/0/opens"),
        ({"shifts": [{"community_id": COMMUNITY, "weekday": 1, "opens": "09:00",
                      "closes": "09:14"}]}, "/shifts"),
    ],
)  # fmt: skip
async def test_wrong_input_says_what_to_mend(
    intake: Intake, change: dict[str, Any], pointer: str
) -> None:
    body = {"display_name": "Wang", "communities": [COMMUNITY]} | change
    response = await intake.call("PUT", "/advisors/wang", body)
    assert response.status_code == 422
    assert pointer in response.text


async def test_an_overdue_lead_is_told_once_and_goes_to_another(intake: Intake) -> None:
    hours = [{"weekday": day, "opens": "09:00", "closes": "18:00"} for day in range(1, 6)]
    await ruled(intake, first_response_minutes=60, opening_hours=hours, reassigns_overdue=True)
    await staffed(intake, "wang", "liu")
    await after(intake, hours=5, minutes=30)
    lead = await captured(intake, 1)
    (first,) = await intake.harness.published(LeadAssigned)
    # Monday 17:30 and an hour of opening is Tuesday 09:30.
    assert first.first_response_due is not None
    assert first.first_response_due.isoformat() == "2026-03-03T01:30:00+00:00"
    await after(intake, hours=15, minutes=59)
    assert await intake.harness.published(LeadResponseOverdue) == []
    await after(intake, minutes=1)
    (overdue,) = await intake.harness.published(LeadResponseOverdue)
    assert (overdue.advisor_id, overdue.lead_id) == (first.advisor_id, lead["lead_id"])
    _, second = await intake.harness.published(LeadAssigned)
    assert {first.advisor_id, second.advisor_id} == {"wang", "liu"}
    await after(intake, days=1)
    assert len(await intake.harness.published(LeadResponseOverdue)) == 1
    shown = (await intake.get(f"/leads/{lead['lead_id']}/assignment")).json()
    assert [each["occasion"] for each in shown["assignments"]] == ["response-overdue", "captured"]


async def test_an_unassigned_lead_of_any_community_is_told_after_a_day(intake: Intake) -> None:
    await intake.captured(wechat="person")
    await after(intake, hours=23, minutes=59)
    assert await intake.harness.published(LeadResponseOverdue) == []
    await after(intake, minutes=1)
    assert len(await intake.harness.published(LeadResponseOverdue)) == 1


async def test_protection_ends_by_timer_and_the_lead_goes_round(intake: Intake) -> None:
    await staffed(intake, "wang", "liu")
    await captured(intake, 1, channel="walk-in")
    await after(intake, days=8)
    (released,) = await intake.harness.published(LeadReleased)
    first, second = await intake.harness.published(LeadAssigned)
    assert released.advisor_id == first.advisor_id
    assert {first.advisor_id, second.advisor_id} == {"wang", "liu"}
    assert second.previous_advisor_id is None
    assert len(await intake.harness.published(LeadStalled)) == 1
    # Nobody ever does anything about it: in the end it waits in the pool.
    await after(intake, days=365)
    assert len((await intake.get("/pool", community_id=COMMUNITY)).json()["items"]) == 1
    assert (await intake.harness.rows("SELECT count(*) AS n FROM timers"))[0].n == 0


async def test_an_advisor_leaves_and_the_leads_go_to_the_others(intake: Intake) -> None:
    await staffed(intake, "wang", "liu", "chen")
    for number in range(6):
        await captured(intake, number, advisor_id="wang")
    dry = (await intake.post("/advisors/wang/leave", {"dry_run": True})).json()
    assert Counter(each["to_advisor_id"] for each in dry["leads"]) == {"liu": 3, "chen": 3}
    assert await holders(intake) == {"wang": 6}
    left = (await intake.post("/advisors/wang/leave", {})).json()
    assert (left["leads"], left["remaining"]) == (dry["leads"], 0)
    assert await holders(intake) == {"liu": 3, "chen": 3}
    again = (await intake.post("/advisors/wang/leave", {})).json()
    assert again["leads"] == []
    await captured(intake, 7, advisor_id="wang")
    assert (await holders(intake))["wang"] == 0
    gone = (await intake.get("/advisors", community_id=COMMUNITY)).json()["items"]
    assert [each["advisor_id"] for each in gone] == ["chen", "liu"]
    everybody = (await intake.get("/advisors", community_id=COMMUNITY, left=True)).json()["items"]
    assert [each["advisor_id"] for each in everybody] == ["chen", "liu", "wang"]
    missing = await intake.post("/advisors/nobody/leave", {})
    assert (missing.status_code, missing.json()["type"].rpartition("/")[2]) == (
        404,
        "advisor-not-found",
    )


async def test_the_rules_of_a_community_can_be_set_anew_without_losing_its_advisors(
    intake: Intake,
) -> None:
    await staffed(intake, "wang")
    await ruled(intake, protection_days={"phone": 20})
    await captured(intake, 1)
    (assigned,) = await intake.harness.published(LeadAssigned)
    assert assigned.protected_until is not None
    now = (await intake.harness.rows("SELECT now FROM driven_clock"))[0].now
    assert assigned.protected_until - now == timedelta(days=20)
    rules = (await intake.get(f"/communities/{COMMUNITY}")).json()
    assert rules["protection_days"] == {"phone": 20, "visit": 7, "follow-up": 30}


async def test_a_quota_counts_the_leads_of_twenty_four_hours(intake: Intake) -> None:
    await staffed(intake, "wang", daily_quota=2)
    for number in range(2):
        await captured(intake, number)
    await captured(intake, 2)
    assert await holders(intake) == {"wang": 2, None: 1}
    await after(intake, hours=24)
    # The lead that waited was overdue by then, and was given before the new one came.
    assert await holders(intake) == {"wang": 3}
    await captured(intake, 3)
    await captured(intake, 4)
    assert await holders(intake) == {"wang": 4, None: 1}


async def test_one_call_hands_on_so_many_leads_and_the_next_the_rest(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intake.store.subjects.advisors.MOST_HANDED_ON", 2)
    await staffed(intake, "wang", "liu")
    for number in range(3):
        await captured(intake, number, advisor_id="wang")
    first = (await intake.post("/advisors/wang/leave", {})).json()
    assert (len(first["leads"]), first["remaining"]) == (2, 1)
    second = (await intake.post("/advisors/wang/leave", {})).json()
    assert (len(second["leads"]), second["remaining"]) == (1, 0)
    assert await holders(intake) == {"liu": 3}


async def test_the_leads_of_a_file_and_of_a_partner_are_given_out_as_well(intake: Intake) -> None:
    await staffed(intake, "wang", "liu")
    rows = "".join(f"1380013800{number},{COMMUNITY}\n" for number in range(3))
    job = await intake.imported("phone,community_id\n" + rows)
    assert job["status"] == "done", job
    await intake.register_partner("portal", PartnerLeadSubmitted)
    now = (await intake.harness.rows("SELECT now FROM driven_clock"))[0].now
    submitted = PartnerLeadSubmitted(
        lead_reference="l-1",
        submitted_at=now,
        person=Person(phone="13900139000"),
        community_id=COMMUNITY,
    )
    await intake.partner_says(submitted, partner_id="portal")
    assert await holders(intake) == {"wang": 2, "liu": 2}
