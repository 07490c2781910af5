"""What tests stand on: one PostgreSQL and one broker a run, one database a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from keyturn_chassis import migrations
from keyturn_chassis.auth import LocalIssuer
from keyturn_chassis.database import Database
from keyturn_chassis.logs import configure_logging
from keyturn_chassis.service import Service
from keyturn_chassis.testing import Harness, harness
from keyturn_local.service_processes import AUDIENCE, ISSUER
from keyturn_local.stack import Stack

configure_logging("tests", "test", "error", lambda: None)

HarnessFactory = Callable[..., Awaitable[Harness]]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL and the embedded broker, without services; gone after the run."""
    stack = Stack(tmp_path_factory.mktemp("stack"), broker="embedded", durable=False)
    try:
        stack.up(services=False)
        yield stack
    finally:
        stack.clean()


@pytest.fixture(scope="session")
def issuer(stack: Stack) -> LocalIssuer:
    """Mints access tokens that the services under test accept."""
    return LocalIssuer(stack.private_key, ISSUER, AUDIENCE)


class Databases:
    """Databases made from a migrated template, one template a service."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url
        self._templates: dict[str, str] = {}

    async def empty(self) -> str:
        """The URL of a new database without tables."""
        return await self._create(f"test_{uuid4().hex[:12]}", "template0")

    async def of(self, service: Service) -> str:
        """The URL of a new database with the schema of `service`."""
        template = self._templates.get(service.name)
        if template is None:
            template = f"template_{uuid4().hex[:12]}"
            database = Database(await self._create(template, "template0"), pool_size=2)
            await migrations.migrate(service, database)
            await database.close()
            self._templates[service.name] = template
        return await self._create(f"test_{uuid4().hex[:12]}", template)

    async def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        await self._execute(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')

    async def _create(self, name: str, template: str) -> str:
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return f"{self._admin_url.rpartition('/')[0]}/{name}"

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._admin_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def databases(stack: Stack) -> Databases:
    """Makes databases for tests."""
    return Databases(stack.admin_url)


@pytest.fixture
async def service_harness(
    stack: Stack, issuer: LocalIssuer, databases: Databases
) -> AsyncIterator[HarnessFactory]:
    """`await service_harness(service, **settings)`: the service on a database of its own."""
    async with AsyncExitStack() as exits:

        async def make(service: Service, **settings: Any) -> Harness:
            url = await databases.of(service)
            exits.push_async_callback(databases.drop, url)
            return await exits.enter_async_context(
                harness(
                    service,
                    url,
                    issuer,
                    str(stack.state_dir / "auth" / "jwks.json"),
                    kafka_bootstrap=stack.kafka_bootstrap,
                    **settings,
                )
            )

        yield make


@pytest.fixture
async def eventually() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Polls a condition until it holds, at most ten seconds."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await condition():  # noqa: ASYNC110 - what is polled is elsewhere
                await asyncio.sleep(0.02)

    return wait
