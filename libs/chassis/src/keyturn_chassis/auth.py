"""Who asks, and what they may do: OAuth 2 bearer tokens (RFC 6750) that are signed JWTs (RFC 9068).

Tokens come from any OpenID Connect provider; its public keys are read from a JWKS. In development
a key pair in a file takes the provider's place (`LocalIssuer`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from fastapi import Request
from fastapi.openapi.models import OAuth2, OAuthFlowClientCredentials, OAuthFlows
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from keyturn_chassis.clock import wall_now
from keyturn_chassis.problems import Problem, unavailable
from keyturn_chassis.signing_key import public_jwk
from keyturn_chassis.telemetry import get_logger

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.dependencies.models import Dependant

    from keyturn_chassis.settings import Settings

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
"""Signature algorithms that are accepted; all asymmetric, so that no service can mint a token."""
LEEWAY: Final = timedelta(seconds=30)
"""How far the clocks of issuer and service may be apart."""
MAX_TOKEN: Final = 8_192
"""Characters of a token, at most."""
MAX_CACHED: Final = 4_096
"""Verified tokens that are remembered."""
CACHED_SECONDS: Final = 60.0
"""How long a verified token is remembered, at most: a withdrawn key still counts that long."""
REFRESH_SECONDS: Final = 30.0
"""Shortest time between two reads of the JWKS on account of an unknown key."""
KEYS_SECONDS: Final = 600.0
"""Longest time until the JWKS is read again from its URL."""

CHASSIS_SCOPES: Final[Mapping[str, str]] = {
    "clock:read": "See what the business clock says",
    "clock:drive": "Move the driven clock of a replay",
    "dead-letters:read": "See what has been parked, and why",
    "dead-letters:write": "Replay or discard what has been parked",
}
"""Scopes of the routes that every service has."""

OPEN_PATHS: Final = frozenset(
    {
        "/health/live",
        "/health/ready",
        "/metrics",
        "/asyncapi",
        "/docs",
        "/docs/oauth2-redirect",
        "/openapi.json",
        "/static-offline-docs",
    }
)
"""The only paths that may be served to anybody."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: the token's subject, what it may do, and through which client."""

    subject: str
    scopes: frozenset[str]
    client_id: str | None = None


class KeysUnavailable(Exception):
    """The issuer's public keys cannot be read, so no token can be judged."""


class _Keys:
    """The issuer's public keys by key id, read from a URL or a file and read again when needed."""

    def __init__(self, location: str, client: httpx.AsyncClient | None) -> None:
        parts = urlsplit(location)
        self._url = location if parts.scheme in ("http", "https") else None
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("KEYTURN_AUTH_JWKS should be an https URL or the path of a file")
        self._path = Path(location.removeprefix("file://"))
        self._client = client
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._read_at = float("-inf")
        self._modified = -1
        self._lock = asyncio.Lock()

    async def get(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key, or None when the issuer has none of this id.

        Raises `KeysUnavailable` when it cannot be known.
        """
        if self._stale(key_id):
            async with self._lock:
                if self._stale(key_id):
                    await self._read()
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _stale(self, key_id: str | None) -> bool:
        if self._url is None:
            try:
                return self._path.stat().st_mtime_ns != self._modified
            except OSError:
                return not self._keys
        age = time.monotonic() - self._read_at
        return age > KEYS_SECONDS or (key_id not in self._keys and age > REFRESH_SECONDS)

    async def _read(self) -> None:
        self._read_at = time.monotonic()
        try:
            if self._url is None:
                self._modified = self._path.stat().st_mtime_ns
                document = json.loads(self._path.read_bytes())
            else:
                document = await self._fetch(self._url)
            key_set = jwt.PyJWKSet.from_dict(document)
        except (OSError, ValueError, httpx.HTTPError, jwt.PyJWTError) as error:
            _log.error("jwks_unreadable", error=type(error).__name__, known_keys=len(self._keys))
            if not self._keys:
                raise KeysUnavailable(f"{type(error).__name__} on reading the JWKS") from error
            return
        self._keys = {key.key_id: key for key in key_set.keys}

    async def _fetch(self, url: str) -> dict[str, object]:
        if self._client is not None:
            response = await self._client.get(url)
        else:
            async with httpx.AsyncClient(timeout=5) as client:
                response = await client.get(url)
        document: dict[str, object] = response.raise_for_status().json()
        return document


class Authenticator:
    """Judges bearer tokens by signature, issuer, audience and lifetime."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient | None = None) -> None:
        self._issuer = settings.auth_issuer
        self._audience = settings.auth_audience
        self._keys = _Keys(settings.auth_jwks, client)
        self._verified: dict[str, tuple[float, Principal]] = {}

    async def authenticate(self, authorization: str | None) -> Principal:
        """The caller that an Authorization header proves.

        Raises `Problem`: 401 that says what is wrong with the token, 503 when the issuer's keys
        are out of reach.
        """
        token = _bearer_token(authorization)
        cached = self._verified.get(token)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        principal, lifetime = await self._verify(token)
        if len(self._verified) >= MAX_CACHED:
            self._verified.clear()
        self._verified[token] = (time.monotonic() + min(lifetime, CACHED_SECONDS), principal)
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        """The caller, and for how many more seconds the token holds."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                allowed = ", ".join(ALGORITHMS)
                raise _refused("token-invalid", f"The token should be signed with {allowed}.")
            key = await self._keys.get(header.get("kid"))
            if key is None:
                raise _refused("token-invalid", "The issuer has no key of the token's key id.")
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except KeysUnavailable:
            raise unavailable("The keys to judge the token with are out of reach.") from None
        except jwt.PyJWTError as error:
            raise _refusal_of(error) from None
        scopes = claims.get("scope", claims.get("scp", ()))
        if isinstance(scopes, str):
            scopes = scopes.split()
        client_id = claims.get("client_id", claims.get("azp"))
        principal = Principal(claims["sub"], frozenset(map(str, scopes)), client_id)
        return principal, claims["exp"] + LEEWAY.total_seconds() - wall_now().timestamp()


def _bearer_token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(
            401,
            "token-missing",
            "Send a bearer token: Authorization: Bearer <token>.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if len(token) > MAX_TOKEN:
        raise _refused("token-invalid", f"A token may have {MAX_TOKEN} characters at most.")
    return token


_REASONS: Final[tuple[tuple[type[jwt.PyJWTError], str], ...]] = (
    (jwt.ImmatureSignatureError, "The token is not valid yet."),
    (jwt.InvalidAudienceError, "The token is meant for another audience."),
    (jwt.InvalidIssuerError, "The token comes from another issuer."),
    (jwt.InvalidSignatureError, "The signature of the token does not match."),
    (jwt.MissingRequiredClaimError, "The token lacks one of the claims exp, iss, aud and sub."),
)


def _refusal_of(error: jwt.PyJWTError) -> Problem:
    if isinstance(error, jwt.ExpiredSignatureError):
        return _refused("token-expired", "The token has expired; get a new one.")
    for kind, detail in _REASONS:
        if isinstance(error, kind):
            return _refused("token-invalid", detail)
    return _refused("token-invalid", "The token is not a well-formed JWT.")


def _refused(slug: str, detail: str) -> Problem:
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    return Problem(401, slug, detail, headers={"WWW-Authenticate": challenge})


class BearerToken(SecurityBase):
    """A dependency that lets in only callers whose token has the scopes of the route."""

    def __init__(self) -> None:
        self.scheme_name = "oauth2"
        self.model = OAuth2(
            flows=OAuthFlows(clientCredentials=OAuthFlowClientCredentials(tokenUrl="", scopes={}))
        )

    async def judge(self, request: Request, needed: SecurityScopes) -> Principal:
        """The caller; raises `Problem`: 401 without a good token, 403 naming a missing scope."""
        authenticator: Authenticator = request.app.state.runtime.authenticator
        caller = await authenticator.authenticate(request.headers.get("authorization"))
        for scope in needed.scopes:
            if scope not in caller.scopes:
                challenge = f'Bearer error="insufficient_scope", scope="{needed.scope_str}"'
                raise Problem(
                    403,
                    "scope-missing",
                    f"The token lacks the scope {scope}.",
                    headers={"WWW-Authenticate": challenge},
                )
        return caller


class PrincipalToken(BearerToken):
    """The dependency that tells who calls."""

    async def __call__(self, request: Request, needed: SecurityScopes) -> Principal:
        """The caller; raises as `judge`."""
        return await self.judge(request, needed)


principal: Final = PrincipalToken()
"""Use as `Annotated[Principal, Security(principal, scopes=[…])]`."""


class UnguardedRoute(Exception):
    """A route that anybody could call, or whose scope nobody has declared."""


def assert_every_route_is_guarded(
    app: FastAPI, scopes: Mapping[str, str], public: Collection[str] = ()
) -> None:
    """Raise `UnguardedRoute` unless each route demands a declared scope or is an open path.

    `public` are the paths that the service declares open; one that demands a scope, or that has
    no route, was declared by mistake.
    """
    undecided = set(public)
    for route in iter_route_contexts(app.routes):
        undecided.discard(str(route.path))
        if route.path in OPEN_PATHS:
            continue
        demanded = (
            set(_demanded_scopes(route.dependant))
            if isinstance(route.original_route, APIRoute)
            else set()
        )
        if demanded and route.path in public:
            raise UnguardedRoute(f"{route.path} is declared public and demands a scope")
        if not demanded and route.path not in public:
            raise UnguardedRoute(f"{route.path} ({route.name}) demands no scope")
        if undeclared := demanded - set(scopes):
            raise UnguardedRoute(f"{route.path} demands undeclared scopes {sorted(undeclared)}")
    if undecided:
        raise UnguardedRoute(f"there are no routes for the public paths {sorted(undecided)}")


def check_tokens_first(app: FastAPI) -> None:
    """Make each route of `app` judge the token before it does anything else for the request.

    FastAPI resolves dependencies in the order of the parameters, and a stranger's request should
    not take a database connection.
    """
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            route.dependant.dependencies.sort(key=lambda inner: not _demands_token(inner))


def _demands_token(dependant: Dependant) -> bool:
    return _judges(dependant) or any(map(_demands_token, dependant.dependencies))


def _judges(dependant: Dependant) -> bool:
    call: object = dependant.call
    return isinstance(call, BearerToken)


def _demanded_scopes(dependant: Dependant) -> Iterator[str]:
    for inner in dependant.dependencies:
        if _judges(inner):
            yield from inner.own_oauth_scopes or ()
            yield from inner.parent_oauth_scopes or ()
        yield from _demanded_scopes(inner)


@dataclass(frozen=True, slots=True)
class LocalIssuer:
    """Mints tokens with a private key in a file: the identity provider of a developer's machine."""

    private_key_path: Path
    issuer: str
    audience: str

    def mint(
        self, subject: str, scopes: Iterable[str], lifetime: timedelta = timedelta(hours=1)
    ) -> str:
        """A token for `subject` with `scopes` that expires after `lifetime`."""
        key = serialization.load_pem_private_key(self.private_key_path.read_bytes(), None)
        if not isinstance(key, (Ed25519PrivateKey, RSAPrivateKey)):
            raise TypeError(f"{self.private_key_path} should hold an Ed25519 or RSA key")
        public = public_jwk(key)
        now = wall_now()
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": subject,
            "client_id": subject,
            "scope": " ".join(sorted(scopes)),
            "iat": now,
            "exp": now + lifetime,
            "jti": str(uuid4()),
        }
        return jwt.encode(claims, key, public["alg"], headers={"kid": public["kid"]})
