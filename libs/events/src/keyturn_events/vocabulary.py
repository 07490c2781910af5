"""The closed vocabularies of the journey. A vocabulary that is data is a `Code` instead.

A reader refuses a value that it does not know, so a new member is first given to the readers and
only then written.
"""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    """A way to reach a person, and the first half of a consent."""

    SMS = "sms"
    EMAIL = "email"
    PHONE = "phone"
    WECHAT = "wechat"
    POST = "post"


class Purpose(StrEnum):
    """What a person is reached for, and the second half of a consent."""

    SERVICE = "service"
    MARKETING = "marketing"
    SURVEY = "survey"
    PROFILING = "profiling"


class ConsentStatus(StrEnum):
    """Where a consent stands. Only `granted` allows."""

    GRANTED = "granted"
    PENDING = "pending"
    """Asked for, and not yet confirmed by the person (double opt-in)."""
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class ConsentBasis(StrEnum):
    """Why the builder may rely on a consent. An implied one expires."""

    EXPRESS = "express"
    IMPLIED = "implied"
    CONTRACT = "contract"


class Relationship(StrEnum):
    """What a member of the household is to the customer; the customer is `self`."""

    SELF = "self"
    PARTNER = "partner"
    CHILD = "child"
    PARENT = "parent"
    GRANDPARENT = "grandparent"
    SIBLING = "sibling"
    OTHER = "other"


class MaritalStatus(StrEnum):
    """Whether the customer lives as one of a couple."""

    SINGLE = "single"
    MARRIED = "married"
    COHABITING = "cohabiting"
    DIVORCED = "divorced"
    WIDOWED = "widowed"


class Incomes(StrEnum):
    """How many incomes the household lives on."""

    NONE = "none"
    SINGLE = "single"
    DUAL = "dual"


class LeadChannel(StrEnum):
    """The door through which a person came."""

    WEB = "web"
    WALK_IN = "walk-in"
    PHONE = "phone"
    WECHAT = "wechat"
    PORTAL = "portal"
    AGENCY = "agency"
    REFERRAL = "referral"
    EVENT = "event"
    FILE = "file"
    PARTNER = "partner"


class LeadStage(StrEnum):
    """How far a lead has come; each later stage is nearer to the contract."""

    NEW = "new"
    CONTACTED = "contacted"
    VISITED = "visited"
    QUEUED = "queued"
    """Holds a queue number 排号."""
    RESERVED = "reserved"
    """认筹."""
    SUBSCRIBED = "subscribed"
    """认购."""
    SIGNED = "signed"
    """签约."""


class LossReason(StrEnum):
    """Why a lead was lost."""

    PRICE = "price"
    FINANCING = "financing"
    LOCATION = "location"
    PRODUCT = "product"
    TIMING = "timing"
    COMPETITOR = "competitor"
    UNREACHABLE = "unreachable"
    NOT_INTERESTED = "not-interested"
    INVALID = "invalid"
    ERASED = "erased"
    OTHER = "other"


class AssignmentReason(StrEnum):
    """Why the lead went to this advisor."""

    CUSTOMER_PREFERENCE = "customer-preference"
    PROTECTION = "protection"
    """The advisor already owns the lead 判客."""
    SKILL = "skill"
    CAPACITY = "capacity"
    ROTATION = "rotation"
    MANUAL = "manual"


class PurchaseStage(StrEnum):
    """How firm a purchase is."""

    RESERVED = "reserved"
    SUBSCRIBED = "subscribed"
    SIGNED = "signed"
    PAID = "paid"
    RESCINDED = "rescinded"


class Financing(StrEnum):
    """How a purchase is paid."""

    CASH = "cash"
    MORTGAGE = "mortgage"
    PROVIDENT_FUND = "provident-fund"
    MIXED = "mixed"


class RescissionReason(StrEnum):
    """Why a purchase was undone."""

    COOLING_OFF = "cooling-off"
    FINANCING_REFUSED = "financing-refused"
    RESERVATION_EXPIRED = "reservation-expired"
    MUTUAL_AGREEMENT = "mutual-agreement"
    BUILDER_DEFAULT = "builder-default"
    BUYER_DEFAULT = "buyer-default"
    OTHER = "other"


class QueueOutcome(StrEnum):
    """What became of a queue number 排号 at a release of homes 推盘."""

    CLAIMED = "claimed"
    """It got a home."""
    MISSED = "missed"
    """None of the homes that it wished for was free at its turn; others were."""
    SOLD_OUT = "sold-out"
    """No home of the release was left for it."""
    PASSED = "passed"
    """It was given up, or its turn ran out without a wish."""


class MortgageStatus(StrEnum):
    """How far an application for a mortgage 按揭 has come."""

    APPLIED = "applied"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class ProductLine(StrEnum):
    """The four product lines onto which Pulte maps its segments."""

    FIRST_HOME = "first-home"
    FIRST_MOVE_UP = "first-move-up"
    SECOND_MOVE_UP = "second-move-up"
    ACTIVE_ADULT = "active-adult"


class RelationshipLevel(StrEnum):
    """How close a customer has come to the builder."""

    ACQUAINTANCE = "acquaintance"
    FRIEND = "friend"
    PARTNER = "partner"


class Gate(StrEnum):
    """A step of the handover that must be passed before the next."""

    RISK_INSPECTION = "risk-inspection"
    """Ninety days before."""
    MOCK_ACCEPTANCE = "mock-acceptance"
    OPEN_DAY = "open-day"
    """工地开放."""
    RECHECK = "recheck"
    """Thirty days before."""
    KEYS = "keys"


class GateRefusal(StrEnum):
    """Why a gate stays closed."""

    CRITICAL_DEFECT = "critical-defect"
    EARLIER_GATE = "earlier-gate"
    VETO = "veto"
    """Customer relations say the site is not ready 一票否决."""
    TOO_EARLY = "too-early"


class RescheduleReason(StrEnum):
    """Why a handover plan has new dates."""

    COMPLETION_MOVED = "completion-moved"
    CUSTOMER_REQUEST = "customer-request"
    GATE_MISSED = "gate-missed"


class CancellationReason(StrEnum):
    """Why a handover plan was dropped."""

    PURCHASE_RESCINDED = "purchase-rescinded"
    CUSTOMER_ERASED = "customer-erased"
    PLANNED_IN_ERROR = "planned-in-error"


class Severity(StrEnum):
    """How bad a defect or a complaint is. A critical one closes gates."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class Priority(StrEnum):
    """How soon a case is to be taken up."""

    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Trade(StrEnum):
    """A building trade that causes or mends defects."""

    STRUCTURE = "structure"
    WATERPROOFING = "waterproofing"
    FACADE = "facade"
    DOORS_WINDOWS = "doors-windows"
    PLUMBING = "plumbing"
    ELECTRICAL = "electrical"
    HVAC = "hvac"
    FINISHES = "finishes"
    FLOORING = "flooring"
    LIFT = "lift"
    LANDSCAPE = "landscape"
    DESIGN = "design"
    OTHER = "other"


class CaseChannel(StrEnum):
    """How a complaint reached the desk."""

    PHONE = "phone"
    WECHAT = "wechat"
    APP = "app"
    WEB = "web"
    EMAIL = "email"
    POST = "post"
    VISIT = "visit"
    PARTNER = "partner"


class SlaTarget(StrEnum):
    """A promise on a case, each kept or broken on its own."""

    FIRST_RESPONSE = "first-response"
    NEXT_UPDATE = "next-update"
    RESOLUTION = "resolution"


class Verdict(StrEnum):
    """What the owner says of a resolution."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NO_ANSWER = "no-answer"


class Touchpoint(StrEnum):
    """The moment of the journey that a survey asks about."""

    VISIT = "visit"
    CONTRACT = "contract"
    CONSTRUCTION = "construction"
    HANDOVER = "handover"
    NINETY_DAYS = "ninety-days"
    ONE_YEAR = "one-year"
    LIVING = "living"
    COMPLAINT = "complaint"


class HoldReason(StrEnum):
    """Why a message waits."""

    QUIET_HOURS = "quiet-hours"
    FREQUENCY_CAP = "frequency-cap"
    CRISIS = "crisis"
    OPEN_COMPLAINT = "open-complaint"
    BUDGET = "budget"
    CHANNEL_UNAVAILABLE = "channel-unavailable"


class SkipReason(StrEnum):
    """Why a message will not be sent."""

    NO_CONSENT = "no-consent"
    SUPPRESSED = "suppressed"
    NO_CONTACT_POINT = "no-contact-point"
    FREQUENCY_CAP = "frequency-cap"
    CRISIS = "crisis"
    OPEN_COMPLAINT = "open-complaint"
    BUDGET = "budget"
    HOLD_OUT = "hold-out"
    STOPPED = "stopped"
    EXPIRED = "expired"
    ERASED = "erased"


class FailureReason(StrEnum):
    """Why a message could not be delivered."""

    REJECTED = "rejected"
    BOUNCED = "bounced"
    UNREACHABLE = "unreachable"
    TEMPLATE_ERROR = "template-error"
    ATTEMPTS_EXHAUSTED = "attempts-exhausted"
    OUTCOME_UNKNOWN = "outcome-unknown"
    """The process died between the send and its answer; it is not sent again."""


class ReferralRefusal(StrEnum):
    """Why a referral earns nothing."""

    UNKNOWN_CODE = "unknown-code"
    SELF = "self"
    HOUSEHOLD = "household"
    ALREADY_KNOWN = "already-known"
    EXPIRED = "expired"
    NOT_AN_OWNER = "not-an-owner"


class ClawBackReason(StrEnum):
    """Why a reward was taken back."""

    PURCHASE_RESCINDED = "purchase-rescinded"
    REFUSED_LATER = "refused-later"
    GRANTED_IN_ERROR = "granted-in-error"


class PointsState(StrEnum):
    """Whether points may be spent now."""

    PENDING = "pending"
    ACTIVE = "active"


class PointsReason(StrEnum):
    """What points were given for, spent on or reversed for."""

    PURCHASE = "purchase"
    REFERRAL = "referral"
    SURVEY = "survey"
    BIRTHDAY = "birthday"
    ANNIVERSARY = "anniversary"
    PROMOTION = "promotion"
    WIN_BACK = "win-back"
    TRANSFER = "transfer"
    GIFT = "gift"
    SERVICE = "service"
    RESCISSION = "rescission"
    CORRECTION = "correction"


class Tier(StrEnum):
    """A member's standing in the club 万客会."""

    BLUE = "blue"
    SILVER = "silver"
    GOLD = "gold"
    BLACK = "black"


class TierReason(StrEnum):
    """Why a member changed tier."""

    POINTS = "points"
    PURCHASE = "purchase"
    REVERSAL = "reversal"
    REVIEW = "review"
    MANUAL = "manual"


class ErasureTreatment(StrEnum):
    """What was done with records of a person who asked to be forgotten."""

    ERASED = "erased"
    """They are gone."""
    PSEUDONYMISED = "pseudonymised"
    """They stay under an id that no longer tells who it was; what was personal in them is gone."""
    KEPT = "kept"
    """They stay as they are: nothing in them is personal beside that id."""
