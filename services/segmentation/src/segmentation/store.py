"""The tables of segmentation: loads the files of many customers, and saves them, set by set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from pydantic import TypeAdapter
from sqlalchemy import (
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import insert_rows, save_versioned
from keyturn_chassis.inputs import Input
from segmentation.domain.facts import Facts
from segmentation.domain.models import SegmentModel, SilenceModel
from segmentation.domain.movement import CustomerFile, Entry
from segmentation.domain.shelf import Model
from segmentation.domain.standing import Membership, Standing
from segmentation.working_set import Subject, Versioned, WorkingSet, concerned

metadata: Final = MetaData()

customers: Final = Table(
    "customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("survivor_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("standing", JSON, nullable=False),
    Index("customers_merged", "survivor_id", postgresql_where=text("survivor_id <> customer_id")),
)
timeline: Final = Table(
    "timeline",
    metadata,
    Column("customer_id", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    PrimaryKeyConstraint("customer_id", "at", "event_id"),
)
memberships: Final = Table(
    "memberships",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("segment", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Index("memberships_segment", "model", "segment", "customer_id"),
)
models: Final = Table(
    "models",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("rolled_out_to", Text, nullable=False, server_default=""),
    Column("rolled_out_at", DateTime(timezone=True)),
)

MODEL: Final[TypeAdapter[Model]] = TypeAdapter(SegmentModel | SilenceModel)


class SegmentationStore:
    """Loads and saves in a constant number of statements; remembers models, which never change."""

    metadata = metadata

    def __init__(self) -> None:
        self._documents: dict[tuple[str, int], Model] = {}

    async def load(
        self, connection: AsyncConnection, inputs: Sequence[Input[Subject]], /
    ) -> WorkingSet:
        """The files of every person whom the inputs concern, whole."""
        ids = {
            customer_id
            for input in inputs
            if not isinstance(input.value, (SegmentModel, SilenceModel))
            for customer_id in concerned(input.value)
        }
        return WorkingSet(await load_files(connection, ids), await self.latest(connection))

    async def save(self, connection: AsyncConnection, working_set: WorkingSet, /) -> None:
        """Write what changed; raises `ConcurrentUpdate` when a person was changed meanwhile."""
        changes = working_set.changes()
        await save_versioned(connection, customers, [change.row for change in changes])
        lines = [_timeline_row(entry) for entry in working_set.entries()]
        await insert_rows(connection, timeline, lines, on_conflict="DO NOTHING")
        await insert_rows(
            connection,
            memberships,
            [move for change in changes for move in change.moves],
            on_conflict=(
                "(customer_id, model) DO UPDATE"
                " SET segment = excluded.segment, since = excluded.since"
            ),
        )
        left = [change.file.customer_id for change in changes if change.left_all_segments]
        await _delete(connection, memberships, left)
        erased = [change.file.customer_id for change in changes if change.erased]
        await _delete(connection, timeline, erased)
        shelf = working_set.shelf
        await insert_rows(
            connection,
            models,
            [
                {
                    "model": name,
                    "version": shelf.models[name].version,
                    "document": MODEL.dump_python(shelf.models[name], mode="json"),
                    "published_at": published_at,
                    "rolled_out_to": "",
                }
                for name, published_at in shelf.published.items()
            ],
        )

    async def latest(self, connection: AsyncConnection) -> dict[str, Model]:
        """The latest version of every model, by name."""
        rows = await connection.execute(
            text("SELECT model, max(version) AS version FROM models GROUP BY model ORDER BY model")
        )
        latest = [(row.model, row.version) for row in rows]
        if any(key not in self._documents for key in latest):
            await self._read_documents(connection)
        return {model: self._documents[model, version] for model, version in latest}

    async def _read_documents(self, connection: AsyncConnection) -> None:
        rows = await connection.execute(text("SELECT model, version, document FROM models"))
        for row in rows:
            if (row.model, row.version) not in self._documents:
                self._documents[row.model, row.version] = MODEL.validate_python(row.document)


def _timeline_row(entry: Entry) -> dict[str, Any]:
    return {
        "customer_id": entry.customer_id,
        "at": entry.at,
        "event_id": entry.event_id,
        "type": entry.event.type,
        "facts": orjson.Fragment(
            entry.event.model_dump_json(exclude={"customer_id"}, exclude_none=True)
        ),
    }


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
    return {row.customer_id: (row.version, file_of(row)) for row in rows}


def file_of(row: Any) -> CustomerFile:
    """The file that a row of `customers` holds."""
    facts: Facts = {name: tuple(fact) for name, fact in row.facts.items()}
    return CustomerFile(row.customer_id, row.survivor_id, facts, _standing(row.standing))


def _standing(document: Mapping[str, Any]) -> Standing:
    """The standing that a document holds. By hand: it is read for every event that comes."""
    return Standing(
        as_of=_moment(document["as_of"]),
        memberships={
            model: Membership(
                segment=known["segment"],
                rule=known["rule"],
                version=known["version"],
                inputs=known["inputs"],
                missing=tuple(known["missing"]),
                since=datetime.fromisoformat(known["since"]),
                caused_by=known["caused_by"],
            )
            for model, known in document["memberships"].items()
        },
        next_change=_moment(document["next_change"]),
        silence_due=_moment(document["silence_due"]),
        dormant_since=_moment(document["dormant_since"]),
        silent_since=_moment(document["silent_since"]),
    )


def _moment(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)


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
