"""The tables of segmentation."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

metadata: Final = MetaData()

customers: Final = Table(
    "customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("survivor_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("standing", JSON, nullable=False),
    Index("customers_merged", "survivor_id", postgresql_where=text("survivor_id <> customer_id")),
)
timeline: Final = Table(
    "timeline",
    metadata,
    Column("customer_id", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    PrimaryKeyConstraint("customer_id", "at", "event_id"),
)
memberships: Final = Table(
    "memberships",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("segment", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Index("memberships_segment", "model", "segment", "customer_id"),
)
models: Final = Table(
    "models",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("rolled_out_to", Text, nullable=False, server_default=""),
    Column("rolled_out_at", DateTime(timezone=True)),
)
