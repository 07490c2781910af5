"""The desk forgets a person: every word goes, records of homes stay, and a receipt says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from keyturn_events import Message
from keyturn_events.intake import CustomerErased
from keyturn_events.service_desk import CasesErased, HandoverPlanned

AT = datetime(2026, 3, 2, 2, tzinfo=UTC)
DAY = timedelta(days=1)
WORD = "zqmark"

Facts = Callable[..., Any]
Say = Callable[..., Message[Any]]


def erased(customer_id: str = "ann") -> CustomerErased:
    return CustomerErased(customer_id=customer_id, erasure_id="ers-1")


async def counts(desk: Any) -> list[dict[str, tuple[str, int]]]:
    return [
        {count.kind: (count.treatment.value, count.count) for count in receipt.counts}
        for receipt in await desk.harness.published(CasesErased)
    ]


async def said_anything(desk: Any) -> None:
    """Words of Ann's, and of the desk's to her, wherever any can be written."""
    (planned,) = await desk.harness.published(HandoverPlanned)
    await desk.put(f"/handovers/{planned.handover_id}/veto", {"by": "cr-1", "reason": WORD})
    await desk.post(
        "/homes/home-p1/defects",
        {
            "location": "bathroom-1",
            "component": "floor",
            "severity": "minor",
            "description": f"{WORD} slipped",
        },
    )
    complaint = await desk.post(
        "/complaints",
        {
            "customer_id": "ann",
            "category": "quality.leak",
            "severity": "major",
            "channel": "wechat",
            "description": f"{WORD} again",
            "source_reference": f"wx-{WORD}",
        },
    )
    path = f"/complaints/{complaint['complaint_id']}"
    await desk.post(f"{path}/updates", {"text": f"Dear {WORD}"})
    answer = await desk.post(
        "/surveys/answers",
        {
            "customer_id": "ann",
            "survey": "living",
            "survey_version": 1,
            "touchpoint": "living",
            "satisfaction": 1,
            "comment": WORD,
            "response_reference": f"ref-{WORD}",
            "background": {"household": WORD},
        },
    )
    path = f"/surveys/answers/{answer['response_id']}/actions"
    await desk.post(path, {"by": "agent-5", "action": f"Called {WORD}"})


async def words(desk: Any) -> list[str]:
    """The tables in which a word of Ann's stands, but for references on their way to readers."""
    found = []
    tables = await desk.harness.rows("SELECT tablename FROM pg_tables WHERE schemaname='public'")
    for table in tables:
        rows = await desk.harness.rows(
            f"SELECT 1 FROM \"{table.tablename}\" AS t WHERE row_to_json(t)::text LIKE '%{WORD}%'"
        )
        found += [table.tablename] if rows and table.tablename != "outbox" else []
    return sorted(found)


async def test_every_word_goes_and_the_records_of_the_home_stay(
    desk: Any, signed: Facts, say: Say
) -> None:
    await desk.harness.receive(say(signed()))
    await said_anything(desk)
    assert await words(desk) == ["cases", "defects", "handovers", "responses"]

    await desk.harness.receive(say(erased(), AT + DAY))

    assert await words(desk) == []
    assert await counts(desk) == [
        {
            "handovers": ("pseudonymised", 1),
            "defects": ("pseudonymised", 1),
            "cases": ("pseudonymised", 1),
            "survey-answers": ("pseudonymised", 1),
        }
    ]
    (defect,) = await desk.harness.rows("SELECT document FROM defects")
    kept = {name: defect.document[name] for name in ("home_id", "location", "component")}
    assert kept == {"home_id": "home-p1", "location": "bathroom-1", "component": "floor"}


async def test_the_receipt_is_the_same_when_the_erasure_is_told_of_again(
    desk: Any, signed: Facts, say: Say
) -> None:
    await desk.harness.receive(say(signed()), say(erased(), AT + DAY))
    await desk.harness.receive(say(erased(), AT + 2 * DAY))
    await desk.harness.receive(say(erased("nobody"), AT + DAY))

    assert await counts(desk) == [{"handovers": ("pseudonymised", 1)}] * 2 + [{}]


async def test_an_export_is_of_all_ids_of_a_person(desk: Any, signed: Facts, say: Say) -> None:
    await desk.harness.receive(say(signed()))

    body = await desk.get("/customers/ann/export")

    assert (body["service"], body["customer_ids"]) == ("service-desk", ["ann"])
    assert [row["home_id"] for row in body["held"]["handovers"]] == ["home-p1"]
