from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Security
from pydantic import BaseModel
from sqlalchemy import MetaData

from keyturn_chassis.app import create_app
from keyturn_chassis.auth import (
    CHASSIS_SCOPES,
    LocalIssuer,
    Principal,
    UnguardedRoute,
    principal,
)
from keyturn_chassis.reactions import Reactions
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.service import Service
from keyturn_chassis.settings import Settings
from keyturn_chassis.signing_key import write_key_pair

ISSUER = "https://issuer.example"
CLOSED_PORT = "postgresql://nobody@127.0.0.1:1/nothing"


class Lead(BaseModel):
    name: str


class NoStore:
    """State is not what is tested here."""

    metadata = MetaData()

    async def load(self, *_: object) -> None: ...

    async def save(self, *_: object) -> None: ...


def service(**changes: Any) -> Service:
    router = APIRouter()

    @router.post("/leads", status_code=201)
    async def capture(
        lead: Lead, by: Annotated[Principal, Security(principal, scopes=["leads:write"])]
    ) -> Lead:
        return lead

    made: dict[str, Any] = {
        "name": "sample",
        "title": "Sample",
        "description": "A service to test with.",
        "store": NoStore(),
        "router": router,
        "reactions": Reactions(),
        "publishes": (),
        "migrations": Path(__file__).parent,
        "scopes": {"leads:write": "Capture leads"},
    }
    return Service(**{**made, **changes})


@pytest.fixture
def issuer(tmp_path: Path) -> LocalIssuer:
    return LocalIssuer(write_key_pair(tmp_path)[0], ISSUER, "keyturn")


@pytest.fixture
def app(issuer: LocalIssuer) -> FastAPI:
    settings = Settings(
        database_url=CLOSED_PORT,  # type: ignore[arg-type]  # pydantic reads the text
        auth_issuer=ISSUER,
        auth_jwks=str(issuer.private_key_path.with_name("jwks.json")),
        max_body_bytes=1_024,
    )
    sample = service()
    return create_app(sample, Runtime(sample, settings))


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_guarded_route_works_through_all_the_middleware(
    client: httpx.AsyncClient, issuer: LocalIssuer
) -> None:
    headers = {"authorization": f"Bearer {issuer.mint('ada', ['leads:write'])}"}
    answer = await client.post("/leads", json={"name": "x"}, headers=headers)
    assert (answer.status_code, answer.json()) == (201, {"name": "x"})
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", answer.headers["traceresponse"])


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"name": "x"}', {}, 401),
        (b'{"name": 7}', {}, 401),
        (b'{"name": "x"', {}, 400),
        (b'{"name": "\\u0000"}', {}, 422),
        (b" " * 1_025, {}, 413),
    ],
)
async def test_every_refusal_is_a_problem_with_a_trace(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await client.post(
        "/leads", content=content, headers={"content-type": "application/json", **headers}
    )
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["trace_id"] == answer.headers["traceresponse"][3:35]


async def test_the_operators_doors_are_open(client: httpx.AsyncClient) -> None:
    for path in ("/health/live", "/metrics", "/docs", "/openapi.json", "/asyncapi"):
        assert (await client.get(path)).status_code == 200, path


async def test_readiness_says_that_the_database_is_away(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"schema": "failed: ConnectionRefusedError"}


@pytest.mark.parametrize("path", ["/dead-letters", "/clock"])
async def test_the_doors_of_every_service_are_guarded(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 401


async def test_a_database_that_is_away_asks_to_try_again(
    client: httpx.AsyncClient, issuer: LocalIssuer
) -> None:
    headers = {"authorization": f"Bearer {issuer.mint('ada', ['clock:read'])}"}
    answer = await client.get("/clock", headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_the_documentation_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    for source in sources:
        assert source.startswith("/")
        assert (await client.get(source)).status_code == 200


def document_of(made: Service) -> dict[str, Any]:
    document: dict[str, Any] = create_app(made, None).openapi()
    return document


def test_an_operation_tells_its_scope_and_how_it_refuses() -> None:
    operation = document_of(service())["paths"]["/leads"]["post"]
    assert operation["security"] == [{"oauth2": ["leads:write"]}, {"bearer": ["leads:write"]}]
    assert sorted(operation["responses"]) == [
        "201", "400", "401", "403", "409", "413", "415", "422", "500", "503",
    ]  # fmt: skip
    assert operation["responses"]["422"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
    }


def test_what_a_path_names_may_not_be_found() -> None:
    paths = document_of(service())["paths"]
    for path, method in (("/dead-letters/{id}", "get"), ("/dead-letters/{id}/replay", "post")):
        assert "404" in paths[path][method]["responses"]
    assert "404" not in paths["/dead-letters"]["get"]["responses"]


def test_a_refusal_with_a_body_of_its_own_is_a_problem_too() -> None:
    class Full(BaseModel):
        waiting: int

    router = APIRouter()

    @router.post("/beds", responses={409: {"model": Full}})
    async def book(
        by: Annotated[Principal, Security(principal, scopes=["leads:write"])],
    ) -> None: ...

    operation = document_of(service(router=router))["paths"]["/beds"]["post"]
    assert operation["responses"]["409"]["content"] == {
        "application/problem+json": {
            "schema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/Full"},
                    {"$ref": "#/components/schemas/Problem"},
                ]
            }
        }
    }


def test_the_document_declares_every_scope_and_the_problem() -> None:
    components = document_of(service())["components"]
    flow = components["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert flow["scopes"] == {"leads:write": "Capture leads", **CHASSIS_SCOPES}
    assert components["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert set(components["schemas"]["Problem"]["required"]) == {
        "type", "title", "status", "detail",
    }  # fmt: skip
    assert "HTTPValidationError" not in components["schemas"]


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = document_of(service())
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in document["components"]["schemas"]


def test_the_document_is_what_is_served() -> None:
    app = create_app(service(), None)
    assert app.openapi() is app.openapi()
    assert "Problem" in app.openapi()["components"]["schemas"]


def test_an_open_route_stops_the_start() -> None:
    router = APIRouter()

    @router.get("/leads")
    async def listed() -> str:
        return ""

    with pytest.raises(UnguardedRoute, match="/leads"):
        create_app(service(router=router), None)


async def test_without_a_runtime_an_application_does_not_start() -> None:
    app = create_app(service(), None)
    with pytest.raises(RuntimeError, match="only describes itself"):
        async with app.router.lifespan_context(app):
            pass


async def test_the_runtime_lives_as_long_as_the_application(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        assert isinstance(app.state.runtime, Runtime)
