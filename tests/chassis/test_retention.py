"""What is pruned, and what must stay."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from keyturn_chassis.retention import Retention


async def test_only_what_nothing_can_ask_for_is_removed(
    service_harness: Any, tally_service: Any, lead: Any
) -> None:
    tally = await service_harness(
        tally_service,
        inbox_retention_days=30,
        idempotency_retention_days=2,
    )
    await tally.receive(*(lead("c1", f"l{n}") for n in range(3)))
    for aging in (
        "outbox SET created_at = now() - interval '90 days' WHERE payload->>'lead_id' = 'l1'",
        "inbox SET processed_at = now() - interval '31 days' WHERE event_id = 'event-l2'",
    ):
        async with tally.runtime.database.transaction() as connection:
            await connection.execute(text(f"UPDATE {aging}"))
    removed = await Retention(tally.runtime).prune()

    assert removed == {"inbox": 1, "idempotency": 0}
    left = await tally.rows("SELECT payload->>'lead_id' AS lead FROM outbox ORDER BY 1")
    assert [row.lead for row in left] == ["l0", "l1", "l2"]
