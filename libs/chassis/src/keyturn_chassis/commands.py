"""How an endpoint has a command decided, and how it reads."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar
from uuid import uuid4

from fastapi import Depends, Header, Request, Response, Security
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import telemetry
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.group_commit import PendingCommand
from keyturn_chassis.idempotency import Answer, RequestKey
from keyturn_chassis.inputs import Decision
from keyturn_chassis.runtime import Runtime
from keyturn_events import Event

S = TypeVar("S")
C = TypeVar("C")

KEY_LENGTH = 128
"""Longest accepted Idempotency-Key."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=KEY_LENGTH,
        pattern=r"^[\x21-\x7e]+$",
        description="Send the same key again to get the same answer and no second effect.",
    ),
]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and the way to have a command decided for them."""

    principal: Principal
    runtime: Runtime
    request: RequestKey
    remembered: bool
    door: str

    async def execute(
        self,
        decide: Decision[S, C],
        command: C,
        respond: Callable[[S, Sequence[Event]], BaseModel | Answer | None],
        *,
        status: int = 200,
        row: int | None = None,
    ) -> Response:
        """Decide `command` in the next transaction and answer after its commit.

        `respond(state, events)` gives the body (a pydantic model, or None for no body), or the
        whole `Answer` where the status depends on the outcome: a no that has to go on record is
        decided, not raised. Raises `Refusal` when the decision says no.
        """
        answer = await self.decided(decide, command, respond, status=status, row=row)
        headers = {"idempotency-replayed": "true"} if answer.replayed else None
        return Response(
            answer.body or None,
            status_code=answer.status,
            media_type=answer.media_type,
            headers=headers,
        )

    async def decided(
        self,
        decide: Decision[S, C],
        command: C,
        respond: Callable[[S, Sequence[Event]], BaseModel | Answer | None],
        *,
        status: int = 200,
        row: int | None = None,
    ) -> Answer:
        """As `execute`, but the bare answer; `row` tells the rows of one batch request apart."""

        def answer(state: S, events: Sequence[Event]) -> Answer:
            body = respond(state, events)
            if isinstance(body, Answer):
                return body
            return Answer(status, "" if body is None else body.model_dump_json(by_alias=True))

        request = self.request
        if row is not None:
            request = RequestKey(request.caller, f"{request.key} {row}", request.digest)
        answered = await self.runtime.commands.execute(
            PendingCommand(
                command,
                decide,
                answer,
                request,
                self.remembered,
                telemetry.current_traceparent(),
            )
        )
        telemetry.ACCEPTED.labels(self.door).inc()
        return answered


async def caller(
    request: Request,
    principal: Annotated[Principal, Security(principal)],
    idempotency_key: IdempotencyKey = None,
) -> Caller:
    """The caller of this request; use as `Annotated[Caller, Security(caller, scopes=[…])]`."""
    streamed = hasattr(request.scope["endpoint"], "body_limit")
    body = b"" if streamed else await request.body()
    query = request.url.query.encode()
    digest = hashlib.sha256(
        b"\n".join((request.method.encode(), request.url.path.encode(), query, body))
    ).hexdigest()
    return Caller(
        principal,
        request.app.state.runtime,
        RequestKey(
            f"{principal.client_id}/{principal.subject}", idempotency_key or str(uuid4()), digest
        ),
        idempotency_key is not None,
        telemetry.door_of(request.scope),
    )


async def reading(request: Request) -> AsyncIterator[AsyncConnection]:
    """A read-only connection for a query."""
    runtime: Runtime = request.app.state.runtime
    async with runtime.database.reading() as connection:
        yield connection


Reading = Annotated[AsyncConnection, Depends(reading)]
"""A read-only connection; everything read in the request is of the same moment."""
