"""Leads and customers that were recorded by mistake: nobody is written to because of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from campaigns.domain.referral import (
    Capture,
    Outcome,
    Referral,
    ReferralState,
    claw_back_reason,
    without_capture,
)
from keyturn_events import Message
from keyturn_events.campaigns import MessagesErased
from keyturn_events.intake import ContactChanged, CustomerWithdrawn, LeadCaptured, LeadWithdrawn
from keyturn_events.vocabulary import ClawBackReason, LeadChannel

AT = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)

Say = Callable[..., Message[Any]]

CONTACT = ContactChanged(customer_id="ann", name="Ann", emails=("ann@example.com",))
LEAD = LeadCaptured(
    customer_id="ann",
    lead_id="lead-1",
    channel=LeadChannel.FILE,
    captured_at=AT,
    joined=False,
    repeated=False,
    referral_code="KT7Q2M",
)


async def test_a_withdrawn_customer_is_forgotten_and_nobody_is_sent_a_receipt(
    desk: Any, said: Say
) -> None:
    await desk.harness.receive(said(CONTACT), said(LEAD))
    gone = CustomerWithdrawn(customer_id="ann", import_id="i1")
    await desk.harness.receive(said(gone, AT + DAY))
    rows = await desk.harness.rows("SELECT document::text AS text FROM people")
    assert rows
    assert all("ann@example.com" not in row.text for row in rows)
    assert await desk.harness.published(MessagesErased) == []


async def test_a_referral_does_not_rest_on_a_withdrawn_lead(desk: Any, said: Say) -> None:
    await desk.harness.receive(said(LEAD))
    (before,) = await desk.harness.rows("SELECT document FROM referrals")
    assert list(before.document["captures"]) == ["lead-1"]
    gone = LeadWithdrawn(customer_id="ann", lead_id="lead-1", import_id="i1")
    await desk.harness.receive(said(gone, AT + DAY))
    (after,) = await desk.harness.rows("SELECT document FROM referrals")
    assert after.document.get("captures", {}) == {}


async def test_a_lead_that_is_heard_of_after_its_withdrawal_does_not_count(
    desk: Any, said: Say
) -> None:
    gone = LeadWithdrawn(customer_id="ann", lead_id="lead-1", import_id="i1")
    await desk.harness.receive(said(gone, AT + DAY), said(LEAD))
    (kept,) = await desk.harness.rows("SELECT document FROM referrals")
    assert kept.document.get("captures", {}) == {}


def test_what_was_given_for_a_withdrawn_lead_was_given_in_error() -> None:
    assert claw_back_reason(Outcome(ReferralState.NEW)) is ClawBackReason.GRANTED_IN_ERROR


def test_of_several_leads_the_others_carry_the_referral_on() -> None:
    captures = {lead: Capture(AT, joined=False) for lead in ("lead-1", "lead-2")}
    referral = Referral("r1", "KT7Q2M", "ann", captures=captures, state=ReferralState.ACCEPTED)
    left = without_capture(referral, "lead-1")
    assert (list(left.captures), left.state) == (["lead-2"], ReferralState.ACCEPTED)
    assert without_capture(left, "lead-2").state is ReferralState.NEW
