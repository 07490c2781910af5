"""What tests stand on: one PostgreSQL and one broker a run, one database a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from keyturn_chassis import migrations
from keyturn_chassis.app import create_app
from keyturn_chassis.auth import CHASSIS_SCOPES, LocalIssuer
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
        # Copying the files takes an eighth of the time that logging each page does.
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
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


class Fuzzer:
    """Knocks at every door of a service but its health as its OpenAPI document says one may."""

    CONFORMING = (
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    )

    def __init__(self, harness: Harness, known: Mapping[str, str], examples: int) -> None:
        self._harness = harness
        self._known = known
        self._examples = examples
        service = harness.runtime.service
        self._headers = harness.headers(*service.scopes, *CHASSIS_SCOPES)
        self._document = create_app(service, None).openapi()

    async def complaints(self) -> list[str]:
        """What went wrong: answers of 500 and more, and those that the document does not know."""
        found: list[str] = []
        for described in schemathesis.openapi.from_dict(self._document).get_all_operations():
            assert isinstance(described, Ok)
            door = described.ok()
            public = door.path in self._harness.runtime.service.public
            if "security" not in door.definition.raw and not public:
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for case in self._cases(door, mode):
                    found += await self._knock(case)
        return found

    def _cases(
        self, door: schemathesis.APIOperation[Any, Any, Any, Any], mode: GenerationMode
    ) -> list[Any]:
        cases: list[Case[Any]] = []

        @settings(
            max_examples=self._examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(door.as_strategy(generation_mode=mode))
        def collect(case: Case[Any]) -> None:
            if mode is GenerationMode.POSITIVE:
                case.path_parameters = {
                    name: self._known.get(name, value)
                    for name, value in (case.path_parameters or {}).items()
                }
            cases.append(case)

        collect()
        return cases

    async def _knock(self, case: Case[Any]) -> list[str]:
        request = case.as_transport_kwargs(base_url="http://service", headers=self._headers)
        request.pop("cookies", None)
        if not isinstance(request.get("data", {}), dict):
            request["content"] = request.pop("data")
        response = await self._harness.client.request(**request)
        told = f"{request['method']} {request['url']} {response.status_code} {response.text}"
        if response.status_code >= 500:
            return [told]
        try:
            case.validate_response(response, checks=list(self.CONFORMING))
        except FailureGroup as group:
            return [f"{told}: {failure}" for failure in group.exceptions]
        return []


@pytest.fixture
def fuzzed() -> Callable[..., Awaitable[list[str]]]:
    """`await fuzzed(harness, known)`: what the doors did wrong; `known` are ids that exist."""

    async def knock(harness: Harness, known: Mapping[str, str], examples: int = 2) -> list[str]:
        return await Fuzzer(harness, known, examples).complaints()

    return knock
