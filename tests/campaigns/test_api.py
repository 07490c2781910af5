from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from campaigns.api.campaigns import NewCampaign
from campaigns.service import service
from keyturn_events import Message
from keyturn_events.campaigns import MessageSkipped
from keyturn_events.intake import ContactChanged, LeadAdvanced
from keyturn_events.vocabulary import LeadStage

Say = Callable[..., Message[Any]]

AT = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)

CAMPAIGN = {
    "code": "visit-thanks",
    "name": {"en": "Thanks for the visit", "zh": "感谢到访"},
    "trigger": {
        "event": "keyturn.lead.advanced.v1",
        "where": {"to_stage": ["visited"]},
        "occurrence": "lead_id",
    },
    "purpose": "service",
    "transactional": True,
    "steps": [{"code": "thanks", "template": "welcome", "channels": ["sms", "email"]}],
}


class Api:
    """The service's HTTP door, for one who may do everything."""

    def __init__(self, desk: Any) -> None:
        self.harness = desk.harness

    async def __call__(self, method: str, path: str, body: Any = None) -> Any:
        return await self.harness.client.request(
            method, path, headers=self.harness.headers(*service.scopes), json=body
        )


@pytest.fixture
def api(desk: Any) -> Api:
    return Api(desk)


async def test_the_seeded_campaigns_are_there_by_code_and_in_pages(api: Api) -> None:
    first = (await api("GET", "/campaigns?limit=4")).json()
    rest = (await api("GET", f"/campaigns?limit=4&cursor={first['next_cursor']}")).json()
    assert [item["code"] for item in first["items"] + rest["items"]] == [
        "complaint-survey",
        "contract-congratulations",
        "next-home",
        "opt-in-confirmation",
        "referral-invitation",
        "welcome",
        "win-back",
    ]
    assert rest["next_cursor"] is None


async def test_a_campaign_is_added_changed_and_read_with_its_version(api: Api) -> None:
    added = await api("POST", "/campaigns", CAMPAIGN)
    assert (added.status_code, added.json()["version"]) == (201, 1)
    change = {key: value for key, value in CAMPAIGN.items() if key != "code"}
    changed = await api("PUT", "/campaigns/visit-thanks", change | {"active": False})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    same = await api("PUT", "/campaigns/visit-thanks", change | {"active": False})
    assert same.json()["version"] == 2
    stale = await api("PUT", "/campaigns/visit-thanks", change | {"expected_version": 1})
    assert stale.status_code == 409
    assert stale.json()["type"].endswith("/changed-meanwhile")
    read = (await api("GET", "/campaigns/visit-thanks")).json()
    assert (read["active"], read["reentry"]) == (False, "per-occurrence")
    assert read["trigger"] == CAMPAIGN["trigger"]
    again = await api("POST", "/campaigns", CAMPAIGN)
    assert again.json()["type"].endswith("/campaign-exists")


async def test_a_campaign_on_a_segment_move_is_one_on_its_event(api: Api) -> None:
    body = CAMPAIGN | {"trigger": {"model": "pulte", "to_segments": ["empty-nester"]}}
    added = (await api("POST", "/campaigns", body)).json()
    assert added["trigger"] == {
        "event": "keyturn.customer.segmented.v1",
        "where": {"model": ["pulte"], "to_segment": ["empty-nester"]},
        "occurrence": None,
    }


async def test_a_campaign_that_was_added_takes_people_in(api: Api, desk: Any, said: Say) -> None:
    await api("POST", "/campaigns", CAMPAIGN)
    contact = ContactChanged(customer_id="ann", phones=("+8613800000001",), language="zh-CN")
    advanced = LeadAdvanced.model_validate(
        {"customer_id": "ann", "lead_id": "l1", "from_stage": "contacted", "reason": "visit"}
        | {"to_stage": "visited"}
    )
    other = advanced.model_copy(update={"to_stage": LeadStage.QUEUED, "lead_id": "l2"})
    await desk.harness.receive(said(contact), said(advanced), said(other))
    await desk.send_all()
    [written] = desk.written()
    assert (written["channel"], written["to"]) == ("sms", "+8613800000001")
    assert written["subject"] == "欢迎您"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"code": "Visit Thanks"}, "/code"),
        ({"name": {"en": "x"}}, "/name/zh"),
        ({"trigger": {"event": "keyturn.nothing.happened.v1"}}, "/trigger"),
        ({"trigger": {"event": "keyturn.lead.lost.v1", "where": {"nose": ["x"]}}}, "/trigger"),
        ({"trigger": {"event": "keyturn.lead.lost.v1", "occurrence": "nose"}}, "/trigger"),
        ({"trigger": {"model": "pulte", "to_segments": []}}, "/trigger"),
        ({"purpose": "profiling"}, "/purpose"),
        ({"purpose": "marketing", "transactional": True}, ""),
        ({"reentry": "after-days"}, ""),
        ({"reentry": "once", "reentry_days": 3}, ""),
        ({"steps": []}, "/steps"),
        ({"steps": [CAMPAIGN["steps"][0]] * 2}, ""),  # type: ignore[index]  # a list, here
        ({"steps": [CAMPAIGN["steps"][0]] * 21}, "/steps"),  # type: ignore[index]  # as above
        (
            {"steps": [{"code": "x", "template": "welcome", "channels": ["sms", "sms"]}]},
            "/steps/0",
        ),
        ({"steps": [{"code": "x", "template": "welcome", "channels": ["fax"]}]}, "/steps/0"),
        ({"stop_on": ["keyturn.nothing.happened.v1"]}, ""),
        ({"stop_on": ["keyturn.purchase.signed.v1"], "trigger": {"event": "x"}}, "/trigger"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_a_campaign_that_cannot_be_is_refused_with_the_place_to_mend(
    change: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        NewCampaign.model_validate(CAMPAIGN | change)
    places = ["".join(f"/{part}" for part in error["loc"]) for error in refused.value.errors()]
    assert any(place.startswith(pointer) for place in places)


async def test_nothing_is_added_when_a_campaign_is_refused(api: Api) -> None:
    step = {"code": "x", "template": "none", "channels": ["sms"]}
    for change, pointer in (
        ({"trigger": {"event": "keyturn.lead.lost.v1", "where": {"nose": ["x"]}}}, "/trigger"),
        ({"steps": [step]}, "/steps/0/template"),
        ({"surprise": 1}, "/surprise"),
    ):
        answer = await api("POST", "/campaigns", CAMPAIGN | change)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    assert (await api("GET", "/campaigns/visit-thanks")).status_code == 404


async def test_a_preview_shows_every_step_in_both_languages(api: Api) -> None:
    body = {"name": "Ann", "event": {"home_id": "B3", "expected_completion": "2027-09-30"}}
    preview = (await api("POST", "/campaigns/contract-congratulations/preview", body)).json()
    assert [step["step"] for step in preview["steps"]] == ["congratulations", "handover-guide"]
    first = preview["steps"][0]
    assert first["en"]["subject"] == "Congratulations on your new home"
    assert "B3" in first["zh"]["body"]
    assert "2027-09-30" in first["zh"]["body"]


async def test_a_preview_without_a_value_that_it_needs_says_which(api: Api) -> None:
    answer = await api("POST", "/campaigns/contract-congratulations/preview", {"name": "Ann"})
    assert answer.status_code == 422
    assert "home_id" in answer.json()["detail"]


async def test_a_template_that_does_too_much_is_refused(api: Api) -> None:
    for source in (
        "{{ name",
        "{% for x in name %}{% endfor %}",
        "{{ name.__class__ }}",
        "{{ name() }}",
    ):
        content = {"subject": "x", "body": source}
        answer = await api(
            "PUT", "/templates/sly", {"en": content, "zh": {"subject": "x", "body": "y"}}
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/en/body"
    assert (await api("GET", "/templates/sly")).status_code == 404


async def test_the_policy_is_changed_by_version_and_its_zone_has_to_exist(api: Api) -> None:
    body = {
        "opens": "08:00:00",
        "closes": "20:00:00",
        "time_zone": "Europe/Berlin",
        "language": "en",
        "caps": [{"purpose": "marketing", "count": 1, "days": 30}],
    }
    changed = (await api("PUT", "/sending-policy", body | {"expected_version": 1})).json()
    assert changed == {"version": 2} | body
    assert (await api("GET", "/sending-policy")).json() == changed
    for wrong in (
        {"time_zone": "Mars/Olympus"},
        {"opens": "21:00:00"},
        {"caps": [{"purpose": "marketing", "count": 0, "days": 7}]},
        {"caps": [{"purpose": "service", "count": 1, "days": 7}]},
    ):
        assert (await api("PUT", "/sending-policy", body | wrong)).status_code == 422
    assert (await api("GET", "/sending-policy")).json() == changed


async def test_a_suppressed_channel_is_spared_until_that_is_lifted(
    api: Api, desk: Any, said: Say
) -> None:
    contact = ContactChanged(customer_id="ann", phones=("+8613800000001",), language="zh")
    await api("POST", "/campaigns", CAMPAIGN)
    put = await api("PUT", "/customers/ann/suppressions/sms", {"reason": "wrong number"})
    assert put.json() == {"customer_id": "ann", "suppressed": {"sms": "wrong number"}}
    advanced = LeadAdvanced.model_validate(
        {"customer_id": "ann", "lead_id": "l1", "from_stage": "contacted", "reason": "visit"}
        | {"to_stage": "visited"}
    )
    await desk.harness.receive(said(contact), said(advanced))
    await desk.send_all()
    [skipped] = await desk.harness.published(MessageSkipped)
    assert skipped.reason == "suppressed"
    lifted = await api("DELETE", "/customers/ann/suppressions/sms")
    assert lifted.json()["suppressed"] == {}
    await desk.harness.receive(said(advanced.model_copy(update={"lead_id": "l2"})))
    await desk.send_all()
    assert len(desk.written()) == 1


async def test_messages_are_paged_and_each_tells_its_whole_story(
    api: Api, desk: Any, said: Say
) -> None:
    await api("POST", "/campaigns", CAMPAIGN)
    contact = ContactChanged(customer_id="ann", emails=("ann@example.com",))
    steps = [
        LeadAdvanced.model_validate(
            {"customer_id": "ann", "lead_id": f"l{n}", "from_stage": "new", "reason": "visit"}
            | {"to_stage": "visited"}
        )
        for n in range(3)
    ]
    await desk.harness.receive(said(contact), *(said(step) for step in steps))
    await desk.send_all()
    first = (await api("GET", "/customers/ann/messages?limit=2")).json()
    rest = (
        await api("GET", f"/customers/ann/messages?limit=2&cursor={first['next_cursor']}")
    ).json()
    messages = first["items"] + rest["items"]
    assert {m["occurrence"] for m in messages} == {"l0", "l1", "l2"}
    assert messages[0]["state"] == "sent"
    assert messages[0]["decisions"][0]["passed_over"] == [
        {"channel": "sms", "reason": "no-contact-point"}
    ]
    report = (await api("GET", "/reports/messages")).json()
    assert (report["total"], report["by_state"]) == (3, {"sent": 3})
    assert (await api("GET", "/customers/nobody/messages")).json()["items"] == []


async def test_a_customer_without_a_contract_has_no_code(api: Api) -> None:
    answer = await api("GET", "/customers/ann/referral-code")
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("/no-referral-code")


async def test_every_route_asks_for_a_scope_of_its_own(api: Api) -> None:
    paths = (await api.harness.client.get("/openapi.json")).json()["paths"]
    ours = {p: ops for p, ops in paths.items() if not p.startswith(("/clock", "/dead-letters"))}
    checked = 0
    for path, operations in ours.items():
        if path in ("/health/live", "/health/ready", "/metrics", "/asyncapi"):
            continue
        for method, operation in operations.items():
            assert operation["security"], path
            url = path.replace("{customer_id}", "ann").replace("{member_id}", "ann")
            url = url.replace("{code}", "welcome").replace("{channel}", "sms")
            nobody = await api.harness.client.request(method, url)
            without = await api.harness.client.request(
                method, url, headers=api.harness.headers("leads:read")
            )
            assert (nobody.status_code, without.status_code) == (401, 403), (method, url)
            checked += 1
    assert checked == 22


async def test_every_example_of_a_body_works_when_it_is_pasted(api: Api) -> None:
    schemas = (await api.harness.client.get("/openapi.json")).json()["components"]["schemas"]
    for path, name, status in (
        ("POST /campaigns", "NewCampaign", 201),
        ("PUT /campaigns/visit-thanks", "CampaignChange", 200),
        ("PUT /templates/thanks", "TemplateChange", 200),
        ("PUT /sending-policy", "PolicyChange", 200),
        ("POST /campaigns/contract-congratulations/preview", "Sample", 200),
        ("PUT /customers/ann/suppressions/sms", "Suppression", 200),
    ):
        method, _, url = path.partition(" ")
        for example in schemas[name]["examples"]:
            answer = await api(method, url, example)
            assert answer.status_code == status, (path, answer.text)
