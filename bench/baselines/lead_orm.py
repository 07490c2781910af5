"""The tables of the textbook handler: declarative, in a schema of their own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Identity, Index, MetaData, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "textbook"


class Base(DeclarativeBase):
    """The tables."""

    metadata = MetaData(schema=SCHEMA)
    type_annotation_map = {datetime: DateTime(timezone=True), dict[str, Any]: JSONB}  # noqa: RUF012


class CommunityRow(Base):
    """A community's rules."""

    __tablename__ = "communities"
    community_id: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]]


class CustomerRow(Base):
    """A customer."""

    __tablename__ = "customers"
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    document: Mapped[dict[str, Any]]

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class IdentifierRow(Base):
    """Who owns a phone, an address, an OpenID."""

    __tablename__ = "identifiers"
    kind: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey(CustomerRow.customer_id), index=True)


class LeadRow(Base):
    """A lead as it stands."""

    __tablename__ = "leads"
    lead_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    customer_id: Mapped[str] = mapped_column(ForeignKey(CustomerRow.customer_id), index=True)
    community_id: Mapped[str | None]
    channel: Mapped[str]
    captured_at: Mapped[datetime]
    idle_since: Mapped[datetime]
    stage: Mapped[str]
    status: Mapped[str]
    stalls_at: Mapped[datetime | None]
    touches: Mapped[int]
    score: Mapped[int | None]
    advisor_id: Mapped[str | None]
    campaign: Mapped[str | None]
    referral_code: Mapped[str | None]
    product_line: Mapped[str | None]
    budget_named: Mapped[bool]
    loss_reason: Mapped[str | None]
    response_due: Mapped[datetime | None]
    owner: Mapped[str | None]
    protected_until: Mapped[datetime | None]
    facts: Mapped[int]
    facts_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        Index(
            "leads_one_live",
            "customer_id",
            text("coalesce(community_id, '')"),
            unique=True,
            postgresql_where=text("status NOT IN ('won', 'withdrawn')"),
        ),
        Index("leads_newest", text("captured_at DESC"), text("lead_id DESC")),
        Index("leads_of_community", "community_id", text("captured_at DESC"), text("lead_id DESC")),
    )


class TouchRow(Base):
    """One contact that a lead came from."""

    __tablename__ = "touches"
    touch_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(Identity())
    lead_id: Mapped[str] = mapped_column(ForeignKey(LeadRow.lead_id), index=True)
    customer_id: Mapped[str]
    channel: Mapped[str]
    captured_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    joined: Mapped[bool]
    campaign: Mapped[str | None]
    referral_code: Mapped[str | None]
    source_reference: Mapped[str | None]
    answers: Mapped[dict[str, Any]]


class TimerRow(Base):
    """When a lead stalls."""

    __tablename__ = "timers"
    lead_id: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(index=True)


class OutboxRow(Base):
    """An event that is to be published."""

    __tablename__ = "outbox"
    id: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(Identity(), index=True)
    topic: Mapped[str]
    key: Mapped[str]
    headers: Mapped[dict[str, Any]]
    payload: Mapped[dict[str, Any]]


class IdempotencyRow(Base):
    """The answer that was given under a key."""

    __tablename__ = "idempotency"
    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
