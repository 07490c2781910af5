"""The plans of the read side, on a store that is large enough for a bad one to show."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from bench.lead_population import Town
from bench.lead_store import fill
from intake.domain.leads.leads import LeadStatus
from intake.domain.people.name_search import asked_terms
from intake.queries import lead_search
from intake.queries.lead_search import LeadFilter, Statement
from intake.queries.leads import LEAD, PURCHASES, STEPS, TOUCHES
from intake.queries.leads_today import CANDIDATES, ENDS, NAMES
from intake.service import service
from intake.store.subjects.merges import LINKED
from keyturn_chassis.database import PLANNER
from keyturn_events.vocabulary import LeadStage

PEOPLE = 50_000
UNTIL = datetime(2026, 3, 2, 4, tzinfo=UTC)
LATER = (UNTIL - timedelta(days=400), "8")
"""A place far down the list."""
ROWS = 51
MOST_VISITED = PEOPLE // 20
"""Rows that a plan may read for one page."""
TOWN = Town(PEOPLE, UNTIL)
KNOWN = TOWN.someone(PEOPLE - 7)


@pytest.fixture(scope="module")
def town(databases: Any) -> Iterator[str]:
    """A store of 50,000 leads that PostgreSQL has statistics of."""

    async def made() -> str:
        url: str = await databases.of(service)
        await fill(url, TOWN)
        return url

    url = asyncio.run(made())
    yield url
    asyncio.run(databases.drop(url))


@pytest.fixture
async def driver(town: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(town, server_settings=PLANNER)
    yield connection
    await connection.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def visited(node: dict[str, Any]) -> float:
    """The rows that a node read, whether it kept them or not."""
    kept = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return float((kept + node.get("Rows Removed by Index Recheck", 0)) * node["Actual Loops"])


async def explained(
    driver: asyncpg.Connection[asyncpg.Record], statement: Statement
) -> list[dict[str, Any]]:
    (row,) = await driver.fetch(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", *statement.values
    )
    return list(nodes(json.loads(row[0])[0]["Plan"]))


def assert_quick(plan: list[dict[str, Any]], most: float = MOST_VISITED) -> None:
    scanned = [node.get("Relation Name") for node in plan if node["Node Type"] == "Seq Scan"]
    assert scanned == []
    assert max(visited(node) for node in plan) <= most
    sorted_rows = [node["Plans"][0]["Actual Rows"] for node in plan if node["Node Type"] == "Sort"]
    assert all(rows <= most for rows in sorted_rows)


def named(text: str, **more: Any) -> LeadFilter:
    return LeadFilter(terms=asked_terms(text), **more)


@pytest.mark.parametrize("after", [None, LATER], ids=["first-page", "later-page"])
@pytest.mark.parametrize(
    "wanted",
    [
        LeadFilter(),
        LeadFilter(community_id="community-1"),
        LeadFilter(community_id="community-60"),
        LeadFilter(stage=LeadStage.QUEUED),
        LeadFilter(status=LeadStatus.OPEN),
        LeadFilter(status=LeadStatus.LOST, stage=LeadStage.NEW),
        LeadFilter(community_id="community-1", stage=LeadStage.QUEUED),
        LeadFilter(community_id="community-1", status=LeadStatus.LOST, stage=LeadStage.NEW),
        LeadFilter(advisor_id=KNOWN.advisor_id),
        LeadFilter(advisor_id=KNOWN.advisor_id, status=LeadStatus.OPEN),
    ],
    ids=str,
)
async def test_a_list_reads_little_more_than_its_page(
    driver: asyncpg.Connection[asyncpg.Record],
    wanted: LeadFilter,
    after: lead_search.Place | None,
) -> None:
    assert wanted.asks_beyond(lead_search.Road.of(wanted).known) == ()
    plan = await explained(driver, lead_search.walking(wanted, ROWS, after))

    # Every branch has to be looked at once; withdrawn leads are left out on the way.
    assert_quick(plan, most=2 * ROWS)
    assert not [node for node in plan if node["Node Type"] == "Sort"]


@pytest.mark.parametrize(
    "wanted",
    [
        named("王"),
        named("张", status=LeadStatus.LOST),
        named("李", community_id="community-1"),
        LeadFilter(product_line="first-home"),
        LeadFilter(least_score=80, community_id="community-1"),
    ],
    ids=str,
)
async def test_what_many_leads_fit_is_found_on_a_short_walk(
    driver: asyncpg.Connection[asyncpg.Record], wanted: LeadFilter
) -> None:
    (guess,) = await driver.fetch(*_parts(lead_search.counting(wanted)))
    at_most = lead_search.promised(guess[0], ROWS, step(wanted))
    assert at_most is not None
    plan = await explained(driver, lead_search.walking(wanted, ROWS, None, at_most=at_most))

    assert_quick(plan)


@pytest.mark.parametrize("after", [None, LATER], ids=["first-page", "later-page"])
@pytest.mark.parametrize(
    "wanted",
    [
        named("龘"),
        named("王龘"),
        named("王", stage=LeadStage.SUBSCRIBED),
        named("王", community_id="community-58"),
        named("maria gar"),
        named(KNOWN.name, least_score=90),
        LeadFilter(product_line="first-home", least_score=99, most_score=99),
    ],
    ids=str,
)
async def test_what_few_leads_fit_is_found_by_the_rarest_of_it(
    driver: asyncpg.Connection[asyncpg.Record],
    wanted: LeadFilter,
    after: lead_search.Place | None,
) -> None:
    (guess,) = await driver.fetch(*_parts(lead_search.counting(wanted)))
    assert lead_search.promised(guess[0], ROWS, step(wanted)) is None
    plan = await explained(driver, lead_search.finding(wanted, ROWS, after))

    assert "leads_found_by" in [node.get("Index Name") for node in plan]
    assert_quick([node for node in plan if node["Node Type"] != "Bitmap Index Scan"])


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (LeadFilter(phone=KNOWN.phone), "identifiers_pkey"),
        (LeadFilter(phone_ends=(KNOWN.phone[-4:],)), "identifiers_phone_end"),
        (LeadFilter(phone_ends=(KNOWN.phone[1:],)), "identifiers_phone_end"),
        (LeadFilter(email="person.1@example.com", status=LeadStatus.OPEN), "identifiers_pkey"),
        (named("王", phone_ends=("79",)), "identifiers_phone_end"),
    ],
    ids=str,
)
async def test_people_are_asked_one_by_one(
    driver: asyncpg.Connection[asyncpg.Record], wanted: LeadFilter, index: str
) -> None:
    plan = await explained(driver, lead_search.asking_people(wanted, ROWS, None))

    assert index in [node.get("Index Name") for node in plan]
    assert_quick(plan)


async def test_one_lead_and_an_advisors_day_are_read_by_key(
    driver: asyncpg.Connection[asyncpg.Record],
) -> None:
    read: list[tuple[str, list[Any]]] = [
        (LEAD, [KNOWN.lead_id]),
        (TOUCHES, [KNOWN.lead_id, 500]),
        (STEPS, [KNOWN.lead_id, 500]),
        (PURCHASES, [KNOWN.lead_id, 500]),
        (LINKED, [[KNOWN.customer_id]]),
        (ENDS, [KNOWN.advisor_id]),
        (CANDIDATES, [KNOWN.advisor_id, UNTIL, UNTIL - timedelta(days=1), []]),
        (NAMES, [[KNOWN.customer_id]]),
    ]
    for sql, values in read:
        assert_quick(await explained(driver, Statement(sql, values)), most=200)


@pytest.mark.parametrize(
    "wanted",
    [
        named("王"),
        named("伟", status=LeadStatus.LOST),
        named("李", community_id="community-1", stage=LeadStage.NEW),
        LeadFilter(product_line="first-home", advisor_id=KNOWN.advisor_id),
        LeadFilter(least_score=40, most_score=59, status=LeadStatus.OPEN),
        named("j", product_line="active-adult"),
    ],
    ids=str,
)
async def test_walking_and_finding_come_to_the_same_leads(
    driver: asyncpg.Connection[asyncpg.Record], wanted: LeadFilter
) -> None:
    for after in (None, LATER):
        walked = await driver.fetch(
            *_parts(lead_search.walking(wanted, ROWS, after, at_most=PEOPLE))
        )
        found = await driver.fetch(*_parts(lead_search.finding(wanted, ROWS, after)))

        assert [row["lead_id"] for row in walked] == [row["lead_id"] for row in found]
        assert found


async def test_a_walk_that_goes_too_far_is_given_up_for_finding(
    driver: asyncpg.Connection[asyncpg.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = named("龘", community_id="community-1")
    wanted = named(KNOWN.name, community_id=KNOWN.community_id)
    monkeypatch.setattr(lead_search, "promised", lambda *_: 100)

    assert await lead_search.found(driver, rare, ROWS, None) == []
    found = await lead_search.found(driver, wanted, ROWS, None)

    assert KNOWN.lead_id in [row["lead_id"] for row in found]


def step(wanted: LeadFilter) -> float:
    return lead_search.LOOKED_UP if lead_search.Road.of(wanted).branches else lead_search.WALKED


def _parts(statement: Statement) -> tuple[Any, ...]:
    return statement.sql, *statement.values
