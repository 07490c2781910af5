"""Ownership, contacts and disputes through the API, on a real database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import DBAPIError

from keyturn_events.intake import LeadAdvanced, LeadAssigned, LeadReleased
from keyturn_events.partners import PartnerLeadSubmitted, Person
from keyturn_events.vocabulary import LeadChannel

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

ZHANG = {"phone": "13800138000", "community_id": "riverside"}


async def after(intake: Intake, **time: float) -> None:
    now = (await intake.harness.rows("SELECT now FROM driven_clock"))[0].now
    await intake.harness.drive(now + timedelta(**time))


async def verdict(intake: Intake, lead_id: str, **parameters: Any) -> dict[str, Any]:
    response = await intake.get(f"/leads/{lead_id}/ownership", **parameters)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_the_first_agency_is_protected_and_the_second_is_told_so_and_no_more(
    intake: Intake,
) -> None:
    first = await intake.captured(**ZHANG, channel="agency", agency_id="lianjia")
    second = await intake.captured(**ZHANG, channel="agency", agency_id="beike")
    assert first["registration"] == "protected"
    assert second == {
        "lead_id": first["lead_id"],
        "customer_id": first["customer_id"],
        "touch_id": second["touch_id"],
        "outcome": "joined",
        "registration": "protected-for-another",
    }
    found = await verdict(intake, first["lead_id"])
    assert found["owner"] == {"kind": "agency", "id": "lianjia"}
    assert [(each["by"]["id"], each["effect"]) for each in found["history"]] == [
        ("lianjia", "protected"),
        ("beike", "protected-for-another"),
    ]
    assert [each["by"]["id"] for each in found["deciding"]] == ["lianjia"]


async def test_a_batch_says_of_each_row_whose_it_is(intake: Intake) -> None:
    await intake.captured(**ZHANG, agency_id="lianjia")
    rows = [ZHANG | {"agency_id": "beike"}, {"phone": "13900139000", "agency_id": "beike"}]
    answer = (await intake.post("/leads/batch", {"leads": rows})).json()
    assert [row["registration"] for row in answer["rows"]] == [
        "protected-for-another",
        "protected",
    ]


async def test_an_agency_at_the_partner_door_is_protected_as_well(intake: Intake) -> None:
    await intake.register_partner("lianjia", PartnerLeadSubmitted)
    now = (await intake.harness.rows("SELECT now FROM driven_clock"))[0].now
    for number, channel in enumerate((LeadChannel.PORTAL, LeadChannel.AGENCY)):
        said = PartnerLeadSubmitted(
            lead_reference=f"l-{number}",
            submitted_at=now,
            person=Person(phone="13800138000"),
            channel=channel,
            community_id="riverside",
        )
        await intake.partner_says(said, partner_id="lianjia", id=f"event-{number}")
    lead = (await intake.harness.rows("SELECT lead_id, owner, facts FROM leads"))[0]
    assert (lead.owner, lead.facts) == ("agency:lianjia", 1)


async def test_a_contact_prolongs_and_the_past_can_be_asked_for(intake: Intake) -> None:
    lead_id = (await intake.captured(**ZHANG))["lead_id"]
    first = await intake.post(f"/leads/{lead_id}/contacts", {"kind": "phone", "advisor_id": "wang"})
    assert first.status_code == 201, first.text
    assert first.json() | {"lead_id": lead_id} == {
        "lead_id": lead_id,
        "stage": "contacted",
        "status": "open",
        "advisor_id": "wang",
        "owner": {"kind": "advisor", "id": "wang"},
        "protected_until": "2026-03-17T04:00:00Z",
    }
    await after(intake, days=10)
    visit = {"kind": "follow-up", "advisor_id": "wang"}
    prolonged = (await intake.post(f"/leads/{lead_id}/contacts", visit)).json()
    assert prolonged["protected_until"] == "2026-04-11T04:00:00Z"
    then = await verdict(intake, lead_id, at="2026-03-05T00:00:00+08:00")
    assert then["protected_until"] == "2026-03-17T04:00:00Z"
    before = await verdict(intake, lead_id, at="2026-03-02T03:59:59Z")
    assert (before["owner"], before["history"]) == (None, [])
    assert len(await intake.harness.published(LeadAdvanced)) == 1
    await after(intake, days=31)
    assert (await verdict(intake, lead_id))["owner"] is None
    (released,) = await intake.harness.published(LeadReleased)
    assert (released.advisor_id, released.reason) == ("wang", "protection-ended")


async def test_a_contact_names_one_party(intake: Intake) -> None:
    lead_id = (await intake.captured(**ZHANG))["lead_id"]
    for parties, pointer in (
        ({}, "/advisor_id"),
        ({"advisor_id": "wang", "agency_id": "lianjia"}, "/agency_id"),
    ):
        refused = await intake.post(f"/leads/{lead_id}/contacts", {"kind": "phone", **parties})
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (
            422,
            "name-one-party",
        )
        assert pointer in refused.text
    unknown = await intake.post("/leads/none/contacts", {"kind": "phone", "advisor_id": "wang"})
    assert (unknown.status_code, unknown.json()["type"].rpartition("/")[2]) == (
        404,
        "lead-not-found",
    )
    assert (await intake.get("/leads/none/ownership")).status_code == 404
    assert (await intake.get("/leads/none/assignment")).status_code == 404


async def test_a_home_settles_the_ownership_and_its_rescission_opens_it_again(
    intake: Intake,
) -> None:
    lead = await intake.captured(**ZHANG, advisor_id="wang")
    purchase = await intake.reserved(customer_id=lead["customer_id"])
    await after(intake, days=400)
    settled = await verdict(intake, lead["lead_id"])
    assert (settled["owner"]["id"], settled["settled"]) == ("wang", True)
    rescinded = await intake.post(
        f"/purchases/{purchase['purchase_id']}/rescissions", {"reason": "other"}
    )
    assert rescinded.status_code == 201, rescinded.text
    assert (await verdict(intake, lead["lead_id"]))["settled"] is False
    await after(intake, days=7)
    assert (await verdict(intake, lead["lead_id"]))["owner"] is None
    rows = await intake.harness.rows("SELECT owner, advisor_id FROM leads")
    assert [tuple(row) for row in rows] == [(None, None)]


async def test_a_dispute_is_recorded_and_answered_with_its_history(intake: Intake) -> None:
    lead_id = (await intake.captured(**ZHANG, advisor_id="wang"))["lead_id"]
    claim = {"agency_id": "lianjia", "reason": "met-first"}
    answer = await intake.post(f"/leads/{lead_id}/disputes", claim)
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert (said["outcome"], said["changed"], said["advisor_id"]) == ("refused", False, "wang")
    assert [each["kind"] for each in said["verdict"]["deciding"]] == ["given"]
    upheld = (
        await intake.post(f"/leads/{lead_id}/disputes", {"advisor_id": "wang", "reason": "mine"})
    ).json()
    assert upheld["outcome"] == "upheld"
    history = (await verdict(intake, lead_id))["history"]
    assert [each["kind"] for each in history] == ["given", "disputed", "disputed"]


async def test_the_history_of_a_merged_person_decides_and_the_lead_changes_hands(
    intake: Intake,
) -> None:
    first = await intake.captured(**ZHANG, agency_id="lianjia")
    await after(intake, minutes=1)
    second = await intake.captured(
        email="zhang@example.com", community_id="riverside", advisor_id="wang"
    )
    merged = await intake.post(
        f"/customers/{first['customer_id']}/merges",
        {"other_customer_id": second["customer_id"], "reason": "same person"},
    )
    assert merged.status_code == 201, merged.text
    assert (await verdict(intake, second["lead_id"]))["owner"]["id"] == "lianjia"
    answer = (
        await intake.post(
            f"/leads/{second['lead_id']}/disputes",
            {"agency_id": "lianjia", "reason": "registered-first"},
        )
    ).json()
    assert (answer["outcome"], answer["changed"]) == ("upheld", True)
    rows = await intake.harness.rows(
        "SELECT owner, advisor_id FROM leads WHERE lead_id = :id", id=second["lead_id"]
    )
    assert [tuple(row) for row in rows] == [("agency:lianjia", "wang")]


async def test_the_history_cannot_be_rewritten(intake: Intake) -> None:
    await intake.captured(**ZHANG, advisor_id="wang")
    for statement in ("UPDATE ownership_facts SET days = 99", "DELETE FROM ownership_facts"):
        with pytest.raises(DBAPIError, match="append-only"):
            await intake.harness.rows(statement)


async def test_a_repeated_contact_with_its_key_counts_once(intake: Intake) -> None:
    lead_id = (await intake.captured(**ZHANG))["lead_id"]
    contact = {"kind": "visit", "advisor_id": "wang"}
    for _ in range(2):
        key = {"idempotency-key": "visit-1"}
        response = await intake.post(f"/leads/{lead_id}/contacts", contact, headers=key)
        assert response.status_code == 201
    assert len(await intake.harness.published(LeadAssigned)) == 1
    assert [each["kind"] for each in (await verdict(intake, lead_id))["history"]] == [
        "contacted",
        "given",
    ]
