"""What partner systems say: portals, agencies, the sales ledger, construction management.

They are published on `partners.inbound` with the CloudEvents source `/partners/<partner id>`, and
may carry contact details, in whatever form the partner keeps them: intake normalises them.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from keyturn_events.event import Event
from keyturn_events.scalars import (
    TEXT_PATTERN,
    BuildingId,
    Code,
    CommunityId,
    Day,
    Flag,
    HomeId,
    Language,
    Line,
    Moment,
    NationalId,
    ReferralCode,
)
from keyturn_events.topics import Topic
from keyturn_events.values import Affordability, Household, Money, Utm, Value
from keyturn_events.vocabulary import (
    Channel,
    Financing,
    LeadChannel,
    ProductLine,
    PurchaseStage,
    Purpose,
    RescissionReason,
)

PARTNER_SOURCE_PREFIX = "/partners/"
"""What the CloudEvents source of a partner event begins with; the partner's id follows."""

Reference: TypeAlias = Annotated[str, Field(min_length=1, max_length=100, pattern=TEXT_PATTERN)]
"""A partner's own reference of a thing, unique within that partner."""


class PartnerAddress(Value):
    """Where a person lives, as a partner knows it."""

    street: Line | None = None
    city: Line | None = None
    region: Line | None = None
    postcode: Line | None = None


class Person(Value):
    """A person as a partner knows them. At least one of phone, email and wechat recognises them."""

    partner_customer_reference: Reference | None = None
    name: Line | None = None
    phone: Annotated[str, Field(min_length=1, max_length=40, pattern=TEXT_PATTERN)] | None = None
    email: Annotated[str, Field(min_length=3, max_length=254, pattern=TEXT_PATTERN)] | None = None
    wechat: Line | None = None
    language: Language | None = None
    national_id: NationalId | None = None
    """Only a keyed hash of it is kept."""
    birth_date: Day | None = None
    address: PartnerAddress | None = None


class PartnerConsent(Value):
    """What a person told the partner to allow the builder."""

    channel: Channel
    purpose: Purpose
    granted: Flag
    wording: Code | None = None
    """The version of the words that the person was shown."""


class PartnerEvent(Event):
    """A fact that a partner states. Its subject is the partner's own reference."""


class PartnerLeadSubmitted(
    PartnerEvent, type="partner.lead.submitted.v1", topic=Topic.PARTNERS_INBOUND
):
    """A person showed interest at a partner's, such as a portal or an agency."""

    lead_reference: Reference
    submitted_at: Moment
    person: Person
    channel: LeadChannel = LeadChannel.PARTNER
    community_id: CommunityId | None = None
    campaign: Code | None = None
    referral_code: ReferralCode | None = None
    utm: Utm | None = None
    budget: Money | None = None
    household: Household | None = None
    affordability: Affordability | None = None
    consents: tuple[PartnerConsent, ...] = Field(default=(), max_length=20)

    @property
    def subject(self) -> str:
        """The partner's reference of the lead."""
        return self.lead_reference


class PartnerSaleRecorded(
    PartnerEvent, type="partner.sale.recorded.v1", topic=Topic.PARTNERS_INBOUND
):
    """A sale came to a stage. Stages that were passed before it need not have been told."""

    sale_reference: Reference
    stage: PurchaseStage
    recorded_on: Day
    """The day on which the sale came to this stage."""
    home_id: HomeId
    building: BuildingId | None = None
    community_id: CommunityId
    price: Money
    buyer: Person
    product_line: ProductLine | None = None
    deposit: Money | None = None
    signed_on: Day | None = None
    expected_completion: Day | None = None
    """When the home is promised to be handed over."""
    financing: Financing | None = None
    referral_code: ReferralCode | None = None
    lead_reference: Reference | None = None
    """The partner's lead that this sale came from."""
    rescission_reason: RescissionReason | None = None

    @property
    def subject(self) -> str:
        """The partner's reference of the sale."""
        return self.sale_reference


class PartnerConstructionProgressed(
    PartnerEvent, type="partner.construction.progressed.v1", topic=Topic.PARTNERS_INBOUND
):
    """A building came further, or will be completed on another day."""

    community_id: CommunityId
    building: BuildingId
    progressed_on: Day
    milestone: Code | None = None
    """Such as foundation, topped-out, facade or completed."""
    percent_complete: int | None = Field(default=None, strict=True, ge=0, le=100)
    expected_completion: Day

    @property
    def subject(self) -> str:
        """The building within its community."""
        return f"{self.community_id}/{self.building}"
