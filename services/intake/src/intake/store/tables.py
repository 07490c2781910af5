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
    Column("merged_into", Text),
)

merges = Table(
    "merges",
    metadata,
    Column("merge_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("survivor_id", Text, nullable=False),
    Column("merged_id", Text, nullable=False),
    Column("standing", Boolean, nullable=False),
    Column("document", JSONB, nullable=False),
)
"""Merges, undone ones too; one customer is merged into one other at most."""

reviews = Table(
    "reviews",
    metadata,
    Column("review_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("other_customer_id", Text, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("opened_at", _MOMENT, nullable=False),
    Column("document", JSONB, nullable=False),
)
"""Pairs of customers who may be one person, and what was decided on them."""

matching_keys = Table(
    "matching_keys",
    metadata,
    Column("key", BigInteger, primary_key=True),
    Column("customer_id", Text, primary_key=True),
)
"""By what customers of whom a birth date or an address is known are found; keys are hashes."""

matching_gates = Table(
    "matching_gates",
    metadata,
    Column("gate", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
)
"""What two captures of one person at the same moment both pass, so that one of them looks again."""

match_models = Table(
    "match_models",
    metadata,
    Column("version", BigInteger, Identity(), primary_key=True),
    Column("learnt_at", _MOMENT, nullable=False, server_default=func.now()),
    Column("document", JSONB, nullable=False),
)
"""What was learnt of the service's own customers; the latest one weighs."""

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
    Column("response_due", _MOMENT),
    Column("owner", Text),
    Column("protected_until", _MOMENT),
    Column("facts", Integer, nullable=False, server_default="0"),
    Column("facts_at", _MOMENT),
    Column("search_terms", Text, nullable=False, server_default=""),
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
    Column("withdrawn_at", _MOMENT),
    Column("recognition", JSONB),
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
    Column("kind", Text, nullable=False, server_default="receipt"),
    Column("reverses", Text),
)
"""The ledger of each purchase; what is held is the sum of its entries."""

homes = Table(
    "homes",
    metadata,
    Column("home_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("community_id", Text, nullable=False),
    Column("release_id", Text),
    Column("document", JSONB, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("release_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("community_id", Text, nullable=False),
    Column("document", JSONB, nullable=False),
)

queue_numbers = Table(
    "queue_numbers",
    metadata,
    Column("release_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("given_at", _MOMENT, nullable=False),
    Column("lead_id", Text),
    Column("wishes", JSONB),
    Column("claimed_at", _MOMENT),
    Column("outcome", Text),
    Column("settled_at", _MOMENT),
    Column("home_id", Text),
    Column("purchase_id", Text),
)
"""Who has which place in the queue of a release 排号, and what became of it."""

consent_words = Table(
    "consent_words",
    metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("word_id", Text, nullable=False, unique=True),
    Column("customer_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("basis", Text, nullable=False),
    Column("said_at", _MOMENT, nullable=False),
    Column("expires_at", _MOMENT),
    Column("wording", Text),
    Column("collected_through", Text, nullable=False),
    Column("recorded_at", _MOMENT, nullable=False),
    Column("recorded_by", Text),
)
"""Every word of consent that was ever said. Rows are only ever added."""

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
    Column("event_type", Text),
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
    Column("original", Text),
)
"""Rows that were not taken, with what they said, for as long as they may be mended."""

import_rows = Table(
    "import_rows",
    metadata,
    Column("import_id", Text, primary_key=True),
    Column("row_number", Integer, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("lead_id", Text, nullable=False),
    Column("touch_id", Text, nullable=False),
    Column("opened", Boolean, nullable=False),
    Column("changes", JSONB),
    Column("undo", Text),
)
"""Rows that were taken: what they changed of a known customer or lead, until it is undone."""

advisors = Table(
    "advisors",
    metadata,
    Column("advisor_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("communities", JSONB, nullable=False),
    Column("document", JSONB, nullable=False),
)

ownership_facts = Table(
    "ownership_facts",
    metadata,
    Column("lead_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("community_id", Text),
    Column("at", _MOMENT, nullable=False),
    Column("kind", Text, nullable=False),
    Column("party_kind", Text),
    Column("party_id", Text),
    Column("contact", Text),
    Column("days", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
)
"""Registrations, contacts, assignments and disputes of leads 判客; never changed."""

scoring_models = Table(
    "scoring_models",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", Text),
    Column("digest", Text, nullable=False),
    Column("document", Text),
    Column("loaded_at", _MOMENT, nullable=False),
    Column("loaded_by", Text, nullable=False),
    Column("leaks_accepted", Boolean, nullable=False),
    Column("rescored_to", Text),
    Column("rescored", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("rescored_at", _MOMENT),
)
"""What leads were scored by, one version after the other; without a document, the rules."""

erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("requested_at", _MOMENT, nullable=False),
    Column("document", JSONB, nullable=False),
)
"""Erasures with their receipts: the proof, without anything of the person."""

erased_customers = Table(
    "erased_customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("erasure_id", Text, nullable=False),
)
"""Who has been erased: every id, once."""

suppressions = Table(
    "suppressions",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("erasure_id", Text, nullable=False),
    Column("suppressed_at", _MOMENT, nullable=False),
)
"""Keyed hashes of the identifiers of erased people, with the key that made them."""

suppression_liftings = Table(
    "suppression_liftings",
    metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("lifted_at", _MOMENT, nullable=False),
    Column("lifted_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
"""Who let a suppressed identifier in again, and why."""
