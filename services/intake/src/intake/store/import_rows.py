"""What is remembered of the rows that an import took, and how it is read back to undo them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import orjson
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.dossier import Dossier
from intake.domain.imports.imports import RowOutcome
from intake.domain.imports.undoing import ImportedRow, RowChanges, TakeBackRow, changes_of, opened
from intake.domain.leads.leads import Lead
from intake.domain.people.customers import Customer
from intake.domain.people.identity import Identifier, IdentifierKind
from intake.store import tables
from intake.store.documents import CUSTOMER, LEAD
from keyturn_chassis.database import insert_rows
from keyturn_chassis.driver import driver_of

_TO_TAKE_BACK: Final = (
    "SELECT row_number, outcome, customer_id, lead_id, touch_id, opened FROM import_rows"
    " WHERE import_id = $1 AND row_number <= $2 AND undo IS NULL"
    " ORDER BY row_number DESC LIMIT $3"
)
_CHANGES: Final = (
    "SELECT row_number, changes::text FROM import_rows"
    " WHERE import_id = $1 AND row_number = ANY($2) AND changes IS NOT NULL"
)
_TAKEN_BACK: Final = (
    "UPDATE import_rows AS r SET undo = w.undo, changes = NULL"
    " FROM unnest($2::integer[], $3::text[]) AS w (row_number, undo)"
    " WHERE r.import_id = $1 AND r.row_number = w.row_number"
)

RESULT_NAMES: Final = (
    "row",
    "outcome",
    "customer_id",
    "lead_id",
    "touch_id",
    "code",
    "detail",
    "pointer",
    "undo",
)
"""What is told of a row, whatever became of it."""
_TAKEN: Final = (
    "SELECT row_number, outcome, customer_id, lead_id, touch_id, NULL AS code, NULL AS detail,"
    " NULL AS pointer, undo FROM import_rows"
    " WHERE import_id = $1 AND row_number > $2 AND ($3::text IS NULL OR outcome = $3)"
    " ORDER BY row_number LIMIT $4"
)
_REJECTED: Final = (
    "SELECT row_number, 'rejected', NULL, NULL, NULL, code, detail, pointer, NULL"
    " FROM import_rejections"
    " WHERE import_id = $1 AND row_number > $2 AND ($3::text IS NULL OR $3 = 'rejected')"
    " ORDER BY row_number LIMIT $4"
)
_RESULTS: Final = f"({_TAKEN}) UNION ALL ({_REJECTED}) ORDER BY row_number LIMIT $4"


def import_row(import_id: str, number: int, before: Dossier, after: Dossier) -> dict[str, Any]:
    """The row of a capture that came from a file."""
    touch = after.touches[0]
    changes = changes_of(before, after)
    return {
        "import_id": import_id,
        "row_number": number,
        "outcome": RowOutcome.JOINED if touch.joined else RowOutcome.CREATED,
        "customer_id": touch.customer_id,
        "lead_id": touch.lead_id,
        "touch_id": touch.touch_id,
        "opened": opened(before, after),
        "changes": changes and _document(changes),
    }


async def add(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Remember rows that were taken."""
    await insert_rows(connection, tables.import_rows, rows)


async def results(
    connection: AsyncConnection,
    import_id: str,
    outcome: RowOutcome | None,
    after_row: int,
    limit: int,
) -> list[tuple[Any, ...]]:
    """The rows that are done, in the order of the file; those after `after_row`."""
    driver = await driver_of(connection)
    rows = await driver.fetch(_RESULTS, import_id, after_row, outcome, limit)
    return [tuple(row) for row in rows]


async def to_take_back(
    connection: AsyncConnection, import_id: str, from_row: int, limit: int
) -> list[TakeBackRow]:
    """The next rows that are not taken back yet, from `from_row` downwards."""
    driver = await driver_of(connection)
    return [
        TakeBackRow(
            import_id=import_id,
            row_number=row["row_number"],
            customer_id=row["customer_id"],
            lead_id=row["lead_id"],
            touch_id=row["touch_id"],
            created=row["outcome"] == RowOutcome.CREATED,
            opened=row["opened"],
        )
        for row in await driver.fetch(_TO_TAKE_BACK, import_id, from_row, limit)
    ]


async def changes(
    connection: AsyncConnection, import_id: str, numbers: Sequence[int]
) -> dict[int, Mapping[str, Any]]:
    """What these rows changed, as it is kept, by row number."""
    driver = await driver_of(connection)
    rows = await driver.fetch(_CHANGES, import_id, list(numbers))
    return {row["row_number"]: orjson.loads(row["changes"]) for row in rows}


async def note_undo(
    connection: AsyncConnection, import_id: str, rows: Sequence[ImportedRow]
) -> None:
    """Keep what the taking back of rows came to, and forget what they had changed."""
    driver = await driver_of(connection)
    await driver.execute(
        _TAKEN_BACK,
        import_id,
        [row.row_number for row in rows],
        [" ".join(("kept", *row.kept)) if row.kept else "taken-back" for row in rows],
    )


def read_changes(
    known: Mapping[str, Any], customer: Customer | None, lead: Lead | None
) -> RowChanges:
    """What a row changed, of the customer and the lead as they are now otherwise."""
    parts = known.get("customer"), known.get("lead")
    return RowChanges(
        customer=None
        if customer is None or parts[0] is None
        else (_with(CUSTOMER, customer, parts[0][0]), _with(CUSTOMER, customer, parts[0][1])),
        lead=None
        if lead is None or parts[1] is None
        else (_with(LEAD, lead, parts[1][0]), _with(LEAD, lead, parts[1][1])),
        claimed=tuple(
            Identifier(IdentifierKind(kind), value) for kind, value in known.get("claimed", ())
        ),
    )


def _document(changes: RowChanges) -> dict[str, Any] | None:
    """Only the fields that changed, before and after."""
    known: dict[str, Any] = {}
    if changes.customer is not None:
        known["customer"] = _differences(CUSTOMER, *changes.customer)
    if changes.lead is not None:
        known["lead"] = _differences(LEAD, *changes.lead)
    if changes.claimed:
        known["claimed"] = [(int(claimed.kind), claimed.value) for claimed in changes.claimed]
    return known or None


def _differences(
    adapter: TypeAdapter[Any], before: Customer | Lead, after: Customer | Lead
) -> list[dict[str, Any]]:
    names = {
        each.name
        for each in fields(before)
        if getattr(before, each.name) != getattr(after, each.name)
    }
    return [adapter.dump_python(state, mode="json", include=names) for state in (before, after)]


def _with(adapter: TypeAdapter[Any], state: object, part: Mapping[str, Any]) -> Any:
    document = adapter.dump_python(state, mode="json") | dict(part)
    return adapter.validate_json(orjson.dumps(document))
