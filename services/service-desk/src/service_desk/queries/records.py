"""The read side of the desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Select, Table, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.pagination import Keyset
from keyturn_events import Refusal, RefusalKind
from keyturn_events.vocabulary import Gate, Severity
from service_desk.domain.calendar import BusinessCalendar
from service_desk.domain.cases import Case, CaseState
from service_desk.domain.communities import Community
from service_desk.domain.crises import Crisis
from service_desk.domain.customers import Family
from service_desk.domain.defects import Defect
from service_desk.domain.handovers import Handover, HandoverState
from service_desk.domain.satisfaction import Response
from service_desk.domain.templates import HandoverTemplate
from service_desk.store import documents, tables
from service_desk.store.store import among, families, versions

T = TypeVar("T")

BY_DAY: Final = Keyset(tuple[date, str])
NEWEST_FIRST: Final = Keyset(tuple[datetime, str])


@dataclass(frozen=True, slots=True)
class HandoverFilter:
    """Which handovers are wanted; None for any."""

    customer_id: str | None = None
    purchase_id: str | None = None
    home_id: str | None = None
    community_id: str | None = None
    state: HandoverState | None = None
    next_gate: Gate | None = None


@dataclass(frozen=True, slots=True)
class DefectFilter:
    """Which defects are wanted; None for any."""

    home_id: str | None = None
    community_id: str | None = None
    severity: Severity | None = None
    open: bool | None = None


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases are wanted; None for any. `now` tells what is overdue."""

    customer_id: str | None
    community_id: str | None
    agent_id: str | None
    state: CaseState | None
    overdue: bool | None
    now: datetime


@dataclass(frozen=True, slots=True)
class AnswerFilter:
    """Which survey answers are wanted; None for any."""

    customer_id: str | None
    survey: str | None
    unanswered_at: datetime | None
    """Only bad answers that nobody had acted on when their time was up, as of then."""


async def handover(connection: AsyncConnection, handover_id: str) -> Handover:
    """A handover of a signed purchase; raises `Refusal` when there is none."""
    found = await _one(connection, tables.handovers, documents.HANDOVER, handover_id)
    if found is None or found.state is HandoverState.FORESEEN:
        raise _not_found("handover-unknown", "handover")
    return found


async def handovers(
    connection: AsyncConnection, wanted: HandoverFilter, cursor: str | None, limit: int
) -> tuple[list[Handover], str | None]:
    """A page of handovers of signed purchases, in the order of their days."""
    columns = tables.handovers.c
    after = BY_DAY.decode(cursor)
    query = select(columns.handover_on, columns.handover_id, columns.document).where(
        columns.signed_on.is_not(None),
        *await _of_customer(connection, columns.customer_id, wanted.customer_id),
        *_equal(columns.purchase_id, wanted.purchase_id),
        *_equal(columns.home_id, wanted.home_id),
        *_equal(columns.community_id, wanted.community_id),
        *_equal(columns.state, wanted.state),
        *_equal(columns.next_gate, wanted.next_gate),
    )
    if after is not None:
        query = query.where(tuple_(columns.handover_on, columns.handover_id) > after)
    query = query.order_by(columns.handover_on, columns.handover_id)
    rows = (await connection.execute(query.limit(limit + 1))).all()
    page, following = BY_DAY.page(rows, limit, lambda row: (row[0], row[1]))
    return [documents.HANDOVER.validate_python(row[2]) for row in page], following


async def gate_counts(
    connection: AsyncConnection, community_id: str | None, today: date
) -> tuple[dict[str, int], dict[Gate, tuple[int, int, int]]]:
    """Handovers by state, and by the gate at which they wait: all, overdue, blocked."""
    rows = await connection.execute(
        text(
            "SELECT h.state, h.next_gate, count(*) AS waiting,"
            " count(*) FILTER (WHERE h.next_gate_due_on < :today) AS overdue,"
            " count(*) FILTER (WHERE h.critical_defects > 0) AS blocked"
            " FROM handovers AS h WHERE h.signed_on IS NOT NULL"
            " AND (CAST(:community_id AS text) IS NULL OR h.community_id = :community_id)"
            " GROUP BY h.state, h.next_gate"
        ),
        {"community_id": community_id, "today": today},
    )
    states: dict[str, int] = {}
    gates = dict.fromkeys(Gate, (0, 0, 0))
    for row in rows:
        states[row.state] = states.get(row.state, 0) + row.waiting
        if row.state == HandoverState.PLANNED.value and row.next_gate is not None:
            gates[Gate(row.next_gate)] = (row.waiting, row.overdue, row.blocked)
    return states, gates


async def defect(connection: AsyncConnection, defect_id: str) -> Defect:
    """A defect; raises `Refusal` when there is none."""
    found = await _one(connection, tables.defects, documents.DEFECT, defect_id)
    if found is None:
        raise _not_found("defect-unknown", "defect")
    return found


async def defects(
    connection: AsyncConnection, wanted: DefectFilter, cursor: str | None, limit: int
) -> tuple[list[Defect], str | None]:
    """A page of defects, the newest first."""
    columns = tables.defects.c
    query = select(columns.reported_at, columns.defect_id, columns.document).where(
        *_equal(columns.home_id, wanted.home_id),
        *_equal(columns.community_id, wanted.community_id),
        *_equal(columns.severity, wanted.severity),
    )
    if wanted.open is not None:
        query = query.where(columns.rectified_at.is_(None) == wanted.open)
    return await _newest(connection, query, documents.DEFECT, cursor, limit)


async def complaint(connection: AsyncConnection, case_id: str) -> tuple[Case, BusinessCalendar]:
    """A case and its calendar; raises `Refusal` when there is none."""
    found = await _one(connection, tables.cases, documents.CASE, case_id)
    if found is None:
        raise _not_found("complaint-unknown", "complaint")
    ((case, calendar),) = await _with_calendars(connection, [found])
    return case, calendar


async def complaints(
    connection: AsyncConnection, wanted: CaseFilter, cursor: str | None, limit: int
) -> tuple[list[tuple[Case, BusinessCalendar]], str | None]:
    """A page of cases with their calendars, the newest first."""
    columns = tables.cases.c
    query = select(columns.received_at, columns.case_id, columns.document).where(
        *await _of_customer(connection, columns.customer_id, wanted.customer_id),
        *_equal(columns.community_id, wanted.community_id),
        *_equal(columns.document["agent_id"].astext, wanted.agent_id),
        *_equal(columns.state, wanted.state),
    )
    if wanted.overdue is True:
        query = query.where(columns.overdue_from <= wanted.now)
    elif wanted.overdue is False:
        query = query.where(columns.overdue_from.is_(None) | (columns.overdue_from > wanted.now))
    found, following = await _newest(connection, query, documents.CASE, cursor, limit)
    return await _with_calendars(connection, found), following


async def answers(
    connection: AsyncConnection, wanted: AnswerFilter, cursor: str | None, limit: int
) -> tuple[list[Response], str | None]:
    """A page of survey answers, the newest first."""
    columns = tables.responses.c
    query = select(columns.answered_at, columns.response_id, columns.document).where(
        *await _of_customer(connection, columns.customer_id, wanted.customer_id),
        *_equal(columns.survey, wanted.survey),
    )
    if wanted.unanswered_at is not None:
        query = query.where(columns.act_by <= wanted.unanswered_at, columns.acted_at.is_(None))
    return await _newest(connection, query, documents.RESPONSE, cursor, limit)


async def crisis(connection: AsyncConnection, crisis_id: str) -> Crisis:
    """A crisis; raises `Refusal` when there is none."""
    found = await _one(connection, tables.crises, documents.CRISIS, crisis_id)
    if found is None:
        raise _not_found("crisis-unknown", "crisis")
    return found


async def crises(
    connection: AsyncConnection, live: bool | None, cursor: str | None, limit: int
) -> tuple[list[Crisis], str | None]:
    """A page of crises, the newest first."""
    columns = tables.crises.c
    query = select(columns.declared_at, columns.crisis_id, columns.document)
    if live is not None:
        query = query.where(columns.lifted_at.is_(None) == live)
    return await _newest(connection, query, documents.CRISIS, cursor, limit)


async def community(connection: AsyncConnection, community_id: str) -> Community:
    """How the desk works in a community; the standard when nothing is set."""
    found = await _one(connection, tables.communities, documents.COMMUNITY, community_id)
    return found or Community(community_id)


async def calendar(connection: AsyncConnection, code: str) -> BusinessCalendar:
    """The newest version of a calendar; raises `Refusal` when there is none."""
    found = await versions(connection, tables.calendars, documents.CALENDAR, {code})
    return _newest_version(found, "calendar")


async def template(connection: AsyncConnection, code: str) -> HandoverTemplate:
    """The newest version of a handover template; raises `Refusal` when there is none."""
    found = await versions(connection, tables.handover_templates, documents.TEMPLATE, {code})
    return _newest_version(found, "template")


async def _one(
    connection: AsyncConnection, table: Table, document: TypeAdapter[T], key: str
) -> T | None:
    (column,) = table.primary_key.columns
    found = (await connection.execute(select(table.c.document).where(column == key))).one_or_none()
    return None if found is None else document.validate_python(found.document)


async def _newest(
    connection: AsyncConnection,
    query: Select[Any],
    document: TypeAdapter[T],
    cursor: str | None,
    limit: int,
) -> tuple[list[T], str | None]:
    """A page of a query for (time, id, document), the newest first."""
    moment, key, _ = query.selected_columns
    after = NEWEST_FIRST.decode(cursor)
    if after is not None:
        query = query.where(tuple_(moment, key) < after)
    query = query.order_by(moment.desc(), key.desc()).limit(limit + 1)
    rows = (await connection.execute(query)).all()
    page, following = NEWEST_FIRST.page(rows, limit, lambda row: (row[0], row[1]))
    return [document.validate_python(row[2]) for row in page], following


async def _family(connection: AsyncConnection, customer_id: str) -> Family:
    found = await families(connection, {customer_id})
    return Family({key: customer for key, (_, customer) in found.items()})


async def _of_customer(
    connection: AsyncConnection, column: ColumnElement[str], customer_id: str | None
) -> list[ColumnElement[bool]]:
    """The condition that a row is of this person, under whichever id."""
    if customer_id is None:
        return []
    family = await _family(connection, customer_id)
    return [among(column, family.ids_of(customer_id))]


def _equal(column: ColumnElement[Any], value: str | None) -> list[ColumnElement[bool]]:
    return [] if value is None else [column == str(value)]


async def _with_calendars(
    connection: AsyncConnection, cases: Sequence[Case]
) -> list[tuple[Case, BusinessCalendar]]:
    refs = {case.calendar for case in cases}
    found = await versions(
        connection,
        tables.calendars,
        documents.CALENDAR,
        {ref.code for ref in refs},
        {ref.version for ref in refs},
    )
    return [
        (case, found[case.calendar.code, case.calendar.version].in_zone(case.calendar.zone))
        for case in cases
    ]


def _newest_version(found: Mapping[tuple[str, int], T], noun: str) -> T:
    if not found:
        raise _not_found(f"{noun}-unknown", noun)
    return found[max(found)]


def _not_found(code: str, noun: str) -> Refusal:
    return Refusal(code, f"There is no {noun} with this id.", kind=RefusalKind.NOT_FOUND)
