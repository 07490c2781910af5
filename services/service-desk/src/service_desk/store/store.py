"""Loading and saving, each in a number of statements that does not grow with the batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Table,
    Text,
    and_,
    any_,
    func,
    literal,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import Loaded, dump_json, insert_rows, save_versioned
from keyturn_chassis.inputs import Input
from service_desk.domain.calendar import BusinessCalendar
from service_desk.domain.cases import Case, CaseState
from service_desk.domain.communities import STANDARD
from service_desk.domain.crises import BASELINE, Crisis, DeclareCrisis, Rate
from service_desk.domain.customers import Customer
from service_desk.store import documents, tables
from service_desk.store.desk import OWNED
from service_desk.store.needs import Needs, needs_of
from service_desk.store.working_set import DeskWorkingSet

T = TypeVar("T")


class DeskStore:
    """The desk's tables as a `Store`."""

    metadata = tables.metadata

    async def load(
        self, connection: AsyncConnection, inputs: Sequence[Input[Any]]
    ) -> DeskWorkingSet:
        """All that the decisions on `inputs` look at."""
        needs = needs_of(inputs)
        defects = await _load(
            connection,
            tables.defects,
            documents.DEFECT,
            _among(tables.defects.c.defect_id, needs.defects),
        )
        handovers = tables.handovers.c
        needs.handovers |= {defect.handover_id for _, defect in defects.values()}
        known_handovers = await _load(
            connection,
            tables.handovers,
            documents.HANDOVER,
            _any(
                _among(handovers.handover_id, needs.handovers),
                _among(handovers.home_id, needs.homes),
            ),
        )
        known_cases = await _load(
            connection,
            tables.cases,
            documents.CASE,
            _among(tables.cases.c.case_id, needs.cases),
        )
        responses = await _load(
            connection,
            tables.responses,
            documents.RESPONSE,
            _any(
                _among(tables.responses.c.response_id, needs.responses),
                _among(tables.responses.c.response_reference, needs.references_of_answers),
            ),
        )
        for owned in (known_handovers, known_cases, responses):
            needs.customers |= {state.customer_id for _, state in owned.values()}
        crises, rates, owners = await _crises(connection, needs)
        needs.customers.update(*owners.values())
        customers = await families(connection, needs.customers)
        family = needs.customers | set(customers)
        known_cases |= await _load(
            connection, tables.cases, documents.CASE, _related_cases(needs, family)
        )
        if needs.persons:
            known_handovers |= await _load(
                connection,
                tables.handovers,
                documents.HANDOVER,
                _among(handovers.customer_id, family),
            )
            defects |= await _load(
                connection,
                tables.defects,
                documents.DEFECT,
                _among(tables.defects.c.customer_id, family),
            )
            responses |= await _load(
                connection,
                tables.responses,
                documents.RESPONSE,
                _among(tables.responses.c.customer_id, family),
            )
        needs.communities |= {handover.community_id for _, handover in known_handovers.values()}
        communities = await _load(
            connection,
            tables.communities,
            documents.COMMUNITY,
            _among(tables.communities.c.community_id, needs.communities),
        )
        for _, community in communities.values():
            needs.calendars.add(community.calendar)
            needs.templates.add(community.template)
        return DeskWorkingSet(
            customers=Loaded(customers),
            communities=Loaded(communities),
            handovers=Loaded(known_handovers),
            defects=Loaded(defects),
            cases=Loaded(known_cases),
            responses=Loaded(responses),
            crises=Loaded(crises),
            calendars=await _calendars(connection, needs, known_cases.values()),
            templates=await versions(
                connection,
                tables.handover_templates,
                documents.TEMPLATE,
                needs.templates | {STANDARD},
            ),
            rates=rates,
            owners=owners,
        )

    async def save(self, connection: AsyncConnection, working_set: DeskWorkingSet) -> None:
        """Write what changed, one statement a table."""
        await insert_rows(
            connection,
            tables.calendars,
            [documents.calendar_row(calendar) for calendar in working_set.new_calendars],
        )
        await insert_rows(
            connection,
            tables.handover_templates,
            [documents.template_row(template) for template in working_set.new_templates],
        )
        cases = [
            documents.case_row(version, case, working_set.calendar_of(case))
            for _, version, case in working_set.cases.changes()
        ]
        changed: Iterable[tuple[Table, list[documents.Row]]] = (
            (tables.customers, _rows(working_set.customers, documents.customer_row)),
            (tables.communities, _rows(working_set.communities, documents.community_row)),
            (tables.handovers, _rows(working_set.handovers, documents.handover_row)),
            (tables.defects, _rows(working_set.defects, documents.defect_row)),
            (tables.cases, cases),
            (tables.responses, _rows(working_set.responses, documents.response_row)),
            (tables.crises, _rows(working_set.crises, documents.crisis_row)),
        )
        for table, rows in changed:
            await save_versioned(connection, table, rows)


def _rows(loaded: Loaded[str, T], row: Callable[[int, T], documents.Row]) -> list[documents.Row]:
    return [row(version, state) for _, version, state in loaded.changes()]


def among(column: ColumnElement[Any], keys: Collection[str]) -> ColumnElement[bool]:
    """`column = ANY(keys)`: one parameter, however many keys."""
    return column == any_(literal(sorted(keys), ARRAY(Text)))


def _among(column: ColumnElement[Any], keys: Collection[str]) -> ColumnElement[bool] | None:
    return among(column, keys) if keys else None


def _any(*conditions: ColumnElement[bool] | None) -> ColumnElement[bool] | None:
    given = [condition for condition in conditions if condition is not None]
    return or_(*given) if given else None


async def _load(
    connection: AsyncConnection,
    table: Table,
    document: TypeAdapter[T],
    where: ColumnElement[bool] | None,
) -> dict[str, tuple[int, T]]:
    """Version and state by key of the rows that meet a condition; none without one."""
    if where is None:
        return {}
    (key,) = table.primary_key.columns
    rows = await connection.execute(
        select(key.label("key"), table.c.version, table.c.document).where(where)
    )
    return {row.key: (row.version, document.validate_python(row.document)) for row in rows}


async def families(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> dict[str, tuple[int, Customer]]:
    """The customers of these ids and all who are one person with any of them."""
    if not customer_ids:
        return {}
    rows = await connection.execute(
        text(
            "WITH RECURSIVE ahead AS ("
            " SELECT unnest(CAST(:ids AS text[])) AS customer_id"
            " UNION SELECT c.merged_into FROM customers AS c JOIN ahead USING (customer_id)"
            " WHERE c.merged_into IS NOT NULL"
            "), family AS ("
            " SELECT customer_id FROM ahead"
            " UNION SELECT c.customer_id FROM customers AS c"
            " JOIN family AS f ON c.merged_into = f.customer_id"
            ") SELECT customer_id, version, document FROM customers JOIN family USING (customer_id)"
        ).columns(
            tables.customers.c.customer_id, tables.customers.c.version, tables.customers.c.document
        ),
        {"ids": sorted(customer_ids)},
    )
    return {
        row.customer_id: (row.version, documents.CUSTOMER.validate_python(row.document))
        for row in rows
    }


def _related_cases(needs: Needs, family: Collection[str]) -> ColumnElement[bool] | None:
    """All cases of the persons, and those that a raised complaint may prove to be."""
    columns = tables.cases.c
    known = _among(columns.source_reference, needs.references)
    if needs.raised_since is not None:
        doubled = and_(
            columns.source_reference.is_(None),
            columns.state != CaseState.CLOSED.value,
            columns.received_at >= needs.raised_since,
        )
        known = _any(known, doubled)
    if needs.persons:
        known = true()
    of_family = _among(columns.customer_id, family)
    return None if known is None or of_family is None else and_(of_family, known)


async def _calendars(
    connection: AsyncConnection, needs: Needs, cases: Iterable[tuple[int, Case]]
) -> dict[tuple[str, int], BusinessCalendar]:
    refs = {(case.calendar.code, case.calendar.version) for _, case in cases}
    codes = needs.calendars | {STANDARD} | {code for code, _ in refs}
    numbers = {number for _, number in refs}
    return await versions(connection, tables.calendars, documents.CALENDAR, codes, numbers)


async def versions(
    connection: AsyncConnection,
    table: Table,
    document: TypeAdapter[T],
    codes: Collection[str],
    numbers: Collection[int] = (),
) -> dict[tuple[str, int], T]:
    """The first and the newest version of each code, and those with one of `numbers`."""
    other = table.alias("other")
    newest = select(func.max(other.c.number)).where(other.c.code == table.c.code)
    rows = await connection.execute(
        select(table).where(
            among(table.c.code, codes),
            or_(
                table.c.number == newest.scalar_subquery(),
                table.c.number == any_(literal([1, *sorted(numbers)], ARRAY(Integer))),
            ),
        )
    )
    return {(row.code, row.number): document.validate_python(row.document) for row in rows}


async def _crises(
    connection: AsyncConnection, needs: Needs
) -> tuple[
    dict[str, tuple[int, Crisis]],
    dict[DeclareCrisis, Rate],
    dict[DeclareCrisis, tuple[str, ...]],
]:
    """Crises that are named or live in a place that is named, and the figures of the places."""
    columns = tables.crises.c
    live = _among(columns.community_id, {command.community_id for command, _ in needs.places})
    crises = await _load(
        connection,
        tables.crises,
        documents.CRISIS,
        _any(
            _among(columns.crisis_id, needs.crises),
            None if live is None else and_(live, columns.lifted_at.is_(None)),
        ),
    )
    if not needs.places:
        return crises, {}, {}
    places = dump_json(
        [
            {
                "n": n,
                "community_id": command.community_id,
                "building": command.building,
                "category": command.category,
                "until": at,
                "since": at - timedelta(days=command.window_days),
                "before": at - timedelta(days=command.window_days) - BASELINE,
            }
            for n, (command, at) in enumerate(needs.places)
        ]
    )
    counted = await connection.execute(text(_RATES), {"places": places})
    rates = {needs.places[row.n][0]: Rate(row.in_window, row.in_baseline) for row in counted}
    touched = await connection.execute(
        text(_OWNERS), {"places": places, "states": [state.value for state in OWNED]}
    )
    owners = {needs.places[row.n][0]: tuple(row.owners) for row in touched}
    return crises, rates, owners


_PLACES = (
    " FROM json_to_recordset(CAST(:places AS json)) AS p (n integer, community_id text,"
    " building text, category text, until timestamptz, since timestamptz, before timestamptz)"
)

_RATES = (
    "SELECT p.n, count(c.case_id) FILTER (WHERE c.received_at >= p.since) AS in_window,"
    " count(c.case_id) FILTER (WHERE c.received_at < p.since) AS in_baseline"
    f"{_PLACES} LEFT JOIN cases AS c ON c.community_id = p.community_id"
    " AND (p.building IS NULL OR c.building = p.building)"
    " AND (p.category IS NULL OR c.category = p.category)"
    " AND c.received_at >= p.before AND c.received_at <= p.until GROUP BY p.n"
)

_OWNERS = (
    "SELECT p.n, coalesce(array_agg(DISTINCT h.customer_id ORDER BY h.customer_id)"
    " FILTER (WHERE h.customer_id IS NOT NULL), '{}') AS owners"
    f"{_PLACES} LEFT JOIN handovers AS h ON h.community_id = p.community_id"
    " AND (p.building IS NULL OR h.building = p.building)"
    " AND h.state = ANY(CAST(:states AS text[])) GROUP BY p.n"
)
