from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from keyturn_chassis.testing import Harness
from keyturn_events import Household, HouseholdMember, Message
from keyturn_events.intake import (
    CustomerErased,
    CustomerRegistered,
    CustomersMerged,
    LeadCaptured,
)
from keyturn_events.vocabulary import Incomes, LeadChannel, MaritalStatus, Relationship
from segmentation.service import service

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
Say = Callable[..., Message[Any]]

COUPLE = Household(
    members=(
        HouseholdMember(relationship=Relationship.SELF, birth_date=date(1990, 5, 1)),
        HouseholdMember(relationship=Relationship.PARTNER),
    ),
    marital_status=MaritalStatus.MARRIED,
    incomes=Incomes.DUAL,
    relocating=False,
    homes_owned=1,
)

ONE_RULE: dict[str, Any] = {
    "labels": {"en": "Owners", "zh": "业主"},
    "segments": [{"segment": "owner", "labels": {"en": "Owner", "zh": "业主"}}],
    "rules": [
        {
            "rule": "owns-a-home",
            "segment": "owner",
            "when": [{"input": "homes_owned", "compare": "at-least", "value": 1}],
        }
    ],
}


@pytest.fixture
async def harness(service_harness: Callable[..., Awaitable[Harness]], say: Say) -> Harness:
    """A service that knows Ann, a couple with a touch, and Bea, who only came by."""
    harness = await service_harness(service)
    await harness.receive(
        say(
            CustomerRegistered(customer_id="ann", channel=LeadChannel.WEB, household=COUPLE),
            id="e-registered",
        ),
        say(_captured("ann"), AT + DAY, id="e-lead"),
        say(_captured("bea"), AT + DAY),
    )
    return harness


def _captured(customer_id: str) -> LeadCaptured:
    return LeadCaptured(
        customer_id=customer_id,
        lead_id=f"lead-{customer_id}",
        community_id="lakeside",
        channel=LeadChannel.WALK_IN,
        captured_at=AT,
        joined=False,
        repeated=False,
    )


async def _get(harness: Harness, path: str, *scopes: str, status: int = 200) -> Any:
    scopes = scopes or ("customers:read", "segments:read", "models:read")
    response = await harness.client.get(path, headers=harness.headers(*scopes))
    assert response.status_code == status, response.text
    return response.json()


async def test_the_profile_tells_what_was_heard(harness: Harness) -> None:
    body = await _get(harness, "/customers/ann")
    profile = body["profile"]
    assert profile["customer_id"] == "ann"
    assert profile["stage"] == "lead"
    assert profile["stage_labels"] == {"en": "Lead", "zh": "线索"}
    assert profile["household"]["incomes"] == "dual"
    assert profile["leads"] == [
        {
            "lead_id": "lead-ann",
            "stage": "new",
            "channel": "walk-in",
            "community_id": "lakeside",
            "score": None,
            "advisor_id": None,
        }
    ]
    assert body["touches"] == 1
    assert body["messages"] == {"sent": 0, "held": 0, "skipped": 0, "failed": 0}
    assert body["dormant_since"] is None


async def test_the_timeline_is_paged_from_the_latest_to_the_first(harness: Harness) -> None:
    first = await _get(harness, "/customers/ann/timeline?limit=2")
    assert first["items"][0]["event_id"] == "e-lead"
    second = await _get(harness, f"/customers/ann/timeline?limit=2&cursor={first['next_cursor']}")
    lines = first["items"] + second["items"]
    assert second["next_cursor"] is None
    assert sorted(line["type"] for line in lines) == [
        "keyturn.customer.registered.v1",
        "keyturn.customer.segmented.v1",
        "keyturn.lead.captured.v1",
    ]
    assert lines[0]["facts"]["community_id"] == "lakeside"


async def test_a_segment_is_explained(harness: Harness) -> None:
    (ann,) = await _get(harness, "/customers/ann/segments")
    assert ann == {
        "customer_id": "ann",
        "model": "pulte",
        "version": 1,
        "segment": "dual-income-couple",
        "labels": {"en": "Dual-income couple without children", "zh": "双人工作的丁克家庭"},
        "product_line": "first-move-up",
        "rule": "couple-on-two-incomes",
        "inputs": {"minor_child": False, "couple": True, "incomes": "dual"},
        "missing": [],
        "since": "2026-03-01T09:00:00Z",
        "caused_by": "e-registered",
    }
    (bea,) = await _get(harness, "/customers/bea/segments")
    assert (bea["segment"], bea["labels"]["zh"], bea["rule"]) == (
        "unclassified",
        "尚未分类",
        "missing-answers",
    )
    assert "birth_date" in bea["missing"]


async def test_all_twelve_places_are_counted(harness: Harness) -> None:
    body = await _get(harness, "/segments?model=pulte")
    assert (body["customers"], body["version"]) == (2, 1)
    counts = {s["segment"]: s["customers"] for s in body["segments"]}
    assert len(counts) == 12
    assert list(counts)[-1] == "unclassified"
    assert {segment: n for segment, n in counts.items() if n} == {
        "dual-income-couple": 1,
        "unclassified": 1,
    }
    assert body["segments"][-1]["share"] == 0.5


async def test_customers_are_listed_by_segment_in_pages(harness: Harness) -> None:
    body = await _get(harness, "/customers?segment=unclassified&model=pulte")
    assert [item["customer_id"] for item in body["items"]] == ["bea"]
    first = await _get(harness, "/customers?limit=1")
    assert [item["customer_id"] for item in first["items"]] == ["ann"]
    second = await _get(harness, f"/customers?limit=1&cursor={first['next_cursor']}")
    assert [item["customer_id"] for item in second["items"]] == ["bea"]
    assert second["next_cursor"] is None


async def test_a_merged_id_answers_with_the_survivor(harness: Harness, say: Say) -> None:
    merge = CustomersMerged(
        customer_id="bea", merge_id="m1", merged_customer_id="ann", rule="phone"
    )
    await harness.receive(say(merge, AT + 2 * DAY))
    body = await _get(harness, "/customers/ann")
    assert body["profile"]["customer_id"] == "bea"
    assert body["profile"]["known_as"] == ["ann", "bea"]
    assert body["profile"]["merges"] == ["m1"]
    assert body["touches"] == 2
    (membership,) = await _get(harness, "/customers/ann/segments")
    assert (membership["customer_id"], membership["segment"]) == ("bea", "dual-income-couple")
    lines = (await _get(harness, "/customers/bea/timeline"))["items"]
    assert {line["customer_id"] for line in lines} == {"ann", "bea"}


async def test_an_erased_customer_is_as_unknown_as_one_never_seen(
    harness: Harness, say: Say
) -> None:
    erasure = CustomerErased(customer_id="ann", erasure_id="x")
    await harness.receive(say(erasure, AT + 2 * DAY))
    for path in ("/customers/ann", "/customers/ann/timeline", "/customers/nobody/segments"):
        problem = await _get(harness, path, status=404)
        assert problem["type"].endswith("/customer-not-found")


async def test_models_are_listed_whole(harness: Harness) -> None:
    listed = await _get(harness, "/models")
    assert [(m["model"], m["version"]) for m in listed] == [("pulte", 1), ("silence", 1)]
    pulte = await _get(harness, "/models/pulte")
    assert pulte == listed[0]
    assert len(pulte["segments"]) == 11
    assert (await _get(harness, "/models/silence"))["dormant_after_days"] == 365
    await _get(harness, "/models/none", status=404)


async def test_a_wrong_question_is_refused_with_its_reason(harness: Harness) -> None:
    for path, status, slug in (
        ("/customers/no%20id", 422, "invalid-request"),
        ("/customers/%00", 422, "invalid-request"),
        ("/customers?cursor=abc", 422, "invalid-cursor"),
        ("/customers?limit=0", 422, "invalid-request"),
        ("/customers?limit=201", 422, "invalid-request"),
        ("/customers?model=none", 404, "model-not-found"),
        ("/customers?model=silence", 404, "model-not-found"),
        ("/customers?segment=none", 404, "segment-not-found"),
        ("/segments?model=none", 404, "model-not-found"),
        ("/customers/ann/timeline?cursor=%00", 422, "invalid-request"),
        ("/customers/ann/timeline?cursor=WzEsWyJhIl1d", 422, "invalid-cursor"),
    ):
        problem = await _get(harness, path, status=status)
        assert problem["type"].endswith(f"/{slug}"), path


async def test_without_the_scope_nothing_is_told(harness: Harness) -> None:
    for path in ("/customers", "/customers/ann", "/customers/ann/timeline", "/segments", "/models"):
        await _get(harness, path, "models:write", status=403)
        assert (await harness.client.get(path)).status_code == 401


async def _put(harness: Harness, path: str, body: Any, scope: str = "models:write") -> Any:
    return await harness.client.put(path, headers=harness.headers(scope), json=body)


async def test_a_model_is_published_as_the_next_version_only(harness: Harness) -> None:
    response = await _put(harness, "/models/owners", {**ONE_RULE, "version": 1})
    assert response.status_code == 200, response.text
    assert (response.json()["model"], response.json()["version"]) == ("owners", 1)
    again = await _put(harness, "/models/owners", {**ONE_RULE, "version": 1})
    assert again.status_code == 409
    assert again.json()["type"].endswith("/model-version-taken")
    stored = await _get(harness, "/models/owners")
    assert stored["rules"] == ONE_RULE["rules"]


async def test_a_dry_run_counts_the_moves_and_changes_nothing(harness: Harness) -> None:
    changed = {**ONE_RULE, "version": 2}
    response = await _put(harness, "/models/pulte?dry_run=true", changed)
    assert response.status_code == 200, response.text
    assert response.json() == {
        "model": "pulte",
        "version": 2,
        "customers": 1,
        "moves": [{"from_segment": "dual-income-couple", "to_segment": "owner", "customers": 1}],
    }
    assert (await _get(harness, "/models/pulte"))["version"] == 1


async def test_silence_is_published_too(harness: Harness) -> None:
    body = {"version": 2, "labels": {"en": "Silence", "zh": "沉默"}, "dormant_after_days": 30}
    assert (await _put(harness, "/models/silence", body)).status_code == 200
    assert (await _get(harness, "/models/silence"))["dormant_after_days"] == 30


async def test_an_unsound_model_is_refused_with_its_reason(harness: Harness) -> None:
    changes: list[tuple[dict[str, Any], str]] = [
        ({"version": 0}, "invalid-request"),
        ({"rules": []}, "invalid-request"),
        ({"surprise": 1}, "invalid-request"),
        ({"labels": {"en": "A\u0000", "zh": "A"}}, "invalid-request"),
        ({"rules": [{**ONE_RULE["rules"][0], "segment": "nowhere"}]}, "model-unsound"),
    ]
    for change, slug in changes:
        for query in ("", "?dry_run=true"):
            body = {**ONE_RULE, "version": 1, **change}
            response = await _put(harness, f"/models/owners{query}", body)
            assert response.status_code == 422, response.text
            assert response.json()["type"].endswith(f"/{slug}")
            assert response.json()["errors"][0]["pointer"]


async def test_publishing_needs_its_scope(harness: Harness) -> None:
    response = await _put(harness, "/models/owners", {**ONE_RULE, "version": 1}, "models:read")
    assert response.status_code == 403


async def test_every_example_of_the_api_works_when_pasted(harness: Harness) -> None:
    document = (await harness.client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for path, schema in (("/models/fresh", "ModelBody"), ("/models/silence", "SilenceBody")):
        (example,) = schemas[schema]["examples"]
        if path == "/models/fresh":
            example = {**example, "version": 1}
        assert (await _put(harness, path, example)).status_code == 200
