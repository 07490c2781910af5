"""Releases and their queues as they stand."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.dossier import present
from intake.domain.sales import releases
from intake.domain.sales.releases import MOST_NUMBERS, Release, Standing, stands
from intake.queries.statements import RowBody, one
from intake.store.documents import NUMBER_COLUMNS, RELEASE, number_of
from keyturn_chassis.pagination import Keyset, Page
from keyturn_events.vocabulary import QueueOutcome

MOST_FREE: Final = 200
"""Free homes that an answer names, at most."""

_FREE: Final = (
    " FROM homes AS h WHERE h.release_id = ANY(:ids) AND (h.document->'for_sale')::bool"
    " AND NOT EXISTS (SELECT FROM purchases AS p WHERE p.home_id = h.home_id"
    " AND p.stage <> 'rescinded')"
)

_in_order = Keyset(tuple[Annotated[int, Field(ge=0, le=MOST_NUMBERS)]])

State = Literal["numbered", "waiting", "claimed", "missed", "sold-out", "passed"]


class ReleaseBody(BaseModel):
    """A release, and how far its queue has been served."""

    release_id: str
    community_id: str
    name: str
    opens_at: datetime
    turn_minutes: int
    status: Literal["planned", "open", "done"] = Field(
        description="`open` while the queue is served, `done` when the rest is sold to all."
    )
    numbers: int = Field(description="Queue numbers given.")
    settled: int = Field(description="How many of them have been settled.")

    @classmethod
    def of(cls, release: Release, at: datetime) -> ReleaseBody:
        """The release as it stands at a time."""
        status: Literal["planned", "open", "done"] = "planned"
        if release.opened(at):
            status = "done" if release.open_to_all(at) else "open"
        return cls(
            release_id=release.release_id,
            community_id=release.community_id,
            name=release.name,
            opens_at=release.opens_at,
            turn_minutes=release.turn_minutes,
            status=status,
            numbers=release.last_number,
            settled=release.settled,
        )


class ReleaseOverview(ReleaseBody):
    """A release with its homes and what became of its numbers."""

    homes: int
    free: int = Field(description="Homes that are for sale and nobody has.")
    outcomes: dict[QueueOutcome, int] = Field(description="Settled numbers, by outcome.")
    turn_of: int | None = Field(description="The number whose turn it is.")
    turn_ends: datetime | None


class StandingBody(BaseModel):
    """How a queue number stands."""

    release_id: str
    number: int
    customer_id: str
    state: State = Field(
        description="`numbered`: no wish yet. `waiting`: wished, not its turn yet. `claimed`: has"
        " a home. `missed`: none of its wishes was free. `sold-out`: no home was left. `passed`:"
        " given up, or its turn ran out without a wish. The last four are final."
    )
    ahead: int = Field(description="Numbers before it that are not settled.")
    latest: datetime | None = Field(
        description="Settled by then at the latest; of `numbered`, when its turn ends at the latest"
    )
    settled_at: datetime | None
    home_id: str | None
    purchase_id: str | None
    wishes: list[str]
    gone: list[str] = Field(description="Homes of its wishes that somebody else has.")
    free: list[str] = Field(description="Homes of the release that nobody has: the first 200.")

    @classmethod
    def of(cls, standing: Standing) -> StandingBody:
        """The standing as it is shown."""
        number = standing.number
        state: State = "numbered" if number.wishes is None else "waiting"
        return cls(
            release_id=number.release_id,
            number=number.number,
            customer_id=number.customer_id,
            state=state if number.outcome is None else number.outcome.value,
            ahead=standing.ahead,
            latest=standing.latest,
            settled_at=number.settled_at,
            home_id=number.home_id,
            purchase_id=number.purchase_id,
            wishes=[] if number.wishes is None else list(number.wishes.homes),
            gone=list(standing.gone),
            free=list(standing.free[:MOST_FREE]),
        )


async def release(
    connection: AsyncConnection, release_id: str, at: datetime
) -> ReleaseOverview | None:
    """A release with the state of its queue."""
    known = await _release(connection, release_id)
    if known is None:
        return None
    outcomes = await connection.execute(
        text(
            "SELECT outcome, count(*) AS numbers, min(number) AS lowest FROM queue_numbers"
            " WHERE release_id = :id GROUP BY outcome"
        ),
        {"id": release_id},
    )
    by_outcome = {row.outcome: row for row in outcomes}
    waiting = by_outcome.pop(None, None)
    turn_of = None if waiting is None or not known.opened(at) else waiting.lowest
    homes = await one(connection, "SELECT count(*) FROM homes WHERE release_id = :id", release_id)
    free = (await _free(connection, [release_id])).get(release_id, ())
    return ReleaseOverview(
        **dict(ReleaseBody.of(known, at)),
        homes=homes[0],
        free=len(free),
        outcomes={QueueOutcome(name): row.numbers for name, row in by_outcome.items()},
        turn_of=turn_of,
        turn_ends=None if turn_of is None else (known.turn_began or known.opens_at) + known.turn,
    )


class NumberBody(RowBody):
    """A queue number in the list of its release."""

    number: int
    customer_id: str
    lead_id: str | None
    given_at: datetime
    claimed_at: datetime | None = Field(description="When its wishes were placed, if they were.")
    outcome: QueueOutcome | None
    settled_at: datetime | None
    home_id: str | None
    purchase_id: str | None


async def numbers(
    connection: AsyncConnection,
    release_id: str,
    outcome: QueueOutcome | None,
    limit: int,
    cursor: str | None,
) -> Page[NumberBody]:
    """A page of the numbers of a release, in their order. Raises `Problem` for a wrong cursor."""
    conditions = ["release_id = :id"]
    parameters: dict[str, Any] = {"id": release_id, "limit": limit + 1}
    after = _in_order.decode(cursor)
    if after is not None:
        conditions.append("number > :after")
        (parameters["after"],) = after
    if outcome is not None:
        conditions.append("outcome = :outcome")
        parameters["outcome"] = outcome
    rows = await connection.execute(
        text(
            "SELECT number, customer_id, lead_id, given_at, claimed_at, outcome, settled_at,"  # noqa: S608
            f" home_id, purchase_id FROM queue_numbers WHERE {' AND '.join(conditions)}"
            " ORDER BY number LIMIT :limit"
        ),
        parameters,
    )
    items, next_cursor = _in_order.page(rows.all(), limit, lambda row: (row.number,))
    return Page(items=[NumberBody.model_validate(row) for row in items], next_cursor=next_cursor)


async def standing(
    connection: AsyncConnection, release_id: str, number: int
) -> StandingBody | None:
    """How a queue number stands."""
    found = await connection.execute(
        text(
            f"SELECT {NUMBER_COLUMNS} FROM queue_numbers"  # noqa: S608
            " WHERE release_id = :id AND number = :number"
        ),
        {"id": release_id, "number": number},
    )
    row = found.mappings().one_or_none()
    if row is None:
        return None
    _, given = number_of(row)
    free = (await _free(connection, [release_id])).get(release_id, ())
    if given.outcome is not None:
        return StandingBody.of(stands(given, free))
    known = present(await _release(connection, release_id))
    counted = await connection.execute(
        text(
            "SELECT count(*) AS ahead, count(*) FILTER (WHERE wishes IS NULL) AS silent"
            " FROM queue_numbers"
            " WHERE release_id = :id AND outcome IS NULL AND number < :number"
        ),
        {"id": release_id, "number": number},
    )
    before = counted.one()
    latest = releases.latest(known, given, before.silent)
    return StandingBody.of(stands(given, free, before.ahead, latest))


async def settled(
    connection: AsyncConnection, asked: Collection[tuple[str, int]]
) -> dict[tuple[str, int], StandingBody]:
    """Those numbers of releases that have been settled, in two statements however many they are."""
    found = await connection.execute(
        text(
            f"SELECT {NUMBER_COLUMNS} FROM queue_numbers"  # noqa: S608
            " JOIN unnest(CAST(:releases AS text[]), CAST(:numbers AS integer[]))"
            " AS asked (release_id, number) USING (release_id, number)"
            " WHERE outcome IS NOT NULL"
        ),
        {
            "releases": [release_id for release_id, _ in asked],
            "numbers": [number for _, number in asked],
        },
    )
    numbers = [number_of(row)[1] for row in found.mappings()]
    if not numbers:
        return {}
    free = await _free(connection, {number.release_id for number in numbers})
    return {
        (number.release_id, number.number): StandingBody.of(
            stands(number, free.get(number.release_id, ()))
        )
        for number in numbers
    }


async def _free(
    connection: AsyncConnection, release_ids: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """The homes of releases that are for sale and nobody has."""
    rows = await connection.execute(
        text(
            "SELECT h.release_id, array_agg(h.home_id ORDER BY h.home_id) AS homes"
            f"{_FREE} GROUP BY h.release_id"
        ),
        {"ids": list(release_ids)},
    )
    return {row.release_id: tuple(row.homes) for row in rows}


async def _release(connection: AsyncConnection, release_id: str) -> Release | None:
    row = await one(
        connection,
        "SELECT CAST(document AS text) AS document FROM releases WHERE release_id = :id",
        release_id,
    )
    return None if row is None else RELEASE.validate_json(row.document)
