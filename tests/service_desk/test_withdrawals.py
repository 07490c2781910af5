"""A customer who was recorded by mistake is forgotten, as on an erasure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from keyturn_events import Message
from keyturn_events.intake import CustomerWithdrawn
from keyturn_events.service_desk import CasesErased

AT = datetime(2026, 3, 2, 2, tzinfo=UTC)

Say = Callable[..., Message[Any]]


async def test_words_of_a_withdrawn_customer_go_and_nobody_is_sent_a_receipt(
    desk: Any, say: Say
) -> None:
    await desk.post(
        "/complaints",
        {
            "customer_id": "ann",
            "category": "quality.leak",
            "severity": "major",
            "channel": "wechat",
            "description": "zqmark again",
        },
    )
    gone = CustomerWithdrawn(customer_id="ann", import_id="i1")
    await desk.harness.receive(say(gone, AT + timedelta(days=1)))
    rows = await desk.harness.rows("SELECT document::text AS text FROM cases")
    assert rows
    assert all("zqmark" not in row.text for row in rows)
    assert await desk.harness.published(CasesErased) == []
