"""The desk's tables: a document holds a state whole, the columns beside it what is asked for."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

customers = Table(
    "customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("merged_into", Text),
    Column("document", JSONB, nullable=False),
    Index("customers_merged_into", "merged_into"),
)

communities = Table(
    "communities",
    metadata,
    Column("community_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

calendars = Table(
    "calendars",
    metadata,
    Column("code", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),
)

handover_templates = Table(
    "handover_templates",
    metadata,
    Column("code", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),
)

handovers = Table(
    "handovers",
    metadata,
    Column("handover_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("purchase_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("home_id", Text, nullable=False),
    Column("community_id", Text, nullable=False),
    Column("building", Text),
    Column("state", Text, nullable=False),
    Column("next_gate", Text),
    Column("next_gate_due_on", Date),
    Column("signed_on", Date),
    Column("handover_on", Date),
    Column("critical_defects", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    UniqueConstraint("purchase_id", name="one_handover_per_purchase"),
    Index("handovers_customer", "customer_id"),
    Index("handovers_home", "home_id"),
    Index("handovers_place", "community_id", "building"),
)

defects = Table(
    "defects",
    metadata,
    Column("defect_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("handover_id", Text, nullable=False),
    Column("home_id", Text, nullable=False),
    Column("community_id", Text, nullable=False),
    Column("building", Text),
    Column("component", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("reported_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("rectified_at", DateTime(timezone=True)),
    Column("document", JSONB, nullable=False),
    Index("defects_home", "home_id", "reported_at"),
    Index("defects_customer", "customer_id"),
)

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("source_reference", Text),
    Column("category", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("community_id", Text),
    Column("building", Text),
    Column("home_id", Text),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("overdue_from", DateTime(timezone=True)),
    Column("resolution_due_at", DateTime(timezone=True)),
    Column("resolved_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("late", Boolean, nullable=False),
    Column("document", JSONB, nullable=False),
    UniqueConstraint("customer_id", "source_reference", name="one_case_per_reference"),
    Index("cases_customer", "customer_id", "received_at"),
    Index("cases_received", "received_at", "case_id"),
    Index("cases_place", "community_id", "received_at"),
    Index("cases_overdue", "overdue_from", postgresql_where=text("overdue_from IS NOT NULL")),
)

responses = Table(
    "responses",
    metadata,
    Column("response_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("survey", Text, nullable=False),
    Column("response_reference", Text),
    Column("touchpoint", Text, nullable=False),
    Column("community_id", Text),
    Column("answered_at", DateTime(timezone=True), nullable=False),
    Column("act_by", DateTime(timezone=True)),
    Column("acted_at", DateTime(timezone=True)),
    Column("document", JSONB, nullable=False),
    UniqueConstraint("survey", "response_reference", name="one_answer_per_reference"),
    Index("responses_customer", "customer_id"),
    Index("responses_answered", "answered_at", "response_id"),
)

crises = Table(
    "crises",
    metadata,
    Column("crisis_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("community_id", Text, nullable=False),
    Column("building", Text),
    Column("category", Text),
    Column("declared_at", DateTime(timezone=True), nullable=False),
    Column("lifted_at", DateTime(timezone=True)),
    Column("document", JSONB, nullable=False),
)
