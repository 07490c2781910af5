from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from keyturn_events import Message
from keyturn_events.intake import CustomerErased, CustomersMerged
from keyturn_events.service_desk import (
    DefectRectified,
    DefectReported,
    HandoverCancelled,
    HandoverCompleted,
    HandoverGatePassed,
    HandoverGateRefused,
    HandoverPlanned,
)
from keyturn_events.vocabulary import Gate

AT = datetime(2026, 3, 2, 2, tzinfo=UTC)
DAY = timedelta(days=1)

Facts = Callable[..., Any]
Say = Callable[..., Message[Any]]

DEFECT = {
    "location": "bathroom-1",
    "component": "floor-screed",
    "severity": "critical",
    "responsible_trade": "waterproofing",
}


@pytest.fixture
async def handover_id(desk: Any, signed: Facts, say: Say) -> str:
    await desk.harness.receive(say(signed()))
    (planned,) = await desk.harness.published(HandoverPlanned)
    return str(planned.handover_id)


async def test_a_critical_defect_keeps_a_gate_closed_until_it_is_rectified(
    desk: Any, handover_id: str
) -> None:
    defect = await desk.post("/homes/home-p1/defects", DEFECT)
    defect_id = defect["defect_id"]
    assert defect["assigned_trade"] == "waterproofing"
    path = f"/handovers/{handover_id}/gates/risk-inspection/passes"
    closed = await desk.post(path, {}, expect=409)
    assert closed["type"].endswith("/gate-closed")
    assert closed["reason"] == "critical-defect"
    assert closed["blocking_defects"] == [defect_id]
    assert closed["detail"] == (
        f"Gate risk-inspection stays closed: critical defect {defect_id} is open."
    )
    (refused,) = await desk.harness.published(HandoverGateRefused)
    assert refused.blocking_defects == (defect_id,)
    body = {"proofs": ["media/1.jpg"], "by": "foreman-3"}
    mended = await desk.post(f"/defects/{defect_id}/rectifications", body)
    assert (mended["late"], mended["rectified_by"]) == (False, "foreman-3")
    passed = await desk.post(path, {"by": "inspector-7"})
    assert passed["gates"][0] == {
        "gate": "risk-inspection",
        "due_on": "2026-12-31",
        "passed_on": "2026-03-02",
        "passed_by": "inspector-7",
    }
    published = await desk.harness.published(DefectReported, DefectRectified, HandoverGatePassed)
    assert [event.type.split(".")[2] for event in published] == [
        "reported",
        "rectified",
        "gate-passed",
    ]
    assert published[0].gate is Gate.RISK_INSPECTION


async def test_a_refusal_on_record_is_answered_again_under_its_key_as_a_problem(
    desk: Any, handover_id: str
) -> None:
    path = f"/handovers/{handover_id}/gates/keys/passes"
    first, again = [
        await desk.harness.client.post(
            path, json={}, headers=desk.headers | {"idempotency-key": "k1"}
        )
        for _ in range(2)
    ]
    assert first.status_code == again.status_code == 409
    assert first.headers["content-type"] == again.headers["content-type"]
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json() == first.json()
    assert first.json()["missing_gates"] == [
        "risk-inspection",
        "mock-acceptance",
        "open-day",
        "recheck",
    ]
    assert len(await desk.harness.published(HandoverGateRefused)) == 1


async def test_a_defect_and_a_gate_at_the_same_moment_are_decided_one_after_the_other(
    desk: Any, handover_id: str
) -> None:
    path = f"/handovers/{handover_id}/gates/risk-inspection/passes"

    async def report() -> int:
        answer = await desk.harness.client.post(
            "/homes/home-p1/defects", json=DEFECT, headers=desk.headers
        )
        return int(answer.status_code)

    async def passing() -> int:
        answer = await desk.harness.client.post(path, json={}, headers=desk.headers)
        return int(answer.status_code)

    assert list(await asyncio.gather(report(), passing())) in ([201, 201], [201, 409])
    plan = await desk.get(f"/handovers/{handover_id}")
    assert len(plan["critical_defects"]) == 1


async def test_all_gates_passed_completes_the_handover(desk: Any, handover_id: str) -> None:
    await desk.put(f"/handovers/{handover_id}/veto", {"by": "relations-2", "reason": "mud"})
    for gate in ("risk-inspection", "mock-acceptance"):
        await desk.post(f"/handovers/{handover_id}/gates/{gate}/passes", {})
    closed = await desk.post(f"/handovers/{handover_id}/gates/open-day/passes", {}, expect=409)
    assert (closed["reason"], closed["missing_gates"]) == ("veto", [])
    assert (await desk.get("/gates"))["gates"][2] == {
        "gate": "open-day",
        "waiting": 1,
        "overdue": 0,
        "blocked": 0,
    }
    lifted = await desk.delete(f"/handovers/{handover_id}/veto")
    assert lifted["veto"] is None
    for gate in ("open-day", "recheck"):
        await desk.post(f"/handovers/{handover_id}/gates/{gate}/passes", {})
    plan = await desk.post(f"/handovers/{handover_id}/gates/keys/passes", {})
    assert (plan["state"], plan["completed_on"]) == ("completed", "2026-03-02")
    (completed,) = await desk.harness.published(HandoverCompleted)
    assert completed.promised_on == date(2027, 3, 31)
    counts = await desk.get("/gates", community_id="lakeside")
    assert (counts["planned"], counts["completed"]) == (0, 1)


async def test_a_gate_is_overdue_when_its_day_has_passed(desk: Any, handover_id: str) -> None:
    await desk.harness.drive(datetime(2027, 1, 1, tzinfo=UTC))
    (first, *_) = (await desk.get("/gates"))["gates"]
    assert (first["waiting"], first["overdue"]) == (1, 1)


async def test_handovers_are_found_by_customer_home_and_state_page_by_page(
    desk: Any, signed: Facts, say: Say
) -> None:
    await desk.harness.receive(
        *(
            say(signed(f"p{n}", expected_completion=date(2027, 1, n), customer_id="bob"))
            for n in range(1, 6)
        ),
        say(signed("q1", customer_id="eve")),
    )
    found, cursor = [], None
    while True:
        query = {"customer_id": "bob", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await desk.get("/handovers", **query)
        found += [each["purchase_id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == ["p1", "p2", "p3", "p4", "p5"]
    (one,) = (await desk.get("/handovers", home_id="home-q1"))["items"]
    assert one["customer_id"] == "eve"
    assert (await desk.get("/handovers", state="completed"))["items"] == []


async def test_after_a_merge_a_handover_belongs_to_the_survivor(
    desk: Any, handover_id: str, say: Say
) -> None:
    merge = CustomersMerged(
        customer_id="zoe", merge_id="m1", merged_customer_id="ann", rule="same-phone"
    )
    await desk.harness.receive(say(merge, AT + DAY))
    (found,) = (await desk.get("/handovers", customer_id="zoe"))["items"]
    assert found["handover_id"] == handover_id
    await desk.post(f"/handovers/{handover_id}/gates/risk-inspection/passes", {})
    (message,) = await desk.harness.messages(HandoverGatePassed)
    assert message.event.customer_id == message.envelope.subject == "zoe"


async def test_an_erased_buyers_plan_is_cancelled_whichever_fact_comes_first(
    desk: Any, signed: Facts, say: Say
) -> None:
    erased = CustomerErased(customer_id="ann", erasure_id="e1")
    await desk.harness.receive(say(signed("p1")), say(erased, AT + DAY), say(signed("p2")))
    cancelled = await desk.harness.published(HandoverCancelled)
    assert [(event.purchase_id, event.reason.value) for event in cancelled] == [
        ("p1", "customer-erased"),
        ("p2", "customer-erased"),
    ]


async def test_a_template_and_a_calendar_of_its_own_plan_a_community(
    desk: Any, signed: Facts, say: Say
) -> None:
    gates = [{"gate": "risk-inspection", "days_before": 30}, {"gate": "keys", "days_before": 0}]
    await desk.put("/handover-templates/short", {"gates": gates})
    await desk.put("/communities/lakeside", {"template": "short", "time_zone": "Asia/Urumqi"})
    await desk.harness.receive(say(signed()))
    (planned,) = await desk.harness.published(HandoverPlanned)
    assert (planned.template, planned.template_version) == ("short", 1)
    assert [each.due_on for each in planned.gates] == [date(2027, 3, 1), date(2027, 3, 31)]
    (plan,) = (await desk.get("/handovers"))["items"]
    assert plan["time_zone"] == "Asia/Urumqi"


WRONG: list[tuple[str, Any, tuple[int, str]]] = [
    ("/handovers/none/gates/keys/passes", {}, (404, "handover-unknown")),
    ("/handovers/none/gates/cellar/passes", {}, (422, "invalid-request")),
    ("/homes/nowhere/defects", DEFECT, (404, "home-unknown")),
    ("/homes/home-p1/defects", DEFECT | {"severity": "dire"}, (422, "invalid-request")),
    ("/homes/home-p1/defects", DEFECT | {"colour": "red"}, (422, "invalid-request")),
    ("/homes/home-p1/defects", DEFECT | {"photos": ["x"] * 21}, (422, "invalid-request")),
    (
        "/homes/home-p1/defects",
        DEFECT | {"due_at": "2026-03-02T02:00:00Z"},
        (422, "deadline-passed"),
    ),
    ("/homes/home-p1/defects", DEFECT | {"description": "a\x00b"}, (422, "invalid-request")),
    ("/defects/none/rectifications", {"proofs": ["m/1.jpg"]}, (404, "defect-unknown")),
    ("/defects/none/rectifications", {"proofs": []}, (422, "invalid-request")),
]


async def test_wrong_input_is_refused_and_changes_nothing(
    desk: Any, handover_id: str, subtests: pytest.Subtests
) -> None:
    before = await desk.harness.published()
    for path, body, (status, slug) in WRONG:
        with subtests.test(slug, path=path):
            problem = await desk.post(path, body, expect=status)
            assert problem["type"].endswith(f"/{slug}")
    assert await desk.harness.published() == before


async def test_a_defect_is_rectified_once(desk: Any, handover_id: str) -> None:
    defect = await desk.post("/homes/home-p1/defects", DEFECT)
    path = f"/defects/{defect['defect_id']}/rectifications"
    await desk.post(path, {"proofs": ["m/1.jpg"]})
    problem = await desk.post(path, {"proofs": ["m/1.jpg"]}, expect=409)
    assert problem["type"].endswith("/defect-already-rectified")


async def test_the_snag_list_of_a_home_shows_what_is_open(desk: Any, handover_id: str) -> None:
    ids = []
    for severity in ("minor", "major"):
        body = DEFECT | {"severity": severity}
        ids.append((await desk.post("/homes/home-p1/defects", body))["defect_id"])
    await desk.post(f"/defects/{ids[0]}/rectifications", {"proofs": ["m/1.jpg"]})
    open_ones = (await desk.get("/homes/home-p1/defects", open=True))["items"]
    assert [each["defect_id"] for each in open_ones] == [ids[1]]
    mended = (await desk.get("/defects", open=False, community_id="lakeside"))["items"]
    assert [each["defect_id"] for each in mended] == [ids[0]]
    assert (await desk.get(f"/defects/{ids[0]}"))["proofs"] == ["m/1.jpg"]
