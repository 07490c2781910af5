"""Partners that sign, that have a quota, or that are suspended; and how their events fare."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.partners.partner_commands import MOST_KEYS
from intake.keyring import SHORTEST_KEY, Keyring
from keyturn_events import Message
from keyturn_events.intake import PartnerEventRejected
from keyturn_events.partners import PartnerLeadSubmitted, PartnerSaleRecorded, Person
from keyturn_events.signature import SIGNATURE_HEADER, Signature, mac_of, signed_headers

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def lead(number: int = 1, *, partner_id: str = "portal") -> Message[Any]:
    event = PartnerLeadSubmitted(
        lead_reference=f"lead-{number}",
        submitted_at=NOON,
        person=Person(phone=f"1380013{number:04}"),
    )
    return Message.of(event, id=f"event-{number}", source=f"/partners/{partner_id}", time=NOON)


async def say(intake: Intake, message: Message[Any], key: dict[str, Any] | None = None) -> None:
    headers = dict(message.headers)
    if key is not None:
        secret = base64.b64decode(key["secret"])
        headers = dict(signed_headers(message, key["key_id"], secret))
    await intake.inbound(message.value, headers, key=message.key)


async def key_of(intake: Intake, partner_id: str = "portal") -> dict[str, Any]:
    response = await intake.post(f"/partners/{partner_id}/keys", None)
    assert response.status_code == 201, response.text
    key: dict[str, Any] = response.json()
    return key


async def reasons(intake: Intake) -> list[str]:
    return [event.code for event in await intake.harness.published(PartnerEventRejected)]


async def test_a_partner_with_a_key_is_believed_only_when_it_signs(intake: Intake) -> None:
    await intake.register_partner("portal", PartnerLeadSubmitted)
    await say(intake, lead(1))
    key = await key_of(intake)
    await say(intake, lead(2))
    await say(intake, lead(3), key)
    await say(intake, lead(4), key | {"secret": base64.b64encode(b"x" * 32).decode()})
    await say(intake, lead(5), key | {"key_id": "development.other"})
    await say(intake, lead(6), key | {"key_id": "nobody"})
    assert await reasons(intake) == [
        "not-signed", "wrongly-signed", "key-not-valid", "key-not-valid",
    ]  # fmt: skip
    assert (await intake.get("/partners/portal")).json()["accepted"] == 2


async def test_a_signature_does_not_fit_another_record(intake: Intake) -> None:
    await intake.register_partner("portal", PartnerLeadSubmitted)
    key = await key_of(intake)
    stolen = dict(signed_headers(lead(1), key["key_id"], base64.b64decode(key["secret"])))
    other = (lead(1).value or b"").replace(b"13800130001", b"13800130002")
    await intake.inbound(other, stolen)
    renamed = stolen | {"ce_id": b"event-9"}
    await intake.inbound(lead(1).value, renamed)
    assert await reasons(intake) == ["wrongly-signed", "wrongly-signed"]


async def test_nobody_signs_for_another_partner(intake: Intake) -> None:
    await intake.register_partner("portal", PartnerLeadSubmitted)
    await intake.register_partner("agency", PartnerLeadSubmitted)
    await key_of(intake, "agency")
    key = await key_of(intake, "portal")
    await say(intake, lead(1, partner_id="agency"), key)
    assert await reasons(intake) == ["key-not-valid"]


async def test_keys_are_changed_without_a_gap(intake: Intake) -> None:
    await intake.register_partner("portal", PartnerLeadSubmitted)
    old, new = await key_of(intake), await key_of(intake)
    await say(intake, lead(1), old)
    await say(intake, lead(2), new)
    path = f"/partners/portal/keys/{old['key_id']}"
    revoked = await intake.call("DELETE", path)
    assert revoked.status_code == 200
    assert [bool(k["revoked_at"]) for k in revoked.json()["keys"]] == [True, False]
    assert (await intake.call("DELETE", path)).json() == revoked.json()
    await say(intake, lead(3), old)
    await say(intake, lead(4), new)
    assert await reasons(intake) == ["key-not-valid"]
    await intake.call("DELETE", f"/partners/portal/keys/{new['key_id']}")
    await say(intake, lead(5))
    assert await reasons(intake) == ["key-not-valid", "not-signed"]


async def test_registering_a_partner_anew_leaves_its_keys(intake: Intake) -> None:
    await intake.register_partner("portal", PartnerLeadSubmitted)
    key = await key_of(intake)
    await intake.register_partner("portal", PartnerLeadSubmitted, PartnerSaleRecorded)
    await say(intake, lead(1))
    await say(intake, lead(2), key)
    assert await reasons(intake) == ["not-signed"]


async def test_a_secret_is_shown_again_to_who_repeats_the_request_and_kept_nowhere(
    intake: Intake,
) -> None:
    await intake.register_partner("portal", PartnerLeadSubmitted)
    once = {"idempotency-key": "issue-1"}
    issued = await intake.call("POST", "/partners/portal/keys", headers=once)
    again = await intake.call("POST", "/partners/portal/keys", headers=once)
    assert issued.json() == again.json()
    assert issued.headers["cache-control"] == "no-store"
    kept = await intake.harness.rows(
        "SELECT string_agg(a::text, '') || (SELECT string_agg(p::text, '') FROM partners AS p)"
        " AS everything FROM idempotency AS a"
    )
    assert issued.json()["key_id"] in kept[0].everything
    assert issued.json()["secret"] not in kept[0].everything


async def test_a_partner_has_so_many_keys_at_most(intake: Intake) -> None:
    await intake.register_partner("portal", PartnerLeadSubmitted)
    for _ in range(MOST_KEYS):
        await key_of(intake)
    refused = await intake.post("/partners/portal/keys", None)
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (
        409,
        "too-many-keys",
    )


async def test_a_stranger_gets_no_key_and_has_none_to_take(intake: Intake) -> None:
    await intake.register_partner("portal", PartnerLeadSubmitted)
    for method, path, code in (
        ("POST", "/partners/nobody/keys", "partner-not-found"),
        ("DELETE", "/partners/nobody/keys/k", "partner-not-found"),
        ("DELETE", "/partners/portal/keys/k", "key-not-found"),
    ):
        refused = await intake.call(method, path)
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (404, code)


async def test_a_quota_counts_what_is_accepted_on_one_day(intake: Intake) -> None:
    body = {"name": "Portal", "allowed_types": [PartnerLeadSubmitted.type], "daily_quota": 2}
    assert (await intake.call("PUT", "/partners/portal", body)).status_code == 200
    await say(intake, lead(1))
    await say(intake, lead(1))
    await say(intake, lead(2))
    await say(intake, lead(3))
    assert await reasons(intake) == ["quota-exceeded"]
    await intake.harness.drive(datetime(2026, 3, 2, 23, 59, tzinfo=UTC))
    await say(intake, lead(3))
    assert await reasons(intake) == ["quota-exceeded"] * 2
    await intake.harness.drive(datetime(2026, 3, 3, 0, 0, tzinfo=UTC))
    await say(intake, lead(3))
    shown = (await intake.get("/partners/portal")).json()
    assert (shown["accepted"], shown["duplicate"]) == (3, 1)
    assert shown["rejected"] == {"quota-exceeded": 2}


async def test_nothing_of_a_suspended_partner_is_accepted(intake: Intake) -> None:
    body = {"name": "Portal", "allowed_types": [PartnerLeadSubmitted.type], "suspended": True}
    await intake.call("PUT", "/partners/portal", body)
    await say(intake, lead(1))
    assert await reasons(intake) == ["partner-suspended"]
    await intake.call("PUT", "/partners/portal", body | {"suspended": False})
    await say(intake, lead(1))
    assert (await intake.get("/partners/portal")).json()["accepted"] == 1


async def test_the_counts_of_a_partner_are_shown_by_day_type_and_reason(intake: Intake) -> None:
    await intake.register_partner("portal", PartnerLeadSubmitted)
    await say(intake, lead(1))
    await intake.harness.drive(NOON + timedelta(days=1))
    await say(intake, lead(2))
    await say(intake, lead(2))
    await intake.inbound(b"{", dict(lead(3).headers))
    days = (await intake.get("/partners/portal/counts")).json()
    shown = [(day["day"], day["outcome"], day["code"], day["records"]) for day in days]
    assert shown == [
        ("2026-03-03", "accepted", None, 1),
        ("2026-03-03", "duplicate", None, 1),
        ("2026-03-03", "rejected", "malformed-json", 1),
        ("2026-03-02", "accepted", None, 1),
    ]
    latest = (await intake.get("/partners/portal/counts", days=1)).json()
    assert [day["day"] for day in latest] == ["2026-03-03"] * 3
    assert (await intake.get("/partners/unknown/counts")).json() == []
    (rejection,) = (await intake.get("/partners/portal/rejections")).json()["items"]
    assert (rejection["code"], rejection["event_id"]) == ("malformed-json", "event-3")


async def test_partners_are_listed_by_their_ids(intake: Intake) -> None:
    for partner_id in ("c", "a", "b"):
        await intake.register_partner(partner_id, PartnerLeadSubmitted)
    first = (await intake.get("/partners", limit=2)).json()
    rest = (await intake.get("/partners", limit=2, cursor=first["next_cursor"])).json()
    assert [p["partner_id"] for p in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next_cursor"] is None


@given(st.text(min_size=1).filter(lambda text: ";" not in text), st.binary(min_size=1))
def test_a_signature_is_read_as_it_was_written(key_id: str, mac: bytes) -> None:
    assert Signature.read(str(Signature(key_id, mac))) == Signature(key_id, mac)


@pytest.mark.parametrize("header", ["", "v1", "v1;k", "v1;k;", "v1;;aaaa", "v2;k;aaaa", "v1;k;a"])
def test_what_is_no_signature_is_not_read(header: str) -> None:
    assert Signature.read(header) is None


def test_the_mac_covers_attributes_and_value() -> None:
    """Computed once: printf 'e\\n/p\\nt\\ns\\nz\\n{}' | openssl dgst -sha256 -hmac k."""
    attributes = {"id": "e", "source": "/p", "type": "t", "subject": "s", "time": "z"}
    assert mac_of(attributes, b"{}", b"k").hex() == EXPECTED_MAC
    assert SIGNATURE_HEADER == "keyturn-signature"


EXPECTED_MAC = "bdb4d13ae789c7062eb02e956dad948a3bc6166a2bcad394c2aae97f6d2a5e09"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "key 1 has no id"),
        ("a", "key 1 has no id"),
        ("a:!", "key 1 is not base64"),
        ("a:" + base64.b64encode(b"x" * (SHORTEST_KEY - 1)).decode(), "key a is shorter"),
        (",".join([f"a:{base64.b64encode(b'x' * SHORTEST_KEY).decode()}"] * 2), "the same id"),
    ],
)
def test_a_keyring_that_cannot_be_used_says_why(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Keyring.read(text)


def test_what_an_old_key_made_is_still_known_after_a_rotation() -> None:
    old = f"a:{base64.b64encode(b'a' * SHORTEST_KEY).decode()}"
    new = f"b:{base64.b64encode(b'b' * SHORTEST_KEY).decode()}"
    before, after = Keyring.read(old), Keyring.read(f"{new},{old}")
    assert after.newest == "b"
    assert after.mac("x", b"m", key_id="a") == before.mac("x", b"m")
    assert list(after.macs("x", b"m")) == [after.mac("x", b"m"), before.mac("x", b"m")]
    assert before.mac("x", b"m") != before.mac("y", b"m")
    with pytest.raises(LookupError):
        before.mac("x", b"m", key_id="b")
