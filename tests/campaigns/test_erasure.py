"""Campaigns forgets a person: nobody can be written to, and the ledger stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from keyturn_events import Message
from keyturn_events.campaigns import MessagesErased
from keyturn_events.intake import (
    ConsentChanged,
    ContactChanged,
    CustomerErased,
    CustomersMerged,
    LeadCaptured,
)
from keyturn_events.service_desk import SurveyAnswered
from keyturn_events.vocabulary import (
    Channel,
    ConsentBasis,
    ConsentStatus,
    LeadChannel,
    Purpose,
    Touchpoint,
)

AT = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)

Say = Callable[..., Message[Any]]

CONTACT = ContactChanged(
    customer_id="ann", name="Ann", phones=("+8613800138000",), emails=("ann@example.com",)
)
CONSENT = ConsentChanged(
    customer_id="ann",
    channel=Channel.EMAIL,
    purpose=Purpose.MARKETING,
    status=ConsentStatus.GRANTED,
    basis=ConsentBasis.EXPRESS,
    collected_through="web",
)
LEAD = LeadCaptured(
    customer_id="ann",
    lead_id="lead-1",
    channel=LeadChannel.WEB,
    captured_at=AT,
    joined=False,
    repeated=False,
    source_reference="zqmark-1",
)
ANSWER = SurveyAnswered(
    customer_id="ann",
    response_id="r-1",
    survey="living",
    survey_version=1,
    touchpoint=Touchpoint.LIVING,
    low=False,
)


def erased(customer_id: str = "ann") -> CustomerErased:
    return CustomerErased(customer_id=customer_id, erasure_id="ers-1")


async def counts(desk: Any) -> list[dict[str, tuple[str, int]]]:
    return [
        {count.kind: (count.treatment.value, count.count) for count in receipt.counts}
        for receipt in await desk.harness.published(MessagesErased)
    ]


async def test_the_receipt_tells_what_went_and_what_the_ledger_keeps(desk: Any, said: Say) -> None:
    await desk.harness.receive(said(CONTACT), said(CONSENT), said(LEAD), said(ANSWER))

    await desk.harness.receive(said(erased(), AT + DAY))
    await desk.harness.receive(said(erased(), AT + 2 * DAY), said(erased("nobody"), AT + DAY))

    given = {
        "contact-points": ("erased", 3),
        "consents": ("erased", 1),
        "messages": ("pseudonymised", 1),
        "ledger-entries": ("kept", 1),
    }
    assert await counts(desk) == [given, given, {}]


async def test_messages_that_were_planned_say_nothing_of_the_person_any_more(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(LEAD))
    await desk.harness.receive(said(erased(), AT + DAY))
    again = LEAD.model_copy(update={"lead_id": "lead-2"})
    await desk.harness.receive(said(again, AT + 2 * DAY))

    rows = await desk.harness.rows("SELECT document::text AS text FROM sends")
    assert rows
    assert all("zqmark" not in row.text for row in rows)


async def test_no_reason_is_kept_for_a_suppressed_channel_of_who_was_erased(
    desk: Any, said: Say
) -> None:
    headers = desk.harness.headers("messages:write")
    await desk.harness.receive(said(erased()))

    put = await desk.harness.client.put(
        "/customers/ann/suppressions/sms", json={"reason": "zqmark moved"}, headers=headers
    )

    assert put.json() == {"customer_id": "ann", "suppressed": {}}


async def test_an_export_is_of_all_ids_of_a_person(desk: Any, said: Say) -> None:
    merge = CustomersMerged(
        customer_id="ann", merge_id="m1", merged_customer_id="bea", rule="phone"
    )
    await desk.harness.receive(said(CONTACT), said(LEAD), said(merge, AT + DAY))

    answer = await desk.harness.client.get(
        "/customers/bea/export", headers=desk.harness.headers("customers:export")
    )

    body = answer.json()
    assert body["customer_ids"] == ["bea", "ann"]
    assert "ann@example.com" in answer.text
    assert [row["customer_id"] for row in body["held"]["sends"]] == ["ann"]
