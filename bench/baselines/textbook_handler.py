"""The textbook handler: a session a request, ORM objects, outbox rows, a commit.

It validates the same body behind the same middleware, recognises the person by the same rules,
makes the same decision (`intake.domain.leads.capture`), writes the same rows and events, and
honours the Idempotency-Key. Only the way to the database is the one that the handbooks show.

Run as `python -m bench.baselines.textbook_handler api`, as `python -m intake api` is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypedDict

import orjson
from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response, Security
from pydantic import TypeAdapter
from sqlalchemy import select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.schema import CreateSchema

from bench.baselines.intake_with import intake_with
from bench.baselines.lead_orm import (
    SCHEMA,
    Base,
    CommunityRow,
    CustomerRow,
    IdempotencyRow,
    IdentifierRow,
    LeadRow,
    OutboxRow,
    TimerRow,
    TouchRow,
)
from intake.api.leads import Captured
from intake.domain.communities import Community
from intake.domain.dossier import Dossier, present
from intake.domain.leads.capture import CaptureLead, capture
from intake.domain.leads.leads import Lead
from intake.domain.people.customers import Customer
from intake.domain.people.identity import Identifier, IdentifierKind, Identity
from intake.reading.contact_points import identify
from intake.reading.lead_form import LeadForm
from intake.service import service
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.cli import run
from keyturn_chassis.inputs import Cause
from keyturn_events import Event, Message, Refusal, RefusalKind

POOL_SIZE: Final = 10
"""As many connections as ours may have; none is opened and closed for one request."""
ATTEMPTS: Final = 5
"""How often a capture is tried when others of the same person get in its way."""

_CUSTOMER: Final = TypeAdapter(Customer)
_COMMUNITY: Final = TypeAdapter(Community)
_LEAD: Final = TypeAdapter(Lead)
_LEAD_FIELDS: Final = tuple(field.name for field in fields(Lead))


class State(TypedDict):
    """What requests find in `request.state`."""

    sessions: async_sessionmaker[AsyncSession]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Open the engine and make the tables."""
    url = str(app.state.runtime.settings.database_url)
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://"),
        pool_size=POOL_SIZE,
        max_overflow=0,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    async with engine.begin() as connection:
        await connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        await connection.run_sync(Base.metadata.create_all)
    yield {"sessions": async_sessionmaker(engine, expire_on_commit=False)}
    await engine.dispose()


async def session_of(request: Request) -> AsyncIterator[AsyncSession]:
    """A session for this request."""
    sessions: async_sessionmaker[AsyncSession] = request.state.sessions
    async with sessions() as session:
        yield session


router = APIRouter(lifespan=lifespan)


@router.post("/textbook", status_code=201, response_model=Captured)
async def capture_lead(
    request: Request,
    form: LeadForm,
    caller: Annotated[Principal, Security(principal, scopes=["leads:write"])],
    session: Annotated[AsyncSession, Depends(session_of)],
    idempotency_key: Annotated[str, Header()],
) -> Response:
    """Record that a person showed interest."""
    digest = hashlib.sha256(await request.body()).hexdigest()
    known = await session.get(IdempotencyRow, (caller.subject, idempotency_key))
    if known is not None:
        return _answer(_repeated(known, digest))
    for _ in range(ATTEMPTS):
        try:
            body = await _captured(session, form.command(), caller.subject, idempotency_key, digest)
        except (IntegrityError, StaleDataError):
            # The same person came through another request at the same moment.
            await session.rollback()
        else:
            return _answer(body)
    raise Refusal("try-again", "This person came by many requests at once; send it again.")


async def _captured(
    session: AsyncSession, command: CaptureLead, caller: str, key: str, digest: str
) -> str:
    cause = Cause(caller, key, datetime.now(UTC))
    before, customers, leads = await _dossier(session, command)
    after, events = capture(before, command, cause)
    await _save(session, after, customers, leads)
    session.add_all(_outgoing(event, cause, number) for number, event in enumerate(events))
    body = Captured.of(after, events).model_dump_json()
    session.add(IdempotencyRow(caller=caller, key=key, digest=digest, body=body))
    await session.commit()
    return body


def _answer(body: str) -> Response:
    return Response(body, status_code=201, media_type="application/json")


def _repeated(known: IdempotencyRow, digest: str) -> str:
    if known.digest != digest:
        raise Refusal(
            "idempotency-key-reused",
            "This Idempotency-Key came with another request before; choose a new key.",
            kind=RefusalKind.INVALID,
        )
    return known.body


CustomerRows = Mapping[str, CustomerRow]
LeadRows = Mapping[str, LeadRow]


async def _dossier(
    session: AsyncSession, command: CaptureLead
) -> tuple[Dossier, CustomerRows, LeadRows]:
    community = await _community(session, command.community_id)
    identity = identify(command.person, community.region)
    owners, customers = await _owners(session, identity)
    leads: dict[str, LeadRow] = {}
    if customers:
        found = await session.scalars(
            select(LeadRow).where(
                LeadRow.customer_id.in_(customers),
                LeadRow.community_id == command.community_id,
                LeadRow.status.not_in(("won", "withdrawn")),
            )
        )
        leads = {row.customer_id: row for row in found}
    dossier = Dossier(
        community=community,
        identity=identity,
        owners=owners,
        leads={customer_id: _lead(row) for customer_id, row in leads.items()},
    )
    return dossier, customers, {row.lead_id: row for row in leads.values()}


async def _community(session: AsyncSession, community_id: str | None) -> Community:
    row = None if community_id is None else await session.get(CommunityRow, community_id)
    return Community(community_id) if row is None else _COMMUNITY.validate_python(row.document)


async def _owners(
    session: AsyncSession, identity: Identity
) -> tuple[dict[Identifier, Customer], CustomerRows]:
    wanted = [(int(one.kind), one.value) for one in identity.identifiers]
    found = await session.execute(
        select(IdentifierRow, CustomerRow)
        .join(CustomerRow, CustomerRow.customer_id == IdentifierRow.customer_id)
        .where(tuple_(IdentifierRow.kind, IdentifierRow.value).in_(wanted))
    )
    owners, customers = {}, {}
    for identifier, customer in found:
        key = Identifier(IdentifierKind(identifier.kind), identifier.value)
        owners[key] = _CUSTOMER.validate_python(customer.document)
        customers[customer.customer_id] = customer
    return owners, customers


async def _save(
    session: AsyncSession, after: Dossier, customers: CustomerRows, leads: LeadRows
) -> None:
    customer, lead = present(after.customer), present(after.lead)
    document = _CUSTOMER.dump_python(customer, mode="json", exclude_none=True)
    if (owner := customers.get(customer.customer_id)) is None:
        session.add(CustomerRow(customer_id=customer.customer_id, document=document))
    else:
        owner.document = document
    session.add_all(
        IdentifierRow(kind=int(one.kind), value=one.value, customer_id=customer.customer_id)
        for one in after.claimed
    )
    values = {name: getattr(lead, name) for name in _LEAD_FIELDS}
    if (row := leads.get(lead.lead_id)) is None:
        session.add(LeadRow(**values))
    else:
        for name, value in values.items():
            setattr(row, name, value)
    if lead.stalls_at is not None:
        timer = TimerRow(lead_id=lead.lead_id, due_at=lead.stalls_at)
        if row is None:
            session.add(timer)
        else:
            await session.merge(timer)
    # Foreign keys without relationships: the rows that are pointed to are written first.
    await session.flush()
    session.add_all(_touches(after))


def _touches(after: Dossier) -> Sequence[TouchRow]:
    return [
        TouchRow(
            touch_id=touch.touch_id,
            lead_id=touch.lead_id,
            customer_id=touch.customer_id,
            channel=touch.channel,
            captured_at=touch.captured_at,
            recorded_at=touch.recorded_at,
            joined=touch.joined,
            campaign=touch.campaign,
            referral_code=touch.referral_code,
            source_reference=touch.source_reference,
            answers=dict(touch.answers),
        )
        for touch in after.touches
    ]


def _lead(row: LeadRow) -> Lead:
    return _LEAD.validate_python({name: getattr(row, name) for name in _LEAD_FIELDS})


def _outgoing(event: Event, cause: Cause, number: int) -> OutboxRow:
    message: Message[Any] = Message.of(
        event,
        id=cause.derive_id(event.type, number),
        source=service.name,
        time=cause.at,
        recordedtime=datetime.now(UTC),
        causationid=cause.id,
    )
    return OutboxRow(
        id=message.envelope.id,
        topic=str(event.topic),
        key=event.subject,
        headers=message.attributes,
        payload=event.model_dump(mode="json", exclude_none=True),
    )


if __name__ == "__main__":
    run(intake_with(router))
