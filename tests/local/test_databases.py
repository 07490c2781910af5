"""PostgreSQL: everybody has a database, nobody has another's, and a crash loses nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from keyturn_local import ports
from keyturn_local.errors import StackError
from keyturn_local.postgres import choose_home, shared_buffers_mb
from keyturn_local.services import SERVICES
from keyturn_local.stack import Stack

NAMES = [service.name for service in SERVICES]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL, as durable as in production, and a broker; the preferred port is taken."""
    directory = tmp_path_factory.mktemp("servers")
    try:
        blocker: socket.socket | None = socket.create_server((ports.LOOPBACK, 55432))
    except OSError:
        blocker = None  # Somebody else's stack blocks it already.
    stack = Stack(directory, broker="embedded")
    try:
        stack.up(services=False)
        yield stack
    finally:
        stack.clean()
        if blocker is not None:
            blocker.close()


@pytest.mark.parametrize("name", NAMES)
async def test_a_service_owns_its_database(servers: Stack, name: str) -> None:
    connection = await asyncpg.connect(servers.database_url(name))
    try:
        await connection.execute("CREATE TABLE mine (id int)")
        await connection.execute("DROP TABLE mine")
    finally:
        await connection.close()


@pytest.mark.parametrize(("who", "whose"), list(permutations(NAMES, 2)))
async def test_a_service_role_cannot_open_another_services_database(
    servers: Stack, who: str, whose: str
) -> None:
    own = urlsplit(servers.database_url(who))
    trespass = own._replace(path=urlsplit(servers.database_url(whose)).path).geturl()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(trespass)


@pytest.mark.parametrize("database", ["postgres", "template1"])
async def test_a_service_role_cannot_open_the_maintenance_databases(
    servers: Stack, database: str
) -> None:
    own = urlsplit(servers.database_url("intake"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(own._replace(path=f"/{database}").geturl())


async def test_a_role_without_its_password_is_refused(servers: Stack) -> None:
    url = urlsplit(servers.database_url("intake"))
    stranger = url._replace(netloc=f"{url.username}:wrong@{url.hostname}:{url.port}").geturl()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(stranger)


async def test_a_role_can_neither_create_databases_nor_roles(servers: Stack) -> None:
    connection = await asyncpg.connect(servers.database_url("campaigns"))
    try:
        for statement in ("CREATE DATABASE other", "CREATE ROLE other"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


def test_the_server_steps_aside_when_its_port_is_taken(servers: Stack) -> None:
    assert urlsplit(servers.admin_url).port != 55432


async def test_the_server_is_durable_by_default(servers: Stack) -> None:
    connection = await asyncpg.connect(servers.admin_url)
    try:
        names = ("fsync", "synchronous_commit", "full_page_writes", "password_encryption")
        settings = [await connection.fetchval(f"SHOW {name}") for name in names]
    finally:
        await connection.close()
    assert settings == ["on", "on", "on", "scram-sha-256"]


async def test_a_committed_row_survives_kill_9_of_the_server(servers: Stack) -> None:
    connection = await asyncpg.connect(servers.database_url("intake"))
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    servers.kill("postgres")
    connection.terminate()
    servers.start("postgres")
    connection = await asyncpg.connect(servers.database_url("intake"))
    try:
        assert await connection.fetchval("SELECT answer FROM kept") == 42
        await connection.execute("DROP TABLE kept")
    finally:
        await connection.close()


async def test_a_real_server_can_be_used_instead_of_the_embedded_one(
    servers: Stack, tmp_path: Path
) -> None:
    guest = Stack(tmp_path, broker=servers.kafka_bootstrap, postgres_url=servers.admin_url)
    guest.up(services=False)
    try:
        assert guest.status() == [], "nothing of its own was started"
        connection = await asyncpg.connect(guest.database_url("segmentation"))
        await connection.close()
    finally:
        guest.clean()
        # Both stacks set the roles' passwords on this server; the owner's count again.
        servers.up(services=False)


def test_a_vanished_temporary_database_directory_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"is gone .*Run `make clean`"):
        choose_home(tmp_path, "/nonexistent/keyturn-postgres-1")


@pytest.mark.parametrize(
    ("gibibytes", "megabytes"), [(1, 128), (2, 128), (4, 256), (16, 1_024), (64, 1_024)]
)
def test_the_servers_cache_is_a_sixteenth_of_memory_within_bounds(
    gibibytes: int, megabytes: int
) -> None:
    assert shared_buffers_mb(gibibytes * 2**30) == megabytes
