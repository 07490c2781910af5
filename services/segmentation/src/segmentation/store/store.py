"""Loads the files of many customers, and saves them, set by set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import insert_columns, insert_rows, save_versioned
from keyturn_chassis.inputs import Input
from keyturn_events.intake import CustomerErased
from segmentation.domain.shelf import Model
from segmentation.store import documents, tables
from segmentation.store.needs import Subject, customers_of
from segmentation.store.working_set import SegmentationWorkingSet, Versioned


class SegmentationStore:
    """Loads and saves in a constant number of statements; remembers models by name and digest."""

    metadata = tables.metadata

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], Model] = {}

    async def load(
        self, connection: AsyncConnection, inputs: Sequence[Input[Subject]], /
    ) -> SegmentationWorkingSet:
        """The files of every person whom the inputs concern, whole."""
        ids = {customer_id for input in inputs for customer_id in customers_of(input.value)}
        erased = {i.value.customer_id for i in inputs if isinstance(i.value, CustomerErased)}
        return SegmentationWorkingSet(
            await load_files(connection, ids),
            await self.latest(connection),
            await _count_lines(connection, erased),
        )

    async def save(
        self, connection: AsyncConnection, working_set: SegmentationWorkingSet, /
    ) -> None:
        """Write what changed; raises `ConcurrentUpdate` when a person was changed meanwhile."""
        changes = working_set.changes()
        await save_versioned(connection, tables.customers, [change.row for change in changes])
        lines = [documents.timeline_row(entry) for entry in working_set.entries()]
        if lines:
            await insert_columns(
                connection,
                tables.timeline,
                documents.TIMELINE,
                zip(*lines, strict=True),
                on_conflict="DO NOTHING",
            )
        await insert_rows(
            connection,
            tables.memberships,
            [move for change in changes for move in change.moves],
            on_conflict=(
                "(customer_id, model) DO UPDATE"
                " SET segment = excluded.segment, since = excluded.since"
            ),
        )
        left = [change.file.customer_id for change in changes if change.left_all_segments]
        await _delete(connection, tables.memberships, left)
        erased = [change.file.customer_id for change in changes if change.erased]
        await _delete(connection, tables.timeline, erased)
        shelf = working_set.shelf
        await insert_rows(
            connection,
            tables.models,
            [
                documents.model_row(shelf.models[name], published_at)
                for name, published_at in shelf.published.items()
            ],
        )

    async def latest(self, connection: AsyncConnection) -> dict[str, Model]:
        """The latest version of every model, by name; parsed once, as long as it is the same."""
        rows = (
            await connection.execute(
                text(
                    "SELECT DISTINCT ON (model) model, md5(CAST(document AS text)) AS digest"
                    " FROM models ORDER BY model, version DESC"
                )
            )
        ).all()
        if any((row.model, row.digest) not in self._documents for row in rows):
            await self._read_documents(connection)
        return {row.model: self._documents[row.model, row.digest] for row in rows}

    async def _read_documents(self, connection: AsyncConnection) -> None:
        rows = await connection.execute(
            text("SELECT model, md5(CAST(document AS text)) AS digest, document FROM models")
        )
        for row in rows:
            if (row.model, row.digest) not in self._documents:
                self._documents[row.model, row.digest] = documents.MODEL.validate_python(
                    row.document
                )


async def load_files(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, Versioned]:
    """Version and file of every id that means the same person as one of `ids`, by id."""
    rows = await connection.execute(
        text(
            "WITH person AS (SELECT DISTINCT survivor_id AS id FROM customers"
            " WHERE customer_id = ANY(CAST(:ids AS text[])))"
            " SELECT customer_id, survivor_id, version, facts, standing"
            " FROM person JOIN customers ON customer_id = id"
            " UNION ALL SELECT customer_id, survivor_id, version, facts, standing"
            " FROM person JOIN customers ON survivor_id = id AND survivor_id <> customer_id"
        ),
        {"ids": sorted(ids)},
    )
    return {row.customer_id: (row.version, documents.file_of(row)) for row in rows}


async def _count_lines(connection: AsyncConnection, ids: Collection[str]) -> dict[str, int]:
    """How many timeline lines each of these customers has."""
    if not ids:
        return {}
    rows = await connection.execute(
        text(
            "SELECT customer_id, count(*) AS lines FROM timeline"
            " WHERE customer_id = ANY(CAST(:ids AS text[])) GROUP BY customer_id"
        ),
        {"ids": sorted(ids)},
    )
    return {row.customer_id: row.lines for row in rows}


async def _delete(connection: AsyncConnection, table: Table, ids: Sequence[str]) -> None:
    if ids:
        await connection.execute(
            text(
                f'DELETE FROM "{table.name}"'  # noqa: S608 - the name is ours
                " WHERE customer_id = ANY(CAST(:ids AS text[]))"
            ),
            {"ids": list(ids)},
        )


store: Final = SegmentationStore()
"""The store of this process: the decisions and the queries share the models it remembers."""
