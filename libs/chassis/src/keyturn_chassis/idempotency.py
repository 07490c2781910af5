"""The inbox of the HTTP door: one answer for each Idempotency-Key.

The answer is stored in the transaction of its effects. Sending the same request again gets the
same answer and no second effect; the same key with another body is refused. Refusals are not
stored, since they had no effect: the same request may succeed later.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, func
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import chassis_metadata
from keyturn_chassis.driver import copy_rows, driver_of
from keyturn_events.refusal import Refusal, RefusalKind

FIRST_REFUSAL = 400
"""The lowest status of an answer that says no."""

idempotency = Table(
    "idempotency",
    chassis_metadata,
    Column("caller", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("idempotency_created_at", "created_at"),
)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Who sent a request under which key, and the digest of what was sent."""

    caller: str
    key: str
    digest: str

    @property
    def identity(self) -> tuple[str, str]:
        """What has to be unique: a caller's keys are its own."""
        return self.caller, self.key


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it was first given."""

    status: int
    body: str
    replayed: bool = False

    @property
    def media_type(self) -> str | None:
        """What the body is: a problem document when the status says no."""
        if not self.body:
            return None
        return "application/problem+json" if self.status >= FIRST_REFUSAL else "application/json"


@dataclass(frozen=True, slots=True)
class Remembered:
    """A stored answer, with the digest of the request that it answers."""

    digest: str
    answer: Answer
    """As it was first given."""

    def answer_to(self, request: RequestKey) -> Answer:
        """The stored answer again; raises `Refusal` when the request is another one."""
        if request.digest != self.digest:
            raise Refusal(
                "idempotency-key-reused",
                "This Idempotency-Key came with another request before; choose a new key.",
                kind=RefusalKind.INVALID,
                pointer="/headers/idempotency-key",
            )
        return replace(self.answer, replayed=True)


async def recall(
    connection: AsyncConnection, keys: Collection[RequestKey]
) -> dict[tuple[str, str], Remembered]:
    """The answers that have been given under `keys`."""
    if not keys:
        return {}
    driver = await driver_of(connection)
    rows = await driver.fetch(_RECALL, [key.caller for key in keys], [key.key for key in keys])
    return {
        (row["caller"], row["key"]): Remembered(row["digest"], Answer(row["status"], row["body"]))
        for row in rows
    }


_RECALL: Final = (
    "SELECT caller, key, digest, status, body FROM idempotency"
    " JOIN unnest($1::text[], $2::text[]) AS asked (caller, key) USING (caller, key)"
)


async def remember(connection: AsyncConnection, answers: Mapping[RequestKey, Answer]) -> None:
    """Store answers; the unique key makes a concurrent twin fail, load again and find ours."""
    if answers:
        await copy_rows(
            connection,
            idempotency,
            ("caller", "key", "digest", "status", "body"),
            [
                (key.caller, key.key, key.digest, answer.status, answer.body)
                for key, answer in answers.items()
            ],
        )
