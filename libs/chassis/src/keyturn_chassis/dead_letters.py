"""Dead letters: events that could not have their effects, kept in order for each customer.

An event that cannot be decoded, or that its decision refuses, is *parked*. Later events of the
same subject *wait* behind it, so that nothing of that customer happens out of order, and nobody
else waits. After the cause is mended, replaying handles them as if nothing had ever failed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text, func, text
from sqlalchemy.dialects.postgresql import BYTEA, JSON
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import chassis_metadata, insert_rows
from keyturn_chassis.inputs import RawRecord
from keyturn_events.refusal import Refusal, RefusalKind

WAITING = "behind-parked"
"""The code of an event that is well itself but waits behind one that is parked."""

dead_letters = Table(
    "dead_letters",
    chassis_metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", BYTEA),
    Column("value", BYTEA),
    Column("headers", JSON, nullable=False),  # pairs in hexadecimal: text cannot hold every byte
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("parked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("dead_letters_subject", "consumer", "subject", "id"),
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that is parked, or waits behind one that is."""

    id: int
    subject: str
    identity: tuple[str, str]
    """Source and id under which the inbox noted it."""
    record: RawRecord
    code: str
    detail: str
    parked_at: datetime

    @property
    def state(self) -> Literal["parked", "waiting"]:
        """`parked` when it failed itself, `waiting` when one before it did."""
        return "waiting" if self.code == WAITING else "parked"


@dataclass(frozen=True, slots=True)
class Parking:
    """A record to park, and why. `identity` is what the inbox noted: source and event id."""

    subject: str
    identity: tuple[str, str]
    record: RawRecord
    refusal: Refusal


BEHIND_PARKED = Refusal(
    WAITING, "An earlier event of this subject is parked.", kind=RefusalKind.CONFLICT
)
"""Why a record that is well itself has to wait."""


async def hold_off_replays(connection: AsyncConnection, consumer: str) -> None:
    """Until the transaction ends, let no replay drain a subject that we may queue up behind."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock_shared(hashtext(:lock))"),
        {"lock": f"dead-letters/{consumer}"},
    )


async def hold_off_consumers(connection: AsyncConnection, consumer: str) -> None:
    """Until the transaction ends, let no consumer queue up anything: we replay or discard."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtext(:lock))"), {"lock": f"dead-letters/{consumer}"}
    )


async def parked_subjects(
    connection: AsyncConnection, consumer: str, subjects: Collection[str]
) -> set[str]:
    """Which of `subjects` have something parked."""
    rows = await connection.execute(
        text(
            # Not DISTINCT over all that wait: a queue of any length costs one look.
            "SELECT asked.subject FROM unnest(CAST(:subjects AS text[])) AS asked (subject)"
            " WHERE EXISTS (SELECT FROM dead_letters AS letter"
            " WHERE letter.consumer = :consumer AND letter.subject = asked.subject)"
        ),
        {"consumer": consumer, "subjects": sorted(subjects)},
    )
    return {row.subject for row in rows}


async def park(connection: AsyncConnection, consumer: str, parkings: Sequence[Parking]) -> None:
    """Keep records, byte for byte, with the reason why they had no effect."""
    await insert_rows(
        connection,
        dead_letters,
        [
            {
                "consumer": consumer,
                "subject": parking.subject,
                "source": parking.identity[0],
                "event_id": parking.identity[1],
                "topic": parking.record.topic,
                "partition": parking.record.partition,
                "offset": parking.record.offset,
                "key": parking.record.key,
                "value": parking.record.value,
                "headers": [
                    [name.encode().hex(), value.hex()] for name, value in parking.record.headers
                ],
                "code": parking.refusal.code,
                "detail": parking.refusal.detail,
            }
            for parking in parkings
        ],
    )


_COLUMNS = (
    'id, subject, source, event_id, topic, partition, "offset", key, value, headers,'
    " code, detail, parked_at"
)


async def heads(
    connection: AsyncConnection, consumer: str, *, after: int = 0, limit: int = 50
) -> list[tuple[DeadLetter, int]]:
    """The parked record of each subject with the number of those waiting, in order of parking."""
    rows = await connection.execute(
        text(
            f"SELECT * FROM (SELECT DISTINCT ON (subject) {_COLUMNS},"  # noqa: S608
            " count(*) OVER (PARTITION BY subject) - 1 AS waiting"
            " FROM dead_letters WHERE consumer = :consumer ORDER BY subject, id) AS head"
            " WHERE id > :after ORDER BY id LIMIT :limit"
        ),
        {"consumer": consumer, "after": after, "limit": limit},
    )
    return [(_dead_letter(row), row.waiting) for row in rows]


async def of_subject(
    connection: AsyncConnection, consumer: str, subject: str, *, limit: int
) -> list[DeadLetter]:
    """What is parked or waiting for one subject, in order, the first `limit`."""
    rows = await connection.execute(
        text(
            f"SELECT {_COLUMNS} FROM dead_letters"  # noqa: S608
            " WHERE consumer = :consumer AND subject = :subject ORDER BY id LIMIT :limit"
        ),
        {"consumer": consumer, "subject": subject, "limit": limit},
    )
    return [_dead_letter(row) for row in rows]


async def find(connection: AsyncConnection, consumer: str, id: int) -> DeadLetter:
    """One dead letter; raises `Refusal` when there is none of this id."""
    row = (
        await connection.execute(
            text(
                f"SELECT {_COLUMNS} FROM dead_letters"  # noqa: S608
                " WHERE consumer = :consumer AND id = :id"
            ),
            {"consumer": consumer, "id": id},
        )
    ).one_or_none()
    if row is None:
        raise Refusal(
            "dead-letter-not-found",
            f"There is no dead letter {id}; it may have been replayed or discarded.",
            kind=RefusalKind.NOT_FOUND,
        )
    return _dead_letter(row)


async def remove(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Take dead letters out: they have had their effects, or are discarded."""
    await connection.execute(
        text("DELETE FROM dead_letters WHERE id = ANY(CAST(:ids AS bigint[]))"), {"ids": list(ids)}
    )


async def restate(
    connection: AsyncConnection, id: int, identity: tuple[str, str], refusal: Refusal
) -> None:
    """Say why a dead letter is parked now, and under which identity the inbox knows it."""
    await connection.execute(
        text(
            "UPDATE dead_letters SET source = :source, event_id = :event_id,"
            " code = :code, detail = :detail WHERE id = :id"
        ),
        {
            "id": id,
            "source": identity[0],
            "event_id": identity[1],
            "code": refusal.code,
            "detail": refusal.detail,
        },
    )


async def count(connection: AsyncConnection, consumer: str, subject: str | None = None) -> int:
    """How many records are parked or waiting, of one subject or of all."""
    rows = await connection.execute(
        text(
            "SELECT count(*) FROM dead_letters WHERE consumer = :consumer"
            " AND (CAST(:subject AS text) IS NULL OR subject = :subject)"
        ),
        {"consumer": consumer, "subject": subject},
    )
    return int(rows.scalar_one())


def _dead_letter(row: Any) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        subject=row.subject,
        identity=(row.source, row.event_id),
        record=RawRecord(
            topic=row.topic,
            partition=row.partition,
            offset=row.offset,
            key=row.key,
            value=row.value,
            headers=tuple(
                (bytes.fromhex(name).decode(), bytes.fromhex(value)) for name, value in row.headers
            ),
        ),
        code=row.code,
        detail=row.detail,
        parked_at=row.parked_at,
    )
