from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from campaigns.channels.file import FileChannel
from campaigns.channels.port import ChannelPort, Outcome, Outgoing, Refused, Taken, Unknown
from campaigns.domain.links import Links
from campaigns.domain.sending import MOST_ATTEMPTS
from campaigns.service import links_of
from campaigns.tasks.sender import Shift
from keyturn_events import Message, Money
from keyturn_events.campaigns import MessageFailed, MessageHeld, MessageSent, MessageSkipped
from keyturn_events.intake import (
    ConsentChanged,
    ContactChanged,
    ContactErased,
    CustomerErased,
    CustomersMerged,
    LeadCaptured,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.service_desk import (
    ComplaintClosed,
    ComplaintRaised,
    ComplaintResolved,
    CrisisDeclared,
    CrisisLifted,
    HandoverCompleted,
)
from keyturn_events.vocabulary import Channel, FailureReason, HoldReason, SkipReason

Say = Callable[..., Message[Any]]

# A Wednesday, at ten in the morning in Shanghai, and eleven at night.
AT = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
NIGHT = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def lead(customer: str = "ann", **more: Any) -> LeadCaptured:
    values: dict[str, Any] = {
        "customer_id": customer,
        "lead_id": f"lead-{customer}",
        "channel": "web",
        "captured_at": AT,
        "joined": False,
        "repeated": False,
    }
    return LeadCaptured.model_validate(values | more)


def contact(customer: str = "ann", **more: Any) -> ContactChanged:
    values: dict[str, Any] = {
        "customer_id": customer,
        "name": "Ann Lee",
        "emails": (f"{customer}@example.com",),
        "phones": ("+8613800000001",),
        "language": "en",
    }
    return ContactChanged.model_validate(values | more)


def consent(customer: str = "ann", status: str = "granted", **more: Any) -> ConsentChanged:
    values: dict[str, Any] = {
        "customer_id": customer,
        "channel": "email",
        "purpose": "marketing",
        "status": status,
        "basis": "express",
        "collected_through": "web-form",
    }
    return ConsentChanged.model_validate(values | more)


def handed_over(customer: str = "ann", number: int = 1) -> HandoverCompleted:
    return HandoverCompleted(
        customer_id=customer,
        handover_id=f"h{number}",
        purchase_id=f"p{number}",
        home_id=f"home{number}",
        community_id="lakeside",
        promised_on=date(2026, 3, 4),
        completed_on=date(2026, 3, 4),
        late=False,
        open_defects=0,
    )


CASE = {"case_id": "c1", "category": "quality.leak", "severity": "major"}


def complaint(customer: str = "ann") -> ComplaintRaised:
    return ComplaintRaised.model_validate(
        {"customer_id": customer, "channel": "phone", "priority": "high"} | CASE
    )


def closed(customer: str = "ann") -> ComplaintClosed:
    return ComplaintClosed.model_validate(
        {"customer_id": customer, "verdict": "accepted", "late": False} | CASE
    )


class Stub:
    """A channel that says what it is told to say, and remembers what it was given."""

    def __init__(self, *answers: Outcome, repeatable: bool = False) -> None:
        self.repeatable = repeatable
        self.answers = list(answers)
        self.given: list[Outgoing] = []

    async def deliver(self, message: Outgoing) -> Outcome:
        self.given.append(message)
        return self.answers.pop(0) if self.answers else Taken()


def shift(desk: Any, **channels: ChannelPort) -> Shift:
    ways = {Channel(name): way for name, way in channels.items()}
    return Shift(desk.harness.runtime, ways, Links("https://prefer.example"))


async def reasons(desk: Any, customer: str = "ann") -> list[list[str]]:
    """For each message of a customer, what was decided on it, in words."""
    answer = await desk.harness.client.get(
        f"/customers/{customer}/messages", headers=desk.harness.headers("messages:read")
    )
    assert answer.status_code == 200
    return [
        [" ".join(filter(None, (d["verdict"], d["reason"]))) for d in message["decisions"]]
        for message in answer.json()["items"]
    ]


async def test_the_same_event_and_its_duplicates_lead_to_one_message(desk: Any, said: Say) -> None:
    again = said(lead(), id="another-id-for-the-same-lead")
    await desk.harness.receive(said(contact()), said(lead()), said(lead()), again)
    await desk.harness.receive(said(lead()), again)
    await desk.send_all()
    assert len(desk.written()) == 1
    assert len(await desk.harness.published(MessageSent)) == 1


async def test_many_senders_at_once_send_each_message_once(desk: Any, said: Say) -> None:
    customers = [f"c{number}" for number in range(40)]
    await desk.harness.receive(*(said(contact(c)) for c in customers))
    await desk.harness.receive(*(said(lead(c)) for c in customers))
    way = Stub()
    shifts = [shift(desk, email=way) for _ in range(6)]
    await asyncio.gather(*(each.work() for each in shifts))
    while await shifts[0].work():
        pass
    assert sorted(m.to for m in way.given) == sorted(f"{c}@example.com" for c in customers)
    assert len(await desk.harness.published(MessageSent)) == 40


async def test_concurrent_senders_never_exceed_a_frequency_cap(desk: Any, said: Say) -> None:
    await desk.harness.drive(AT)
    await desk.harness.receive(said(contact()), said(consent()))
    await desk.harness.receive(*(said(handed_over(number=n)) for n in range(8)))
    way = Stub()
    await asyncio.gather(*(shift(desk, email=way).work() for _ in range(5)))
    while await shift(desk, email=way).work():
        pass
    assert len(way.given) == 3
    held = await desk.harness.published(MessageHeld)
    assert {(m.reason, m.until) for m in held} == {(HoldReason.FREQUENCY_CAP, AT + 7 * DAY)}


async def test_a_message_at_night_is_held_and_goes_in_the_morning(desk: Any, said: Say) -> None:
    morning = datetime(2026, 3, 5, 1, 0, tzinfo=UTC)
    await desk.harness.drive(NIGHT)
    await desk.harness.receive(said(contact(), NIGHT - MINUTE), said(lead(), NIGHT))
    await desk.send_all()
    assert desk.written() == []
    [held] = await desk.harness.published(MessageHeld)
    assert (held.reason, held.until) == (HoldReason.QUIET_HOURS, morning)
    await desk.harness.drive(morning - timedelta(seconds=1))
    await desk.send_all()
    assert desk.written() == []
    await desk.harness.drive(morning)
    await desk.send_all()
    assert len(desk.written()) == 1
    [sent] = await desk.harness.messages(MessageSent)
    assert sent.envelope.time == morning
    assert await reasons(desk) == [["hold quiet-hours", "go", "sent"]]


async def test_marketing_without_consent_is_skipped_and_the_reason_told(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(contact()), said(handed_over()))
    await desk.send_all()
    [skipped] = await desk.harness.published(MessageSkipped)
    assert (skipped.campaign, skipped.reason) == ("referral-invitation", SkipReason.NO_CONSENT)
    assert await reasons(desk) == [["skip no-consent"]]
    assert desk.written() == []


async def test_a_consent_withdrawn_before_the_moment_of_sending_counts(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(contact()), said(consent()), said(handed_over()))
    await desk.harness.receive(said(consent(status="withdrawn"), AT + MINUTE))
    await desk.send_all()
    [skipped] = await desk.harness.published(MessageSkipped)
    assert skipped.reason is SkipReason.NO_CONSENT


async def test_an_older_consent_that_comes_late_does_not_undo_a_withdrawal(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(contact()), said(consent(status="withdrawn"), AT + MINUTE))
    await desk.harness.receive(said(consent(), AT), said(handed_over()))
    await desk.send_all()
    assert desk.written() == []


async def test_marketing_waits_for_an_open_complaint_and_goes_when_it_is_closed(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(contact()), said(consent()), said(complaint()))
    await desk.harness.receive(said(handed_over(), AT + MINUTE))
    await desk.send_all()
    [held] = await desk.harness.published(MessageHeld)
    assert (held.reason, held.until) == (HoldReason.OPEN_COMPLAINT, None)
    await desk.harness.receive(said(closed(), AT + DAY))
    await desk.send_all()
    [sent] = await desk.harness.messages(MessageSent)
    assert (sent.event.campaign, sent.envelope.time) == ("referral-invitation", AT + DAY)
    assert await reasons(desk) == [["hold open-complaint", "go", "sent"]]


async def test_a_crisis_holds_marketing_until_it_is_lifted(desk: Any, said: Say) -> None:
    crisis = {"customer_id": "ann", "crisis_id": "x1", "community_id": "lakeside"}
    declared = CrisisDeclared.model_validate(
        crisis | {"cases": 9, "expected_cases": 1.5, "window_days": 7}
    )
    lifted = CrisisLifted.model_validate(crisis | {"reason": "mended"})
    await desk.harness.receive(said(contact()), said(consent()), said(declared))
    await desk.harness.receive(said(handed_over(), AT + MINUTE))
    await desk.send_all()
    assert await reasons(desk) == [["hold crisis"]]
    await desk.harness.receive(said(lifted, AT + DAY))
    await desk.send_all()
    assert await reasons(desk) == [["hold crisis", "go", "sent"]]


async def test_a_resolved_complaint_is_asked_about_when_surveys_are_allowed(
    desk: Any, said: Say
) -> None:
    resolved = ComplaintResolved.model_validate(
        {"customer_id": "ann", "late": False, "cause": "seal", "remedy": "replaced"} | CASE
    )
    await desk.harness.receive(said(contact()), said(complaint()))
    await desk.harness.receive(said(consent(purpose="survey")), said(resolved, AT + DAY))
    await desk.send_all()
    [written] = desk.written()
    assert written["subject"] == "Did we put it right?"


def signed(customer: str = "ann") -> PurchaseSigned:
    return PurchaseSigned(
        customer_id=customer,
        purchase_id="p1",
        home_id="b3-1201",
        community_id="lakeside",
        price=Money.model_validate({"amount": "1000000.00", "currency": "CNY"}),
        signed_on=date(2026, 3, 4),
        cooling_off_ends=AT + 7 * DAY,
    )


async def test_a_contract_brings_congratulations_now_and_the_guide_a_week_later(
    desk: Any, said: Say
) -> None:
    await desk.harness.drive(AT)
    await desk.harness.receive(said(contact()), said(signed()))
    await desk.send_all()
    [congratulations] = desk.written()
    code = (await desk.harness.rows("SELECT code FROM referral_codes"))[0].code
    assert "b3-1201" in congratulations["body"]
    assert code in congratulations["body"]
    await desk.harness.drive(AT + 7 * DAY)
    await desk.send_all()
    assert [w["subject"] for w in desk.written()][1:] == [
        "From contract to keys: what happens next"
    ]


def rescission() -> PurchaseRescinded:
    return PurchaseRescinded.model_validate(
        signed().model_dump()
        | {"stage": "signed", "rescinded_on": date(2026, 3, 5), "reason": "cooling-off"}
    )


@pytest.mark.parametrize("rescission_comes_first", [False, True])
async def test_a_rescission_stops_what_was_still_to_come_in_either_order(
    desk: Any, said: Say, rescission_comes_first: bool
) -> None:
    await desk.harness.drive(AT + 8 * DAY)
    heard = [said(signed()), said(rescission(), AT + DAY)]
    await desk.harness.receive(said(contact()))
    for message in reversed(heard) if rescission_comes_first else heard:
        await desk.harness.receive(message)
    await desk.send_all()
    assert {m.reason for m in await desk.harness.published(MessageSkipped)} == {SkipReason.STOPPED}
    assert desk.written() == []


async def test_nobody_writes_to_a_person_who_was_forgotten_and_nothing_brings_them_back(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(contact()), said(lead()))
    await desk.harness.receive(said(CustomerErased(customer_id="ann", erasure_id="e1"), AT + DAY))
    await desk.harness.receive(said(contact(), AT + 2 * DAY))
    await desk.send_all()
    [skipped] = await desk.harness.published(MessageSkipped)
    assert skipped.reason is SkipReason.ERASED
    kept = await desk.harness.rows("SELECT CAST(document AS text) AS d FROM people")
    assert not any("example.com" in row.d or "Ann" in row.d for row in kept)


async def test_a_tombstone_takes_the_contact_details_away(desk: Any, said: Say) -> None:
    await desk.harness.receive(said(contact()), said(lead()))
    await desk.harness.receive(said(ContactErased(customer_id="ann"), AT + MINUTE))
    await desk.send_all()
    [skipped] = await desk.harness.published(MessageSkipped)
    assert skipped.reason is SkipReason.NO_CONTACT_POINT
    kept = await desk.harness.rows("SELECT CAST(document AS text) AS d FROM people")
    assert not any("example.com" in row.d for row in kept)


async def test_after_a_merge_the_survivor_is_written_to_once(desk: Any, said: Say) -> None:
    merge = CustomersMerged(
        customer_id="ann", merge_id="m1", merged_customer_id="bob", rule="phone"
    )
    await desk.harness.receive(said(contact("ann")), said(lead("ann")), said(merge, AT + MINUTE))
    await desk.harness.receive(said(lead("bob"), AT + DAY))
    await desk.send_all()
    assert [w["to"] for w in desk.written()] == ["ann@example.com"]
    [sent] = await desk.harness.published(MessageSent)
    assert sent.customer_id == "ann"
    assert await reasons(desk, "bob") == await reasons(desk, "ann")


async def test_the_next_channel_has_its_turn_when_one_refuses_for_good(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(contact()), said(lead()))
    email, sms = Stub(Refused(FailureReason.REJECTED, lasting=True)), Stub()
    while await shift(desk, email=email, sms=sms).work():
        pass
    assert (len(email.given), len(sms.given)) == (1, 1)
    [failed] = await desk.harness.published(MessageFailed)
    assert (failed.reason, failed.attempts, failed.fallback_channel) == (
        FailureReason.REJECTED,
        1,
        Channel.WECHAT,
    )
    [sent] = await desk.harness.published(MessageSent)
    assert sent.channel is Channel.SMS


async def test_a_failure_that_may_pass_is_tried_again_with_growing_pauses_and_then_given_up(
    desk: Any, said: Say
) -> None:
    await desk.harness.drive(AT)
    email = Stub(*[Refused(FailureReason.UNREACHABLE, lasting=False)] * 9)
    await desk.harness.receive(said(contact(phones=())), said(lead()))
    due = []
    for _ in range(9):
        while await shift(desk, email=email).work():
            pass
        [row] = await desk.harness.rows("SELECT state, due_at FROM sends")
        if row.due_at is None:
            break
        due.append(row.due_at - AT)
        await desk.harness.drive(row.due_at)
    assert len(email.given) == MOST_ATTEMPTS
    assert due == [MINUTE, 5 * MINUTE, 21 * MINUTE, 85 * MINUTE]
    assert {m.message_id for m in email.given} == {email.given[0].message_id}
    [failed] = await desk.harness.published(MessageFailed)
    assert failed.reason is FailureReason.ATTEMPTS_EXHAUSTED
    assert (failed.attempts, failed.fallback_channel) == (5, Channel.WECHAT)
    [skipped] = await desk.harness.published(MessageSkipped)
    assert skipped.reason is SkipReason.NO_CONTACT_POINT


async def crashed(desk: Any, way: ChannelPort) -> None:
    """A sender that dies after the channel took the message and before it was written down."""
    worker = shift(desk, email=way)
    [file] = await worker.claim()
    await worker._deliver(file, asyncio.Semaphore(1))
    async with desk.harness.runtime.database.transaction() as connection:
        await connection.execute(
            text("UPDATE sends SET leased_until = now() - interval '1 second'")
        )


async def test_after_a_crash_an_email_is_never_sent_again_and_the_doubt_is_published(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(contact()), said(lead()))
    way = Stub()
    await crashed(desk, way)
    while await shift(desk, email=way).work():
        pass
    assert len(way.given) == 1
    [failed] = await desk.harness.published(MessageFailed)
    assert (failed.reason, failed.fallback_channel) == (FailureReason.OUTCOME_UNKNOWN, None)
    assert await desk.harness.published(MessageSent) == []
    assert await reasons(desk) == [["go", "failed outcome-unknown"]]


async def test_after_a_crash_a_channel_that_knows_its_messages_is_given_it_again(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(contact()), said(lead()))
    await crashed(desk, FileChannel(desk.outbox_file))
    assert len(desk.written()) == 1
    await desk.send_all()
    assert len(desk.written()) == 1
    assert len(await desk.harness.published(MessageSent)) == 1
    assert await desk.harness.published(MessageFailed) == []


async def test_a_lease_that_still_runs_is_left_alone(desk: Any, said: Say) -> None:
    await desk.harness.receive(said(contact()), said(lead()))
    way = Stub()
    [_] = await shift(desk, email=way).claim()
    assert await shift(desk, email=way).work() == 0
    assert way.given == []


async def test_a_connection_that_broke_in_the_middle_leaves_the_message_failed(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(contact()), said(lead()))
    await shift(desk, email=Stub(Unknown())).work()
    [failed] = await desk.harness.published(MessageFailed)
    assert failed.reason is FailureReason.OUTCOME_UNKNOWN


async def test_a_template_that_lacks_a_value_fails_the_message_and_no_other(
    desk: Any, said: Say
) -> None:
    answer = await desk.harness.client.put(
        "/templates/welcome",
        headers=desk.harness.headers("campaigns:write"),
        json={
            "en": {"subject": "Hi", "body": "{{ event.community_id }}"},
            "zh": {"subject": "您好", "body": "{{ event.community_id }}"},
        },
    )
    assert answer.status_code == 200
    await desk.harness.receive(said(contact("ann")), said(contact("bob")))
    await desk.harness.receive(said(lead("ann")), said(lead("bob", community_id="lakeside")))
    await desk.send_all()
    assert [w["body"] for w in desk.written()] == ["lakeside"]
    failures = await desk.harness.published(MessageFailed)
    assert {m.reason for m in failures} == {FailureReason.TEMPLATE_ERROR}
    [sent] = await desk.harness.published(MessageSent)
    assert sent.template_version == 2


async def test_with_every_channel_switched_off_the_message_waits_and_says_so_once(
    desk: Any, said: Say
) -> None:
    await desk.harness.drive(AT)
    await desk.harness.receive(said(contact()), said(lead()))
    for hours in range(4):
        await desk.harness.drive(AT + timedelta(hours=hours))
        await shift(desk).work()
    [held] = await desk.harness.published(MessageHeld)
    assert held.reason is HoldReason.CHANNEL_UNAVAILABLE
    await desk.harness.drive(AT + timedelta(hours=5))
    await desk.send_all()
    assert len(desk.written()) == 1


async def test_the_sender_finishes_what_it_has_in_hand_when_it_is_stopped(
    desk: Any, said: Say
) -> None:
    from campaigns.tasks.sender import Sender

    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        repeatable = False

        async def deliver(self, message: Outgoing) -> Outcome:
            begun.set()
            await go_on.wait()
            return Taken()

    await desk.harness.receive(said(contact()), said(lead()))
    running = asyncio.create_task(
        Sender(lambda _: {Channel.EMAIL: Slow()}, links_of).run(desk.harness.runtime)
    )
    await asyncio.wait_for(begun.wait(), 5)
    running.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(await desk.harness.published(MessageSent)) == 1
