"""The first to see a request and the last to see its failure.

It stops what no decision should have to think about: bodies that are too large, characters that
PostgreSQL cannot store, numbers that readers of JSON do not agree on. And it turns what nobody
else caught into a problem document.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from keyturn_chassis import telemetry
from keyturn_chassis.problems import (
    MAX_ERRORS,
    FieldError,
    Problem,
    json_pointer,
    problem_of,
    problem_response,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_INTEGER: Final = 2**53 - 1
"""Largest magnitude of an integer in a JSON body; beyond it readers disagree (RFC 8259 §6)."""

F = TypeVar("F", bound=Callable[..., Any])

_BODYLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_log = telemetry.get_logger(__name__)


def streams_body(*, limit: int) -> Callable[[F], F]:
    """Mark an endpoint that takes a large body: at most `limit` bytes, whatever the settings say.

    The guard does not look into such a body, so that it can be read as it comes.
    """

    def mark(endpoint: F) -> F:
        endpoint.body_limit = limit  # type: ignore[attr-defined]  # functions take attributes
        return endpoint

    return mark


def bounds_body(*, limit: int) -> Callable[[F], F]:
    """Mark an endpoint whose body has at most `limit` bytes, looked into like any other."""

    def mark(endpoint: F) -> F:
        endpoint.body_bound = limit  # type: ignore[attr-defined]  # functions take attributes
        return endpoint

    return mark


class RequestGuard:
    """Refuses bodies that are too large or not clean, and answers for every uncaught failure."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            _check_url(scope)
            if scope["method"] not in _BODYLESS:
                receive = _GuardedBody(scope, receive, self._max_body_bytes).receive
            await self._app(scope, receive, send_noted)
        except Exception as error:
            problem = problem_of(error)
            if problem.status_code == 500:
                _log.exception("request_failed", door=telemetry.door_of(scope))
            elif problem.status_code > 500:
                _log.warning(
                    "request_put_off", door=telemetry.door_of(scope), error=type(error).__name__
                )
            if started:
                raise
            await problem_response(problem, scope)(scope, receive, send)


def _check_url(scope: Scope) -> None:
    if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
        raise Problem(422, "invalid-request", "The URL contains a NUL character.")


class _GuardedBody:
    """The body of one request, counted and looked into as it is received."""

    __slots__ = ("_chunks", "_default_limit", "_limit", "_receive", "_scope", "_size")

    def __init__(self, scope: Scope, receive: Receive, default_limit: int) -> None:
        self._scope = scope
        self._receive = receive
        self._default_limit = default_limit
        self._limit: int | None = None
        self._size = 0
        self._chunks: list[bytes] | None = None

    async def receive(self) -> Message:
        """The next message; raises `Problem` as soon as the body is known to be refused."""
        limit = self._limit
        if limit is None:
            limit = self._limit = self._begin()
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        chunk = message.get("body", b"")
        self._size += len(chunk)
        if self._size > limit:
            raise _too_large(limit)
        if self._chunks is not None:
            self._chunks.append(chunk)
            if not message.get("more_body", False):
                check_json(self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks))
        return message

    def _begin(self) -> int:
        """The limit that holds here: only after routing is it known which endpoint this is."""
        endpoint = self._scope.get("endpoint")
        own = getattr(endpoint, "body_limit", None)
        bound: int = getattr(endpoint, "body_bound", self._default_limit)
        limit: int = min(bound, self._default_limit) if own is None else own
        for name, value in self._scope["headers"]:
            if name == b"content-length":
                if value.isdigit() and int(value) > limit:
                    raise _too_large(limit)
            elif name == b"content-type" and own is None and b"json" in value.lower():
                self._chunks = []
        return limit


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        "body-too-large",
        f"The body may have {limit} bytes at most; send it in parts.",
        # The rest of the body is not read, so the connection cannot serve another request.
        headers={"Connection": "close"},
    )


# Digits become 0, an exponent's E becomes e, signs go: what is left shows long or steep numbers.
_NUMBER_SHAPE: Final = bytes(
    0x30 if 0x30 <= byte <= 0x39 else 0x65 if byte in b"eE" else 0x20 for byte in range(256)
)
_LONG_NUMBER: Final = b"0" * len(str(MAX_INTEGER))
_STEEP_NUMBER: Final = b"0e000"


def check_json(body: bytes) -> None:
    """Raise `Problem` for JSON that parses and yet holds what must not get in.

    That is text other than UTF-8, NUL characters and lone surrogates (no database or peer takes
    them), NaN and infinities, and integers beyond ±(2^53-1). Anything that does not parse is left
    to the parser. Almost every body is cleared by a few substring searches.
    """
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise Problem(
                400, "malformed-body", f"The body is not UTF-8 (byte {error.start})."
            ) from None
    if b"\x00" in body:
        raise Problem(400, "malformed-body", "The body contains a NUL byte.")
    shape = body.translate(_NUMBER_SHAPE, b"+-")
    if (
        b"\\u" in body
        or b"NaN" in body
        or b"Infinity" in body
        or _LONG_NUMBER in shape
        or _STEEP_NUMBER in shape
    ):
        _check_parsed(body)


def _check_parsed(body: bytes) -> None:
    try:
        document = json.loads(body)
    except json.JSONDecodeError:
        return
    except (ValueError, RecursionError):
        raise Problem(
            400, "malformed-body", "The body has a number or a nesting beyond all reason."
        ) from None
    errors = list(_unclean((), document))
    if errors:
        places = ", ".join(error.pointer or "/" for error in errors[:5])
        raise Problem(
            422,
            "invalid-request",
            f"{len(errors)} value(s) to mend, at {places}; `errors` says what is wrong with each.",
            errors=errors[:MAX_ERRORS],
        )


def _unclean(path: tuple[str | int, ...], value: object) -> Iterator[FieldError]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if _is_unstorable(key):
                yield FieldError(detail=_UNSTORABLE, pointer=json_pointer(path))
            else:
                yield from _unclean((*path, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unclean((*path, index), inner)
    elif fault := _fault(value):
        yield FieldError(detail=fault, pointer=json_pointer(path))


_UNSTORABLE: Final = "Should contain neither NUL characters nor half surrogate pairs"


def _fault(value: object) -> str | None:
    if isinstance(value, str):
        return _UNSTORABLE if _is_unstorable(value) else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "Should be a finite number"
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return f"Should be between -{MAX_INTEGER} and {MAX_INTEGER}"
    return None


def _is_unstorable(value: str) -> bool:
    return "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value)
