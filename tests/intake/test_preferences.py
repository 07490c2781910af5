"""Links to people's preferences: they narrow at once, widen only by confirmation, tell nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from intake.reading.link_tokens import preference_token
from keyturn_events.intake import ConsentChanged, ContactChanged
from keyturn_events.vocabulary import ConsentStatus

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
E_MAIL = {"channel": "email", "purpose": "marketing"}
SMS = {"channel": "sms", "purpose": "marketing"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
PERSON = {
    "name": "周岚",
    "phone": "13800138000",
    "email": "zhou.lan@mail.example",
    "wechat": "oHP-example-5512",
}


async def customer(intake: Any, *consents: dict[str, str]) -> tuple[str, str]:
    """A customer, and the token that was told of them."""
    lead = await intake.captured(**PERSON, consents=list(consents))
    told = (await intake.harness.published(ContactChanged))[-1]
    assert told.preference_token is not None
    return lead["customer_id"], told.preference_token


async def statuses(intake: Any) -> list[ConsentStatus]:
    return [event.status for event in await intake.harness.published(ConsentChanged)]


async def allowed(intake: Any, token: str) -> set[tuple[str, str]]:
    page = (await intake.harness.client.get(f"/preferences/{token}")).json()
    return {(p["channel"], p["purpose"]) for p in page["preferences"] if p["allowed"]}


def choice(kind: dict[str, str], *, allow: bool) -> dict[str, Any]:
    return {"preferences": [{**kind, "allowed": allow}]}


async def test_the_page_shows_what_is_allowed_in_both_languages_and_not_whose_page_it_is(
    intake: Any,
) -> None:
    customer_id, token = await customer(intake, E_MAIL)
    answer = await intake.harness.client.get(f"/preferences/{token}")
    assert answer.status_code == 200
    page = answer.json()
    (e_mail,) = [p for p in page["preferences"] if p["allowed"]]
    assert (e_mail["channel"], e_mail["purpose"]) == ("email", "marketing")
    assert e_mail["purpose_label"] == {"en": "Offers and invitations", "zh": "优惠与活动邀请"}
    assert page["contact_points"] == [
        {"channel": "email", "shown": "z•••@•••.example"},
        {"channel": "sms", "shown": "•••00"},
        {"channel": "wechat", "shown": "•••"},
    ]
    for personal in (customer_id, *PERSON.values(), "13800138000"):
        assert personal not in answer.text


async def test_every_answer_to_a_link_is_kept_by_nobody_refusals_too(intake: Any) -> None:
    _, token = await customer(intake)
    client = intake.harness.client
    answers = [
        await client.get(f"/preferences/{token}"),
        await client.get("/preferences/nobodys"),
        await client.put(f"/preferences/{token}", json={"preferences": "none"}),
        await client.post(f"/unsubscribe/{token}.email.marketing", data=ONE_CLICK),
        await client.post("/confirmations", json={"token": "nobodys"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 422, 200, 404]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"


async def test_consent_is_taken_back_at_once(intake: Any) -> None:
    _, token = await customer(intake, E_MAIL, SMS)
    answer = await intake.harness.client.put(
        f"/preferences/{token}", json=choice(E_MAIL, allow=False)
    )
    assert answer.status_code == 200
    assert await allowed(intake, token) == {("sms", "marketing")}
    assert (await statuses(intake))[-1] is ConsentStatus.WITHDRAWN


async def test_what_is_newly_allowed_holds_once_it_is_confirmed_at_a_contact_point(
    intake: Any,
) -> None:
    _, token = await customer(intake)
    answer = await intake.harness.client.put(
        f"/preferences/{token}", json=choice(E_MAIL, allow=True)
    )
    waiting = [p for p in answer.json()["preferences"] if p["awaits_confirmation"]]
    assert [(p["channel"], p["purpose"]) for p in waiting] == [("email", "marketing")]
    assert await allowed(intake, token) == set()
    (opt_in,) = (await intake.harness.published(ContactChanged))[-1].opt_ins
    assert opt_in.to == PERSON["email"]
    await intake.harness.client.post("/confirmations", json={"token": opt_in.token})
    assert await allowed(intake, token) == {("email", "marketing")}


async def test_choosing_what_stands_already_says_nothing_and_asks_nobody(intake: Any) -> None:
    _, token = await customer(intake, E_MAIL)
    before = await intake.harness.published()
    for allow, kind in ((True, E_MAIL),):
        await intake.harness.client.put(f"/preferences/{token}", json=choice(kind, allow=allow))
    assert await intake.harness.published() == before
    assert await intake.count("consent_words") == 1


async def test_letters_cannot_be_allowed_by_a_link(intake: Any) -> None:
    _, token = await customer(intake)
    refused = await intake.harness.client.put(
        f"/preferences/{token}",
        json=choice({"channel": "post", "purpose": "marketing"}, allow=True),
    )
    assert refused.status_code == 422
    assert refused.json()["type"].rpartition("/")[2] == "cannot-be-confirmed"


async def test_one_click_ends_one_kind_of_messages_on_one_channel(intake: Any) -> None:
    _, token = await customer(intake, E_MAIL, SMS, E_MAIL | {"purpose": "survey"})
    answer = await intake.harness.client.post(
        f"/unsubscribe/{token}.email.marketing", data=ONE_CLICK
    )
    assert (answer.status_code, answer.json()["unsubscribed"]) == (200, True)
    assert await allowed(intake, token) == {("sms", "marketing"), ("email", "survey")}


async def test_mail_programs_may_send_the_click_as_a_multipart_form(intake: Any) -> None:
    _, token = await customer(intake, E_MAIL)
    answer = await intake.harness.client.post(
        f"/unsubscribe/{token}.email.marketing", files={"List-Unsubscribe": (None, "One-Click")}
    )
    assert answer.status_code == 200
    assert await allowed(intake, token) == set()


async def test_a_second_click_is_answered_alike_and_changes_nothing(intake: Any) -> None:
    _, token = await customer(intake, E_MAIL)
    click = f"/unsubscribe/{token}.email.marketing"
    first = await intake.harness.client.post(click, data=ONE_CLICK)
    await intake.harness.drive(NOON + timedelta(hours=1))
    before = await intake.harness.published()
    again = await intake.harness.client.post(click, data=ONE_CLICK)
    assert (again.status_code, again.json()) == (200, first.json())
    assert await intake.harness.published() == before
    assert await intake.count("consent_words") == 2


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_whoever_only_follows_the_link_unsubscribes_nobody(intake: Any, method: str) -> None:
    _, token = await customer(intake, E_MAIL)
    before = await intake.harness.published()
    await intake.harness.client.request(method, f"/unsubscribe/{token}.email.marketing")
    assert await intake.harness.published() == before
    assert await allowed(intake, token) == {("email", "marketing")}


async def test_looking_at_the_click_says_what_it_would_do(intake: Any) -> None:
    _, token = await customer(intake, E_MAIL)
    click = f"/unsubscribe/{token}.email.marketing"
    before = (await intake.harness.client.get(click)).json()
    await intake.harness.client.post(click, data=ONE_CLICK)
    after = (await intake.harness.client.get(click)).json()
    assert (before["unsubscribed"], after["unsubscribed"]) == (False, True)
    assert before["how"] == "POST List-Unsubscribe=One-Click to this address"


async def test_a_post_without_the_word_of_one_click_does_nothing(intake: Any) -> None:
    _, token = await customer(intake, E_MAIL)
    click = f"/unsubscribe/{token}.email.marketing"
    client = intake.harness.client
    for form in ({}, {"List-Unsubscribe": "Two-Clicks"}, {"other": "One-Click"}):
        assert (await client.post(click, data=form)).status_code in (415, 422)
    assert await allowed(intake, token) == {("email", "marketing")}


async def test_a_link_that_is_nobodys_is_not_told_apart_from_one_that_was_never_made(
    intake: Any,
) -> None:
    _, token = await customer(intake, E_MAIL)
    click = f"{token}.email.marketing"
    client = intake.harness.client
    stranger = preference_token("7d1b0d7e-3c55-5d0c-a3f4-0f4f2b8f7c11")
    wrong = [token[:-1], token + "A", token.swapcase(), stranger, "A", "." * 9]
    details = set()
    for made_up in wrong:
        for answer in (
            await client.get(f"/preferences/{made_up}"),
            await client.put(f"/preferences/{made_up}", json=choice(E_MAIL, allow=False)),
            await client.post(f"/unsubscribe/{made_up}.email.marketing", data=ONE_CLICK),
        ):
            assert answer.status_code == 404, made_up
            details.add(answer.json()["detail"])
    assert len(details) == 1
    for suffix in ("", ".email", ".email.nothing", ".pigeon.marketing", ".email.marketing.x"):
        answer = await client.post(f"/unsubscribe/{token}{suffix}", data=ONE_CLICK)
        assert answer.status_code == 404, suffix
    assert (await client.get(f"/preferences/{click}")).status_code == 404
    assert await allowed(intake, token) == {("email", "marketing")}


async def test_a_stranger_may_send_little(intake: Any) -> None:
    _, token = await customer(intake)
    large = {**choice(E_MAIL, allow=False), "wording": "w" * 9_000}
    answer = await intake.harness.client.put(f"/preferences/{token}", json=large)
    assert answer.status_code == 413


async def test_a_link_goes_on_working_when_a_new_key_is_put_first(
    intake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intake import keyring as keys

    _, token = await customer(intake, E_MAIL)
    old = keys.keyring().keys
    renewed = keys.Keyring((("newest", b"n" * 32), *old))
    monkeypatch.setattr("intake.reading.link_tokens.keyring", lambda: renewed)
    assert await allowed(intake, token) == {("email", "marketing")}
    assert preference_token("ann") != token
    monkeypatch.setattr(
        "intake.reading.link_tokens.keyring", lambda: keys.Keyring((("newest", b"n" * 32),))
    )
    assert (await intake.harness.client.get(f"/preferences/{token}")).status_code == 404


async def merged(intake: Any) -> tuple[str, str]:
    """Two records of one person: the tokens of the survivor, and of the one merged into it."""
    first = await intake.captured(email="zhou@home.example", consents=[E_MAIL])
    second = await intake.captured(phone="13800138000", email="zhou@work.example")
    answer = await intake.post(
        f"/customers/{first['customer_id']}/merges",
        {"other_customer_id": second["customer_id"], "reason": "the same passport"},
    )
    assert answer.status_code == 201, answer.text
    return preference_token(first["customer_id"]), preference_token(second["customer_id"])


async def test_every_link_of_a_merged_person_opens_the_one_persons_page(intake: Any) -> None:
    client = intake.harness.client
    pages = [(await client.get(f"/preferences/{token}")).json() for token in await merged(intake)]
    assert pages[0] == pages[1]
    assert [point["channel"] for point in pages[0]["contact_points"]] == ["email", "email", "sms"]


async def test_a_click_on_a_link_of_a_merged_away_record_holds_for_the_person(intake: Any) -> None:
    survivor, other = await merged(intake)
    await intake.harness.drive(NOON + timedelta(hours=1))
    assert await allowed(intake, survivor) == {("email", "marketing")}
    await intake.harness.client.post(f"/unsubscribe/{other}.email.marketing", data=ONE_CLICK)
    assert await allowed(intake, survivor) == set()


async def test_a_merged_person_can_allow_again_what_one_of_the_records_refused(
    intake: Any,
) -> None:
    survivor, other = await merged(intake)
    client = intake.harness.client
    await intake.harness.drive(NOON + timedelta(hours=1))
    await client.post(f"/unsubscribe/{other}.email.marketing", data=ONE_CLICK)
    await intake.harness.drive(NOON + timedelta(hours=2))
    await client.put(f"/preferences/{survivor}", json=choice(E_MAIL, allow=True))
    (opt_in,) = (await intake.harness.published(ContactChanged))[-1].opt_ins
    answer = await client.post("/confirmations", json={"token": opt_in.token})
    assert answer.status_code == 200, answer.text
    assert await allowed(intake, survivor) == {("email", "marketing")}


async def test_the_links_of_whoever_was_forgotten_are_nobodys(intake: Any) -> None:
    customer_id, token = await customer(intake, E_MAIL)
    answer = await intake.call(
        "POST",
        f"/customers/{customer_id}/erasure",
        {"reason": "customer-request", "legal_basis": "consent-withdrawn"},
        headers=intake.harness.headers("customers:erase"),
    )
    assert answer.status_code == 202, answer.text
    client = intake.harness.client
    for answer in (
        await client.get(f"/preferences/{token}"),
        await client.put(f"/preferences/{token}", json=choice(E_MAIL, allow=False)),
        await client.post(f"/unsubscribe/{token}.email.marketing", data=ONE_CLICK),
    ):
        assert answer.status_code == 404, answer.text
