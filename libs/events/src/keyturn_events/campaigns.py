"""What campaigns says: who was told what, who brought whom, and what the club owes its members."""

from __future__ import annotations

from pydantic import Field

from keyturn_events.erasure import ErasureReceipt
from keyturn_events.event import CustomerEvent
from keyturn_events.scalars import (
    Balance,
    Code,
    CommunityId,
    Count,
    CustomerId,
    Day,
    EntryId,
    EventId,
    Flag,
    LeadId,
    Line,
    LotId,
    MemberId,
    MessageId,
    ModelVersion,
    Moment,
    Points,
    PurchaseId,
    ReferralCode,
    ReferralId,
)
from keyturn_events.topics import Topic
from keyturn_events.values import LotUse, Money
from keyturn_events.vocabulary import (
    Channel,
    ClawBackReason,
    FailureReason,
    HoldReason,
    PointsReason,
    PointsState,
    Purpose,
    ReferralRefusal,
    SkipReason,
    Tier,
    TierReason,
)


class MessageEvent(CustomerEvent):
    """What became of one message: one campaign, step, person and occurrence."""

    message_id: MessageId
    campaign: Code
    campaign_version: ModelVersion
    step: Code
    occurrence: Line
    """What sets this send apart from the next one of the step: a year, or an event's id."""
    channel: Channel
    purpose: Purpose
    triggered_by: EventId | None = None


class MessageSent(MessageEvent, type="keyturn.message.sent.v1", topic=Topic.CAMPAIGNS_MESSAGES):
    """The channel took the message."""

    template: Code
    template_version: ModelVersion
    variant: Code | None = None
    """The arm of an A/B test."""
    provider_reference: Line | None = None


class MessageHeld(MessageEvent, type="keyturn.message.held.v1", topic=Topic.CAMPAIGNS_MESSAGES):
    """The message waits, and will be decided on again."""

    reason: HoldReason
    until: Moment | None = None
    """When it is decided on again; absent when an event must end the wait."""


class MessageSkipped(
    MessageEvent, type="keyturn.message.skipped.v1", topic=Topic.CAMPAIGNS_MESSAGES
):
    """The message will not be sent."""

    reason: SkipReason


class MessageFailed(MessageEvent, type="keyturn.message.failed.v1", topic=Topic.CAMPAIGNS_MESSAGES):
    """The message could not be delivered and will not be tried again on this channel."""

    reason: FailureReason
    attempts: Count
    fallback_channel: Channel | None = None
    """The channel that is tried next."""


class ReferralEvent(CustomerEvent):
    """A fact of the recommending owner, who is `customer_id`."""

    referral_code: ReferralCode


class ReferralInvited(
    ReferralEvent, type="keyturn.referral.invited.v1", topic=Topic.CAMPAIGNS_REFERRALS
):
    """An owner was given a code to pass on."""

    community_id: CommunityId | None = None
    campaign: Code | None = None
    expires_at: Moment | None = None


class ReferralAccepted(
    ReferralEvent, type="keyturn.referral.accepted.v1", topic=Topic.CAMPAIGNS_REFERRALS
):
    """A person who was not known before came with the owner's code."""

    referral_id: ReferralId
    referred_customer_id: CustomerId
    lead_id: LeadId | None = None


class ReferralRefused(
    ReferralEvent, type="keyturn.referral.refused.v1", topic=Topic.CAMPAIGNS_REFERRALS
):
    """The use of a code earns nothing. With an unknown code, `customer_id` is who used it."""

    referral_id: ReferralId
    referred_customer_id: CustomerId
    lead_id: LeadId | None = None
    reason: ReferralRefusal


class ReferralRewarded(
    ReferralEvent, type="keyturn.referral.rewarded.v1", topic=Topic.CAMPAIGNS_REFERRALS
):
    """The owner earned the reward for a purchase: at most one a referral."""

    referral_id: ReferralId
    referred_customer_id: CustomerId
    purchase_id: PurchaseId
    points: Points | None = None
    money: Money | None = None
    entry_id: EntryId | None = None
    """The ledger entry that gives the points."""
    due_at: Moment
    """When the reward may be used: the end of the purchase's cooling-off."""


class ReferralClawedBack(
    ReferralEvent, type="keyturn.referral.clawed-back.v1", topic=Topic.CAMPAIGNS_REFERRALS
):
    """A reward was taken back."""

    referral_id: ReferralId
    referred_customer_id: CustomerId
    purchase_id: PurchaseId
    reason: ClawBackReason
    entry_id: EntryId | None = None
    """The ledger entry that takes the points back."""


class LoyaltyEvent(CustomerEvent):
    """A fact of one member of the club 万客会."""

    member_id: MemberId


class MemberEnrolled(
    LoyaltyEvent, type="keyturn.member.enrolled.v1", topic=Topic.CAMPAIGNS_LOYALTY
):
    """A customer joined the club."""

    tier: Tier


class PointsEvent(LoyaltyEvent):
    """One entry of the points ledger, and the balances after it."""

    entry_id: EntryId
    balance: Balance
    """Points that may be spent after this entry; below zero after a claw-back of spent points."""
    pending: Balance
    """Points that are promised but may not be spent yet, after this entry."""


class PointsEarned(PointsEvent, type="keyturn.points.earned.v1", topic=Topic.CAMPAIGNS_LOYALTY):
    """A lot of points was given. A pending lot becomes active by an entry of the same lot."""

    lot_id: LotId
    points: Points
    state: PointsState
    reason: PointsReason
    active_from: Moment | None = None
    """When a pending lot becomes active."""
    expires_on: Day | None = None
    caused_by: EventId | None = None


class PointsSpent(PointsEvent, type="keyturn.points.spent.v1", topic=Topic.CAMPAIGNS_LOYALTY):
    """Points were spent, those that expire first before the others."""

    points: Points
    lots: tuple[LotUse, ...] = Field(min_length=1, max_length=200)
    reason: PointsReason


class PointsExpired(PointsEvent, type="keyturn.points.expired.v1", topic=Topic.CAMPAIGNS_LOYALTY):
    """What was left of a lot expired."""

    lot_id: LotId
    points: Points
    expired_on: Day


class PointsReversed(PointsEvent, type="keyturn.points.reversed.v1", topic=Topic.CAMPAIGNS_LOYALTY):
    """An entry was undone; both stay in the ledger."""

    reverses: EntryId
    lot_id: LotId | None = None
    points: Points
    state: PointsState
    """The balance that the undone entry had touched."""
    was_earned: Flag
    """Whether the undone entry gave points, so that these go, or took them, so that they return."""
    reason: PointsReason


class TierChanged(LoyaltyEvent, type="keyturn.tier.changed.v1", topic=Topic.CAMPAIGNS_LOYALTY):
    """A member rose or fell to another tier."""

    from_tier: Tier
    to_tier: Tier
    reason: TierReason


class MessagesErased(
    ErasureReceipt, type="keyturn.messages.erased.v1", topic=Topic.CAMPAIGNS_ERASURES
):
    """Campaigns' receipt of an erasure: nobody can be written to; ledger and referrals stay."""
