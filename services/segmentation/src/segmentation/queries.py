"""The read side: profiles, timelines, segments and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from typing import Any, Final, TypeAlias

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.pagination import Keyset
from keyturn_events.refusal import Refusal, RefusalKind
from segmentation.domain.facts import Facts, join
from segmentation.domain.models import UNCLASSIFIED, Models, SegmentModel
from segmentation.domain.movement import CustomerFile
from segmentation.domain.standing import Standing, resorted
from segmentation.store.documents import file_of
from segmentation.store.store import load_files

CHUNK: Final = 1_000
"""Customers read at once when the whole population is gone through."""

TimelineKey: TypeAlias = tuple[datetime, str]
CustomerKey: TypeAlias = tuple[str]

AFTER_ALL: Final[TimelineKey] = (datetime.max.replace(tzinfo=UTC), "")
"""Where a timeline that is read backwards begins."""

TIMELINE: Final = Keyset(TimelineKey)
"""The timeline, newest first."""

CUSTOMERS: Final = Keyset(CustomerKey)
"""Customers in the order of their ids."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person whole: all their ids, all that is known under them, and where they stand."""

    customer_id: str
    known_as: Sequence[str]
    facts: Facts
    standing: Standing


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """How many customers of a model are in one segment."""

    segment: str
    customers: int


@dataclass(frozen=True, slots=True)
class Member:
    """A customer in a segment, and since when."""

    customer_id: str
    segment: str
    since: datetime


async def person(connection: AsyncConnection, customer_id: str) -> Person:
    """The person whom an id means; raises `Refusal` when nothing is known of them.

    An erased person is told apart from one never seen by nobody.
    """
    files = {id: file for id, (_, file) in (await load_files(connection, [customer_id])).items()}
    if customer_id not in files or files[customer_id].erased:
        raise Refusal(
            "customer-not-found",
            f"Nothing is known of customer {customer_id}; look the id up in intake.",
            kind=RefusalKind.NOT_FOUND,
        )
    survivor = files[files[customer_id].survivor_id]
    facts = reduce(join, (file.facts for file in files.values()))
    return Person(survivor.customer_id, sorted(files), facts, survivor.standing)


async def timeline(
    connection: AsyncConnection, known_as: Sequence[str], after: TimelineKey | None, limit: int
) -> Sequence[Any]:
    """Up to `limit` + 1 lines of a person's timeline, newest first."""
    at, event_id = AFTER_ALL if after is None else after
    rows = await connection.execute(
        text(
            "SELECT lines.* FROM unnest(CAST(:ids AS text[])) AS known(id) CROSS JOIN LATERAL ("
            " SELECT customer_id, at, event_id, type, facts FROM timeline"
            " WHERE customer_id = known.id AND (at, event_id) < (:at, :event_id)"
            " ORDER BY at DESC, event_id DESC LIMIT :rows) AS lines"
            " ORDER BY at DESC, event_id DESC LIMIT :rows"
        ),
        {"ids": list(known_as), "at": at, "event_id": event_id, "rows": limit + 1},
    )
    return rows.all()


async def counts_by_type(connection: AsyncConnection, known_as: Sequence[str]) -> dict[str, int]:
    """How many lines of each event type a person's timeline has."""
    rows = await connection.execute(
        text(
            "SELECT type, count(*) AS lines FROM timeline"
            " WHERE customer_id = ANY(CAST(:ids AS text[])) GROUP BY type ORDER BY type"
        ),
        {"ids": list(known_as)},
    )
    return {row.type: row.lines for row in rows}


async def segment_counts(connection: AsyncConnection, model: str) -> list[SegmentCount]:
    """How many customers each segment of a model has; segments without any are left out."""
    rows = await connection.execute(
        text(
            "SELECT segment, count(*) AS customers FROM memberships"
            " WHERE model = :model GROUP BY segment ORDER BY segment"
        ),
        {"model": model},
    )
    return [SegmentCount(row.segment, row.customers) for row in rows]


async def members(
    connection: AsyncConnection,
    model: str,
    segment: str | None,
    after: CustomerKey | None,
    limit: int,
) -> list[Member]:
    """Up to `limit` + 1 customers of a model, or of one of its segments, by their ids."""
    of_segment = "" if segment is None else " AND segment = :segment"
    parameters = {"model": model, "after": "" if after is None else after[0], "rows": limit + 1}
    rows = await connection.execute(
        text(
            "SELECT customer_id, segment, since FROM memberships"  # noqa: S608 - both texts are ours
            f" WHERE model = :model{of_segment} AND customer_id > :after"
            " ORDER BY customer_id LIMIT :rows"
        ),
        parameters if segment is None else {**parameters, "segment": segment},
    )
    return [Member(row.customer_id, row.segment, row.since) for row in rows]


async def preview(
    connection: AsyncConnection, model: SegmentModel, models: Models, at: datetime
) -> Counter[tuple[str, str]]:
    """How many customers `model` would move, by the segments from and to which they would move."""
    candidate = replace(models, segments=(model,))
    moves: Counter[tuple[str, str]] = Counter()
    async for files in _population(connection):
        for file in files:
            known = file.standing.memberships.get(model.model)
            before = UNCLASSIFIED if known is None else known.segment
            facts = await _whole(connection, file)
            standing, _ = resorted(
                file.customer_id,
                facts,
                file.standing,
                candidate,
                at=at,
                caused_by=model.model,
                afresh=True,
            )
            after = standing.memberships[model.model].segment
            if after != before:
                moves[before, after] += 1
    return moves


async def _population(connection: AsyncConnection) -> AsyncIterator[list[CustomerFile]]:
    """Everybody's own file, in chunks; who was merged into another or erased is left out."""
    last = ""
    while True:
        rows = await connection.execute(
            text(
                "SELECT customer_id, survivor_id, version, facts, standing FROM customers"
                " WHERE customer_id > :last ORDER BY customer_id LIMIT :rows"
            ),
            {"last": last, "rows": CHUNK},
        )
        files = [file_of(row) for row in rows]
        if not files:
            return
        yield [f for f in files if f.survivor_id == f.customer_id and not f.erased]
        last = files[-1].customer_id


async def _whole(connection: AsyncConnection, file: CustomerFile) -> Facts:
    """The facts of a person under all their ids; a question to the store only after a merge."""
    if not any(name.startswith("merge/") for name in file.facts):
        return file.facts
    files: Mapping[str, tuple[int, CustomerFile]] = await load_files(connection, [file.customer_id])
    return reduce(join, (other.facts for _, other in files.values()))
