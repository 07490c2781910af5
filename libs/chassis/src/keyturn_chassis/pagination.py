"""Pages of a list, by keyset: stable while rows come and go, and as fast on page 1000 as on 1."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from typing_extensions import TypeForm

from keyturn_chassis.problems import FieldError, Problem

MAX_LIMIT: Final = 200
"""Items on a page, at most."""
DEFAULT_LIMIT: Final = 50
"""Items on a page when the caller does not say."""
MAX_CURSOR: Final = 1_000
"""Characters of a cursor, at most; ours have about a hundred."""

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items on a page, at most.")]
"""The `limit` parameter of a route: `limit: Limit = DEFAULT_LIMIT`."""

CursorParameter = Annotated[
    str | None,
    Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before; opaque."),
]
"""The `cursor` parameter of a route: `cursor: CursorParameter = None`."""

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K", bound=tuple[Any, ...])


class Page(BaseModel, Generic[T]):
    """Some items of a list, and where the list goes on."""

    items: list[T]
    next_cursor: str | None = Field(
        default=None, description="Give it as `cursor` to get the next page; absent on the last."
    )


class Keyset(Generic[K]):
    """The sort key of a list, and its cursors.

        newest_first = Keyset(tuple[datetime, str])

    The last part of the key must make it unique. A cursor is the base64url form of
    `[version, key]` as JSON; give another `version` when the sort order changes, and cursors of
    before are refused instead of misread.
    """

    def __init__(self, key: TypeForm[K], *, version: int = 1) -> None:
        self._adapter: TypeAdapter[tuple[int, K]] = TypeAdapter(
            tuple[int, key]  # type: ignore[valid-type]  # the type is a value here
        )
        self._version = version

    def encode(self, key: K) -> str:
        """The cursor that goes on after the item with this key."""
        content = self._adapter.dump_json((self._version, key))
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    def decode(self, cursor: str | None) -> K | None:
        """The key to go on after; None, the beginning, without a cursor.

        Raises `Problem` (422) for anything that `encode` of this keyset did not make.
        """
        if cursor is None:
            return None
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            content = base64.b64decode(padded, altchars=b"-_", validate=True)
            version, key = self._adapter.validate_json(content)
        except (UnicodeEncodeError, binascii.Error, ValidationError):
            raise _invalid_cursor() from None
        if version != self._version or b"\\u0000" in content:
            raise _invalid_cursor()
        return key

    def page(
        self, rows: Sequence[R], limit: int, key: Callable[[R], K]
    ) -> tuple[list[R], str | None]:
        """The items of a page and the cursor of the next.

        `rows` are up to `limit + 1` rows that follow the cursor: the one too many tells that there
        is a next page.
        """
        items = list(rows[:limit])
        return items, self.encode(key(items[-1])) if len(rows) > limit else None


def _invalid_cursor() -> Problem:
    return Problem(
        422,
        "invalid-cursor",
        "Give `next_cursor` exactly as the page before had it, or no cursor to begin anew.",
        errors=[FieldError(detail="Not a cursor of this list", parameter="cursor")],
    )
