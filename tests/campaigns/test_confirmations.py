"""People are asked once to confirm a consent, where it was asked for, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from keyturn_events.campaigns import MessageSent, MessageSkipped
from keyturn_events.intake import ConsentChanged, ContactChanged
from keyturn_events.values import OptIn
from keyturn_events.vocabulary import (
    Channel,
    ConsentBasis,
    ConsentStatus,
    Purpose,
    SkipReason,
)

AT = datetime(2026, 3, 2, 3, tzinfo=UTC)
BASE = "http://127.0.0.1:8001"


def opt_in(id: str = "opt-1", to: str = "ann@new.example") -> OptIn:
    return OptIn(
        opt_in_id=id,
        channel=Channel.EMAIL,
        purpose=Purpose.MARKETING,
        through=Channel.EMAIL,
        to=to,
        token=f"token-of-{id}",
        expires_at=AT + timedelta(days=7),
    )


def contact(*opt_ins: OptIn, language: str = "en") -> ContactChanged:
    return ContactChanged(
        customer_id="ann",
        name="Ann",
        emails=("ann@old.example",),
        language=language,
        preference_token="page-of-ann",
        opt_ins=opt_ins,
    )


async def heard(desk: Any, *messages: Any) -> None:
    await desk.harness.drive(AT)
    for message in messages:
        await desk.harness.receive(message)
    await desk.send_all()


async def test_the_link_goes_once_to_the_contact_point_that_is_to_be_confirmed(
    desk: Any, said: Any
) -> None:
    await heard(desk, said(contact(opt_in()), AT), said(contact(opt_in(), language="zh"), AT))
    [message] = desk.written()
    assert (message["to"], message["channel"]) == ("ann@new.example", "email")
    assert f"{BASE}/confirmations/token-of-opt-1" in message["body"]
    assert message["unsubscribe_url"] is None
    [sent] = await desk.harness.published(MessageSent)
    assert (sent.campaign, sent.occurrence) == ("opt-in-confirmation", "opt-1")


async def test_no_name_that_a_stranger_may_have_typed_stands_in_the_message(
    desk: Any, said: Any
) -> None:
    await heard(desk, said(contact(opt_in()), AT))
    [message] = desk.written()
    assert "Ann" not in message["subject"] + message["body"]


async def test_the_message_is_written_in_the_language_of_the_person(desk: Any, said: Any) -> None:
    await heard(desk, said(contact(opt_in(), language="zh-Hans"), AT))
    [message] = desk.written()
    assert message["subject"] == "请您确认"
    assert "通过电子邮件向您发送优惠与活动邀请" in message["body"]


async def test_each_request_is_asked_for_by_itself(desk: Any, said: Any) -> None:
    later = AT + timedelta(minutes=1)
    again = contact(opt_in(), opt_in("opt-2", "ann@third.example"))
    await heard(desk, said(contact(opt_in()), AT), said(again, later))
    await desk.harness.drive(later)
    await desk.send_all()
    assert [message["to"] for message in desk.written()] == [
        "ann@new.example",
        "ann@third.example",
    ]


async def test_nobody_is_asked_any_more_who_has_answered_before_the_message_went(
    desk: Any, said: Any
) -> None:
    await desk.harness.drive(AT)
    await desk.harness.receive(said(contact(opt_in()), AT))
    await desk.harness.receive(said(contact(), AT + timedelta(seconds=1)))
    await desk.send_all()
    assert desk.written() == []
    [skipped] = await desk.harness.published(MessageSkipped)
    assert skipped.reason is SkipReason.STOPPED


async def test_nobody_is_asked_after_the_link_has_expired(desk: Any, said: Any) -> None:
    # Sunday night: the message waits for the morning, and the link is good until then only.
    night = datetime(2026, 3, 8, 18, tzinfo=UTC)
    short = opt_in().model_copy(update={"expires_at": night + timedelta(hours=1)})
    await desk.harness.drive(night)
    await desk.harness.receive(said(contact(short), night))
    await desk.send_all()
    await desk.harness.drive(night + timedelta(hours=12))
    await desk.send_all()
    assert desk.written() == []
    [skipped] = await desk.harness.published(MessageSkipped)
    assert skipped.reason is SkipReason.EXPIRED


async def test_whoever_wants_no_service_messages_on_a_channel_is_not_asked_on_it(
    desk: Any, said: Any
) -> None:
    refused = ConsentChanged(
        customer_id="ann",
        channel=Channel.EMAIL,
        purpose=Purpose.SERVICE,
        status=ConsentStatus.WITHDRAWN,
        basis=ConsentBasis.EXPRESS,
        collected_through="one-click-unsubscribe",
    )
    await heard(desk, said(refused, AT), said(contact(opt_in()), AT))
    assert desk.written() == []
    [skipped] = await desk.harness.published(MessageSkipped)
    assert skipped.reason is SkipReason.NO_CONSENT


async def test_no_token_and_no_contact_point_is_kept_with_the_message_or_published(
    desk: Any, said: Any
) -> None:
    await heard(desk, said(contact(opt_in()), AT))
    rows = await desk.harness.rows("SELECT document::text AS document FROM sends")
    told = await desk.harness.rows("SELECT payload::text AS document FROM outbox")
    assert (len(rows), len(told)) == (1, 1)
    for row in (*rows, *told):
        assert "token-of" not in row.document
        assert "ann@new.example" not in row.document
