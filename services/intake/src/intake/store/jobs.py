"""Where imports are kept: the job, the pieces of its body, and the rows that were rejected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.imports import ImportJob, ImportStatus
from intake.store import tables
from intake.store.documents import document
from keyturn_chassis.database import insert_rows

JOB: Final = TypeAdapter(ImportJob)

_SELECT: Final = "SELECT CAST(document AS text) AS document FROM imports"


async def find(
    connection: AsyncConnection, import_id: str, *, lock: bool = False
) -> ImportJob | None:
    """An import; with `lock`, nobody else changes it before this transaction ends."""
    row = (
        await connection.execute(
            text(f"{_SELECT} WHERE import_id = :id{' FOR UPDATE' if lock else ''}"),
            {"id": import_id},
        )
    ).one_or_none()
    return None if row is None else JOB.validate_json(row.document)


async def next_to_do(connection: AsyncConnection) -> ImportJob | None:
    """The oldest import whose rows are not all done."""
    row = (
        await connection.execute(
            text(
                f"{_SELECT} WHERE status IN ('waiting', 'running')"
                " ORDER BY created_at, import_id LIMIT 1"
            )
        )
    ).one_or_none()
    return None if row is None else JOB.validate_json(row.document)


async def save(connection: AsyncConnection, job: ImportJob) -> None:
    """Write an import."""
    await insert_rows(
        connection,
        tables.imports,
        [
            {
                "import_id": job.import_id,
                "version": 1,
                "status": job.status,
                "document": document(JOB, job),
            }
        ],
        on_conflict=(
            "(import_id) DO UPDATE SET status = excluded.status, document = excluded.document,"
            " version = imports.version + 1"
        ),
    )


async def add_chunk(
    connection: AsyncConnection, import_id: str, number: int, content: bytes
) -> None:
    """Keep one piece of an import's body."""
    await connection.execute(
        text(
            "INSERT INTO import_chunks (import_id, number, content)"
            " VALUES (:import_id, :number, :content)"
        ),
        {"import_id": import_id, "number": number, "content": content},
    )


async def chunk(connection: AsyncConnection, import_id: str, number: int) -> bytes:
    """One piece of an import's body."""
    found = await connection.execute(
        text("SELECT content FROM import_chunks WHERE import_id = :id AND number = :number"),
        {"id": import_id, "number": number},
    )
    return bytes(found.scalar_one())


async def drop_chunks(connection: AsyncConnection, import_id: str) -> None:
    """Forget an import's body: nobody needs the contact details in it any more."""
    await connection.execute(
        text("DELETE FROM import_chunks WHERE import_id = :id"), {"id": import_id}
    )


async def drop_upload(connection: AsyncConnection, job: ImportJob) -> None:
    """Forget an import whose body was refused, unless another upload has taken it over."""
    await connection.execute(
        text(
            "DELETE FROM imports WHERE import_id = :id AND status = 'receiving'"
            " AND document->>'attempt' = :attempt"
        ),
        {"id": job.import_id, "attempt": job.attempt},
    )


async def drop_abandoned(connection: AsyncConnection) -> None:
    """Forget uploads that were cut off a day ago and not begun anew."""
    await connection.execute(
        text(
            "DELETE FROM imports WHERE status = :receiving"
            " AND created_at < now() - interval '1 day'"
        ),
        {"receiving": ImportStatus.RECEIVING},
    )


async def add_rejections(
    connection: AsyncConnection, import_id: str, rejections: Sequence[dict[str, Any]]
) -> None:
    """Keep why rows were rejected."""
    await insert_rows(
        connection,
        tables.import_rejections,
        [{"import_id": import_id, **rejection} for rejection in rejections],
    )
