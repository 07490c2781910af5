"""No table is forgotten, by an access export or by an erasure, whoever adds it.

Both tests are blind to what a table is for. The first plants a row in every table that is said to
hold something on people, and looks for each of its columns in the export. The second writes a mark
into every field of every event that can take one, erases the person, and reads the whole database.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

import pytest
from pydantic import ValidationError
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    text,
)

import campaigns.service
import intake.service
import segmentation.service
import service_desk.service
from keyturn_chassis.database import insert_rows
from keyturn_chassis.inputs import RawRecord
from keyturn_chassis.service import Service
from keyturn_chassis.testing import Harness
from keyturn_events import Event, Message
from keyturn_events.golden import golden_message
from keyturn_events.intake import (
    ContactErased,
    CustomerErased,
    CustomersMerged,
    CustomersUnmerged,
    CustomerWithdrawn,
)

HarnessFactory: TypeAlias = Callable[..., Awaitable[Harness]]
Json: TypeAlias = Any

READERS = [segmentation.service.service, service_desk.service.service, campaigns.service.service]
EVERY_SERVICE = pytest.mark.parametrize(
    "service", [intake.service.service, *READERS], ids=lambda service: service.name
)
EVERY_READER = pytest.mark.parametrize("service", READERS, ids=lambda service: service.name)

ANN = "ann"
ABOUT_ANN = {
    "customer_id", "survivor_id", "merged_id", "other_customer_id", "root", "referred_id",
    "owner_id", "member_id", "subject", "aggregateid",
}  # fmt: skip
"""Columns by which a row is somebody's."""
OF_NOBODY = {"inbox", "timers", "idempotency", "driven_clock", "relay_producer", "alembic_version"}
"""Tables of the chassis that hold nothing on anybody, or nothing that is found by a person: ids of
events and of deadlines, and answers under keys of callers, which go after two days."""


@EVERY_SERVICE
async def test_every_table_is_said_to_hold_something_on_people_or_not(
    service: Service, service_harness: HarnessFactory
) -> None:
    harness = await service_harness(service)
    rows = await harness.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    holdings = service.holdings
    assert holdings is not None
    held = [holding.table.name for holding in holdings.all]
    other = [table.name for table in (*holdings.impersonal, *holdings.passing)]

    assert {*held, *other, *OF_NOBODY} ^ {row.tablename for row in rows} == set()


def planted(table: Table) -> dict[str, Any]:
    """A row about Ann with something in every column."""
    return {column.name: _value(column) for column in table.columns}


def _value(column: Column[Any]) -> Any:
    kinds: Mapping[type, Any] = {
        Boolean: True,
        DateTime: datetime(2026, 3, 2, 4, tzinfo=UTC),
        Date: date(2026, 3, 2),
        Numeric: Decimal("77.77"),
        LargeBinary: b"mark",
        Integer: 77,
        SmallInteger: 7,
        BigInteger: 777,
    }
    for kind, value in kinds.items():
        if type(column.type) is kind:
            return value
    if str(column.type) == "BYTEA":
        return b"mark"
    if str(column.type) == "UUID":
        return "11111111-1111-5111-8111-111111111111"
    if "JSON" in str(column.type):
        return {"mark": f"in {column.name}", "owners": [ANN]}
    return ANN if column.name in ABOUT_ANN else f"mark.{column.name}"


@EVERY_SERVICE
async def test_an_export_has_every_column_of_every_table_that_holds_something(
    service: Service, service_harness: HarnessFactory
) -> None:
    harness = await service_harness(service)
    holdings = service.holdings
    assert holdings is not None
    checks = await harness.rows(
        "SELECT conrelid::regclass::text AS table, conname FROM pg_constraint WHERE contype = 'c'"
        " AND connamespace = 'public'::regnamespace"
    )
    async with harness.runtime.database.transaction() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for check in checks:
            await connection.execute(
                text(f'ALTER TABLE {check.table} DROP CONSTRAINT "{check.conname}"')
            )
        for holding in holdings.all:
            await insert_rows(connection, holding.table, [planted(holding.table)])
        pieces = [piece async for piece in holdings.told(connection, [ANN])]
    told = json.loads(b"".join(pieces))

    for holding in holdings.all:
        (row,) = told[holding.table.name]
        wanted = {c.name: c for c in holding.table.columns if c.name not in holding.without}
        assert row.keys() == wanted.keys()
        for name, column in wanted.items():
            value = _value(column)
            if isinstance(value, str):
                assert row[name] == value
            elif isinstance(value, dict):
                assert row[name]["mark"] == value["mark"]
            else:
                assert row[name] is not None


MARK = "zq.mark"
PSEUDONYMS = ("_id", "home", "building")
"""The ends of names that say which thing is meant, never who: they are what pseudonymised means."""


def marked(message: Message[Any]) -> Message[Any]:
    """The golden message as Ann's, with the mark in every field that takes it."""
    kind = type(message.event)
    data = json.loads(message.value or b"{}")
    if "customer_id" in data:
        data["customer_id"] = ANN
    for path in list(_leaves(data)):
        if str(path[-1]).endswith((*PSEUDONYMS, "zone")) or _is_id(path):
            continue
        other = json.loads(json.dumps(data))
        _set(other, path, MARK)
        try:
            kind.read(ANN, json.dumps(other).encode())
        except ValidationError:
            continue
        data = other
    event: Event = kind.read(ANN, None if message.value is None else json.dumps(data).encode())
    return Message.of(event, id=f"marked/{kind.type}", source=message.envelope.source, time=START)


START = datetime(2026, 3, 2, 4, tzinfo=UTC)


def _is_id(path: tuple[Any, ...]) -> bool:
    return any(str(part).endswith(("_ids", "owners")) for part in path)


def _leaves(value: Json, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _leaves(child, (*path, name))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from _leaves(child, (*path, number))
    elif isinstance(value, str):
        yield path


def _set(value: Json, path: tuple[Any, ...], leaf: str) -> None:
    for part in path[:-1]:
        value = value[part]
    value[path[-1]] = leaf


async def marks(harness: Harness) -> set[str]:
    """Where the mark stands in the whole database: table, column and place in a document."""
    found: set[str] = set()
    for row in await harness.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        for held in await harness.rows(f'SELECT row_to_json(t) AS row FROM "{row.tablename}" AS t'):
            document = held.row
            for path in _leaves(document):
                leaf: Json = document
                for part in path:
                    leaf = leaf[part]
                if MARK in leaf or MARK.encode().hex() in leaf:
                    place = ".".join("*" if isinstance(p, int) else str(p) for p in path)
                    found.add(f"{row.tablename}.{place}")
    return found


KEPT = {
    "segmentation": set(),
    "service-desk": set(),
    # Whose recommendation it was: the reward of somebody else depends on it.
    "campaigns": {
        "outbox.payload.referral_code",
        "people.document.purchases.pur-90112.referral_code",
        "referrals.code",
        "referrals.document.code",
    },
}
"""Where the mark may stand after an erasure, and why."""
FORGETTING = (CustomerErased, CustomerWithdrawn, ContactErased, CustomersMerged, CustomersUnmerged)


@EVERY_READER
async def test_after_an_erasure_nothing_of_what_was_heard_is_left(
    service: Service, service_harness: HarnessFactory
) -> None:
    harness = await service_harness(service)
    kinds = [kind for kind, _ in service.reactions.events.values() if kind not in FORGETTING]
    await harness.receive(*(marked(golden_message(kind)) for kind in kinds))
    unreadable = RawRecord(kinds[0].topic, 0, 999, ANN.encode(), MARK.encode(), ())
    await harness.receive_records(unreadable)
    before = await marks(harness)
    assert len(before) > len(KEPT[service.name])
    assert "dead_letters.value" in before

    erased = CustomerErased(customer_id=ANN, erasure_id="ers-1")
    await harness.receive(Message.of(erased, id="erased-1", source="intake", time=START))

    assert await marks(harness) == KEPT[service.name]
    assert service.erasing is not None
    assert len(await harness.published(service.erasing.receipt)) == 1


@EVERY_READER
async def test_what_is_heard_after_an_erasure_brings_nobody_back(
    service: Service, service_harness: HarnessFactory
) -> None:
    harness = await service_harness(service)
    kinds = [kind for kind, _ in service.reactions.events.values() if kind not in FORGETTING]
    erased = CustomerErased(customer_id=ANN, erasure_id="ers-1")
    await harness.receive(Message.of(erased, id="erased-1", source="intake", time=START))

    await harness.receive(*(marked(golden_message(kind)) for kind in kinds))

    assert await marks(harness) <= KEPT[service.name]
