"""What a customer got and did not get, and why; their referral code; what they are spared."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from campaigns import queries
from campaigns.api.doors import IdPath, MessageReader, MessageWriter, ReferralReader
from campaigns.domain import desk
from campaigns.domain.sending import Decided, Send, SendState
from keyturn_chassis.commands import Reading
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Limit, Page
from keyturn_events import Refusal, RefusalKind
from keyturn_events.scalars import Line
from keyturn_events.vocabulary import Channel, Purpose

router = APIRouter(prefix="/customers", tags=["customers"])


class PassedOver(BaseModel):
    """A channel that was passed over, and why."""

    channel: Channel
    reason: str


class DecisionBody(BaseModel):
    """One decision on a message."""

    at: AwareDatetime
    verdict: str = Field(description="go, sent, hold, skip, retry or failed.")
    reason: str | None
    channel: Channel | None
    until: AwareDatetime | None
    passed_over: list[PassedOver]

    @classmethod
    def of(cls, decided: Decided) -> DecisionBody:
        """The body of a decision."""
        return cls(
            at=decided.at,
            verdict=decided.verdict,
            reason=decided.reason,
            channel=decided.channel,
            until=decided.until,
            passed_over=[
                PassedOver(channel=objection.channel, reason=objection.reason)
                for objection in decided.objections
            ],
        )


class MessageBody(BaseModel):
    """A message, what has become of it, and every decision on it."""

    message_id: str
    campaign: str
    campaign_version: int
    step: str
    occurrence: str
    purpose: Purpose
    state: SendState
    triggered_by: str
    entered_at: AwareDatetime
    due_at: AwareDatetime | None = Field(
        description="When it is decided on next; absent when it is over or waits for an event."
    )
    decisions: list[DecisionBody]

    @classmethod
    def of(cls, send: Send) -> MessageBody:
        """The body of a message."""
        return cls(
            message_id=send.message_id,
            campaign=send.campaign,
            campaign_version=send.campaign_version,
            step=send.step,
            occurrence=send.occurrence,
            purpose=send.purpose,
            state=send.state,
            triggered_by=send.triggered_by,
            entered_at=send.entered_at,
            due_at=send.due_at,
            decisions=[DecisionBody.of(decided) for decided in send.decisions],
        )


@router.get("/{customer_id}/messages", summary="Why a customer got, or did not get, messages")
async def list_messages(
    customer_id: IdPath,
    connection: Reading,
    _: MessageReader,
    cursor: CursorParameter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[MessageBody]:
    """Every message for the person, the newest first, with each decision and its reason."""
    after = queries.newest_message_first.decode(cursor)
    rows = await queries.messages(connection, customer_id, after, limit)
    items, following = queries.newest_message_first.page(
        rows, limit, lambda send: (send.entered_at, send.message_id)
    )
    return Page(items=[MessageBody.of(item) for item in items], next_cursor=following)


class ReferralCodeBody(BaseModel):
    """The code that an owner passes on."""

    customer_id: str
    referral_code: str


@router.get("/{customer_id}/referral-code", summary="The code that an owner passes on")
async def read_referral_code(
    customer_id: IdPath, connection: Reading, _: ReferralReader
) -> ReferralCodeBody:
    """Owners have one from their contract on; it never changes."""
    code = await queries.referral_code(connection, customer_id)
    if code is None:
        raise Refusal(
            "no-referral-code",
            "The customer has no code; a customer gets one by signing a contract.",
            kind=RefusalKind.NOT_FOUND,
        )
    return ReferralCodeBody(customer_id=customer_id, referral_code=code)


class Suppression(BaseModel):
    """Why nothing may go to a customer through a channel."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "number belongs to another"}]}
    )

    reason: Line


class SuppressionBody(BaseModel):
    """The channels through which nothing goes to a customer."""

    customer_id: str
    suppressed: dict[Channel, str]


@router.put(
    "/{customer_id}/suppressions/{channel}",
    response_model=SuppressionBody,
    summary="Let nothing go through a channel",
)
async def suppress(
    customer_id: IdPath, channel: Channel, body: Suppression, caller: MessageWriter
) -> Response:
    """Stronger than any consent: messages go through another channel, or not at all."""
    return await _suppress(caller, desk.Suppress(customer_id, channel, body.reason))


@router.delete(
    "/{customer_id}/suppressions/{channel}",
    response_model=SuppressionBody,
    summary="Lift a suppression",
)
async def lift_suppression(
    customer_id: IdPath, channel: Channel, caller: MessageWriter
) -> Response:
    """From now on consent decides again."""
    return await _suppress(caller, desk.Suppress(customer_id, channel, None))


async def _suppress(caller: MessageWriter, command: desk.Suppress) -> Response:
    return await caller.execute(
        desk.suppress,
        command,
        lambda file, _: SuppressionBody(
            customer_id=command.customer_id,
            suppressed={
                Channel(name): reason for name, reason in file.customer.root.suppressed.items()
            },
        ),
    )
