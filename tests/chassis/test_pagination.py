from __future__ import annotations

import base64
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from keyturn_chassis.pagination import (
    DEFAULT_LIMIT,
    MAX_CURSOR,
    MAX_LIMIT,
    CursorParameter,
    Keyset,
    Limit,
    Page,
)
from keyturn_chassis.problems import Problem, install_problem_handlers

Key = tuple[datetime, str]
KEYSET = Keyset(Key)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50)
MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(MOMENTS, TEXT)
def test_a_cursor_gives_back_its_key(at: datetime, id: str) -> None:
    assert KEYSET.decode(KEYSET.encode((at, id))) == (at, id)


@given(MOMENTS, TEXT)
def test_a_cursor_needs_no_escaping_in_a_url(at: datetime, id: str) -> None:
    cursor = KEYSET.encode((at, id))
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text(max_size=200))
def test_any_text_is_a_cursor_or_a_refusal(text: str) -> None:
    assert round_trips(text) in ("cursor", "invalid-cursor")


def round_trips(text: str) -> str:
    try:
        key = KEYSET.decode(text)
    except Problem as problem:
        return problem.slug
    return "cursor" if key and KEYSET.decode(KEYSET.encode(key)) == key else "changed"


def encoded(content: str) -> str:
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "content",
    [
        '[1,["2024-02-29T08:00:00Z"]]',
        '[1,["yesterday","a"]]',
        '[2,["2024-02-29T08:00:00Z","a"]]',
        '[1,["2024-02-29T08:00:00Z","a\\u0000"]]',
        '{"1": []}',
        "",
    ],
)
def test_a_cursor_of_another_list_or_version_is_refused(content: str) -> None:
    with pytest.raises(Problem) as refused:
        KEYSET.decode(encoded(content))
    assert refused.value.errors[0].parameter == "cursor"


def test_without_a_cursor_the_list_begins() -> None:
    assert KEYSET.decode(None) is None


NUMBERS = Keyset(tuple[int])


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/numbers")
    async def numbers(limit: Limit = DEFAULT_LIMIT, cursor: CursorParameter = None) -> Page[int]:
        after = NUMBERS.decode(cursor) or (0,)
        rows = [number for number in range(1, 451) if number > after[0]][: limit + 1]
        items, next_cursor = NUMBERS.page(rows, limit, lambda number: (number,))
        return Page(items=items, next_cursor=next_cursor)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_following_the_cursors_gives_every_item_once(client: httpx.AsyncClient) -> None:
    seen: list[int] = []
    sizes: list[int] = []
    query = {"limit": "200"}
    while True:
        page = (await client.get("/numbers", params=query)).json()
        seen += page["items"]
        sizes.append(len(page["items"]))
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == list(range(1, 451))
    assert sizes == [200, 200, 50]


async def test_a_last_page_that_is_full_names_no_next_one(client: httpx.AsyncClient) -> None:
    cursor = NUMBERS.encode((400,))
    page = (await client.get("/numbers", params={"cursor": cursor})).json()
    assert (len(page["items"]), page["next_cursor"]) == (DEFAULT_LIMIT, None)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": MAX_LIMIT + 1}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "x" * (MAX_CURSOR + 1)}, "cursor"),
        ({"cursor": "x"}, "cursor"),
    ],
)
async def test_a_bad_parameter_is_named(
    client: httpx.AsyncClient, query: dict[str, str], parameter: str
) -> None:
    answer = await client.get("/numbers", params=query)
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


async def test_the_largest_limit_is_accepted(client: httpx.AsyncClient) -> None:
    answer = await client.get("/numbers", params={"limit": MAX_LIMIT})
    assert len(answer.json()["items"]) == MAX_LIMIT
