"""A service's own PostgreSQL: connections, transactions, set-based reading and writing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import cache
from typing import Any, Generic, TypeVar

import asyncpg
import orjson
from sqlalchemy import JSON, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from keyturn_chassis.driver import copy_rows, driver_of

K = TypeVar("K")
V = TypeVar("V")

chassis_metadata = MetaData()
"""The tables that every service has: outbox, inbox, dead letters, timers, idempotency keys."""

NOT_THE_INPUTS_FAULT = ("08", "28", "3D", "40001", "40P01", "42", "53", "55P03", "57", "58", "XX")
"""SQLSTATE classes and codes that say nothing against the input: lost connections, rejected
logins, missing databases, serialization failures, deadlocks, a schema or a grant that the code
does not expect, exhausted resources, locks, operator intervention, system and internal errors.
Such work waits until somebody or something has mended it; it is never parked."""


CONNECT_SECONDS = 5.0
"""How long opening a connection may take."""
COMMAND_SECONDS = 60.0
"""How long one statement may take before the connection counts as lost."""

SERVER_LIMITS = {
    "idle_in_transaction_session_timeout": "15s",
    "lock_timeout": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""What the server does for us when a process is suspended or its host dies in a transaction: the
transaction ends, its locks are free, and nobody waits for them longer than this."""

PLANNER = {"jit": "off", "max_parallel_workers_per_gather": "0"}
"""How the server plans our statements: they are short, and compiling one, or starting workers for
it, takes longer than the statement."""

_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
_DOCUMENTS = ("JSON", "JSONB")


class ConcurrentUpdate(Exception):
    """Somebody else wrote a row between our reading and our writing: load again, decide again."""


class Database:
    """The engine of one service, with a pool of fixed size.

    The pool never overflows: connections that open and close for each request cost more than the
    request does.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        application_name: str = "keyturn",
        command_timeout: float | None = COMMAND_SECONDS,
    ) -> None:
        self.url = make_url(url).set(drivername="postgresql+asyncpg")
        self.engine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,
            pool_timeout=10,
            json_serializer=dump_json,
            json_deserializer=orjson.loads,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": command_timeout,
                "server_settings": {
                    "application_name": application_name,
                    **SERVER_LIMITS,
                    **PLANNER,
                },
            },
        )

    @asynccontextmanager
    async def transaction(self, *, dry_run: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        A `dry_run` is rolled back in any case.
        """
        async with self.engine.connect() as connection, connection.begin() as transaction:
            yield connection
            if dry_run:
                await transaction.rollback()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One read-only snapshot: everything read in the block is of the same moment."""
        async with self.engine.connect() as connection:
            await connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def glancing(self) -> AsyncIterator[AsyncConnection]:
        """A connection without a transaction, for an answer that one statement gives.

        A statement is a snapshot by itself. Beginning and ending a transaction around it takes two
        more round trips, and a good part of the processor that a short query takes.
        """
        async with self.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    async def dedicated(
        self, *, idle_seconds: int | None = None
    ) -> asyncpg.Connection[asyncpg.Record]:
        """A connection of its own, outside the pool: for session locks and LISTEN.

        The server ends it when it is idle for `idle_seconds`: a suspended process must not hold
        its lock for ever. Needs a connection to PostgreSQL itself or a session-mode pooler.
        """
        limits = dict(SERVER_LIMITS)
        if idle_seconds is not None:
            limits["idle_session_timeout"] = f"{idle_seconds}s"
        url = self.url.set(drivername="postgresql")
        return await asyncpg.connect(
            url.render_as_string(hide_password=False),
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings=limits,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def dump_json(value: Any) -> str:
    """JSON text; decimals as strings, so that no digit of an amount is lost."""
    return orjson.dumps(value, default=_json_default, option=orjson.OPT_NON_STR_KEYS).decode()


def _json_default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


async def insert_rows(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    on_conflict: str = "",
) -> int:
    """Insert all `rows` with one statement; the number of rows written.

    Every row names the same columns. `on_conflict` is the rest of an ON CONFLICT clause, such as
    `DO NOTHING`; without it the rows go in by COPY, and one that is there already raises asyncpg's
    `UniqueViolationError`.
    """
    if not rows:
        return 0
    names = tuple(rows[0])
    if not (on_conflict or any(isinstance(table.c[name].type, JSON) for name in names)):
        values = [tuple([row[name] for name in names]) for row in rows]
        await copy_rows(connection, table, names, values)
        return len(rows)
    columns = [
        [None if row[name] is None else dump_json(row[name]) for row in rows]
        if isinstance(table.c[name].type, JSON)
        else [row[name] for row in rows]
        for name in names
    ]
    return await insert_columns(connection, table, names, columns, on_conflict=on_conflict)


async def insert_columns(
    connection: AsyncConnection,
    table: Table,
    names: tuple[str, ...],
    columns: Iterable[Sequence[Any]],
    *,
    on_conflict: str = "",
) -> int:
    """As `insert_rows`, from the columns `names`, each whole; documents are given as JSON text."""
    if not on_conflict:
        rows = list(zip(*columns, strict=True))
        await copy_rows(connection, table, names, rows)
        return len(rows)
    driver = await driver_of(connection)
    status = await driver.execute(_insertion(table, names, on_conflict), *columns)
    return int(status.rpartition(" ")[2])


@cache
def _insertion(table: Table, names: tuple[str, ...], on_conflict: str) -> str:
    """An INSERT of arrays. A document goes as text: one array of a type that needs no codec."""
    types = [table.c[name].type.compile(_POSTGRESQL) for name in names]
    arrays = ", ".join(
        f"${number}::{'text' if kind in _DOCUMENTS else kind}[]"
        for number, kind in enumerate(types, 1)
    )
    values = ", ".join(
        f"c{number}::{kind}" if kind in _DOCUMENTS else f"c{number}"
        for number, kind in enumerate(types, 1)
    )
    columns = ", ".join(f'"{name}"' for name in names)
    aliases = ", ".join(f"c{number}" for number in range(1, len(names) + 1))
    return (
        f'INSERT INTO "{table.name}" ({columns}) SELECT {values}'  # noqa: S608 - every name is ours
        f" FROM unnest({arrays}) AS given ({aliases}) ON CONFLICT {on_conflict}"
    )


async def save_versioned(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write all `rows` by primary key: new ones with one statement, changed ones with another.

    They are written in the order of their keys, so that two batches cannot deadlock on them. Each
    row carries the `version` that it will have: one more than was loaded, 1 for a new row.
    Raises `ConcurrentUpdate` when any of them has been written by somebody else since.
    """
    key = [column.name for column in table.primary_key.columns]
    rows = sorted(rows, key=lambda row: [str(row[name]) for name in key])
    try:
        await insert_rows(connection, table, [row for row in rows if row["version"] == 1])
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != f"{table.name}_pkey":
            raise
        raise ConcurrentUpdate(f"a new row of {table.name}") from error
    changed = [row for row in rows if row["version"] > 1]
    if not changed:
        return
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in changed[0] if name not in key)
    conflict_target = ", ".join(f'"{name}"' for name in key)
    written = await insert_rows(
        connection,
        table,
        changed,
        on_conflict=(
            f"({conflict_target}) DO UPDATE SET {updates}"
            f' WHERE "{table.name}".version = excluded.version - 1'
        ),
    )
    if written != len(changed):
        raise ConcurrentUpdate(f"{len(changed) - written} of {len(changed)} rows of {table.name}")


class Loaded(Generic[K, V]):
    """Values by key as they were loaded, with what a batch of decisions has made of them."""

    def __init__(self, rows: Mapping[K, tuple[int, V]]) -> None:
        self._versions = {key: version for key, (version, _) in rows.items()}
        self._values = {key: value for key, (_, value) in rows.items()}
        self._changed: dict[K, None] = {}

    def add(self, rows: Mapping[K, tuple[int, V]]) -> None:
        """Take more rows, loaded in the same transaction; what is there already stays."""
        for key, (version, value) in rows.items():
            if key not in self._values:
                self._versions[key] = version
                self._values[key] = value

    def get(self, key: K) -> V | None:
        """The value as of now, or None when there is none."""
        return self._values.get(key)

    def version(self, key: K) -> int:
        """The version that the value will have once it is saved; 0 when there is none."""
        return self._versions.get(key, 0) + (key in self._changed)

    def put(self, key: K, value: V) -> None:
        """Set a value; one that equals what is there counts as unchanged."""
        if key in self._values and self._values[key] == value:
            return
        self._values[key] = value
        self._changed[key] = None

    def changes(self) -> Iterator[tuple[K, int, V]]:
        """Key, new version and value of all that changed, in the order in which they first did."""
        for key in self._changed:
            yield key, self._versions.get(key, 0) + 1, self._values[key]

    def values(self) -> Collection[V]:
        """All values as of now."""
        return self._values.values()


def is_transient(error: BaseException) -> bool:
    """Whether trying again later can help without anybody mending anything."""
    if isinstance(error, (ConcurrentUpdate, OSError, PoolTimeoutError)):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error, InterfaceError):
            return True
        return str(getattr(error.orig, "sqlstate", None) or "").startswith(NOT_THE_INPUTS_FAULT)
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(NOT_THE_INPUTS_FAULT)
    return isinstance(error, asyncpg.InterfaceError)


def is_conflict(error: BaseException) -> bool:
    """Whether loading afresh and deciding again at once can help: somebody else was quicker."""
    if isinstance(
        error, (ConcurrentUpdate, IntegrityError, asyncpg.IntegrityConstraintViolationError)
    ):
        return True
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(original, "sqlstate", None) or "") in ("40001", "40P01")
