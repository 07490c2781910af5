"""Makes an intake store of any number of leads, by COPY into the tables of the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, Final

import asyncpg
import orjson

from bench.bulk import SECONDS, without_indexes
from bench.lead_population import Someone, Town
from intake.domain.communities import STALLED_AFTER_DAYS
from intake.domain.people.identity import IdentifierKind
from intake.domain.people.name_search import search_terms
from keyturn_events.vocabulary import LeadStage

ROWS_AT_ONCE: Final = 50_000
CUSTOMERS: Final = ("customer_id", "version", "document")
IDENTIFIERS: Final = ("kind", "value", "customer_id")
LEADS: Final = (
    *("lead_id", "version", "customer_id", "community_id", "channel", "captured_at", "idle_since"),
    *("stage", "status", "stalls_at", "touches", "score", "advisor_id", "product_line"),
    *("budget_named", "loss_reason", "search_terms"),
)
TOUCHES: Final = (
    *("touch_id", "lead_id", "customer_id", "channel", "captured_at", "recorded_at", "joined"),
    "answers",
)
STEPS: Final = ("step_id", "lead_id", "at", "kind", "from_stage", "to_stage", "reason")
PURCHASES: Final = (
    *("purchase_id", "version", "customer_id", "home_id", "community_id", "stage", "lead_id"),
    "document",
)
TABLES: Final = ("customers", "identifiers", "leads", "touches", "lead_steps", "purchases")
BOUGHT: Final = frozenset({"reserved", "signed"})
"""Stages at which a lead has a purchase that stands as it does."""
CONTACTED_AFTER: Final = timedelta(hours=3)
RESERVED_FOR: Final = timedelta(days=7)
COOLING_OFF: Final = timedelta(days=7)

Row = tuple[Any, ...]


async def fill(url: str, town: Town) -> None:
    """Put the leads of a town into an empty store, and let PostgreSQL know what is there."""
    connection = await asyncpg.connect(
        url,
        server_settings={
            "maintenance_work_mem": "512MB",
            "synchronous_commit": "off",
            # References hold by the way the rows are made.
            "session_replication_role": "replica",
        },
    )
    try:
        async with without_indexes(connection, TABLES):
            for first in range(0, town.people, ROWS_AT_ONCE):
                numbers = range(first, min(first + ROWS_AT_ONCE, town.people))
                await _copy(connection, [town.someone(number) for number in numbers])
        await connection.execute("VACUUM ANALYZE", timeout=SECONDS)
        await connection.execute("CHECKPOINT", timeout=SECONDS)
    finally:
        await connection.close()


async def _copy(connection: asyncpg.Connection[asyncpg.Record], people: list[Someone]) -> None:
    for table, columns, rows in (
        ("customers", CUSTOMERS, map(_customer, people)),
        ("identifiers", IDENTIFIERS, _each(_identifiers, people)),
        ("leads", LEADS, map(_lead, people)),
        ("touches", TOUCHES, map(_touch, people)),
        ("lead_steps", STEPS, _each(_steps, people)),
        ("purchases", PURCHASES, (_purchase(who) for who in people if who.stage in BOUGHT)),
    ):
        await connection.copy_records_to_table(
            table, records=list(rows), columns=columns, timeout=SECONDS
        )


def _each(make: Callable[[Someone], Iterator[Row]], people: list[Someone]) -> Iterator[Row]:
    return (row for who in people for row in make(who))


def _customer(who: Someone) -> Row:
    document = {
        "customer_id": who.customer_id,
        "registered_at": who.captured_at,
        "name": who.name,
        "phones": [who.phone],
        "emails": [] if who.email is None else [who.email],
        "consents": [
            {
                "channel": "sms",
                "purpose": "marketing",
                "status": "granted",
                "basis": "express",
                "at": who.captured_at,
                "collected_through": "api",
            }
        ],
    }
    return who.customer_id, 1, orjson.dumps(document).decode()


def _identifiers(who: Someone) -> Iterator[Row]:
    yield int(IdentifierKind.PHONE), who.phone, who.customer_id
    if who.email is not None:
        yield int(IdentifierKind.EMAIL), who.email, who.customer_id


def _lead(who: Someone) -> Row:
    days = STALLED_AFTER_DAYS.get(LeadStage(who.stage)) if who.status == "open" else None
    idle_since = who.captured_at + CONTACTED_AFTER
    return (
        who.lead_id,
        1,
        who.customer_id,
        who.community_id,
        who.channel,
        who.captured_at,
        idle_since,
        who.stage,
        who.status,
        None if days is None else idle_since + timedelta(days=days),
        1,
        who.score,
        who.advisor_id,
        who.product_line,
        False,
        "price" if who.status == "lost" else None,
        search_terms(who.name),
    )


def _touch(who: Someone) -> Row:
    at = who.captured_at
    return who.lead_id, who.lead_id, who.customer_id, who.channel, at, at, False, "{}"


def _steps(who: Someone) -> Iterator[Row]:
    stages = [stage.value for stage in LeadStage]
    way = stages[: stages.index(who.stage) + 1]
    for number, (before, after) in enumerate(zip(way, islice(way, 1, None), strict=False)):
        at = who.captured_at + CONTACTED_AFTER * (number + 1)
        yield f"{who.lead_id}/{number}", who.lead_id, at, "advanced", before, after, "spoke-to-them"
    if who.status == "lost":
        at = who.captured_at + CONTACTED_AFTER * len(way)
        yield f"{who.lead_id}/lost", who.lead_id, at, "lost", who.stage, who.stage, "price"


def _purchase(who: Someone) -> Row:
    home_id = f"home-{who.number}"
    began = who.captured_at + CONTACTED_AFTER * 5
    signed = who.stage == "signed"
    document = {
        "purchase_id": who.lead_id,
        "customer_id": who.customer_id,
        "home_id": home_id,
        "community_id": who.community_id,
        "price": {"amount": "1680000.00", "currency": "CNY"},
        "stage": who.stage,
        "lead_id": who.lead_id,
        "reserved_on": began.date(),
        **({} if signed else {"expires_at": began + RESERVED_FOR}),
        **({"cooling_off_ends": began + COOLING_OFF} if signed else {}),
    }
    return (
        *(who.lead_id, 1, who.customer_id, home_id, who.community_id, who.stage, who.lead_id),
        orjson.dumps(document).decode(),
    )
