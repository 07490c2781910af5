"""Every operation of every service, as its OpenAPI document has it, asks for its own scope."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import PostgresDsn

import campaigns.service
import intake.service
import segmentation.service
import service_desk.service
from keyturn_chassis.app import create_app
from keyturn_chassis.auth import CHASSIS_SCOPES, OPEN_PATHS, LocalIssuer
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.service import Service
from keyturn_chassis.signing_key import write_key_pair

SERVICES = (
    intake.service.service,
    segmentation.service.service,
    service_desk.service.service,
    campaigns.service.service,
)
METHODS = ("get", "put", "post", "delete", "patch")

PUBLIC = {
    "/preferences/{token}",
    "/unsubscribe/{token}",
    "/confirmations",
    "/confirmations/{token}",
}
"""Every path that anybody may call: what is done there is decided by the link itself."""


@pytest.fixture
def issuer(tmp_path: Path) -> LocalIssuer:
    return LocalIssuer(write_key_pair(tmp_path)[0], "https://issuer.example", "keyturn")


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    chosen: Service = request.param
    return chosen


@pytest.fixture
async def client(service: Service, issuer: LocalIssuer) -> AsyncIterator[httpx.AsyncClient]:
    """The service without a database: whom it does not let in gets no further."""
    settings = service.settings(
        database_url=PostgresDsn("postgresql://nobody@127.0.0.1:1/nothing"),
        auth_issuer=issuer.issuer,
        auth_audience=issuer.audience,
        auth_jwks=str(issuer.private_key_path.with_name("jwks.json")),
    )
    app = create_app(service, Runtime(service, settings))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


def operations(document: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Method, path as its route has it, and the scopes that are asked for."""
    return [
        (
            method.upper(),
            path,
            next((list(s["oauth2"]) for s in operation.get("security", ()) if "oauth2" in s), []),
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def filled(path: str) -> str:
    return re.sub(r"{\w+}", "1", path)


async def test_only_links_that_were_sent_to_people_need_no_token(
    service: Service, client: httpx.AsyncClient
) -> None:
    document = (await client.get("/openapi.json")).json()
    unguarded = {
        path for _, path, needed in operations(document) if not needed and path not in OPEN_PATHS
    }
    assert unguarded == service.public == (PUBLIC if service.name == "intake" else set())
    for method, path, _ in operations(document):
        if path in unguarded:
            assert (await client.request(method, filled(path))).status_code not in (401, 403)


async def test_every_operation_lets_nobody_in_without_its_own_scope(
    service: Service, client: httpx.AsyncClient, issuer: LocalIssuer
) -> None:
    every_scope = {*service.scopes, *CHASSIS_SCOPES}
    answers = {}
    expected = {}
    for method, path, needed in operations((await client.get("/openapi.json")).json()):
        if path in OPEN_PATHS | PUBLIC:
            continue
        (scope,) = needed
        token = issuer.mint("tester", every_scope - {scope})
        headers = {"authorization": f"Bearer {token}"}
        nobody = await client.request(method, filled(path))
        lacking = await client.request(method, filled(path), headers=headers)
        detail = lacking.json()["detail"]
        answers[method, path] = (nobody.status_code, lacking.status_code, detail)
        expected[method, path] = (401, 403, f"The token lacks the scope {scope}.")
    assert len(answers) >= 14
    assert answers == expected


async def test_every_scope_that_is_declared_opens_something(
    service: Service, client: httpx.AsyncClient
) -> None:
    document = (await client.get("/openapi.json")).json()
    asked_for = {scope for _, _, needed in operations(document) for scope in needed}
    assert asked_for == {*service.scopes, *CHASSIS_SCOPES}
