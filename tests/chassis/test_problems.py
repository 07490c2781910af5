from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import FastAPI, File, HTTPException, Query, Request, UploadFile
from pydantic import BaseModel, Field, field_validator
from sqlalchemy.exc import OperationalError

from keyturn_chassis.database import ConcurrentUpdate
from keyturn_chassis.problems import (
    MAX_ERRORS,
    FieldError,
    Problem,
    install_problem_handlers,
    json_pointer,
    preferred_language,
    problem_responses,
)
from keyturn_chassis.request_guard import MAX_INTEGER, RequestGuard, check_json, streams_body
from keyturn_events.refusal import Refusal, RefusalKind

LIMIT = 2_000
BASE = "https://schemas.keyturn.example/problems/"


class Cash(BaseModel):
    kind: Literal["cash"]
    amount: int


class Loan(BaseModel):
    kind: Literal["loan"]
    bank: str = Field(min_length=3)


class Lead(BaseModel):
    phone: str = Field(pattern=r"^\+[0-9]+$")
    rooms: list[int] = []
    financing: Annotated[Cash | Loan, Field(discriminator="kind")] | None = None
    score: float = 0

    @field_validator("phone")
    @classmethod
    def not_reserved(cls, value: str) -> str:
        if value == "+99999999":
            raise ValueError(f"{value} is reserved")
        return value


def application() -> FastAPI:
    app = FastAPI()
    app.add_middleware(RequestGuard, max_body_bytes=LIMIT)
    install_problem_handlers(app)

    @app.post("/leads")
    async def capture(lead: Lead) -> Lead:
        return lead

    @app.get("/leads")
    async def listed(limit: Annotated[int, Query(le=200)] = 50) -> int:
        return limit

    @app.post("/files")
    async def upload(file: Annotated[UploadFile, File()]) -> int:
        return file.size or 0

    @app.post("/stream")
    @streams_body(limit=5_000)
    async def stream(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @app.get("/raise/{what}")
    async def fail(what: str) -> None:
        raise FAILURES[what]

    return app


FAILURES: dict[str, Exception] = {
    "problem": Problem(
        412, "precondition-failed", "Load it again.", errors=[FieldError(detail="x", pointer="/y")]
    ),
    "missing": Refusal("lead-unknown", "No such lead.", kind=RefusalKind.NOT_FOUND),
    "conflict": Refusal("home-already-claimed", "Home 7 is claimed."),
    "invalid": Refusal(
        "date-passed", "Give a later date.", kind=RefusalKind.INVALID, pointer="/date"
    ),
    "forbidden": Refusal("not-yours", "Ask the owner.", kind=RefusalKind.FORBIDDEN),
    "http": HTTPException(418, "short and stout"),
    "gone": OperationalError(
        "SELECT secret", {}, ConnectionRefusedError(), connection_invalidated=True
    ),
    "refused": ConnectionRefusedError("10.0.0.7"),
    "concurrent": ConcurrentUpdate("1 of 2 rows of homes"),
    "bug": RuntimeError("password=hunter2"),
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def post(client: httpx.AsyncClient, body: str | bytes) -> tuple[int, dict[str, Any]]:
    answer = await client.post("/leads", content=body, headers={"content-type": "application/json"})
    return answer.status_code, answer.json()


async def test_a_problem_is_told_as_rfc_9457_says(client: httpx.AsyncClient) -> None:
    answer = await client.get("/raise/problem")
    assert answer.status_code == 412
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": BASE + "precondition-failed",
        "title": "It has changed in the meantime",
        "status": 412,
        "detail": "Load it again.",
        "errors": [{"detail": "x", "pointer": "/y"}],
    }


@pytest.mark.parametrize(
    ("what", "status", "slug", "title"),
    [
        ("missing", 404, "lead-unknown", "There is no such thing"),
        ("conflict", 409, "home-already-claimed", "This is not possible as things stand"),
        ("invalid", 422, "date-passed", "Some values are not acceptable"),
        ("forbidden", 403, "not-yours", "This is not allowed"),
    ],
)
async def test_a_refusal_of_the_domain_keeps_its_code_and_gets_a_status(
    client: httpx.AsyncClient, what: str, status: int, slug: str, title: str
) -> None:
    answer = await client.get(f"/raise/{what}")
    assert answer.status_code == status
    assert (answer.json()["type"], answer.json()["title"]) == (BASE + slug, title)


async def test_a_refusal_with_a_pointer_points_at_the_field(client: httpx.AsyncClient) -> None:
    answer = await client.get("/raise/invalid")
    assert answer.json()["errors"] == [{"detail": "Give a later date.", "pointer": "/date"}]


async def test_what_frameworks_raise_becomes_a_problem_too(client: httpx.AsyncClient) -> None:
    unknown = await client.get("/nowhere")
    assert (unknown.status_code, unknown.json()["type"]) == (404, BASE + "not-found")
    wrong_method = await client.delete("/leads")
    assert wrong_method.status_code == 405
    assert wrong_method.json()["type"] == BASE + "method-not-allowed"
    assert "allow" in wrong_method.headers
    other = await client.get("/raise/http")
    assert other.json() == {
        "type": BASE + "im-a-teapot",
        "title": "The request is not acceptable",
        "status": 418,
        "detail": "short and stout",
    }


@pytest.mark.parametrize("what", ["gone", "refused", "concurrent"])
async def test_a_transient_failure_asks_to_try_again(client: httpx.AsyncClient, what: str) -> None:
    answer = await client.get(f"/raise/{what}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["type"] == BASE + "unavailable"
    assert "10.0.0.7" not in answer.text
    assert "SELECT" not in answer.text


async def test_an_unexpected_failure_tells_nothing_of_our_inside(client: httpx.AsyncClient) -> None:
    answer = await client.get("/raise/bug")
    assert answer.status_code == 500
    assert answer.json()["type"] == BASE + "internal-error"
    assert "hunter2" not in answer.text


async def test_every_invalid_field_is_pointed_at(client: httpx.AsyncClient) -> None:
    status, problem = await post(client, '{"rooms": [1, "two"], "score": "high"}')
    assert (status, problem["type"]) == (422, BASE + "invalid-request")
    assert {(error["pointer"], error["detail"]) for error in problem["errors"]} == {
        ("/phone", "Field required"),
        ("/rooms/1", "Input should be a valid integer, unable to parse string as an integer"),
        ("/score", "Input should be a valid number, unable to parse string as a number"),
    }


async def test_the_names_of_union_members_are_not_part_of_a_pointer(
    client: httpx.AsyncClient,
) -> None:
    _, problem = await post(client, '{"phone": "+1", "financing": {"kind": "loan", "bank": "x"}}')
    assert [error["pointer"] for error in problem["errors"]] == ["/financing/bank"]


async def test_an_unknown_member_of_a_union_is_answered_with_the_known_ones(
    client: httpx.AsyncClient,
) -> None:
    _, problem = await post(client, '{"phone": "+1", "financing": {"kind": "13800138000"}}')
    assert problem["errors"] == [
        {"detail": "'kind' should be one of 'cash', 'loan'", "pointer": "/financing"}
    ]


async def test_a_parameter_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.get("/leads?limit=201")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"detail": "Input should be less than or equal to 200", "parameter": "limit"}
    ]


async def test_an_invalid_value_is_never_repeated(client: httpx.AsyncClient) -> None:
    _, problem = await post(client, '{"phone": "+99999999"}')
    assert problem["errors"] == [{"detail": "Value is not acceptable", "pointer": "/phone"}]
    _, problem = await post(client, '{"phone": "Anna Lindqvist"}')
    assert "Anna" not in json.dumps(problem)


async def test_no_more_than_the_limit_of_errors_is_listed(client: httpx.AsyncClient) -> None:
    rooms = ",".join(['"x"'] * (MAX_ERRORS + 1))
    _, problem = await post(client, f'{{"phone": "+1", "rooms": [{rooms}]}}')
    assert len(problem["errors"]) == MAX_ERRORS
    assert problem["detail"].startswith(f"{MAX_ERRORS + 1} value(s) to mend")


@pytest.mark.parametrize("body", [b'{"phone": ', b"\xff\xfe", b"[" * 1_900, b'{"a": \x00}'])
async def test_a_body_that_is_not_json_is_malformed(client: httpx.AsyncClient, body: bytes) -> None:
    status, problem = await post(client, body)
    assert (status, problem["type"]) == (400, BASE + "malformed-body")


async def test_malformed_json_is_told_the_place(client: httpx.AsyncClient) -> None:
    _, problem = await post(client, '{"phone": +1}')
    assert problem["detail"] == "The body is not JSON: Expecting value (character 10)."


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_another_content_type_is_refused_as_such(
    client: httpx.AsyncClient, content_type: str
) -> None:
    answer = await client.post(
        "/leads", content='{"phone": "+1"}', headers={"content-type": content_type}
    )
    assert (answer.status_code, answer.json()["type"]) == (415, BASE + "unsupported-media-type")


async def test_json_where_a_form_is_wanted_is_another_content_type(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/files", json={"file": "x"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"phone": "a\\u0000b"}', "/phone"),
        ('{"phone": "\\ud800"}', "/phone"),
        ('{"rooms": [1, {"~/": NaN}]}', "/rooms/1/~0~1"),
        ('{"score": Infinity}', "/score"),
        ('{"score": -Infinity}', "/score"),
        ('{"score": 1e999}', "/score"),
        (f'{{"rooms": [{MAX_INTEGER + 1}]}}', "/rooms/0"),
        (f'{{"rooms": [-{MAX_INTEGER + 1}]}}', "/rooms/0"),
    ],
)
async def test_what_no_database_or_peer_takes_is_pointed_at(
    client: httpx.AsyncClient, body: str, pointer: str
) -> None:
    status, problem = await post(client, body)
    assert (status, problem["type"]) == (422, BASE + "invalid-request")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        '{"a": "\\ud83d\\ude00", "b": "\\u674e"}',
        f'{{"a": {MAX_INTEGER}, "b": -{MAX_INTEGER}, "c": 1e308, "d": 0.12345678901234567}}',
        '{"a": "NaN and Infinity, 12345678901234567890, 1e999"}',
        '{"a": "李华"}',
        "not JSON \\u0000",
    ],
)
def test_what_only_looks_like_trouble_passes(body: str) -> None:
    check_json(body.encode())


def test_a_number_of_thousands_of_digits_is_malformed() -> None:
    with pytest.raises(Problem, match="beyond all reason") as refused:
        check_json(b"9" * 5_000)
    assert refused.value.status_code == 400


def test_a_bad_key_is_reported_at_its_object() -> None:
    with pytest.raises(Problem) as refused:
        check_json(b'{"a": {"x\\u0000": 1}}')
    assert [error.pointer for error in refused.value.errors] == ["/a"]


async def test_a_body_of_exactly_the_limit_is_read(client: httpx.AsyncClient) -> None:
    padding = " " * (LIMIT - len('{"phone": "+1"}'))
    status, _ = await post(client, '{"phone": "+1"}' + padding)
    assert status == 200
    status, problem = await post(client, '{"phone": "+1"}' + padding + " ")
    assert (status, problem["type"]) == (413, BASE + "body-too-large")
    assert problem["detail"] == f"The body may have {LIMIT} bytes at most; send it in parts."


async def test_a_body_of_untold_length_is_counted_as_it_comes(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"phone": "+1"}'
        for _ in range(100):
            yield b" " * 100
        pytest.fail("it should not be read to the end")

    answer = await client.post(
        "/leads", content=chunks(), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413


async def test_a_body_in_chunks_is_looked_into_as_a_whole(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"phone": "\\u0'
        yield b'000"}'

    answer = await client.post(
        "/leads", content=chunks(), headers={"content-type": "application/json"}
    )
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/phone"]


async def test_an_endpoint_that_streams_sets_its_own_limit(client: httpx.AsyncClient) -> None:
    assert (await client.post("/stream", content=b"x" * 5_000)).json() == 5_000
    assert (await client.post("/stream", content=b"x" * 5_001)).status_code == 413


async def test_an_upload_is_held_to_the_limit(client: httpx.AsyncClient) -> None:
    small = await client.post("/files", files={"file": b"x" * 100})
    assert small.json() == 100
    large = await client.post("/files", files={"file": b"x" * LIMIT})
    assert large.status_code == 413


@pytest.mark.parametrize("url", ["/leads?limit=%00", "/raise/a%00b"])
async def test_a_nul_in_the_url_is_refused(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.get(url)
    assert (answer.status_code, answer.json()["type"]) == (422, BASE + "invalid-request")


async def test_titles_come_in_the_language_of_the_caller(client: httpx.AsyncClient) -> None:
    answer = await client.get("/raise/conflict", headers={"accept-language": "zh-CN,en;q=0.5"})
    assert answer.headers["content-language"] == "zh"
    assert answer.json()["title"] == "与当前状态冲突"
    assert answer.json()["detail"] == "Home 7 is claimed."


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("ZH-hant-TW", "zh"),
        ("zh;q=0.4, en-GB;q=0.6", "en"),
        ("zh; q=0.9, en; q=0.8", "zh"),
        ("fr, de;q=0.5", "en"),
        ("zh;q=0", "en"),
        ("zh;q=much", "en"),
    ],
)
def test_the_language_ranked_higher_is_preferred(header: str, language: str) -> None:
    assert preferred_language(header) == language


def test_a_pointer_escapes_what_rfc_6901_reserves() -> None:
    assert json_pointer([]) == ""
    assert json_pointer(["a/b", "m~n", 0]) == "/a~1b/m~0n/0"


def test_a_route_can_document_its_problems() -> None:
    assert problem_responses(404) == {
        404: {
            "description": "Not Found",
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
    }
