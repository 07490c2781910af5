"""Every refusal over HTTP is a problem document (RFC 9457) that says what to mend and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from keyturn_chassis import telemetry
from keyturn_chassis.database import ConcurrentUpdate, is_transient
from keyturn_events.refusal import Refusal, RefusalKind

if TYPE_CHECKING:
    from starlette.types import ExceptionHandler, Scope

PROBLEM_BASE: Final = "https://schemas.keyturn.example/problems/"
"""Namespace of problem types; an identifier, not a download address."""

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2
"""How long a caller is asked to wait when the service cannot answer now."""
MIN_ECHO: Final = 4
"""Shortest input whose repetition in an error message counts as one, and is not chance."""
MAX_ERRORS: Final = 100
"""Field errors listed in one problem; a body with more has the same mistake many times."""


class FieldError(BaseModel):
    """One thing to mend: a place in the body (`pointer`), or else a named parameter."""

    detail: str
    pointer: str | None = Field(default=None, description="JSON Pointer into the request body.")
    parameter: str | None = Field(
        default=None, description="Name of the path, query or header parameter."
    )


class ProblemDetails(BaseModel):
    """The body of every answer that is not a success (RFC 9457)."""

    type: str = Field(description="Stable identifier of this kind of problem.")
    title: str = Field(description="The kind of problem, in English or Chinese (Accept-Language).")
    status: int
    detail: str = Field(description="What is wrong with this request, and how to mend it.")
    errors: list[FieldError] = Field(default_factory=list)
    trace_id: str | None = Field(default=None, description="What to quote when asking for help.")


class Problem(HTTPException):
    """A refusal that knows its HTTP answer.

    `slug` names the kind of problem and becomes the end of its `type` URI; `detail` is written for
    the caller, without anything of the request that could be personal data.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        *,
        title: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.slug = slug
        self.title = title
        self.errors = tuple(errors)

    def titled(self, language: str) -> str:
        """The title in `language` (`en` or `zh`): its own, that of its kind, or of its status."""
        if self.title is not None:
            return self.title
        english, chinese = TITLES.get(self.slug) or STATUS_TITLES.get(
            self.status_code, STATUS_TITLES[500 if self.status_code >= 500 else 400]
        )
        return chinese if language == "zh" else english


TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "malformed-body": ("The body cannot be read", "无法解析请求正文"),
    "invalid-request": ("Some values are not acceptable", "部分内容不符合要求"),
    "body-too-large": ("The body is too large", "请求正文过大"),
    "unsupported-media-type": ("The content type is not supported", "不支持的内容类型"),
    "token-missing": ("A bearer token is needed", "需要访问令牌"),
    "token-invalid": ("The bearer token is not valid", "访问令牌无效"),
    "token-expired": ("The bearer token has expired", "访问令牌已过期"),
    "scope-missing": ("The bearer token does not allow this", "访问令牌权限不足"),
    "invalid-cursor": ("The cursor is not valid", "分页游标无效"),
    "idempotency-key-missing": ("An Idempotency-Key is needed", "缺少幂等键"),
    "idempotency-key-reused": (
        "The Idempotency-Key was used for another request",
        "幂等键已用于其他请求",
    ),
    "precondition-failed": ("It has changed in the meantime", "数据已被他人修改"),
    "precondition-required": ("If-Match is needed", "缺少 If-Match 条件"),
    "unavailable": ("The service cannot answer now", "服务暂时不可用"),
    "internal-error": ("Something went wrong on our side", "服务器内部错误"),
}
"""Titles by slug, in English and Chinese."""

STATUS_TITLES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("The request is not acceptable", "请求无法接受"),
    401: TITLES["token-invalid"],
    403: ("This is not allowed", "不允许此操作"),
    404: ("There is no such thing", "未找到"),
    405: ("The method is not allowed here", "不支持的请求方法"),
    406: ("None of the accepted media types is available", "没有可接受的内容类型"),
    409: ("This is not possible as things stand", "与当前状态冲突"),
    412: TITLES["precondition-failed"],
    413: TITLES["body-too-large"],
    415: TITLES["unsupported-media-type"],
    422: TITLES["invalid-request"],
    428: TITLES["precondition-required"],
    429: ("Too many requests", "请求过于频繁"),
    500: TITLES["internal-error"],
    503: TITLES["unavailable"],
}
"""Titles of what has no slug of the chassis, such as a service's own refusals, by status."""

_REFUSAL_STATUS: Final = {
    RefusalKind.NOT_FOUND: 404,
    RefusalKind.CONFLICT: 409,
    RefusalKind.INVALID: 422,
    RefusalKind.FORBIDDEN: 403,
    RefusalKind.STALE: 412,
}
_PARAMETERS: Final = ("/headers/", "/query/")
_STATUS_SLUGS: Final = {400: "malformed-body", 413: "body-too-large", 415: "unsupported-media-type"}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that refuses in these ways, for its OpenAPI description."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def install_problem_handlers(app: FastAPI) -> None:
    """Make `app` answer refusals, invalid requests and HTTP errors with problem documents.

    `RequestGuard` does the same for everything else that can be raised.
    """

    async def answer(request: Request, error: Exception) -> Response:
        return problem_response(problem_of(error), request.scope)

    handler: ExceptionHandler = answer
    for handled in (HTTPException, RequestValidationError, Refusal):
        app.add_exception_handler(handled, handler)


def problem_of(error: Exception) -> Problem:
    """The problem that tells the caller about `error`, and nothing of our inside."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refusal):
        errors = [_refused_field(error.detail, error.pointer)] if error.pointer else []
        return Problem(_REFUSAL_STATUS[error.kind], error.code, error.detail, errors=errors)
    if isinstance(error, RequestValidationError):
        return _validation_problem(error)
    if isinstance(error, HTTPException):
        return Problem(
            error.status_code,
            _STATUS_SLUGS.get(error.status_code) or _slug(error.status_code),
            str(error.detail),
            headers=error.headers,
        )
    if isinstance(error, ConcurrentUpdate) or is_transient(error):
        return unavailable(
            "The service cannot reach what it needs. Send it again, with its Idempotency-Key."
        )
    return Problem(
        500, "internal-error", "Nothing is wrong with the request. Quote trace_id to the operators."
    )


def unavailable(detail: str) -> Problem:
    """The problem of a request that can be repeated as it is, a little later (503)."""
    return Problem(503, "unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def problem_response(problem: Problem, scope: Scope) -> Response:
    """The HTTP answer that tells `problem` to the caller of `scope`, in the caller's language."""
    accepted = next((v for n, v in scope["headers"] if n == b"accept-language"), b"")
    language = preferred_language(accepted.decode("latin-1"))
    if scope["method"] not in ("GET", "HEAD") and problem.status_code < 500:
        telemetry.REFUSED.labels(telemetry.door_of(scope), problem.slug).inc()
    details = ProblemDetails(
        type=PROBLEM_BASE + problem.slug,
        title=problem.titled(language),
        status=problem.status_code,
        detail=problem.detail,
        errors=list(problem.errors),
        trace_id=telemetry.current_trace_id(),
    )
    return Response(
        details.model_dump_json(exclude_none=True, exclude_defaults=True),
        problem.status_code,
        {**(problem.headers or {}), "Content-Language": language, "Vary": "Accept-Language"},
        MEDIA_TYPE,
    )


def preferred_language(accept_language: str) -> str:
    """`zh` or `en`, whichever an Accept-Language header (RFC 9110 §12.5.4) ranks higher."""
    ranks = {"en": 0.0, "zh": 0.0}
    for entry in accept_language.split(","):
        tag, _, parameters = entry.strip().partition(";")
        primary = tag.lower().partition("-")[0]
        name, _, value = parameters.strip().partition("=")
        try:
            rank = float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            rank = 0.0
        if primary in ranks:
            ranks[primary] = max(ranks[primary], rank)
    return "zh" if ranks["zh"] > ranks["en"] else "en"


def _slug(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "-").replace("'", "")


def _validation_problem(error: RequestValidationError) -> Problem:
    found = error.errors()
    if any(entry["type"] == "json_invalid" for entry in found):
        entry = next(entry for entry in found if entry["type"] == "json_invalid")
        return Problem(
            400,
            "malformed-body",
            f"The body is not JSON: {entry['ctx']['error']} (character {entry['loc'][-1]}).",
        )
    about_body = any(entry["loc"][0] == "body" for entry in found)
    # FastAPI hands over bytes, or a form without fields, when the content type is another one.
    if about_body and (isinstance(error.body, bytes) or _is_empty_form(error.body)):
        return Problem(
            415,
            "unsupported-media-type",
            "Send the body with the Content-Type that this route documents"
            " (application/json unless it says otherwise).",
        )
    errors = [_field_error(entry, error.body) for entry in found[:MAX_ERRORS]]
    places = ", ".join(sorted({field.pointer or field.parameter or "/" for field in errors})[:5])
    return Problem(
        422,
        "invalid-request",
        f"{len(found)} value(s) to mend, at {places}; `errors` says what is wrong with each.",
        errors=errors,
    )


def _is_empty_form(body: object) -> bool:
    return isinstance(body, FormData) and not body


def _field_error(entry: Mapping[str, Any], body: object) -> FieldError:
    where, *path = entry["loc"]
    detail = _without_input(entry)
    if where == "body":
        missing = entry["type"] == "missing"
        place = list(_existing(path, body, missing))
        return FieldError(detail=detail, pointer=json_pointer(place))
    return FieldError(detail=detail, parameter=str(path[0]) if path else None)


def _refused_field(detail: str, pointer: str) -> FieldError:
    """What a refusal points at: a place in the body, or a parameter under one of `_PARAMETERS`."""
    for place in _PARAMETERS:
        if pointer.startswith(place):
            return FieldError(detail=detail, parameter=pointer.removeprefix(place))
    return FieldError(detail=detail, pointer=pointer)


def json_pointer(path: Sequence[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of a place in a document; empty for the whole document."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _existing(path: Sequence[str | int], body: object, missing: bool) -> Iterator[str | int]:
    """`path` without the names that pydantic adds for the members of a union."""
    for position, part in enumerate(path):
        inside = _member(body, part)
        if inside is not _ABSENT:
            body = inside
        elif not (missing and position == len(path) - 1):
            continue
        yield part


_ABSENT: Final = object()


def _member(value: object, part: str | int) -> object:
    if isinstance(value, dict):
        return value.get(part, _ABSENT)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _ABSENT


def _without_input(entry: Mapping[str, Any]) -> str:
    """What is wrong, in words that do not repeat the value: it can be personal data."""
    if entry["type"] == "union_tag_invalid":
        context = entry["ctx"]
        return f"{context['discriminator']} should be one of {context['expected_tags']}"
    message = str(entry["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if any(leaf in message for leaf in _leaves(entry.get("input"))):
        return "Value is not acceptable"
    return message


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, (str, int, float)) and len(str(value)) >= MIN_ECHO:
        yield str(value)
