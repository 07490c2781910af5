"""What segmentation says: who a customer is, and who they are becoming."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from keyturn_events.erasure import ErasureReceipt
from keyturn_events.event import CustomerEvent
from keyturn_events.scalars import Code, Count, EventId, Line, ModelVersion, Moment
from keyturn_events.topics import Topic
from keyturn_events.values import Money
from keyturn_events.vocabulary import ProductLine, RelationshipLevel

Number: TypeAlias = Annotated[StrictFloat, Field(allow_inf_nan=False)]

Answer: TypeAlias = StrictBool | StrictInt | Number | Line
"""An input of a rule, as the rule saw it."""


class CustomerSegmented(
    CustomerEvent, type="keyturn.customer.segmented.v1", topic=Topic.SEGMENTATION_CUSTOMERS
):
    """A customer moved to another segment of a model. No move, no event."""

    model: Code
    """The segment model, such as pulte or vanke-five."""
    model_version: ModelVersion
    from_segment: Code | None = None
    """Absent for the first segment that the customer has in this model."""
    to_segment: Code
    """A segment of the model, or `unclassified`."""
    rule: Code
    """The rule of the model that decided."""
    inputs: dict[Code, Answer] = Field(default_factory=dict, max_length=50)
    """What the rule looked at."""
    missing: tuple[Code, ...] = Field(default=(), max_length=50)
    """The answers that an unclassified customer still owes."""
    product_line: ProductLine | None = None
    """The product line that suits the segment."""
    caused_by: EventId
    """The event, or the timer, that led to the move."""


class CustomerDormant(
    CustomerEvent, type="keyturn.customer.dormant.v1", topic=Topic.SEGMENTATION_CUSTOMERS
):
    """A customer has not been heard of for longer than the threshold."""

    last_active_at: Moment
    threshold_days: Count


class CustomerReactivated(
    CustomerEvent, type="keyturn.customer.reactivated.v1", topic=Topic.SEGMENTATION_CUSTOMERS
):
    """A dormant customer came back; value is counted anew from here."""

    dormant_since: Moment
    caused_by: EventId


class CustomerValueChanged(
    CustomerEvent, type="keyturn.customer.value-changed.v1", topic=Topic.SEGMENTATION_CUSTOMERS
):
    """What a customer is worth to the builder moved to another tier."""

    from_tier: Code | None = None
    to_tier: Code
    model_version: ModelVersion
    own_purchases: Money
    referred_purchases: Money
    second_lifetime: Money | None = None
    """The value since the customer was won back."""
    relationship: RelationshipLevel
    caused_by: EventId


class ProfileErased(
    ErasureReceipt, type="keyturn.profile.erased.v1", topic=Topic.SEGMENTATION_ERASURES
):
    """Segmentation's receipt of an erasure: profile, timeline and segments are gone."""
