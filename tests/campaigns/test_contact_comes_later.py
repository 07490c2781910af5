"""Contact points travel on a topic of their own: a message may be due before they are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from keyturn_events.campaigns import MessageHeld, MessageSent, MessageSkipped
from keyturn_events.intake import ContactChanged, ContactErased, LeadCaptured
from keyturn_events.vocabulary import LeadChannel, SkipReason

AT = datetime(2026, 3, 2, 3, tzinfo=UTC)
LEAD = LeadCaptured(
    customer_id="ann",
    lead_id="lead-ann",
    channel=LeadChannel.WEB,
    captured_at=AT,
    joined=False,
    repeated=False,
)
CONTACT = ContactChanged(customer_id="ann", name="Ann", emails=("ann@example.com",))


async def sends(desk: Any) -> list[Any]:
    query = "SELECT state, due_at, document->'decisions' AS decisions FROM sends"
    return list(await desk.harness.rows(query))


async def test_a_message_waits_for_contact_points_that_were_not_told_yet_and_leaves_no_trace_of_it(
    desk: Any, said: Any
) -> None:
    await desk.harness.drive(AT)
    await desk.harness.receive(said(LEAD, AT))
    await desk.send_all()
    [waiting] = await sends(desk)
    assert (waiting.state, waiting.due_at, waiting.decisions) == ("waiting", None, [])
    assert await desk.harness.published(MessageSkipped) == []
    await desk.harness.receive(said(CONTACT, AT))
    await desk.send_all()
    [sent] = await sends(desk)
    assert (sent.state, [d["verdict"] for d in sent.decisions]) == ("sent", ["go", "sent"])
    assert [w["to"] for w in desk.written()] == ["ann@example.com"]
    assert len(await desk.harness.published(MessageSent)) == 1
    assert await desk.harness.published(MessageHeld) == []


async def test_whoever_is_known_to_have_no_contact_points_is_skipped_for_that(
    desk: Any, said: Any
) -> None:
    await desk.harness.drive(AT)
    await desk.harness.receive(said(LEAD, AT))
    await desk.send_all()
    await desk.harness.receive(said(ContactErased(customer_id="ann"), AT + timedelta(minutes=1)))
    await desk.harness.drive(AT + timedelta(minutes=2))
    await desk.send_all()
    [skipped] = await desk.harness.published(MessageSkipped)
    assert skipped.reason is SkipReason.NO_CONTACT_POINT
