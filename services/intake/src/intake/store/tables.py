"""The tables of intake."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

_MOMENT = DateTime(timezone=True)

customers = Table(
    "customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

identifiers = Table(
    "identifiers",
    metadata,
    Column("kind", SmallInteger, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
)
"""Who owns a phone, an address, an OpenID, a partner's reference: one customer at most."""

leads = Table(
    "leads",
    metadata,
    Column("lead_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("community_id", Text),
    Column("channel", Text, nullable=False),
    Column("captured_at", _MOMENT, nullable=False),
    Column("idle_since", _MOMENT, nullable=False),
    Column("stage", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("stalls_at", _MOMENT),
    Column("touches", Integer, nullable=False),
    Column("score", SmallInteger),
    Column("advisor_id", Text),
    Column("campaign", Text),
    Column("referral_code", Text),
    Column("product_line", Text),
    Column("budget_named", Boolean, nullable=False),
    Column("loss_reason", Text),
)

touches = Table(
    "touches",
    metadata,
    Column("touch_id", Text, primary_key=True),
    Column("position", BigInteger, Identity(), nullable=False),
    Column("lead_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("captured_at", _MOMENT, nullable=False),
    Column("recorded_at", _MOMENT, nullable=False),
    Column("joined", Boolean, nullable=False),
    Column("partner_id", Text),
    Column("import_id", Text),
    Column("source_reference", Text),
    Column("campaign", Text),
    Column("referral_code", Text),
    Column("answers", JSONB, nullable=False),
)

lead_steps = Table(
    "lead_steps",
    metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("step_id", Text, nullable=False, unique=True),
    Column("lead_id", Text, nullable=False),
    Column("at", _MOMENT, nullable=False),
    Column("kind", Text, nullable=False),
    Column("from_stage", Text, nullable=False),
    Column("to_stage", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("advisor_id", Text),
)

purchases = Table(
    "purchases",
    metadata,
    Column("purchase_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("home_id", Text, nullable=False),
    Column("community_id", Text, nullable=False),
    Column("building", Text),
    Column("stage", Text, nullable=False),
    Column("lead_id", Text),
    Column("partner_id", Text),
    Column("sale_reference", Text),
    Column("document", JSONB, nullable=False),
)

deposits = Table(
    "deposits",
    metadata,
    Column("deposit_id", Text, primary_key=True),
    Column("position", BigInteger, Identity(), nullable=False),
    Column("purchase_id", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("currency", Text, nullable=False),
    Column("received_on", Date, nullable=False),
    Column("recorded_at", _MOMENT, nullable=False),
)

communities = Table(
    "communities",
    metadata,
    Column("community_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

buildings = Table(
    "buildings",
    metadata,
    Column("community_id", Text, primary_key=True),
    Column("building", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

partners = Table(
    "partners",
    metadata,
    Column("partner_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

partner_records = Table(
    "partner_records",
    metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("partner_id", Text, nullable=False),
    Column("event_id", Text),
    Column("outcome", Text, nullable=False),
    Column("code", Text),
    Column("digest", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("received_at", _MOMENT, nullable=False),
)
"""What became of each record of the partner door."""

imports = Table(
    "imports",
    metadata,
    Column("import_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", _MOMENT, nullable=False, server_default=func.now()),
    Column("document", JSONB, nullable=False),
)

import_chunks = Table(
    "import_chunks",
    metadata,
    Column("import_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

import_rejections = Table(
    "import_rejections",
    metadata,
    Column("import_id", Text, primary_key=True),
    Column("row_number", Integer, primary_key=True),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("pointer", Text),
)
