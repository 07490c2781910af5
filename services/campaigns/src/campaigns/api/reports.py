"""Counts: messages by outcome and reason, purchases by referral."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from campaigns import queries
from campaigns.api.doors import MessageReader, ReferralReader
from campaigns.domain.sending import SendState
from keyturn_chassis.commands import Reading
from keyturn_events.vocabulary import Purpose

router = APIRouter(prefix="/reports", tags=["reports"])


class MessageCount(BaseModel):
    """How many messages of a campaign are in a state for a reason."""

    campaign: str
    purpose: Purpose
    state: SendState
    reason: str | None
    messages: int


class MessageReport(BaseModel):
    """Messages by campaign, state and the reason last given."""

    counts: list[MessageCount]
    total: int
    by_state: dict[SendState, int]


@router.get("/messages", summary="Messages by outcome and reason")
async def message_report(connection: Reading, _: MessageReader) -> MessageReport:
    """Every message there is, counted once."""
    rows = await queries.message_counts(connection)
    by_state: dict[SendState, int] = {}
    for row in rows:
        state = SendState(row.state)
        by_state[state] = by_state.get(state, 0) + row.messages
    return MessageReport(
        counts=[
            MessageCount(
                campaign=row.campaign,
                purpose=Purpose(row.purpose),
                state=SendState(row.state),
                reason=row.reason,
                messages=row.messages,
            )
            for row in rows
        ],
        total=sum(by_state.values()),
        by_state=by_state,
    )


class ReferralReport(BaseModel):
    """The share of purchases by referral, and what became of referrals."""

    purchases: int = Field(description="Purchases that are signed and not rescinded.")
    by_referral: int = Field(description="Those of them for which an owner has a reward.")
    share: float | None = Field(description="by_referral / purchases; absent without purchases.")
    referrals: dict[str, int] = Field(description="Referrals by state.")
    refusals: dict[str, int] = Field(description="Refused referrals by reason.")


@router.get("/referrals", summary="Share of purchases by referral")
async def referral_report(connection: Reading, _: ReferralReader) -> ReferralReport:
    """As of now; a rescission takes a purchase off again."""
    report = await queries.referral_report(connection)
    return ReferralReport(
        purchases=report.purchases,
        by_referral=report.by_referral,
        share=report.by_referral / report.purchases if report.purchases else None,
        referrals=dict(report.states),
        refusals=dict(report.refusals),
    )
