"""How an endpoint has a command decided, and how it reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from os import urandom
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Request, Response
from fastapi.security import SecurityScopes
from prometheus_client import Counter
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis import preconditions, telemetry
from keyturn_chassis.auth import BearerToken, Principal
from keyturn_chassis.group_commit import PendingCommand
from keyturn_chassis.idempotency import Answer, RequestKey
from keyturn_chassis.inputs import Decision
from keyturn_chassis.preconditions import Precondition
from keyturn_chassis.problems import FieldError, Problem
from keyturn_chassis.runtime import Runtime
from keyturn_events import Event

S = TypeVar("S")
C = TypeVar("C")

KEY_LENGTH = 128
"""Longest accepted Idempotency-Key."""

KEY_HEADER: Final = "idempotency-key"
KEY_PATTERN: Final = r"^[\x21-\x7e]+$"
KEY_PARAMETER: Final[dict[str, Any]] = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "Send the same key again to get the same answer and no second effect.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": KEY_LENGTH,
        "pattern": KEY_PATTERN,
    },
}
"""The header of a command, as an OpenAPI parameter."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and the way to have a command decided for them."""

    principal: Principal
    runtime: Runtime
    request: RequestKey
    remembered: bool
    door: str
    precondition: Precondition | None = None

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
                self.precondition,
            )
        )
        _accepted(self.door).inc()
        return answered


@cache
def _accepted(door: str) -> Counter:
    return telemetry.ACCEPTED.labels(door)


class CommandCaller(BearerToken):
    """The dependency that lets in callers with the scopes of the route, to have commands decided.

    It judges the token itself: FastAPI takes as long to resolve a dependency of a dependency as
    the judging does.
    """

    async def __call__(self, request: Request, needed: SecurityScopes) -> Caller:
        """The caller of this request.

        Raises `Problem` as `BearerToken` does, and 422 for an Idempotency-Key out of bounds.
        """
        principal = await self.judge(request, needed)
        key = _key_of(request)
        return Caller(
            principal,
            request.app.state.runtime,
            RequestKey(
                f"{principal.client_id}/{principal.subject}",
                key or urandom(16).hex(),
                "" if key is None else await _digest(request),
            ),
            key is not None,
            telemetry.door_of(request.scope),
        )


def _key_of(request: Request) -> str | None:
    """The Idempotency-Key; read here because as a parameter it takes FastAPI ten times as long."""
    key = request.headers.get(KEY_HEADER)
    if key is None or (_is_printable(key) and len(key) <= KEY_LENGTH):
        return key
    detail = f"Should be 1 to {KEY_LENGTH} printable ASCII characters without spaces"
    raise Problem(
        422,
        "invalid-request",
        f"{KEY_HEADER}: {detail}.",
        errors=[FieldError(detail=detail, parameter=KEY_HEADER)],
    )


_is_printable: Final = re.compile(KEY_PATTERN).fullmatch


caller: Final = CommandCaller()
"""Use as `Annotated[Caller, Security(caller, scopes=[…])]`."""


class EditingCaller(CommandCaller):
    """As `CommandCaller`, where two people may edit: the command is decided as If-Match demands.

    The working set has to be a `VersionedWorkingSet`.
    """

    async def __call__(self, request: Request, needed: SecurityScopes) -> Caller:
        """The caller of this request, with the versions it may be decided on."""
        known = await super().__call__(request, needed)
        precondition = Precondition.read(request.headers.get(preconditions.HEADER))
        return known if precondition is None else replace(known, precondition=precondition)


editor: Final = EditingCaller()
"""Use as `Annotated[Caller, Security(editor, scopes=[…])]`."""

STRANGER: Final = Principal("stranger", frozenset())
"""Whoever calls a public route: nobody is known by a token, and nothing is allowed by a scope."""


async def stranger(request: Request) -> Caller:
    """The caller of a public route (`Service.public`); use as `Annotated[Caller, Depends(…)]`.

    There is nobody whose Idempotency-Key it could be: such commands change nothing when repeated.
    """
    runtime: Runtime = request.app.state.runtime
    key = RequestKey(STRANGER.subject, urandom(16).hex(), "")
    return Caller(STRANGER, runtime, key, remembered=False, door=telemetry.door_of(request.scope))


async def _digest(request: Request) -> str:
    """The same for the same request; the body of an endpoint that streams it is not in it."""
    streamed = hasattr(request.scope["endpoint"], "body_limit")
    body = b"" if streamed else await request.body()
    method, path, query = (request.scope[part] for part in ("method", "path", "query_string"))
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), query, body))).hexdigest()


async def reading(request: Request) -> AsyncIterator[AsyncConnection]:
    """A read-only connection for a query."""
    runtime: Runtime = request.app.state.runtime
    async with runtime.database.reading() as connection:
        yield connection


Reading = Annotated[AsyncConnection, Depends(reading)]
"""A read-only connection; everything read in the request is of the same moment."""


async def glancing(request: Request) -> AsyncIterator[AsyncConnection]:
    """A connection for a query of one statement."""
    runtime: Runtime = request.app.state.runtime
    async with runtime.database.glancing() as connection:
        yield connection


Glancing = Annotated[AsyncConnection, Depends(glancing)]
"""A connection without a transaction, for what one statement answers."""


async def now(request: Request, connection: Reading) -> datetime:
    """The business time of what `connection` reads."""
    runtime: Runtime = request.app.state.runtime
    return await runtime.clock.now(connection)


Now = Annotated[datetime, Depends(now)]
"""The business time, for what is said of a moment: due, overdue, allowed."""
