"""Segmentation by the textbook: declarative tables, a session an event, the same domain decision.

Both the textbook consumer and the FastStream peer do this work. The decision itself is
segmentation's own (`segmentation.domain`), so that only the way around it is compared. JSON goes
through orjson and statements are prepared by asyncpg, as for ours.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

import orjson
from pydantic import TypeAdapter
from sqlalchemy import DateTime, Identity, Index, func
from sqlalchemy.dialects.postgresql import JSON, insert
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from keyturn_chassis.inputs import Cause
from keyturn_events import CustomerEvent, Event, Message
from segmentation.domain.models import Models, SegmentModel, SilenceModel
from segmentation.domain.movement import BIRTHDAY, SILENCE, CustomerFile, Dossier, hear
from segmentation.domain.shelf import Model, deciding
from segmentation.domain.standing import Standing

SOURCE: Final = "segmentation"
POOL_SIZE: Final = 10
"""As many connections as ours may have; none is opened and closed for one event."""

_STANDING: Final = TypeAdapter(Standing)
_MODEL: Final[TypeAdapter[Model]] = TypeAdapter(SegmentModel | SilenceModel)


class Base(DeclarativeBase):
    """The tables."""

    type_annotation_map = {datetime: DateTime(timezone=True), dict[str, Any]: JSON}  # noqa: RUF012


class InboxRow(Base):
    """An event that has been handled."""

    __tablename__ = "inbox"
    source: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    processed_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class CustomerRow(Base):
    """A customer's facts and standing."""

    __tablename__ = "customers"
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    survivor_id: Mapped[str]
    version: Mapped[int] = mapped_column()
    facts: Mapped[dict[str, Any]]
    standing: Mapped[dict[str, Any]]

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class TimelineRow(Base):
    """A line of a customer's timeline."""

    __tablename__ = "timeline"
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    facts: Mapped[dict[str, Any]]


class MembershipRow(Base):
    """The segment of a customer in one model."""

    __tablename__ = "memberships"
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    segment: Mapped[str]
    since: Mapped[datetime]

    __table_args__ = (Index("memberships_segment", "model", "segment", "customer_id"),)


class TimerRow(Base):
    """A deadline of a customer."""

    __tablename__ = "timers"
    owner: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
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


Sessions = async_sessionmaker[AsyncSession]


def engine_of_environment() -> AsyncEngine:
    """The engine for the database that KEYTURN_DATABASE_URL names."""
    url = os.environ["KEYTURN_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
    return create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )


async def sessions_with_tables(engine: AsyncEngine) -> Sessions:
    """Make the tables; how to open sessions on them."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    return async_sessionmaker(engine, expire_on_commit=False)


def deciding_models() -> Models:
    """The models that segmentation begins with, read once."""
    shelf: dict[str, Model] = {}
    for name in ("pulte.v1.json", "silence.v1.json"):
        document = json.loads((files("segmentation") / "models" / name).read_text("utf-8"))
        shelf[document["model"]] = _MODEL.validate_python(document)
    return deciding(shelf)


async def take_in(sessions: Sessions, models: Models, message: Message[Any]) -> None:
    """One event, one transaction: inbox, profile, timeline, segments, timers, outbox."""
    event, envelope = message.event, message.envelope
    async with sessions.begin() as session:
        received = await session.execute(
            insert(InboxRow)
            .values(source=envelope.source, event_id=envelope.id)
            .on_conflict_do_nothing()
            .returning(InboxRow.event_id)
        )
        if received.first() is None:
            return
        row = await session.get(CustomerRow, event.customer_id)
        before = _file(event, row)
        cause = Cause(
            envelope.source, envelope.id, envelope.time, envelope.traceparent, envelope.recordedtime
        )
        dossier, events = hear(Dossier({event.customer_id: before}, models), event, cause)
        after = dossier.files[event.customer_id]
        document = _STANDING.dump_python(after.standing, mode="json")
        if row is None:
            session.add(
                CustomerRow(
                    customer_id=after.customer_id,
                    survivor_id=after.survivor_id,
                    facts=dict(after.facts),
                    standing=document,
                )
            )
        else:
            row.facts, row.standing = dict(after.facts), document
        session.add_all(
            TimelineRow(
                customer_id=entry.customer_id,
                at=entry.at,
                event_id=entry.event_id,
                type=entry.event.type,
                facts=entry.event.model_dump(
                    mode="json", exclude={"customer_id"}, exclude_none=True
                ),
            )
            for entry in dossier.entries
        )
        await _move(session, before, after)
        await _set_timers(session, before, after)
        session.add_all(_outgoing(said, cause, number) for number, said in enumerate(events))


def _file(event: CustomerEvent, row: CustomerRow | None) -> CustomerFile:
    if row is None:
        return CustomerFile(event.customer_id, event.customer_id)
    facts = {name: (stamp, value) for name, (stamp, value) in row.facts.items()}
    return CustomerFile(
        row.customer_id, row.survivor_id, facts, _STANDING.validate_python(row.standing)
    )


async def _move(session: AsyncSession, before: CustomerFile, after: CustomerFile) -> None:
    known = before.standing.memberships
    for model, membership in after.standing.memberships.items():
        if model not in known or known[model].segment != membership.segment:
            await session.merge(
                MembershipRow(
                    customer_id=after.customer_id,
                    model=model,
                    segment=membership.segment,
                    since=membership.since,
                )
            )


async def _set_timers(session: AsyncSession, before: CustomerFile, after: CustomerFile) -> None:
    for kind, was, due in (
        (BIRTHDAY, before.standing.next_change, after.standing.next_change),
        (SILENCE, before.standing.silence_due, after.standing.silence_due),
    ):
        if due == was:
            continue
        if due is not None:
            await session.merge(TimerRow(owner=after.customer_id, kind=kind, due_at=due))
        elif (timer := await session.get(TimerRow, (after.customer_id, kind))) is not None:
            await session.delete(timer)


def _outgoing(event: Event, cause: Cause, number: int) -> OutboxRow:
    message = Message.of(
        event,
        id=cause.derive_id(event.type, number),
        source=SOURCE,
        time=cause.at,
        recordedtime=datetime.now(UTC),
        causationid=cause.id,
        traceparent=cause.traceparent,
    )
    return OutboxRow(
        id=message.envelope.id,
        topic=str(event.topic),
        key=event.subject,
        headers=message.attributes,
        payload=event.model_dump(mode="json", exclude_none=True),
    )
