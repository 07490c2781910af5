"""A thousand buyers, a hundred homes, three API processes, one of which is killed."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from intake.service import service
from keyturn_chassis.testing import Harness
from keyturn_events.intake import HomeReserved, QueueNumberSettled
from keyturn_local import ports
from keyturn_local.processes import environment

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)
BUYERS = 1_000
HOMES = 100
KILL_AFTER = 250
"""Claims in the store after which a process is killed in the midst of the others."""
READY_SECONDS = 60.0

Answer = Mapping[str, Any]


@dataclass
class Api:
    """One API process of the service."""

    process: subprocess.Popen[bytes]
    url: str

    async def ready(self, client: httpx.AsyncClient) -> None:
        """Wait until it answers its readiness check."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                if (await client.get(f"{self.url}/health/ready")).is_success:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, "the process has ended; see its log"
            assert time.monotonic() < deadline, "the process does not get ready; see its log"
            await asyncio.sleep(0.05)


async def exchanged(url: str, method: str, path: str, head: str, body: bytes) -> tuple[int, bytes]:
    """One request on a connection of its own: a client that costs less than what it measures.

    Raises OSError when nobody listens, and when the answer does not come whole.
    """
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        lines = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{head}"
        writer.write(f"{lines}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read()
    finally:
        writer.close()
    top, _, content = answer.partition(b"\r\n\r\n")
    length = [line for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if not length or int(length[0].partition(b":")[2]) != len(content):
        raise ConnectionResetError("the answer was cut off")
    return int(top.split(b" ", 2)[1]), content


@dataclass
class Crowd:
    """Everybody at once, each at one of the processes, and at the next when that one is gone."""

    apis: Sequence[Api]
    token: str
    seconds: list[float] = field(default_factory=list)
    repeated: int = 0
    took: float = 0.0

    async def post(self, place: int, path: str, body: object) -> Answer:
        """The answer to a request that is repeated with its key until it is answered."""
        began = time.monotonic()
        head = f"{self.token}content-type: application/json\r\nidempotency-key: {path}#{place}\r\n"
        content = json.dumps(body).encode()
        for attempt in range(100):
            api = self.apis[(place + attempt) % len(self.apis)]
            try:
                status, told = await exchanged(api.url, "POST", path, head, content)
            except OSError:
                self.repeated += 1
                continue
            if status < 500:
                assert status in (200, 201), told
                self.seconds.append(time.monotonic() - began)
                answer: Answer = json.loads(told)
                return answer
            self.repeated += 1
            await asyncio.sleep(0.05)
        raise AssertionError("nobody answers")

    async def get(self, path: str) -> Answer:
        """What the last process tells."""
        status, told = await exchanged(self.apis[-1].url, "GET", path, self.token, b"")
        assert status == 200, told
        answer: Answer = json.loads(told)
        return answer

    async def all(
        self,
        requests: Iterable[tuple[int, str, object]],
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> list[Answer]:
        """The answers to all of them, made at once but for the first, if something happens
        `meanwhile`: it comes after that.
        """
        self.seconds.clear()
        began = time.monotonic()
        first, *others = requests

        async def late() -> Answer:
            if meanwhile is not None:
                await meanwhile()
            return await self.post(*first)

        answers = await asyncio.gather(late(), *(self.post(*request) for request in others))
        self.took = time.monotonic() - began
        return answers

    def told(self) -> str:
        """The median and the 99th percentile of the answer times, and how long all took."""
        ordered = sorted(self.seconds)
        middle, late = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        return (
            f"p50 {middle * 1000:.0f} ms, p99 {late * 1000:.0f} ms, all in {self.took:.2f} s,"
            f" {self.repeated} repeated"
        )


@asynccontextmanager
async def api_processes(harness: Harness, logs: Path, count: int) -> AsyncIterator[list[Api]]:
    """So many processes of the service on the database of the harness."""
    settings = harness.runtime.settings
    taken: list[int] = []
    apis: list[Api] = []
    try:
        for number in range(count):
            taken.append(ports.choose(8301 + number, taken))
            told = {
                "KEYTURN_DATABASE_URL": str(settings.database_url),
                "KEYTURN_AUTH_ISSUER": settings.auth_issuer,
                "KEYTURN_AUTH_AUDIENCE": settings.auth_audience,
                "KEYTURN_AUTH_JWKS": settings.auth_jwks,
                "KEYTURN_CLOCK": "driven",
                "KEYTURN_LOG_LEVEL": "warning",
                "KEYTURN_HOST": ports.LOOPBACK,
                "KEYTURN_PORT": str(taken[-1]),
            }
            process = started(told, logs / f"api-{number}.log")
            apis.append(Api(process, f"http://{ports.LOOPBACK}:{taken[-1]}"))
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(api.ready(client) for api in apis))
        yield apis
    finally:
        for api in apis:
            api.process.kill()
            api.process.wait()


def started(settings: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """An API process with these settings."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "intake", "api"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(settings),
        )


def homes_of(release: str) -> list[str]:
    return [f"{release}-{number:03}" for number in range(HOMES)]


def wishes_of(
    release: str, numbers: Sequence[int], chance: random.Random
) -> dict[int, dict[str, Any]]:
    """What each number wishes for: a few homes, and for most any other if need be."""
    wishes: dict[int, dict[str, Any]] = {}
    for number in numbers:
        wishes[number] = {"homes": chance.sample(homes_of(release), chance.randint(1, 5))}
        if chance.random() < 0.6:
            wishes[number]["otherwise"] = {}
    return wishes


def dictatorship(
    release: str, wishes: Mapping[int, Mapping[str, Any]]
) -> dict[int, tuple[str, str | None]]:
    """Who gets which home by the numbers alone; all homes cost the same."""
    left = homes_of(release)
    told: dict[int, tuple[str, str | None]] = {}
    for number in sorted(wishes):
        wanted = wishes[number]
        best = next((home for home in wanted["homes"] if home in left), None)
        if best is None and "otherwise" in wanted and left:
            best = left[0]
        told[number] = ("claimed" if best else "missed" if left else "sold-out", best)
        if best is not None:
            left.remove(best)
    return told


async def customers(harness: Harness) -> list[str]:
    """A thousand people with a lead in the community."""
    leads = [{"wechat": f"buyer-{n}", "community_id": "riverside"} for n in range(BUYERS)]
    headers = harness.headers("leads:write")
    answer = await harness.client.post("/leads/batch", json={"leads": leads}, headers=headers)
    return [row["customer_id"] for row in answer.json()["rows"]]


async def planned(harness: Harness, release: str, opens_at: datetime) -> None:
    """A release with its homes."""
    headers = harness.headers("homes:write")
    plan = {"community_id": "riverside", "name": release, "opens_at": opens_at.isoformat()}
    answer = await harness.client.put(f"/releases/{release}", json=plan, headers=headers)
    assert answer.status_code == 200, answer.text
    price = {"amount": "1680000", "currency": "CNY"}
    home = {"community_id": "riverside", "list_price": price, "release_id": release}
    homes = {"homes": [home | {"home_id": home_id} for home_id in homes_of(release)]}
    answer = await harness.client.post("/homes/batch", json=homes, headers=headers)
    assert answer.json()["registered"] == HOMES


async def test_a_thousand_buyers_get_a_hundred_homes_in_the_order_of_their_numbers(
    service_harness: Callable[..., Awaitable[Harness]], tmp_path: Path
) -> None:
    """Once while all processes live, and once while one of them is killed."""
    harness = await service_harness(service)
    await harness.drive(NOON)
    people = await customers(harness)
    token = harness.headers("queue:write", "queue:read")["authorization"]
    async with api_processes(harness, tmp_path, 3) as apis:
        crowd = Crowd(apis, f"authorization: {token}\r\n")
        await sold(harness, crowd, "spring", people, NOON + DAY, killed=None)
        await sold(harness, crowd, "autumn", people, NOON + 2 * DAY, killed=apis[0])
    rows = await harness.rows(
        "SELECT count(*) AS purchases, count(DISTINCT home_id) AS homes FROM purchases"
    )
    assert (rows[0].purchases, rows[0].homes) == (2 * HOMES, 2 * HOMES)


async def claimed(harness: Harness, release: str, claims: int) -> None:
    """Wait until so many claims are in the store."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        rows = await harness.rows(
            "SELECT count(claimed_at) AS n FROM queue_numbers WHERE release_id = :id", id=release
        )
        if rows[0].n >= claims:
            return
        assert time.monotonic() < deadline, "the claims do not come in"
        await asyncio.sleep(0.01)


async def sold(
    harness: Harness,
    crowd: Crowd,
    release: str,
    people: Sequence[str],
    opens_at: datetime,
    *,
    killed: Api | None,
) -> None:
    """Everybody takes a number and claims a home, and it is looked at who got what."""
    await planned(harness, release, opens_at)
    numbers = await crowd.all(
        (place, f"/releases/{release}/numbers", {"customer_id": customer_id})
        for place, customer_id in enumerate(people)
    )
    print(f"{release}: {BUYERS} numbers: {crowd.told()}")  # noqa: T201
    holders = {each["number"]: each["customer_id"] for each in numbers}
    assert sorted(holders) == list(range(1, BUYERS + 1))
    assert len(set(holders.values())) == BUYERS

    await harness.drive(opens_at)
    chance = random.Random(release)
    wishes = wishes_of(release, sorted(holders), chance)

    async def kill() -> None:
        """Number one has not claimed yet, so that all the others are still waiting."""
        if killed is not None:
            await claimed(harness, release, KILL_AFTER)
            killed.process.kill()

    claims = await crowd.all(
        (
            (
                number,
                f"/releases/{release}/claims?wait=15",
                {"number": number, "customer_id": holders[number], **wishes[number]},
            )
            for number in [1, *chance.sample(range(2, BUYERS + 1), BUYERS - 1)]
        ),
        kill,
    )
    states = Counter(each["state"] for each in claims)
    print(f"{release}: {BUYERS} claims: {crowd.told()}, {dict(states)}")  # noqa: T201
    if killed is not None:
        assert killed.process.poll() is not None
        assert crowd.repeated > 0
    final = await outcomes(harness, release)
    shown = await asyncio.gather(
        *(crowd.get(f"/releases/{release}/claims/{number}") for number in range(1, BUYERS, 25))
    )
    told = {each["number"]: each for each in claims if each["state"] != "waiting"}
    for answer in (*told.values(), *shown):
        assert (answer["state"], answer["home_id"]) == final[answer["number"]]

    expected = dictatorship(release, wishes)
    assert final == expected
    assert Counter(state for state, _ in expected.values())["claimed"] == HOMES
    reserved = [e.home_id for e in await harness.published(HomeReserved)]
    assert sorted(home for home in reserved if home.startswith(release)) == homes_of(release)
    settled = await harness.published(QueueNumberSettled)
    in_order = [event.number for event in settled if event.release_id == release]
    assert in_order == list(range(1, BUYERS + 1))


async def outcomes(harness: Harness, release: str) -> dict[int, tuple[str, str | None]]:
    """What became of each number, by the store."""
    rows = await harness.rows(
        "SELECT number, outcome, home_id FROM queue_numbers WHERE release_id = :release"
        " ORDER BY number",
        release=release,
    )
    return {row.number: (row.outcome, row.home_id) for row in rows}
