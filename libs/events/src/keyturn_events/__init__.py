"""The events of a home buyer's journey: types, envelope, topics, and what they are made of.

Importing this package fills `CATALOGUE` with every event type.
"""

from keyturn_events import campaigns, intake, partners, segmentation, service_desk
from keyturn_events.envelope import CONTENT_TYPE, SCHEMA_BASE, Envelope, Message
from keyturn_events.event import CATALOGUE, CustomerEvent, Event
from keyturn_events.golden import golden_message, published, published_schema
from keyturn_events.problems import FieldProblem, OriginalRecord, field_problems, readable
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.topics import ALL_TOPICS, Topic
from keyturn_events.values import Affordability, Household, HouseholdMember, Money

__all__ = [
    "ALL_TOPICS",
    "CATALOGUE",
    "CONTENT_TYPE",
    "SCHEMA_BASE",
    "Affordability",
    "CustomerEvent",
    "Envelope",
    "Event",
    "FieldProblem",
    "Household",
    "HouseholdMember",
    "Message",
    "Money",
    "OriginalRecord",
    "Refusal",
    "RefusalKind",
    "Topic",
    "campaigns",
    "field_problems",
    "golden_message",
    "intake",
    "partners",
    "published",
    "published_schema",
    "readable",
    "segmentation",
    "service_desk",
]
