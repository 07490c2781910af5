from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.event import listen, remove

from campaigns.reactions import reactions
from keyturn_events import Message, golden_message
from keyturn_events.campaigns import MessageSent
from keyturn_events.intake import (
    ContactChanged,
    LeadCaptured,
)

AT = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)


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
    values = {"customer_id": customer, "name": "Ann Lee", "emails": (f"{customer}@example.com",)}
    return ContactChanged.model_validate(values | {"language": "en"} | more)


async def test_every_event_reacted_to_is_consumed_from_its_golden_example(desk: Any) -> None:
    messages = [golden_message(event_type) for event_type, _ in reactions.events.values()]
    await desk.harness.receive(*messages)
    assert await desk.harness.rows("SELECT code, detail FROM dead_letters") == []
    known = await desk.harness.rows("SELECT count(*) FROM inbox")
    assert known[0].count == len(messages)


async def test_a_lead_is_welcomed_in_the_persons_own_language(
    desk: Any, said: Callable[..., Message[Any]]
) -> None:
    await desk.harness.receive(said(contact()), said(lead()))
    await desk.send_all()
    [written] = desk.written()
    assert written["to"] == "ann@example.com"
    assert written["subject"] == "Welcome, Ann Lee"
    [sent] = await desk.harness.published(MessageSent)
    assert (sent.campaign, sent.step, sent.channel) == ("welcome", "welcome", "email")
    assert (sent.template, sent.template_version) == ("welcome", 1)
    assert sent.message_id == written["message_id"]


async def test_the_number_of_statements_does_not_grow_with_the_batch(
    desk: Any, said: Callable[..., Message[Any]]
) -> None:
    statements: list[str] = []
    engine = desk.harness.runtime.database.engine.sync_engine

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    listen(engine, "before_cursor_execute", count)
    counts = []
    for size in (1, 60):
        people = [f"{size}-{number}" for number in range(size)]
        heard = [said(make(customer)) for customer in people for make in (contact, lead)]
        statements.clear()
        await desk.harness.receive(*heard)
        consumed = len(statements)
        statements.clear()
        await desk.shift.claim()
        counts.append((consumed, len(statements)))
    remove(engine, "before_cursor_execute", count)
    assert counts[0] == counts[1]
    assert await desk.harness.rows("SELECT count(*) FROM sends WHERE state = 'sending'") == [(61,)]
