"""What the queries share: one row, some rows, and the form of what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

MOST_HISTORY: Final = 500
"""Entries of a history that come with one lead, customer or purchase."""


class RowBody(BaseModel):
    """A body that is read from a row."""

    model_config = ConfigDict(from_attributes=True)


async def one(connection: AsyncConnection, sql: str, id: str) -> Any:
    """The row of a statement whose parameter is `:id`, or None."""
    return (await connection.execute(text(sql), {"id": id})).one_or_none()


async def many(connection: AsyncConnection, sql: str, id: str) -> Sequence[Any]:
    """The rows of a statement whose parameters are `:id` and `:limit`, at most `MOST_HISTORY`."""
    parameters = {"id": id, "limit": MOST_HISTORY}
    return (await connection.execute(text(sql), parameters)).all()


def read_json(value: Any) -> Any:
    """A JSON value of the driver, which is text unless SQLAlchemy has taught it to read JSON."""
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value
