"""Test doubles: a service against a real database, without broker or network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

import httpx
import orjson
from pydantic import PostgresDsn
from sqlalchemy import text

from keyturn_chassis import migrations, replay
from keyturn_chassis.app import create_app
from keyturn_chassis.auth import LocalIssuer
from keyturn_chassis.clock import DrivenClock
from keyturn_chassis.cloudevents import decode
from keyturn_chassis.consumer import Consumer
from keyturn_chassis.inputs import RawRecord
from keyturn_chassis.outbox import headers_of
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.service import Service
from keyturn_chassis.settings import Settings
from keyturn_chassis.timer_loop import TimerLoop
from keyturn_events import CATALOGUE, Event, Message

E = TypeVar("E", bound=Event)


def record(message: Message[Any], *, offset: int = 0, partition: int = 0) -> RawRecord:
    """The Kafka record of `message`."""
    return RawRecord(
        message.event.topic,
        partition,
        offset,
        message.key,
        message.value,
        tuple(message.headers),
    )


@dataclass
class Harness:
    """A service under test: hand it events, call its API, drive its clock, read its outbox."""

    runtime: Runtime
    client: httpx.AsyncClient
    issuer: LocalIssuer
    clock: DrivenClock
    _offset: int = field(default=0)

    def headers(self, *scopes: str, subject: str = "tester") -> dict[str, str]:
        """Authorization for a caller with these scopes."""
        return {"authorization": f"Bearer {self.issuer.mint(subject, scopes)}"}

    async def receive(self, *messages: Message[Any]) -> None:
        """Consume messages as one batch, as the worker would."""
        records = []
        for message in messages:
            self._offset += 1
            records.append(record(message, offset=self._offset))
        await self.receive_records(*records)

    async def receive_records(self, *records: RawRecord) -> None:
        """Consume records as they are, for what is not well-formed."""
        await Consumer(self.runtime).handle(records)

    async def drive(self, to: datetime) -> None:
        """Move the clock and fire every timer that has become due, in order."""
        async with self.runtime.database.transaction() as connection:
            await self.clock.drive(connection, to)
        timers = TimerLoop(self.runtime)
        while await timers.fire_due():
            pass

    async def replay(self, subject: str) -> replay.Replayed:
        """Replay what is parked for `subject`."""
        return await replay.replay(self.runtime, subject)

    async def published(self, *types: type[E]) -> list[E]:
        """The events in the outbox, in order; of these types only, if any are named."""
        return [message.event for message in await self.messages(*types)]

    async def messages(self, *types: type[E]) -> list[Message[E]]:
        """The outbox, in order, with envelopes."""
        async with self.runtime.database.transaction() as connection:
            rows = await connection.execute(text("SELECT * FROM outbox ORDER BY sequence"))
            source = self.runtime.service.name.encode()
            names = {event_type.type for event_type in types}
            return [
                decode(
                    cast(type[E], CATALOGUE[row["type"]]),
                    headers_of(row, source),
                    row["payload"] and orjson.dumps(row["payload"]),
                )
                for row in rows.mappings()
                if not names or row["type"] in names
            ]

    async def rows(self, sql: str, **parameters: Any) -> Sequence[Any]:
        """The rows of a query, to look at state that has no API."""
        async with self.runtime.database.transaction() as connection:
            return (await connection.execute(text(sql), parameters)).all()


@asynccontextmanager
async def harness(
    service: Service, database_url: str, issuer: LocalIssuer, jwks: str, **overrides: Any
) -> AsyncIterator[Harness]:
    """`service` on an empty database at `database_url`, with a driven clock."""
    settings: Settings = service.settings(
        database_url=PostgresDsn(database_url),
        auth_issuer=issuer.issuer,
        auth_audience=issuer.audience,
        auth_jwks=jwks,
        clock="driven",
        **overrides,
    )
    runtime = Runtime(service, settings)
    async with runtime:
        await migrations.migrate(service, runtime.database)
        app = create_app(service, runtime)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://service"
        ) as client:
            app.state.runtime = runtime
            yield Harness(runtime, client, issuer, DrivenClock())
