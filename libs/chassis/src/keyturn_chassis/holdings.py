"""Holdings: which tables hold something on a person, so that all of it can be handed to them.

A service names every table of its own once, as one that holds something on people or as one that
does not. The access export reads the first kind, row by row and column by column, so that what is
added to a table is in the export without anybody thinking of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.dead_letters import dead_letters
from keyturn_chassis.driver import driver_of
from keyturn_chassis.erasure import erasure_receipts
from keyturn_chassis.outbox import outbox

ROWS_AT_ONCE: Final = 200
"""How many rows of an export are in memory at a time."""

IdsOf: TypeAlias = Callable[[AsyncConnection, str], Awaitable[Sequence[str]]]
"""All customer ids that mean the same person as one of them, that one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A table with rows on people, and how those of one person are found."""

    table: Table
    where: str = "held.customer_id = ANY($1::text[])"
    """A condition on the table, named `held`, with the person's customer ids as `$1`."""
    without: tuple[str, ...] = ()
    """Columns that are no information on the person but power: whoever has a token may act."""
    written: tuple[tuple[str, str], ...] = ()
    """Columns that are shown otherwise than they are kept: name, and SQL expression."""

    @property
    def select(self) -> str:
        """The person's rows, each as one JSON text, in the order of their keys."""
        return (
            f"SELECT row_to_json(told)::text AS row FROM (SELECT {self._columns}"  # noqa: S608 - ours
            f' FROM "{self.table.name}" AS held WHERE {self.where} ORDER BY {self._key}) AS told'
        )

    @property
    def exists(self) -> str:
        """Whether there is any such row."""
        return f'EXISTS (SELECT FROM "{self.table.name}" AS held WHERE {self.where})'

    @property
    def _columns(self) -> str:
        written = dict(self.written)
        names = (column.name for column in self.table.columns if column.name not in self.without)
        return ", ".join(f'{written.get(name, _quoted(name))} AS "{name}"' for name in names)

    @property
    def _key(self) -> str:
        return ", ".join(_quoted(column.name) for column in self.table.primary_key.columns)


def _quoted(name: str) -> str:
    return f'held."{name}"'


OF_THE_CHASSIS: Final = (
    Holding(
        table=dead_letters,
        where="held.subject = ANY($1::text[])",
        written=(
            ("key", "encode(held.key, 'escape')"),
            ("value", "encode(held.value, 'escape')"),
        ),
    ),
    Holding(
        table=outbox,
        where="held.aggregateid = ANY($1::text[])",
        # Links that let whoever has them act for the person are on their way to them alone.
        written=(("payload", "held.payload::jsonb - 'preference_token' - 'opt_ins'"),),
    ),
    Holding(table=erasure_receipts),
)
"""What every service holds: records that are parked, events on their way out, receipts.

Not the answers that are kept under Idempotency-Keys: they are found by their key alone, and go
after `idempotency_retention_days`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a service holds on people, table by table."""

    ids_of: IdsOf
    tables: tuple[Holding, ...]
    impersonal: tuple[Table, ...] = ()
    """Tables that hold nothing on anybody."""
    passing: tuple[Table, ...] = ()
    """Tables that something personal passes through, found by nobody's id and soon gone."""

    @property
    def all(self) -> tuple[Holding, ...]:
        """The service's own, then the chassis'."""
        return (*self.tables, *OF_THE_CHASSIS)

    async def any_on(self, connection: AsyncConnection, ids: Sequence[str]) -> bool:
        """Whether anything at all is held on who has these ids."""
        driver = await driver_of(connection)
        found = " OR ".join(holding.exists for holding in self.all)
        return bool(await driver.fetchval(f"SELECT {found}", list(ids)))

    async def told(self, connection: AsyncConnection, ids: Sequence[str]) -> AsyncIterator[bytes]:
        """All that is held on who has these ids: a JSON object of arrays of rows, by table.

        It comes in pieces of `ROWS_AT_ONCE` rows, so that no person is too large.
        """
        driver = await driver_of(connection)
        yield b"{"
        for number, holding in enumerate(self.all):
            yield b"%s%s:[" % (b"," if number else b"", orjson.dumps(holding.table.name))
            rows = await driver.cursor(holding.select, list(ids))
            separator = b""
            while page := await rows.fetch(ROWS_AT_ONCE):
                yield separator + b",".join(record["row"].encode() for record in page)
                separator = b","
            yield b"]"
        yield b"}"
