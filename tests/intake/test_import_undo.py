"""POST /imports/{id}/undo: what an import did is taken back, what happened since stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import IntegrityError

from intake.tasks.imports import ImportTask
from keyturn_events.intake import (
    ConsentChanged,
    ContactErased,
    CustomerUpdated,
    CustomerWithdrawn,
    LeadLost,
    LeadWithdrawn,
)

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEP = {"to_stage": "contacted", "reason": "called"}


async def undone(intake: Intake, import_id: str, **parameters: Any) -> dict[str, Any]:
    """Undo an import, and work until that is done."""
    response = await intake.call("POST", f"/imports/{import_id}/undo", params=parameters)
    assert response.status_code == 202, response.text
    while await ImportTask().work(intake.harness.runtime):
        pass
    answer: dict[str, Any] = (await intake.get(f"/imports/{import_id}")).json()
    return answer


async def test_customers_and_leads_that_only_the_import_made_are_taken_back(
    intake: Intake,
) -> None:
    done = await intake.imported("name,phone\n张伟,13800138000\n李娜,13900139000\n")
    after = await undone(intake, done["import_id"])
    assert after["status"] == "undone"
    assert after["undo"] == {
        "dry_run": False,
        "done": True,
        "rows": 2,
        "taken_back": {"customers": 2, "leads": 2, "touches": 2},
        "kept": {},
    }
    assert after["progress"] == 1.0
    assert await intake.count("identifiers") == 0
    assert (await intake.get("/leads")).json()["items"] == []
    withdrawn = await intake.harness.published(CustomerWithdrawn)
    assert {event.import_id for event in withdrawn} == {done["import_id"]}
    assert len(await intake.harness.published(ContactErased)) == 2
    (lead, _) = await intake.harness.published(LeadWithdrawn)
    history = (await intake.get(f"/leads/{lead.lead_id}")).json()
    assert history["lead"]["status"] == "withdrawn"
    assert [touch["withdrawn_at"] is None for touch in history["touches"]] == [False]
    assert (await intake.get(f"/customers/{lead.customer_id}")).status_code == 404
    again = await intake.captured(phone="13800138000")
    assert again["outcome"] == "created"


async def test_a_dry_run_says_what_would_go_and_takes_nothing(intake: Intake) -> None:
    done = await intake.imported("phone\n13800138000\n13900139000\n13900139000\n")
    await intake.captured(phone="13800138000")
    after = await undone(intake, done["import_id"], dry_run="true")
    assert after["status"] == "done"
    assert after["undo"] == {
        "dry_run": True,
        "done": True,
        "rows": 3,
        "taken_back": {"customers": 1, "leads": 1, "touches": 3},
        "kept": {"customers": {"came-again": 1}, "leads": {"came-again": 1}},
    }
    assert await intake.harness.published(LeadWithdrawn) == []
    assert await intake.count("identifiers") == 2
    really = await undone(intake, done["import_id"])
    assert really["undo"] | {"dry_run": True} == after["undo"]


async def test_values_that_it_filled_in_become_what_they_were(intake: Intake) -> None:
    known = await intake.captured(
        wechat="open-1", consents=[{"channel": "sms", "purpose": "marketing", "status": "denied"}]
    )
    await intake.harness.drive(NOON + HOUR)
    path = f"/customers/{known['customer_id']}"
    before = (await intake.get(path)).json()
    lead = (await intake.get(f"/leads/{known['lead_id']}")).json()["lead"]
    done = await intake.imported(
        "name,wechat,phone,email,language,household.homes_owned,campaign,consents\n"
        "张伟,open-1,13800138000,zhang@example.com,zh,2,spring,sms/marketing email/survey\n"
    )
    assert (await intake.get(path)).json() != before
    after = await undone(intake, done["import_id"])
    assert (await intake.get(path)).json() == before
    assert (await intake.get(f"/leads/{known['lead_id']}")).json()["lead"] == lead
    assert after["undo"]["kept"] == {}
    assert after["undo"]["taken_back"] == {"touches": 1, "values": 7}
    updated = (await intake.harness.published(CustomerUpdated))[-1]
    assert (updated.language, updated.household.homes_owned) == (None, None)
    told = (await intake.harness.published(ConsentChanged))[-2:]
    assert {(event.channel, event.status) for event in told} == {
        ("sms", "denied"),
        ("email", "expired"),
    }
    assert await intake.count("identifiers") == 1


async def test_a_lead_that_it_revived_is_lost_again(intake: Intake) -> None:
    known = await intake.captured(phone="13800138000")
    await intake.post(f"/leads/{known['lead_id']}/losses", {"reason": "price"})
    done = await intake.imported("phone\n13800138000\n")
    await undone(intake, done["import_id"])
    lead = (await intake.get(f"/leads/{known['lead_id']}")).json()["lead"]
    assert (lead["status"], lead["loss_reason"], lead["touches"]) == ("lost", "price", 1)
    assert len(await intake.harness.published(LeadLost)) == 2


async def test_what_happened_since_survives(intake: Intake) -> None:
    done = await intake.imported(
        "name,phone,community_id\n张伟,13800138000,riverside\n李娜,13900139000,riverside\n"
        "王芳,13700137000,riverside\n"
    )
    leads = {lead["name"]: lead for lead in (await intake.get("/leads")).json()["items"]}
    await intake.post(f"/leads/{leads['张伟']['lead_id']}/advances", STEP)
    await intake.captured(phone="13900139000", community_id="lakeside")
    await intake.reserved(customer_id=leads["王芳"]["customer_id"])
    after = await undone(intake, done["import_id"])
    assert after["undo"]["kept"] == {
        "customers": {"bought": 1, "came-again": 1, "handled": 1},
        "leads": {"bought": 1, "handled": 1},
    }
    for lead in leads.values():
        assert (await intake.get(f"/customers/{lead['customer_id']}")).status_code == 200


async def test_nobody_opens_a_lead_for_a_customer_who_is_taken_back_meanwhile(
    intake: Intake,
) -> None:
    """A capture that was decided before the undoing, and is written after it, is decided again."""
    done = await intake.imported("phone\n13800138000\n")
    await undone(intake, done["import_id"])
    with pytest.raises(IntegrityError, match="a customer was withdrawn"):
        await intake.harness.rows(
            'INSERT INTO leads SELECT (jsonb_populate_record(l, \'{"lead_id": "other"}\')).*'
            " FROM leads AS l RETURNING lead_id"
        )


async def test_undoing_goes_on_after_a_crash_and_twice_is_once(intake: Intake) -> None:
    done = await intake.imported("phone\n13800138000\n")
    first = await undone(intake, done["import_id"])
    again = await undone(intake, done["import_id"])
    assert again == first
    assert len(await intake.harness.published(CustomerWithdrawn)) == 1
    refused = await intake.call(
        "POST", f"/imports/{done['import_id']}/undo", params={"dry_run": "true"}
    )
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (
        409,
        "import-undone",
    )
