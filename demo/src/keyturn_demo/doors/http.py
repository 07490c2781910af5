"""A service's HTTP API as a front end uses it: keyed requests, repeated until they are answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
import orjson

RETRY_SECONDS: Final = 180.0
"""How long a request is repeated while its service is away; a restart takes seconds."""
PAUSES: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds between attempts; the last one repeats."""
AWAY: Final = frozenset({502, 503, 504})
CONNECTIONS: Final = 8
"""Requests under way to one service, at most. More would not be answered sooner on few cores."""
TIMEOUT_SECONDS: Final = 120.0

T = TypeVar("T")
R = TypeVar("R")


class ServiceAway(Exception):
    """A service did not answer for longer than `RETRY_SECONDS`."""


class UnexpectedAnswer(Exception):
    """A request that should have succeeded did not; the message says what came back."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Whether the request was accepted."""
        return self.status < 400

    @property
    def reason(self) -> str:
        """The stable reason of a refusal: the last part of the problem's type."""
        if isinstance(self.body, Mapping) and isinstance(self.body.get("type"), str):
            return str(self.body["type"]).rstrip("/").rpartition("/")[2]
        return f"http-{self.status}"

    def accepted(self) -> Any:
        """The body; raises `UnexpectedAnswer` when the request was refused."""
        if not self.ok:
            raise UnexpectedAnswer(f"{self.status} {orjson.dumps(self.body).decode()[:800]}")
        return self.body


class HttpDoor:
    """One service's API, with one token; without one, only what is open to anybody."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=30),
            timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=5.0, pool=None),
        )
        self.url = url
        self.repeated = 0
        """Requests that had to be sent again because nobody answered."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def post(self, path: str, body: Mapping[str, Any] | None, key: str) -> Answer:
        """POST a JSON body under an idempotency key."""
        content = None if body is None else orjson.dumps(body)
        return await self.send(
            "POST", path, content, {"Content-Type": "application/json", "Idempotency-Key": key}
        )

    async def put(self, path: str, body: Mapping[str, Any]) -> Answer:
        """PUT a JSON body."""
        return await self.send(
            "PUT", path, orjson.dumps(body), {"Content-Type": "application/json"}
        )

    async def get(self, path: str, **parameters: str | int) -> Answer:
        """GET a document."""
        query = str(httpx.QueryParams(parameters))
        return await self.send("GET", f"{path}?{query}" if query else path, None, {})

    async def send(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """One request, repeated as it is while the service is away.

        Raises `ServiceAway` when it stays away.
        """
        deadline = time.monotonic() + RETRY_SECONDS
        attempt = 0
        while True:
            try:
                response = await self._client.request(
                    method, path, content=content, headers=dict(headers)
                )
                if response.status_code not in AWAY:
                    return _answer(response)
                trouble = f"answers {response.status_code}"
            except httpx.TransportError as error:
                trouble = type(error).__name__
            if time.monotonic() > deadline:
                raise ServiceAway(f"{self.url} {trouble} for more than {RETRY_SECONDS:.0f} s")
            self.repeated += 1
            await asyncio.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
            attempt += 1


async def each(
    items: Iterable[T], work: Callable[[T], Awaitable[R]], *, at_once: int = CONNECTIONS
) -> list[R]:
    """Do some work for every item, so many at a time; the results in the order of the items.

    The first failure ends it all and is raised.
    """
    todo = list(items)
    results: dict[int, R] = {}
    numbers = iter(range(len(todo)))

    async def worker() -> None:
        for number in numbers:
            results[number] = await work(todo[number])

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(todo))):
            group.create_task(worker())
    return [results[number] for number in range(len(todo))]


def _answer(response: httpx.Response) -> Answer:
    if not response.content:
        return Answer(response.status_code, None)
    try:
        return Answer(response.status_code, orjson.loads(response.content))
    except ValueError:
        return Answer(response.status_code, response.text)
