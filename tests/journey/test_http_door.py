"""Requests are repeated with their key until somebody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from keyturn_demo.doors import http
from keyturn_demo.doors.http import Answer, HttpDoor, ServiceAway, UnexpectedAnswer, each


class Script:
    """A server that answers as it is told, and notes what it was asked."""

    def __init__(self, answers: Sequence[bytes | None]) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.partition(b":")[2])
                for line in request.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ),
            0,
        )
        self.requests.append(request + await reader.readexactly(length))
        answer = self._answers.pop(0)
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        writer.close()


def response(status: int, body: bytes) -> bytes:
    return (
        f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
        "content-type: application/json\r\n\r\n"
    ).encode() + body


@asynccontextmanager
async def door_to(script: Script) -> AsyncIterator[HttpDoor]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with HttpDoor(f"http://127.0.0.1:{port}", "token") as door:
        yield door
    server.close()
    await server.wait_closed()


async def test_a_request_is_repeated_with_its_key_until_it_is_answered() -> None:
    script = Script([None, response(503, b"{}"), response(201, b'{"lead_id": "l1"}')])
    async with door_to(script) as door:
        answer = await door.post("/leads", {"phone": "1"}, "key-1")
    assert answer == Answer(201, {"lead_id": "l1"})
    assert door.repeated == 2
    assert len(script.requests) == 3
    assert len({request.partition(b"\r\n")[2] for request in script.requests}) == 1
    assert all(b"idempotency-key: key-1" in request.lower() for request in script.requests)


async def test_a_refusal_is_an_answer_and_tells_its_reason() -> None:
    problem = b'{"type": "https://schemas.keyturn.example/problems/home-already-claimed"}'
    async with door_to(Script([response(409, problem)])) as door:
        answer = await door.post("/purchases", {}, "key-1")
    assert (answer.ok, answer.reason) == (False, "home-already-claimed")
    with pytest.raises(UnexpectedAnswer, match="409"):
        answer.accepted()


async def test_a_service_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "RETRY_SECONDS", -1.0)
    async with door_to(Script([None])) as door:
        with pytest.raises(ServiceAway):
            await door.get("/clock")


async def test_work_is_done_for_each_item_in_order_and_not_all_at_once() -> None:
    busy = most = 0

    async def double(number: int) -> int:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        busy -= 1
        return 2 * number

    assert await each(range(20), double, at_once=3) == [2 * number for number in range(20)]
    assert most == 3
