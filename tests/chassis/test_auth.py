from __future__ import annotations

import json
import stat
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Depends, FastAPI, Security

from keyturn_chassis import auth
from keyturn_chassis.auth import (
    MAX_TOKEN,
    Authenticator,
    LocalIssuer,
    Principal,
    UnguardedRoute,
    assert_every_route_is_guarded,
    check_tokens_first,
    principal,
)
from keyturn_chassis.problems import Problem, install_problem_handlers
from keyturn_chassis.settings import Settings
from keyturn_chassis.signing_key import write_key_pair

ISSUER = "https://issuer.example"
AUDIENCE = "keyturn"
SCOPES = {"leads:read": "See leads", "leads:write": "Capture leads"}


@pytest.fixture
def issuer(tmp_path: Path) -> LocalIssuer:
    private, _ = write_key_pair(tmp_path)
    return LocalIssuer(private, ISSUER, AUDIENCE)


@pytest.fixture
def authenticator(issuer: LocalIssuer) -> Authenticator:
    return Authenticator(settings(str(issuer.private_key_path.with_name("jwks.json"))))


def settings(jwks: str) -> Settings:
    return Settings(auth_issuer=ISSUER, auth_audience=AUDIENCE, auth_jwks=jwks)


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    later = time.monotonic() + seconds
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: later))


def claims(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    made = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now + timedelta(minutes=5)}
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def signed(issuer: LocalIssuer, **changes: Any) -> str:
    key = serialization.load_pem_private_key(issuer.private_key_path.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    jwks = json.loads(issuer.private_key_path.with_name("jwks.json").read_text())
    return jwt.encode(claims(**changes), key, "EdDSA", {"kid": jwks["keys"][0]["kid"]})


async def refusal(authenticator: Authenticator, authorization: str | None) -> Problem:
    with pytest.raises(Problem) as refused:
        await authenticator.authenticate(authorization)
    return refused.value


async def test_a_minted_token_proves_subject_scopes_and_client(
    issuer: LocalIssuer, authenticator: Authenticator
) -> None:
    token = issuer.mint("ada", ["leads:write", "leads:read"])
    assert await authenticator.authenticate(f"Bearer {token}") == Principal(
        "ada", frozenset({"leads:read", "leads:write"}), "ada"
    )


@pytest.mark.parametrize("authorization", [None, "", "Basic YTpi", "Bearer", "Bearer "])
async def test_without_a_bearer_token_nobody_is_known(
    authenticator: Authenticator, authorization: str | None
) -> None:
    problem = await refusal(authenticator, authorization)
    assert (problem.status_code, problem.slug) == (401, "token-missing")
    assert problem.headers == {"WWW-Authenticate": "Bearer"}


async def test_an_expired_token_is_said_to_be_expired(
    issuer: LocalIssuer, authenticator: Authenticator
) -> None:
    expired = issuer.mint("ada", [], timedelta(seconds=-31))
    problem = await refusal(authenticator, f"Bearer {expired}")
    assert (problem.status_code, problem.slug) == (401, "token-expired")
    assert problem.headers == {
        "WWW-Authenticate": 'Bearer error="invalid_token",'
        ' error_description="The token has expired; get a new one."'
    }


async def test_clocks_may_be_half_a_minute_apart(
    issuer: LocalIssuer, authenticator: Authenticator
) -> None:
    late = issuer.mint("ada", [], timedelta(seconds=-20))
    assert (await authenticator.authenticate(f"Bearer {late}")).subject == "ada"
    early = signed(issuer, nbf=datetime.now(UTC) + timedelta(seconds=20))
    assert (await authenticator.authenticate(f"Bearer {early}")).subject == "ada"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"iss": "https://other.example"}, "The token comes from another issuer."),
        ({"aud": "others"}, "The token is meant for another audience."),
        (
            {"nbf": datetime.now(UTC) + timedelta(hours=1)},
            "The token is not valid yet.",
        ),
        ({"exp": None}, "The token lacks one of the claims exp, iss, aud and sub."),
        ({"sub": None}, "The token lacks one of the claims exp, iss, aud and sub."),
        ({"aud": None}, "The token lacks one of the claims exp, iss, aud and sub."),
    ],
)
async def test_a_token_that_does_not_hold_is_told_why(
    issuer: LocalIssuer, authenticator: Authenticator, changes: dict[str, Any], detail: str
) -> None:
    problem = await refusal(authenticator, f"Bearer {signed(issuer, **changes)}")
    assert (problem.slug, problem.detail) == ("token-invalid", detail)


async def test_a_token_of_another_key_or_none_is_refused(
    issuer: LocalIssuer, authenticator: Authenticator
) -> None:
    good = signed(issuer)
    kid = jwt.get_unverified_header(good)["kid"]
    forged = jwt.encode(claims(), Ed25519PrivateKey.generate(), "EdDSA", {"kid": kid})
    unsigned = jwt.encode(claims(), "", "none", {"kid": kid})
    symmetric = jwt.encode(claims(), "k" * 32, "HS256", {"kid": kid})
    unknown = jwt.encode(claims(), Ed25519PrivateKey.generate(), "EdDSA", {"kid": "other"})
    expected = {
        forged: "The signature of the token does not match.",
        unsigned: "The token should be signed with RS256, ES256, EdDSA.",
        symmetric: "The token should be signed with RS256, ES256, EdDSA.",
        unknown: "The issuer has no key of the token's key id.",
        "not.a.token": "The token is not a well-formed JWT.",
        "x" * (MAX_TOKEN + 1): f"A token may have {MAX_TOKEN} characters at most.",
    }
    for token, detail in expected.items():
        assert (await refusal(authenticator, f"Bearer {token}")).detail == detail


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_keys_of_other_providers_are_understood(tmp_path: Path, algorithm: str) -> None:
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if algorithm == "RS256":
        key = rsa.generate_private_key(65537, 2048)
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [{**public, "kid": "1"}]}))
    token = jwt.encode(claims(scp=["a", "b"], azp="app"), key, algorithm, {"kid": "1"})
    caller = await Authenticator(settings(str(jwks))).authenticate(f"Bearer {token}")
    assert caller == Principal("ada", frozenset({"a", "b"}), "app")


async def test_the_local_issuer_mints_with_an_rsa_key_too(
    tmp_path: Path, authenticator: Authenticator
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    issuer = LocalIssuer(tmp_path / "rsa.pem", ISSUER, AUDIENCE)
    issuer.private_key_path.write_bytes(pem)
    token = issuer.mint("ada", [])
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    assert jwt.get_unverified_header(token)["alg"] == "RS256"
    assert jwt.decode(token, jwt.PyJWK(public), ["RS256"], audience=AUDIENCE)["sub"] == "ada"


def test_a_local_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path / "ec.pem"
    path.write_bytes(pem)
    with pytest.raises(TypeError, match="Ed25519 or RSA"):
        LocalIssuer(path, ISSUER, AUDIENCE).mint("ada", [])


async def test_a_new_key_file_is_noticed(issuer: LocalIssuer, authenticator: Authenticator) -> None:
    await authenticator.authenticate(f"Bearer {issuer.mint('ada', [])}")
    issuer.private_key_path.unlink()
    write_key_pair(issuer.private_key_path.parent)
    caller = await authenticator.authenticate(f"Bearer {issuer.mint('grace', [])}")
    assert caller.subject == "grace"


async def test_a_verified_token_is_remembered_and_forgotten_when_it_expires(
    issuer: LocalIssuer, authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = 0
    decode = jwt.decode

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal decoded
        decoded += 1
        return decode(*arguments, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    token = f"Bearer {issuer.mint('ada', [], timedelta(hours=1))}"
    first = await authenticator.authenticate(token)
    assert await authenticator.authenticate(token) is first
    assert decoded == 1
    pass_time(monkeypatch, auth.CACHED_SECONDS + 1)
    await authenticator.authenticate(token)
    assert decoded == 2


async def test_the_memory_of_tokens_is_bounded(
    issuer: LocalIssuer, authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MAX_CACHED", 3)
    for number in range(5):
        await authenticator.authenticate(f"Bearer {issuer.mint(str(number), [])}")
    assert len(authenticator._verified) <= 3


class Provider:
    """An identity provider's JWKS address."""

    def __init__(self, jwks: Path) -> None:
        self.jwks = jwks
        self.reads = 0
        self.status = 200

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, _: httpx.Request) -> httpx.Response:
        self.reads += 1
        return httpx.Response(self.status, content=self.jwks.read_bytes())


async def test_the_jwks_is_read_once_and_again_for_an_unknown_key_but_not_too_often(
    issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider(issuer.private_key_path.with_name("jwks.json"))
    async with provider.client() as client:
        authenticator = Authenticator(settings("https://issuer.example/jwks"), client)
        for subject in ("ada", "grace"):
            await authenticator.authenticate(f"Bearer {issuer.mint(subject, [])}")
        assert provider.reads == 1
        issuer.private_key_path.unlink()
        write_key_pair(issuer.private_key_path.parent)
        token = f"Bearer {issuer.mint('ada', [])}"
        problem = await refusal(authenticator, token)
        assert problem.detail == "The issuer has no key of the token's key id."
        assert provider.reads == 1
        pass_time(monkeypatch, auth.REFRESH_SECONDS + 1)
        assert (await authenticator.authenticate(token)).subject == "ada"
        assert provider.reads == 2


async def test_known_keys_serve_on_while_the_provider_is_away(
    issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider(issuer.private_key_path.with_name("jwks.json"))
    async with provider.client() as client:
        authenticator = Authenticator(settings("https://issuer.example/jwks"), client)
        await authenticator.authenticate(f"Bearer {issuer.mint('ada', [])}")
        provider.status = 500
        pass_time(monkeypatch, auth.KEYS_SECONDS + 1)
        await authenticator.authenticate(f"Bearer {issuer.mint('grace', [])}")
        assert provider.reads == 2


@pytest.mark.parametrize("jwks", ["https://issuer.example/jwks", "/nowhere/jwks.json"])
async def test_without_any_key_the_service_cannot_answer(issuer: LocalIssuer, jwks: str) -> None:
    provider = Provider(issuer.private_key_path.with_name("jwks.json"))
    provider.status = 500
    async with provider.client() as client:
        authenticator = Authenticator(settings(jwks), client)
        problem = await refusal(authenticator, f"Bearer {issuer.mint('ada', [])}")
    assert (problem.status_code, problem.slug) == (503, "unavailable")


def test_keys_are_not_fetched_over_plain_http() -> None:
    with pytest.raises(ValueError, match="https URL or the path of a file"):
        Authenticator(settings("http://issuer.example/jwks"))


def test_the_private_key_is_readable_by_its_owner_alone_and_made_once(tmp_path: Path) -> None:
    private, jwks = write_key_pair(tmp_path / "auth")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    content = private.read_bytes(), jwks.read_bytes()
    assert write_key_pair(tmp_path / "auth") == (private, jwks)
    assert (private.read_bytes(), jwks.read_bytes()) == content
    assert "d" not in json.loads(jwks.read_text())["keys"][0]


async def caller_of(by: Annotated[Principal, Security(principal)]) -> str:
    return by.subject


def guarded_router() -> APIRouter:
    router = APIRouter()

    @router.post("/leads")
    async def capture(
        by: Annotated[Principal, Security(principal, scopes=["leads:write"])],
    ) -> str:
        return by.subject

    @router.get("/leads")
    async def listed(by: Annotated[str, Security(caller_of, scopes=["leads:read"])]) -> str:
        return by

    return router


@pytest.fixture
async def client(authenticator: Authenticator) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.runtime = SimpleNamespace(authenticator=authenticator)
    install_problem_handlers(app)
    app.include_router(guarded_router())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(("method", "scope"), [("POST", "leads:write"), ("GET", "leads:read")])
async def test_a_route_lets_in_whom_its_scope_allows(
    client: httpx.AsyncClient, issuer: LocalIssuer, method: str, scope: str
) -> None:
    def headers(*scopes: str) -> dict[str, str]:
        return {"authorization": f"Bearer {issuer.mint('ada', scopes)}"}

    allowed = await client.request(method, "/leads", headers=headers(scope))
    assert (allowed.status_code, allowed.json()) == (200, "ada")
    forbidden = await client.request(method, "/leads", headers=headers("other"))
    assert forbidden.status_code == 403
    assert forbidden.json()["detail"] == f"The token lacks the scope {scope}."
    assert forbidden.headers["www-authenticate"] == (
        f'Bearer error="insufficient_scope", scope="{scope}"'
    )
    unknown = await client.request(method, "/leads")
    assert (unknown.status_code, unknown.headers["www-authenticate"]) == (401, "Bearer")


def test_the_scope_of_each_route_is_in_its_description() -> None:
    app = FastAPI()
    app.include_router(guarded_router())
    operations = app.openapi()["paths"]["/leads"]
    assert operations["post"]["security"] == [{"oauth2": ["leads:write"]}]
    assert operations["get"]["security"] == [{"oauth2": ["leads:read"]}]


async def test_the_token_is_judged_before_anything_else(authenticator: Authenticator) -> None:
    app = FastAPI(redoc_url=None)
    app.state.runtime = SimpleNamespace(authenticator=authenticator)
    install_problem_handlers(app)
    router = APIRouter()

    async def connect() -> None:
        pytest.fail("a stranger should not get this far")

    @router.get("/leads")
    async def listed(
        connection: Annotated[None, Depends(connect)],
        by: Annotated[str, Security(caller_of, scopes=["leads:read"])],
    ) -> str:
        return by

    app.include_router(router)
    check_tokens_first(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/leads")).status_code == 401


def test_guarded_and_open_routes_pass_the_check() -> None:
    app = FastAPI(redoc_url=None)
    app.include_router(guarded_router())
    assert_every_route_is_guarded(app, SCOPES)


def test_a_route_without_a_scope_stops_the_start() -> None:
    app = FastAPI(redoc_url=None)
    router = APIRouter()

    @router.get("/leads")
    async def listed(by: Annotated[Principal, Security(principal)]) -> str:
        return by.subject

    app.include_router(router)
    with pytest.raises(UnguardedRoute, match=r"/leads \(listed\) demands no scope"):
        assert_every_route_is_guarded(app, SCOPES)


def unguarded_app() -> FastAPI:
    app = FastAPI(redoc_url=None)

    @app.get("/links/{token}")
    async def followed(token: str) -> str:
        return token

    return app


def test_a_route_without_a_scope_passes_when_its_path_is_declared_public() -> None:
    assert_every_route_is_guarded(unguarded_app(), SCOPES, {"/links/{token}"})


def test_a_public_path_that_demands_a_scope_or_has_no_route_stops_the_start() -> None:
    guarded = FastAPI(redoc_url=None)
    guarded.include_router(guarded_router())
    with pytest.raises(UnguardedRoute, match="/leads is declared public and demands a scope"):
        assert_every_route_is_guarded(guarded, SCOPES, {"/leads"})
    with pytest.raises(UnguardedRoute, match=r"no routes for the public paths \['/links'\]"):
        assert_every_route_is_guarded(unguarded_app(), SCOPES, {"/links/{token}", "/links"})


def test_a_mount_without_a_scope_stops_the_start() -> None:
    app = FastAPI(redoc_url=None)
    app.mount("/admin", FastAPI())
    with pytest.raises(UnguardedRoute, match="/admin"):
        assert_every_route_is_guarded(app, SCOPES)


def test_a_scope_that_is_not_declared_stops_the_start() -> None:
    app = FastAPI(redoc_url=None)
    app.include_router(guarded_router())
    with pytest.raises(UnguardedRoute, match=r"\['leads:read'\]"):
        assert_every_route_is_guarded(app, {"leads:write": "Capture leads"})
