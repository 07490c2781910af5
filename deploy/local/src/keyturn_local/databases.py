"""One database and one role per service; nobody else's may connect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import asyncpg

from keyturn_local.errors import StackError
from keyturn_local.services import SERVICES, Service

READY_SECONDS = 60.0
RETRY_SECONDS = 0.05


async def ensure_databases(
    admin_url: str,
    passwords: Mapping[str, str],
    *,
    embedded: bool,
    seconds: float = READY_SECONDS,
) -> None:
    """Wait for the server, then give each service its role, its database, and nothing else.

    On the embedded server, which is ours alone, the maintenance databases are closed to the
    services too.

    Args:
        admin_url: a superuser's URL.
        passwords: password by role name; roles that exist get theirs again.
        embedded: whether the server is the stack's own.
        seconds: how long the server may take to answer.

    Raises:
        StackError: the server does not answer in time, or refuses.
    """
    connection = await _connect(admin_url, time.monotonic() + seconds)
    try:
        for service in SERVICES:
            await _ensure_role(connection, service, passwords[service.database])
            await _ensure_database(connection, service)
        if embedded:
            await connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
    except asyncpg.PostgresError as error:
        raise StackError(
            f"PostgreSQL refuses to set up the services' databases: {error}"
        ) from error
    finally:
        await connection.close()


def service_url(admin_url: str, service: Service, password: str) -> str:
    """The URL with which a service opens its own database on the superuser's server."""
    server = urlsplit(admin_url)
    host = f"[{server.hostname}]" if ":" in (server.hostname or "") else server.hostname
    port = server.port or 5432
    return f"postgresql://{service.database}:{password}@{host}:{port}/{service.database}"


async def _ensure_role(connection: asyncpg.Connection, service: Service, password: str) -> None:
    known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", service.database)
    verb = "ALTER" if known else "CREATE"
    await connection.execute(
        f"{verb} ROLE {service.database} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE "
        f"PASSWORD '{password}'"
    )


async def _ensure_database(connection: asyncpg.Connection, service: Service) -> None:
    name = service.database
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await connection.execute(f"CREATE DATABASE {name} OWNER {name}")
    await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")


async def _connect(admin_url: str, deadline: float) -> asyncpg.Connection:
    while True:
        try:
            return await asyncpg.connect(admin_url, timeout=5)
        except (
            asyncpg.InvalidPasswordError,
            asyncpg.InvalidAuthorizationSpecificationError,
        ) as error:
            raise StackError(f"PostgreSQL does not accept the superuser's URL: {error}") from error
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            if time.monotonic() > deadline:
                server = urlsplit(admin_url)
                where = f"{server.hostname}:{server.port}"
                raise StackError(f"PostgreSQL does not answer at {where}: {error}") from error
            await asyncio.sleep(RETRY_SECONDS)
