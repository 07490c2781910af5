"""The tables of campaigns."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
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

people = Table(
    "people",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("root", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    Index("people_root", "root"),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("code", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

templates = Table(
    "templates",
    metadata,
    Column("code", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

sends = Table(
    "sends",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("campaign", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("due_at", DateTime(timezone=True)),
    Column("leased_until", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    UniqueConstraint("campaign", "step", "customer_id", "occurrence", name="one_send"),
    Index("sends_due", "due_at", "message_id", postgresql_where=text("state = 'waiting'")),
    Index("sends_leased", "leased_until", postgresql_where=text("state = 'sending'")),
    Index("sends_customer", "customer_id", "entered_at", "message_id"),
)

referral_codes = Table(
    "referral_codes",
    metadata,
    Column("code", Text, primary_key=True),
    Column("customer_id", Text, nullable=False, unique=True),
)

referrals = Table(
    "referrals",
    metadata,
    Column("referral_id", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("referred_id", Text, nullable=False),
    Column("owner_id", Text),
    Column("state", Text, nullable=False),
    Column("refusal", Text),
    Column("rewarded_purchase_id", Text),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    UniqueConstraint("code", "referred_id", name="one_referral"),
    UniqueConstraint(
        "rewarded_purchase_id", name="one_reward", deferrable=True, initially="DEFERRED"
    ),
    Index("referrals_referred", "referred_id"),
)

members = Table(
    "members",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("entry_id", Text, primary_key=True),
    Column("sequence", BigInteger, Identity(), nullable=False, unique=True),
    Column("member_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("active", BigInteger, nullable=False),
    Column("pending", BigInteger, nullable=False),
    Column("reverses", Text, unique=True),
    Column("document", JSONB, nullable=False),
    Index("ledger_entries_member", "member_id", "sequence"),
)
