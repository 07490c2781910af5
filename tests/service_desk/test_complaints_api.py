from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from keyturn_chassis.app import create_app
from keyturn_chassis.runtime import Runtime
from keyturn_events import Message
from keyturn_events.intake import CustomerErased, CustomersMerged, CustomersUnmerged
from keyturn_events.segmentation import CustomerSegmented
from keyturn_events.service_desk import (
    ComplaintClosed,
    ComplaintEscalated,
    ComplaintRaised,
    ComplaintResolved,
)
from service_desk.service import service

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

Say = Callable[..., Message[Any]]

COMPLAINT = {
    "customer_id": "ann",
    "category": "quality.leak",
    "severity": "major",
    "channel": "wechat",
}
RESOLUTION = {
    "cause": "pipe-joint",
    "remedy": "repaired",
    "compensation": {"amount": "800.00", "currency": "CNY"},
}

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"category": "quality.leek"}, "/category"),
    ({"category": "Not A Code"}, "/category"),
    ({"severity": "dire"}, "/severity"),
    ({"customer_id": ""}, "/customer_id"),
    ({"received_at": "2026-03-02T10:00:01Z"}, "/received_at"),
    ({"received_at": 1_700_000_000}, "/received_at"),
    ({"received_at": "2026-13-45T00:00:00Z"}, "/received_at"),
    ({"due_at": "2026-03-02T10:00:00Z"}, "/due_at"),
    ({"description": "x" * 5_001}, "/description"),
    ({"description": "a\u0000b"}, "/description"),
    ({"source_reference": 10**400}, "/source_reference"),
    ({"promised_elsewhere": "yes"}, "/promised_elsewhere"),
    ({"assigned_to": "agent-5"}, "/assigned_to"),
]


@pytest.fixture
async def open_desk(desk: Any) -> Any:
    """The desk on a Monday at ten, UTC, by the standard calendar."""
    await desk.harness.drive(AT)
    return desk


async def test_a_complaint_tells_each_promise_and_how_it_comes_about(open_desk: Any) -> None:
    raised = await open_desk.post("/complaints", COMPLAINT)
    shown = await open_desk.get(f"/complaints/{raised['complaint_id']}")
    assert shown == raised
    assert shown["deadlines"][0] == {
        "target": "first-response",
        "since": "2026-03-02T10:00:00Z",
        "promised_minutes": 240,
        "calendar": "standard",
        "calendar_version": 1,
        "time_zone": "UTC",
        "pauses": [],
        "due_at": "2026-03-02T14:00:00Z",
        "fixed": False,
        "broken": False,
    }
    assert [each["due_at"] for each in shown["deadlines"]] == [
        "2026-03-02T14:00:00Z",
        "2026-03-04T10:00:00Z",
        "2026-03-09T10:00:00Z",
    ]


async def test_promises_break_by_timer_and_the_ladder_is_climbed(open_desk: Any) -> None:
    raised = await open_desk.post("/complaints", COMPLAINT)
    await open_desk.harness.drive(AT + DAY + 5 * HOUR)
    messages = await open_desk.harness.messages(ComplaintEscalated)
    assert [
        (m.event.target.value, m.event.level, m.event.escalated_to, m.envelope.time)
        for m in messages
    ] == [
        ("first-response", 1, "team-lead", AT + 4 * HOUR),
        ("first-response", 2, "desk-manager", AT + DAY + 4 * HOUR),
    ]
    (overdue,) = (await open_desk.get("/complaints", overdue=True))["items"]
    assert overdue["complaint_id"] == raised["complaint_id"]
    assert overdue["level"] == 2


async def test_a_closed_case_leaves_no_timer(open_desk: Any) -> None:
    raised = await open_desk.post("/complaints", COMPLAINT)
    path = f"/complaints/{raised['complaint_id']}"
    await open_desk.post(f"{path}/resolutions", RESOLUTION)
    closed = await open_desk.post(f"{path}/verdicts", {"verdict": "accepted"})
    assert (closed["state"], closed["deadlines"]) == ("closed", [])
    assert await open_desk.harness.rows("SELECT * FROM timers") == []
    (resolved,) = await open_desk.harness.published(ComplaintResolved)
    assert str(resolved.compensation.amount) == "800.00"


async def test_the_owners_silence_closes_a_resolved_case(open_desk: Any) -> None:
    raised = await open_desk.post("/complaints", COMPLAINT)
    await open_desk.post(f"/complaints/{raised['complaint_id']}/resolutions", RESOLUTION)
    await open_desk.harness.drive(AT + 30 * DAY)
    (message,) = await open_desk.harness.messages(ComplaintClosed)
    assert message.event.verdict.value == "no-answer"
    assert message.envelope.time == AT + 7 * DAY


async def test_while_the_case_waits_for_the_owner_nothing_falls_due(open_desk: Any) -> None:
    raised = await open_desk.post("/complaints", COMPLAINT)
    path = f"/complaints/{raised['complaint_id']}"
    waiting = await open_desk.post(f"{path}/pauses")
    assert [each["due_at"] for each in waiting["deadlines"]] == [None, None]
    await open_desk.harness.drive(AT + DAY)
    await open_desk.post(f"{path}/resumptions")
    shown = await open_desk.get(path)
    assert shown["deadlines"][1]["due_at"] == "2026-03-10T10:00:00Z"
    assert shown["deadlines"][1]["pauses"] == [
        {"began": "2026-03-02T10:00:00Z", "ended": "2026-03-03T10:00:00Z"}
    ]
    assert await open_desk.harness.published(ComplaintEscalated) == []


async def test_the_same_message_from_many_at_once_opens_one_case(
    open_desk: Any,
) -> None:
    async def send(body: dict[str, Any]) -> tuple[int, str]:
        answer = await open_desk.harness.client.post(
            "/complaints", json=body, headers=open_desk.headers
        )
        return answer.status_code, answer.json()["complaint_id"]

    for body in (COMPLAINT | {"source_reference": "wx-1"}, COMPLAINT | {"home_id": "h-9"}):
        answers = await asyncio.gather(*(send(body) for _ in range(40)))
        assert sorted(status for status, _ in answers) == [200] * 39 + [201]
        assert len({complaint_id for _, complaint_id in answers}) == 1
    assert len(await open_desk.harness.published(ComplaintRaised)) == 2


async def test_processes_that_take_the_same_message_at_once_open_one_case(
    open_desk: Any,
) -> None:
    harness = open_desk.harness
    bodies = [COMPLAINT | {"source_reference": "wx-1"}, COMPLAINT | {"home_id": "h-9"}]
    async with Runtime(service, harness.runtime.settings) as other:
        app = create_app(service, other)
        app.state.runtime = other
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://other"
        ) as client:
            answers = await asyncio.gather(
                *(
                    each.post("/complaints", json=body, headers=open_desk.headers)
                    for body in bodies
                    for each in (harness.client, client)
                    for _ in range(10)
                )
            )
    assert sorted(answer.status_code for answer in answers) == [200] * 38 + [201] * 2
    assert len(await harness.published(ComplaintRaised)) == 2


async def test_two_agents_cannot_both_change_the_revision_that_they_read(open_desk: Any) -> None:
    raised = await open_desk.post("/complaints", COMPLAINT)
    path = f"/complaints/{raised['complaint_id']}"
    read = await open_desk.harness.client.get(path, headers=open_desk.headers)
    tag = {"if-match": read.headers["etag"]}
    await open_desk.post(f"{path}/updates", {"text": "on our way"}, **tag)
    problem = await open_desk.post(f"{path}/updates", {"text": "no"}, expect=412, **tag)
    assert problem["type"].endswith("/precondition-failed")
    wrong = await open_desk.post(
        f"{path}/updates", {"text": "no"}, expect=422, **{"if-match": "W/x"}
    )
    assert wrong["errors"][0]["parameter"] == "if-match"


async def test_a_case_from_another_system_is_late_by_its_own_due_date(open_desk: Any) -> None:
    body = COMPLAINT | {
        "source_reference": "14-00405873",
        "received_at": "2026-03-01T12:00:00-05:00",
        "due_at": "2026-03-05T12:00:00-05:00",
    }
    raised = await open_desk.post("/complaints", body)
    (deadline,) = raised["deadlines"]
    assert (deadline["due_at"], deadline["fixed"]) == ("2026-03-05T17:00:00Z", True)
    await open_desk.harness.drive(datetime(2026, 3, 6, tzinfo=UTC))
    closed = await open_desk.post(
        f"/complaints/{raised['complaint_id']}/resolutions",
        RESOLUTION | {"verdict": "no-answer"},
    )
    assert (closed["state"], closed["resolution"]["late"]) == ("closed", True)
    unpromised = COMPLAINT | {"source_reference": "x", "promised_elsewhere": True}
    raised = await open_desk.post("/complaints", unpromised)
    assert raised["deadlines"] == []
    await open_desk.post(
        f"/complaints/{raised['complaint_id']}/resolutions",
        RESOLUTION | {"verdict": "accepted"},
    )
    report = await open_desk.get("/reports/complaints", **{"from": "2026-03-01T00:00:00Z"})
    figures = {name: report[name] for name in ("raised", "closed", "late", "on_time")}
    assert figures == {"raised": 2, "closed": 2, "late": 1, "on_time": 0}
    assert report["without_due"] == 1
    assert report["by_category"][0]["category"] == "quality.leak"


async def test_a_merged_persons_doubled_message_joins_the_survivors_case(
    open_desk: Any, say: Say
) -> None:
    known = await open_desk.post("/complaints", COMPLAINT | {"source_reference": "wx-1"})
    merge = CustomersMerged(
        customer_id="zoe", merge_id="m1", merged_customer_id="ann", rule="same-phone"
    )
    await open_desk.harness.receive(say(merge, AT))
    again = COMPLAINT | {"source_reference": "wx-1", "customer_id": "zoe"}
    joined = await open_desk.post("/complaints", again, expect=200)
    assert (joined["complaint_id"], joined["joined"]) == (known["complaint_id"], True)
    apart = CustomersUnmerged(customer_id="zoe", merge_id="m1", restored_customer_id="ann")
    await open_desk.harness.receive(say(apart, AT))
    assert (await open_desk.get("/complaints", customer_id="zoe"))["items"] == []
    assert len((await open_desk.get("/complaints", customer_id="ann"))["items"]) == 1


async def test_an_unmerge_that_arrives_before_its_merge_still_undoes_it(
    open_desk: Any, say: Say
) -> None:
    merge = CustomersMerged(
        customer_id="zoe", merge_id="m1", merged_customer_id="ann", rule="same-phone"
    )
    apart = CustomersUnmerged(customer_id="zoe", merge_id="m1", restored_customer_id="ann")
    await open_desk.harness.receive(say(apart, AT), say(merge, AT))
    await open_desk.post("/complaints", COMPLAINT)
    (raised,) = await open_desk.harness.published(ComplaintRaised)
    assert raised.customer_id == "ann"


async def test_a_segment_that_asks_for_care_raises_the_priority(open_desk: Any, say: Say) -> None:
    move = CustomerSegmented(
        customer_id="ann",
        model="pulte",
        model_version=1,
        to_segment="active-adult",
        rule="over-55",
        caused_by="event-1",
    )
    await open_desk.harness.receive(say(move, AT, "segmentation"))
    raised = await open_desk.post("/complaints", COMPLAINT)
    assert raised["priority"] == "urgent"


async def test_an_erased_persons_words_are_gone_and_no_new_ones_are_taken(
    open_desk: Any, say: Say
) -> None:
    body = COMPLAINT | {"description": "my neighbour", "source_reference": "wx-1"}
    raised = await open_desk.post("/complaints", body)
    erased = CustomerErased(customer_id="ann", erasure_id="e1")
    await open_desk.harness.receive(say(erased, AT))
    shown = await open_desk.get(f"/complaints/{raised['complaint_id']}")
    assert (shown["state"], shown["description"], shown["source_reference"]) == (
        "closed",
        "",
        None,
    )
    (row,) = await open_desk.harness.rows("SELECT document::text AS text FROM cases")
    assert "neighbour" not in row.text
    problem = await open_desk.post("/complaints", COMPLAINT, expect=409)
    assert problem["type"].endswith("/customer-erased")
    export = await open_desk.get("/customers/ann/export")
    (held,) = export["held"]["customers"]
    assert (held["document"]["erased"], len(export["held"]["cases"])) == (True, 1)


async def test_a_new_calendar_version_binds_new_cases_and_leaves_old_ones_alone(
    open_desk: Any,
) -> None:
    week = [[{"opens": "09:00", "closes": "12:00"}, {"opens": "13:00", "closes": "18:00"}]] * 5
    calendar = {"time_zone": "Asia/Shanghai", "week": [*week, [], []]}
    assert (await open_desk.put("/calendars/lakeside", calendar))["version"] == 1
    await open_desk.put(
        "/communities/lakeside", {"calendar": "lakeside", "time_zone": "Asia/Shanghai"}
    )
    body = COMPLAINT | {"community_id": "lakeside"}
    old = await open_desk.post("/complaints", body | {"source_reference": "1"})
    holidays = {"country": "CN", "years": [2026]}
    closed = calendar | {"holidays": holidays, "exceptions": {"2026-03-03": []}}
    assert (await open_desk.put("/calendars/lakeside", calendar))["version"] == 1
    second = await open_desk.put("/calendars/lakeside", closed)
    assert second["version"] == 2
    assert second["exceptions"]["2026-10-01"] == []
    assert second["exceptions"]["2026-10-10"] == calendar["week"][0]
    new = await open_desk.post("/complaints", body | {"source_reference": "2"})
    assert [case["deadlines"][0]["due_at"] for case in (old, new)] == [
        "2026-03-03T06:00:00Z",
        "2026-03-04T06:00:00Z",
    ]
    shown = await open_desk.get(f"/complaints/{old['complaint_id']}")
    assert shown["deadlines"] == old["deadlines"]


async def test_categories_are_labelled_in_the_language_asked_for(open_desk: Any) -> None:
    answer = await open_desk.harness.client.get(
        "/complaint-categories", headers=open_desk.headers | {"accept-language": "zh-CN"}
    )
    assert answer.json()[0] == {
        "code": "quality.leak",
        "label": "渗漏与潮湿",
        "label_en": "Leak or damp",
        "label_zh": "渗漏与潮湿",
    }


async def test_a_wrong_complaint_is_refused_with_the_place_to_mend(
    open_desk: Any, subtests: pytest.Subtests
) -> None:
    for change, pointer in WRONG:
        with subtests.test(pointer, change=str(change)[:80]):
            problem = await open_desk.post("/complaints", COMPLAINT | change, expect=422)
            assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert await open_desk.harness.published() == []


async def test_nothing_is_done_to_a_complaint_that_is_not_there(open_desk: Any) -> None:
    bodies: dict[str, Any] = {
        "acknowledgements": {},
        "updates": {"text": "hello"},
        "pauses": None,
        "resumptions": None,
        "resolutions": RESOLUTION,
        "verdicts": {"verdict": "accepted"},
        "reopenings": {"reason": "came-back"},
    }
    for what, body in bodies.items():
        problem = await open_desk.post(f"/complaints/none/{what}", body, expect=404)
        assert problem["type"].endswith("/complaint-unknown"), what


async def test_a_token_without_the_scope_is_refused(open_desk: Any) -> None:
    answer = await open_desk.harness.client.post(
        "/complaints", json=COMPLAINT, headers=open_desk.harness.headers("complaints:read")
    )
    assert answer.status_code == 403
