"""Reviews: pairs of customers of whom it is asked, or was asked, whether they are one person."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.people.reviews import Review
from intake.queries.statements import one
from keyturn_chassis.driver import driver_of
from keyturn_chassis.pagination import Keyset

REVIEW: Final = TypeAdapter(Review)
_oldest: Final = Keyset(tuple[datetime, str])

_PAGE: Final = (
    "SELECT review_id, opened_at, document::text FROM reviews"
    " WHERE {} ($1::timestamptz IS NULL OR (opened_at, review_id) > ($1, $2))"
    " ORDER BY opened_at, review_id LIMIT $3"
)
_OPEN: Final = _PAGE.format("is_open AND")
_DECIDED: Final = _PAGE.format("NOT is_open AND")
_ANY: Final = _PAGE.format("")


async def review(connection: AsyncConnection, review_id: str) -> Review | None:
    """A review."""
    row = await one(
        connection,
        "SELECT CAST(document AS text) AS document FROM reviews WHERE review_id = :id",
        review_id,
    )
    return None if row is None else REVIEW.validate_json(row.document)


async def reviews(
    connection: AsyncConnection, *, is_open: bool | None, limit: int, cursor: str | None
) -> tuple[list[Review], str | None]:
    """Reviews, the oldest first, and the cursor of the next page."""
    after = _oldest.decode(cursor)
    driver = await driver_of(connection)
    rows = await driver.fetch(
        _ANY if is_open is None else _OPEN if is_open else _DECIDED,
        None if after is None else after[0],
        "" if after is None else after[1],
        limit + 1,
    )
    items, next_cursor = _oldest.page(rows, limit, lambda row: (row["opened_at"], row["review_id"]))
    return [REVIEW.validate_json(row["document"]) for row in items], next_cursor
