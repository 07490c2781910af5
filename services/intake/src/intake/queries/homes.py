"""Homes as they stand: the registry together with the claims."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.sales.homes import Home, HomeStatus
from intake.store.documents import HOME
from keyturn_chassis.pagination import Keyset, Page
from keyturn_events import Money
from keyturn_events.vocabulary import ProductLine

_by_id = Keyset(tuple[str])

_STATUS: Final = (
    "coalesce(CASE WHEN p.document->>'handed_over_on' IS NOT NULL THEN 'handed-over' END,"
    " p.stage, CASE WHEN (h.document->'for_sale')::bool THEN 'available'"
    " ELSE 'planned' END)"
)
_HOMES: Final = (
    f"SELECT h.home_id, CAST(h.document AS text) AS document, p.purchase_id, {_STATUS}"  # noqa: S608
    " AS status"
    " FROM homes AS h"
    " LEFT JOIN purchases AS p ON p.home_id = h.home_id AND p.stage <> 'rescinded'"
)


class HomeBody(BaseModel):
    """A home as it is registered, and where it stands."""

    home_id: str
    community_id: str
    building: str | None
    floor: int | None
    rooms: int | None
    area: Decimal | None
    product_line: ProductLine | None
    list_price: Money
    release_id: str | None
    status: HomeStatus
    purchase_id: str | None

    @classmethod
    def of(cls, home: Home, status: HomeStatus, purchase_id: str | None) -> HomeBody:
        """The home as it is shown."""
        return cls(
            home_id=home.home_id,
            community_id=home.community_id,
            building=home.building,
            floor=home.floor,
            rooms=home.rooms,
            area=home.area,
            product_line=home.product_line,
            list_price=home.list_price,
            release_id=home.release_id,
            status=status,
            purchase_id=purchase_id,
        )


@dataclass(frozen=True, slots=True)
class HomeFilter:
    """Which homes of a community a list is of."""

    status: HomeStatus | None = None
    building: str | None = None
    release_id: str | None = None


async def home(connection: AsyncConnection, home_id: str) -> HomeBody | None:
    """A registered home."""
    found = await connection.execute(text(f"{_HOMES} WHERE h.home_id = :id"), {"id": home_id})
    row = found.one_or_none()
    return None if row is None else _body(row)


async def homes(
    connection: AsyncConnection,
    community_id: str,
    wanted: HomeFilter,
    limit: int,
    cursor: str | None,
) -> Page[HomeBody]:
    """A page of the homes of a community by their ids. Raises `Problem` for another's cursor."""
    conditions = ["h.community_id = :community_id"]
    parameters: dict[str, Any] = {"community_id": community_id, "limit": limit + 1}
    after = _by_id.decode(cursor)
    if after is not None:
        conditions.append("h.home_id > :after")
        (parameters["after"],) = after
    for condition, name, value in (
        (f"{_STATUS} = :status", "status", wanted.status),
        ("h.document->>'building' = :building", "building", wanted.building),
        ("h.release_id = :release_id", "release_id", wanted.release_id),
    ):
        if value is not None:
            conditions.append(condition)
            parameters[name] = value
    found = await connection.execute(
        text(f"{_HOMES} WHERE {' AND '.join(conditions)} ORDER BY h.home_id LIMIT :limit"),
        parameters,
    )
    items, next_cursor = _by_id.page(found.all(), limit, lambda row: (row.home_id,))
    return Page(items=[_body(row) for row in items], next_cursor=next_cursor)


def _body(row: Any) -> HomeBody:
    return HomeBody.of(HOME.validate_json(row.document), HomeStatus(row.status), row.purchase_id)
