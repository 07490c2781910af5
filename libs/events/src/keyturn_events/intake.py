"""What intake says: who came, what they allow, and how a lead became a purchase."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field

from keyturn_events.event import CustomerEvent, Event
from keyturn_events.problems import MOST_PROBLEMS, FieldProblem, OriginalRecord
from keyturn_events.scalars import (
    AdvisorId,
    BuildingId,
    Code,
    CommunityId,
    Count,
    CustomerId,
    Day,
    Email,
    ErasureId,
    EventId,
    Flag,
    HomeId,
    ImportId,
    Language,
    LeadId,
    Line,
    LinkToken,
    MergeId,
    ModelVersion,
    Moment,
    PartnerId,
    Phone,
    PurchaseId,
    Ratio,
    ReferralCode,
    ReleaseId,
    Text,
    TimeZone,
)
from keyturn_events.topics import Topic
from keyturn_events.values import Affordability, Household, Money, OptIn, ScoreReason, Utm
from keyturn_events.vocabulary import (
    AssignmentReason,
    Channel,
    ConsentBasis,
    ConsentStatus,
    Financing,
    LeadChannel,
    LeadStage,
    LossReason,
    MortgageStatus,
    ProductLine,
    PurchaseStage,
    Purpose,
    QueueOutcome,
    RescissionReason,
)


class CustomerFacts(CustomerEvent):
    """What is known of a customer beside contact details: all of it, each time it changes."""

    household: Household = Household()
    affordability: Affordability = Affordability()
    language: Language | None = None
    time_zone: TimeZone | None = None


class CustomerRegistered(
    CustomerFacts, type="keyturn.customer.registered.v1", topic=Topic.INTAKE_CUSTOMERS
):
    """A person came who was not known before."""

    channel: LeadChannel
    partner_id: PartnerId | None = None


class CustomerUpdated(
    CustomerFacts, type="keyturn.customer.updated.v1", topic=Topic.INTAKE_CUSTOMERS
):
    """Something known of a customer changed. Carries all facts as they now are."""

    changed: tuple[Code, ...] = Field(default=(), max_length=20)
    """Which facts are new: household, affordability, language, time_zone."""


class CustomersMerged(
    CustomerEvent, type="keyturn.customer.merged.v1", topic=Topic.INTAKE_CUSTOMERS
):
    """Two customers proved to be one person. `customer_id` survives.

    What was or will be said of `merged_customer_id` belongs to the survivor from now on.
    """

    merge_id: MergeId
    merged_customer_id: CustomerId
    rule: Code
    """The match rule that found it, or `review` when a person decided."""
    score: Ratio | None = None


class CustomersUnmerged(
    CustomerEvent, type="keyturn.customer.unmerged.v1", topic=Topic.INTAKE_CUSTOMERS
):
    """A merge was wrong and is undone: `restored_customer_id` is a person of their own again."""

    merge_id: MergeId
    restored_customer_id: CustomerId


class CustomerErased(
    CustomerEvent, type="keyturn.customer.erased.v1", topic=Topic.INTAKE_CUSTOMERS
):
    """A person asked to be forgotten: every reader erases or pseudonymises what it holds.

    Told once for each id that the person has, those that were merged away included: a reader erases
    what it holds under this id, whatever it has heard of merges so far.
    """

    erasure_id: ErasureId


class ErasureCompleted(
    CustomerEvent, type="keyturn.erasure.completed.v1", topic=Topic.INTAKE_CUSTOMERS
):
    """Every service has given its receipt for every id of a person: the erasure is proved.

    `customer_id` is the id under which it was asked for.
    """

    erasure_id: ErasureId
    requested_at: Moment
    late: Flag
    """Whether a receipt came after the deadline."""


class CustomerWithdrawn(
    CustomerEvent, type="keyturn.customer.withdrawn.v1", topic=Topic.INTAKE_CUSTOMERS
):
    """A customer was recorded by mistake and is taken back: there is no such person.

    Every reader forgets what it holds under this id, as it does when a person is erased.
    """

    import_id: ImportId
    """The import that had brought the customer and was undone."""


class ContactChanged(CustomerEvent, type="keyturn.contact.changed.v1", topic=Topic.INTAKE_CONTACTS):
    """How a customer is named and reached, all of it as it now is.

    The only event of ours with contact details, on a topic that keeps the latest a customer.
    """

    name: Line | None = None
    phones: tuple[Phone, ...] = Field(default=(), max_length=10)
    """The preferred one first."""
    emails: tuple[Email, ...] = Field(default=(), max_length=10)
    """The preferred one first."""
    wechat: Line | None = None
    """The WeChat OpenID."""
    address: Text | None = None
    language: Language | None = None
    time_zone: TimeZone | None = None
    preference_token: LinkToken | None = None
    """For links to the person's own preferences: opens the page, and takes consent back."""
    opt_ins: tuple[OptIn, ...] = Field(default=(), max_length=20)
    """What still waits for the person's confirmation."""


class ContactErased(CustomerEvent, type="keyturn.contact.erased.v1", topic=Topic.INTAKE_CONTACTS):
    """A tombstone: no contact details of the customer may be kept. Its record has no value."""

    tombstone: ClassVar[bool] = True

    @classmethod
    def read(cls, subject: str, value: bytes | None) -> Self:  # noqa: ARG003 - there is none
        """The event, whose only fact is its subject."""
        return cls(customer_id=subject)


class ConsentChanged(
    CustomerEvent, type="keyturn.consent.changed.v1", topic=Topic.INTAKE_CUSTOMERS
):
    """What a customer allows on one channel for one purpose changed. The latest holds."""

    channel: Channel
    purpose: Purpose
    status: ConsentStatus
    basis: ConsentBasis
    expires_at: Moment | None = None
    """Until when an implied consent holds."""
    wording: Code | None = None
    """The version of the words that the person was shown."""
    collected_through: Code
    """Where it was collected, such as web-form, showroom, import, partner or merge."""


class LeadEvent(CustomerEvent):
    """A fact of one lead: one customer's interest in one community."""

    lead_id: LeadId
    community_id: CommunityId | None = None


class LeadCaptured(LeadEvent, type="keyturn.lead.captured.v1", topic=Topic.INTAKE_LEADS):
    """A person showed interest. Every touch is one such event and is never rewritten."""

    channel: LeadChannel
    captured_at: Moment
    """When the person came, by the source's own account."""
    joined: Flag
    """Whether the person was already a known customer."""
    repeated: Flag
    """Whether the lead was already open, so that this is one more touch on it."""
    partner_id: PartnerId | None = None
    import_id: ImportId | None = None
    source_reference: Line | None = None
    """The source's own reference of the lead."""
    campaign: Code | None = None
    referral_code: ReferralCode | None = None
    utm: Utm | None = None
    language: Language | None = None
    community_time_zone: TimeZone | None = None
    product_line: ProductLine | None = None
    budget: Money | None = None


class LeadScored(LeadEvent, type="keyturn.lead.scored.v1", topic=Topic.INTAKE_LEADS):
    """A lead's chance of becoming a purchase was estimated anew."""

    score: int = Field(strict=True, ge=0, le=100)
    previous_score: int | None = Field(default=None, strict=True, ge=0, le=100)
    model: Code
    model_version: ModelVersion
    reasons: tuple[ScoreReason, ...] = Field(default=(), max_length=50)
    """What counted, the weightiest first."""


class LeadAssigned(LeadEvent, type="keyturn.lead.assigned.v1", topic=Topic.INTAKE_LEADS):
    """An advisor now owns the lead."""

    advisor_id: AdvisorId
    previous_advisor_id: AdvisorId | None = None
    reason: AssignmentReason
    first_response_due: Moment | None = None
    protected_until: Moment | None = None
    """Until when no other advisor or agency may claim the lead 判客."""


class LeadResponseOverdue(
    LeadEvent, type="keyturn.lead.response-overdue.v1", topic=Topic.INTAKE_LEADS
):
    """Nobody contacted a new lead by the time that its community promises."""

    first_response_due: Moment
    advisor_id: AdvisorId | None = None
    """Who should have; nobody when the lead had no advisor."""


class LeadReleased(LeadEvent, type="keyturn.lead.released.v1", topic=Topic.INTAKE_LEADS):
    """A lead is no longer whose it was 判客; whoever contacts the customer next may own it."""

    reason: Code
    """protection-ended or advisor-left."""
    protected_until: Moment | None = None
    """When protection ended, or would have."""
    advisor_id: AdvisorId | None = None
    """The advisor who no longer has the lead; it is back in the pool."""
    partner_id: PartnerId | None = None
    """The agency that no longer owns it; the advisor who has it keeps it."""


class LeadAdvanced(LeadEvent, type="keyturn.lead.advanced.v1", topic=Topic.INTAKE_LEADS):
    """A lead came to another stage."""

    from_stage: LeadStage
    to_stage: LeadStage
    reason: Code
    advisor_id: AdvisorId | None = None


class LeadStalled(LeadEvent, type="keyturn.lead.stalled.v1", topic=Topic.INTAKE_LEADS):
    """Nothing happened on an open lead for longer than its stage allows."""

    stage: LeadStage
    idle_since: Moment
    idle_days: Count
    advisor_id: AdvisorId | None = None


class LeadLost(LeadEvent, type="keyturn.lead.lost.v1", topic=Topic.INTAKE_LEADS):
    """A lead was given up."""

    stage: LeadStage
    """The stage that it had reached."""
    reason: LossReason
    advisor_id: AdvisorId | None = None


class LeadRevived(LeadEvent, type="keyturn.lead.revived.v1", topic=Topic.INTAKE_LEADS):
    """A lost lead is open again."""

    stage: LeadStage
    """The stage at which it goes on."""
    reason: Code
    advisor_id: AdvisorId | None = None


class LeadWithdrawn(LeadEvent, type="keyturn.lead.withdrawn.v1", topic=Topic.INTAKE_LEADS):
    """A lead was recorded by mistake and is taken back: neither it nor its touches count."""

    import_id: ImportId
    """The import that had opened the lead and was undone."""


class PurchaseEvent(CustomerEvent):
    """A fact of one customer's purchase of one home."""

    purchase_id: PurchaseId
    home_id: HomeId
    building: BuildingId | None = None
    community_id: CommunityId
    price: Money
    product_line: ProductLine | None = None
    lead_id: LeadId | None = None
    referral_code: ReferralCode | None = None
    """The code of the owner who recommended the buyer."""
    partner_id: PartnerId | None = None
    """The partner whose system recorded the sale."""
    sale_reference: Line | None = None
    """That partner's own reference of the sale."""
    community_time_zone: TimeZone | None = None


class HomeReserved(PurchaseEvent, type="keyturn.home.reserved.v1", topic=Topic.INTAKE_PURCHASES):
    """A home is kept for a customer 认筹. No other live claim on it exists."""

    reserved_on: Day
    deposit: Money | None = None
    expires_at: Moment | None = None


class HomeSubscribed(
    PurchaseEvent, type="keyturn.home.subscribed.v1", topic=Topic.INTAKE_PURCHASES
):
    """A customer committed to a home and its price 认购."""

    subscribed_on: Day
    deposit: Money | None = None
    sign_by: Day | None = None


class PurchaseSigned(
    PurchaseEvent, type="keyturn.purchase.signed.v1", topic=Topic.INTAKE_PURCHASES
):
    """The contract was signed 签约."""

    signed_on: Day
    cooling_off_ends: Moment
    """Until then the customer may rescind without a reason."""
    expected_completion: Day | None = None
    """When the home is promised to be handed over."""
    deposit: Money | None = None
    financing: Financing | None = None


class PurchasePaid(PurchaseEvent, type="keyturn.purchase.paid.v1", topic=Topic.INTAKE_PURCHASES):
    """The whole price was received."""

    paid_on: Day
    financing: Financing | None = None


class PurchaseRescinded(
    PurchaseEvent, type="keyturn.purchase.rescinded.v1", topic=Topic.INTAKE_PURCHASES
):
    """A claim on a home was undone, at whatever stage it was; the home is free again."""

    stage: PurchaseStage
    """The stage that the purchase had reached."""
    rescinded_on: Day
    reason: RescissionReason
    within_cooling_off: Flag = False


class CompletionMoved(
    PurchaseEvent, type="keyturn.completion.moved.v1", topic=Topic.INTAKE_PURCHASES
):
    """Construction will finish on another day than the purchase promised. One event a purchase."""

    expected_completion: Day
    previous_completion: Day | None = None


class MortgageChanged(
    PurchaseEvent, type="keyturn.mortgage.changed.v1", topic=Topic.INTAKE_PURCHASES
):
    """An application for a mortgage 按揭 on a purchase was made, decided or withdrawn."""

    status: MortgageStatus
    previous_status: MortgageStatus | None = None
    amount: Money
    """What was asked for; once approved, what is lent."""
    changed_on: Day


class QueueEvent(CustomerEvent):
    """A fact of one customer's queue number 排号 at a release of homes 推盘."""

    release_id: ReleaseId
    number: int = Field(strict=True, ge=1, le=1_000_000)
    community_id: CommunityId
    lead_id: LeadId | None = None
    community_time_zone: TimeZone | None = None


class QueueNumberGiven(
    QueueEvent, type="keyturn.queue-number.given.v1", topic=Topic.INTAKE_PURCHASES
):
    """A customer has a place in the queue for the homes of a release."""

    opens_at: Moment
    """When the release opens and the lowest number has its turn."""


class QueueNumberSettled(
    QueueEvent, type="keyturn.queue-number.settled.v1", topic=Topic.INTAKE_PURCHASES
):
    """It is decided what a queue number gets, once and for all."""

    outcome: QueueOutcome
    settled_at: Moment
    home_id: HomeId | None = None
    """The home that was claimed."""
    purchase_id: PurchaseId | None = None
    """The purchase that the claim began."""


class PartnerEventRejected(
    Event, type="keyturn.partner-event.rejected.v1", topic=Topic.PARTNERS_REJECTED
):
    """A record on the partner door was not accepted: why, what to mend, and the record itself.

    What is said of the original may be absent or made readable, since nothing about it is certain.
    """

    partner_id: PartnerId
    """The partner who sent it; `unknown` when the record does not say."""
    code: Code
    """Stable and machine-readable, such as malformed-json, unknown-type or home-already-claimed."""
    detail: Text
    """What is wrong and how to mend it."""
    problems: tuple[FieldProblem, ...] = Field(default=(), max_length=MOST_PROBLEMS)
    event_id: EventId | None = None
    event_source: Line | None = None
    event_type: Line | None = None
    partition: int = Field(strict=True, ge=0)
    offset: int = Field(strict=True, ge=0)
    """With `partition`, where the record stands on partners.inbound."""
    original: OriginalRecord | None = None
    """The record's value; absent when it had none."""

    @property
    def subject(self) -> str:
        """The partner's id, so that each partner reads its own rejections in order."""
        return self.partner_id
