"""A model goes from the service's own leads through a file back into the service."""

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from intake.learning.scoring import live
from intake.learning.scoring.training import train
from intake.reading.scoring_model_file import ModelFile
from intake.tasks import rescoring
from intake.tasks.rescoring import RescoringTask
from keyturn_events.intake import LeadScored

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

MODEL: dict[str, Any] = {
    "format": "keyturn-scoring-model",
    "format_version": 1,
    "name": "showroom",
    "outcome": {"field": "outcome", "value": "won"},
    "base": -1.0,
    "fields": {
        "channel": {"kind": "category", "levels": {"walk-in": 2.0, "web": -0.5}, "other": 0.1},
        "budget": {"kind": "number", "points": [[1e6, -0.25], [2e6, 0.75]], "missing": -0.125},
    },
}


def cny(amount: int) -> dict[str, str]:
    return {"amount": f"{amount}.00", "currency": "CNY"}


async def put(intake: Intake, model: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    response = await intake.call("PUT", "/scoring/model", model, params=parameters)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def score_of(intake: Intake, lead_id: str) -> dict[str, Any]:
    response = await intake.get(f"/leads/{lead_id}/score")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    total = math.fsum(
        [answer["base"] or 0.0, *(c["contribution"] for c in answer["contributions"])]
    )
    assert total == pytest.approx(answer["log_odds"] or 0.0, abs=1e-9)
    return answer


async def rescored(intake: Intake) -> None:
    while await RescoringTask().work(intake.harness.runtime):
        pass


async def decided_leads(intake: Intake, rows: int) -> list[str]:
    """Leads that were won and lost, in the order of their capture."""
    lead_ids = []
    for number in range(rows):
        more = {} if number % 3 else {"budget": cny(1_000_000 + 50_000 * number)}
        answer = await intake.captured(
            wechat=f"person-{number}",
            channel="walk-in" if number % 2 else "web",
            captured_at=f"2026-02-{1 + number:02}T09:00:00+08:00",
            community_id="riverside",
            **more,
        )
        lead_ids.append(answer["lead_id"])
        if number % 4 == 1 or number == 2:
            purchase = await intake.reserved(
                f"home-{number}", customer_id=answer["customer_id"], lead_id=answer["lead_id"]
            )
            await intake.post(f"/purchases/{purchase['purchase_id']}/signatures", {})
        else:
            await intake.post(f"/leads/{answer['lead_id']}/losses", {"reason": "price"})
    return lead_ids


async def test_the_live_score_is_the_trained_models_with_reasons_that_add_up(
    intake: Intake, tmp_path: Path
) -> None:
    lead_ids = await decided_leads(intake, 20)
    table = tmp_path / "leads.csv"
    counts = await live.export(intake.harness.runtime, table, lambda _: None)
    training = train(table, "outcome=won", (), "own", lambda _: None, time_ordered=True)
    file = ModelFile.of(training.fitted.model)
    loaded = await put(intake, file.model_dump(mode="json"), accept_leaks=True)

    assert counts == {"won": 6, "lost": 14}
    assert (loaded["scored_by"], loaded["name"], loaded["version"]) == ("model", "own", 1)
    for lead_id, log_odds in zip(lead_ids, training.fitted.log_odds, strict=True):
        score = await score_of(intake, lead_id)
        assert score["log_odds"] == pytest.approx(log_odds, abs=1e-9)
        assert score["probability"] == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=1e-9)


async def test_an_export_holds_what_was_known_at_the_first_touch_and_no_person(
    intake: Intake, tmp_path: Path
) -> None:
    lead = {"name": "张伟", "phone": "13800138000", "channel": "web", "community_id": "riverside"}
    answer = await intake.captured(**lead, campaign="spring")
    await intake.captured(**lead | {"channel": "walk-in", "budget": cny(1_680_000)})
    await intake.captured(wechat="still-open")
    await intake.post(f"/leads/{answer['lead_id']}/losses", {"reason": "timing"})

    await live.export(intake.harness.runtime, tmp_path / "leads.csv.gz", lambda _: None)

    with gzip.open(tmp_path / "leads.csv.gz", "rt", encoding="utf-8") as stream:
        text = stream.read()
    (row,) = csv.DictReader(text.splitlines())
    assert row["outcome"] == "lost"
    assert (row["channel"], row["campaign"], row["budget"]) == ("web", "spring", "")
    for personal in ("张伟", "13800138000", answer["lead_id"], answer["customer_id"]):
        assert personal not in text


async def test_without_a_model_the_rules_score_and_say_why(intake: Intake) -> None:
    answer = await intake.captured(wechat="zhang", channel="walk-in", budget=cny(1_680_000))

    score = await score_of(intake, answer["lead_id"])
    in_use = (await intake.get("/scoring/model")).json()

    assert (score["score"], score["scored_by"], score["model"]) == (40, "rules", "intake-rules")
    assert score["probability"] is None
    assert [(rule["rule"], rule["points"]) for rule in score["rules"]] == [
        ("came-in-person", 30),
        ("named-a-budget", 10),
    ]
    assert score["rules"][0]["label"] == {"en": "Came in person", "zh": "亲自到访"}
    assert (in_use["scored_by"], in_use["version"], in_use["rescoring"]) == ("rules", 1, None)
    assert len(in_use["rules"]) == 13


async def test_captures_are_scored_by_the_loaded_model_and_the_event_says_so(
    intake: Intake,
) -> None:
    await put(intake, MODEL)
    answer = await intake.captured(wechat="zhang", channel="walk-in", budget=cny(1_500_000))

    (scored,) = await intake.harness.published(LeadScored)
    score = await score_of(intake, answer["lead_id"])

    assert (scored.model, scored.model_version, scored.score) == ("showroom", 1, 78)
    assert [(reason.rule, reason.points) for reason in scored.reasons] == [
        ("channel", 200),
        ("budget", 25),
    ]
    assert score["log_odds"] == -1.0 + 2.0 + 0.25
    assert (score["score"], score["told_score"]) == (78, 78)
    assert score["contributions"][1] == {
        "field": "budget",
        "value": "1500000.00",
        "contribution": 0.25,
        "label": {"en": "Budget", "zh": "预算"},
    }


async def test_a_later_touch_fills_what_was_not_said_and_scores_anew(intake: Intake) -> None:
    await put(intake, MODEL)
    await intake.captured(wechat="zhang", channel="web")
    answer = await intake.captured(wechat="zhang", channel="walk-in", budget=cny(2_000_000))

    first, second = await intake.harness.published(LeadScored)

    assert (first.score, second.score) == (16, 32)
    assert (await score_of(intake, answer["lead_id"]))["log_odds"] == -1.0 - 0.5 + 0.75


async def test_touches_that_come_in_one_batch_all_count(intake: Intake) -> None:
    await put(intake, MODEL)
    rows = [
        {"wechat": "zhang", "channel": "web"},
        {"wechat": "zhang", "channel": "phone", "budget": cny(2_000_000)},
    ]
    answers = (await intake.post("/leads/batch", {"leads": rows})).json()["rows"]

    assert {row["outcome"] for row in answers} == {"created", "joined"}
    *_, last = await intake.harness.published(LeadScored)
    assert last.score == (await score_of(intake, answers[0]["lead_id"]))["score"]


async def test_an_advance_scores_a_lead_that_came_before_the_model(intake: Intake) -> None:
    answer = await intake.captured(wechat="zhang", channel="walk-in")
    await put(intake, MODEL)
    await intake.post(
        f"/leads/{answer['lead_id']}/advances", {"to_stage": "visited", "reason": "came"}
    )

    first, second = await intake.harness.published(LeadScored)

    assert (first.model, second.model, second.previous_score) == ("intake-rules", "showroom", 30)
    assert second.score == 71


async def test_a_file_is_scored_by_the_model_and_its_undoing_too(intake: Intake) -> None:
    await put(intake, MODEL)
    known = await intake.captured(wechat="zhang", channel="web")
    done = await intake.imported(
        "wechat,channel,budget.amount,budget.currency\nzhang,phone,2000000.00,CNY\n"
    )
    assert (await score_of(intake, known["lead_id"]))["told_score"] == 32
    undone = await intake.post(f"/imports/{done['import_id']}/undo", {})
    assert undone.status_code in {200, 201, 202}, undone.text
    while (await intake.get(f"/imports/{done['import_id']}")).json()["status"] == "undoing":
        from intake.tasks.imports import ImportTask

        await ImportTask().work(intake.harness.runtime)

    score = await score_of(intake, known["lead_id"])
    assert (score["score"], score["told_score"]) == (16, 16)


async def test_open_leads_are_rescored_in_steps_and_closed_ones_are_not(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescoring, "BATCH", 2)
    for number in range(5):
        await intake.captured(wechat=f"w{number}", channel="walk-in")
    lost = await intake.captured(wechat="lost", channel="walk-in")
    await intake.post(f"/leads/{lost['lead_id']}/losses", {"reason": "price"})
    await put(intake, MODEL)
    started = (await intake.get("/scoring/model")).json()["rescoring"]

    await rescored(intake)
    await rescored(intake)

    told = [event for event in await intake.harness.published(LeadScored) if event.score == 71]
    assert started == {"done": False, "leads": 0, "changed": 0}
    assert (await intake.get("/scoring/model")).json()["rescoring"] == {
        "done": True,
        "leads": 5,
        "changed": 5,
    }
    assert len(told) == 5
    assert lost["lead_id"] not in {event.lead_id for event in told}


async def test_what_a_model_would_change_is_counted_and_nothing_is_written(
    intake: Intake,
) -> None:
    await intake.captured(wechat="a", channel="walk-in")
    await intake.captured(wechat="b", channel="web")
    file = ModelFile.model_validate(MODEL)

    found = await live.changes(intake.harness.runtime, file, lambda _: None)

    assert found == live.Changes(leads=2, changed=2, much_higher=1, much_lower=0)
    assert (await intake.get("/scoring/model")).json()["scored_by"] == "rules"


async def test_a_model_is_loaded_from_a_file_as_through_the_door(
    intake: Intake, tmp_path: Path
) -> None:
    path = tmp_path / "model.json"
    path.write_text(ModelFile.model_validate(MODEL).model_dump_json(), encoding="utf-8")
    runtime = intake.harness.runtime

    version, new = await live.load(runtime, live.read_model(path), accept_leaks=False)
    same, again = await live.load(runtime, live.read_model(path), accept_leaks=False)

    assert version is not None
    assert version == same
    assert (version.version, version.loaded_by, new, again) == (1, "command-line", True, False)


async def test_the_same_model_again_is_no_new_version_and_another_is(intake: Intake) -> None:
    first = await put(intake, MODEL)
    same = await put(intake, MODEL)
    other = await put(intake, MODEL | {"base": -2.0})
    dropped = (await intake.call("DELETE", "/scoring/model")).json()
    back = await put(intake, MODEL)

    assert [answer["version"] for answer in (first, same, other, back)] == [1, 1, 2, 4]
    assert (dropped["scored_by"], dropped["name"]) == ("rules", "intake-rules")


async def test_after_a_model_is_dropped_the_rules_score(intake: Intake) -> None:
    await put(intake, MODEL)
    answer = await intake.captured(wechat="zhang", channel="walk-in")
    await intake.call("DELETE", "/scoring/model")
    await rescored(intake)

    score = await score_of(intake, answer["lead_id"])
    assert (score["score"], score["told_score"], score["scored_by"]) == (30, 30, "rules")


async def test_a_model_that_asks_for_what_no_lead_has_is_refused_by_name(intake: Intake) -> None:
    fields = MODEL["fields"] | {"duration": {"kind": "category", "levels": {}}}
    response = await intake.call("PUT", "/scoring/model", MODEL | {"fields": fields})

    assert response.status_code == 422
    assert response.json()["type"].endswith("unknown-model-field")
    assert "duration" in response.json()["detail"]


async def test_a_model_with_leaks_needs_somebody_who_answers_for_it(intake: Intake) -> None:
    leaking = MODEL | {"leaks": ["channel"]}
    refused = await intake.call("PUT", "/scoring/model", leaking)
    accepted = await put(intake, leaking, accept_leaks=True)

    assert refused.status_code == 409
    assert refused.json()["type"].endswith("model-leaks")
    assert accepted["leaks_accepted"] == ["channel"]


@pytest.mark.parametrize(
    "fault",
    [
        {"format": "pickle"},
        {"base": 1e9},
        {"fields": {"budget": {"kind": "number", "points": []}}},
        {"fields": {"channel": {"kind": "category", "levels": {"\u0000": 0}}}},
    ],
)
async def test_what_is_no_model_is_refused(intake: Intake, fault: dict[str, Any]) -> None:
    response = await intake.call("PUT", "/scoring/model", MODEL | fault)

    assert response.status_code == 422
    assert (await intake.get("/scoring/model")).json()["scored_by"] == "rules"


async def test_a_lead_that_is_not_there_has_no_score(intake: Intake) -> None:
    response = await intake.get("/leads/nobody/score")

    assert response.status_code == 404
    assert response.json()["type"].endswith("lead-not-found")


async def test_reading_and_writing_need_their_scopes(intake: Intake) -> None:
    client, headers = intake.harness.client, intake.harness.headers
    reads = headers("scoring:read")

    assert (await client.put("/scoring/model", json=MODEL, headers=reads)).status_code == 403
    assert (await client.delete("/scoring/model", headers=reads)).status_code == 403
    assert (await client.get("/scoring/model", headers=headers("leads:read"))).status_code == 403
    assert (await client.get("/scoring/model", headers=reads)).status_code == 200
