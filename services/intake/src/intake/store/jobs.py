"""Where imports are kept: the job, the pieces of its body, and the rows that were rejected.

What has contact details in it is kept no longer than it is good for: the body until its rows are
done, rejected rows and changed values for `KEPT_DAYS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.imports.imports import ENDED, ImportJob, ImportStatus
from intake.domain.privacy.suppression import SUPPRESSED_PERSON
from intake.store import tables
from intake.store.documents import document
from keyturn_chassis.database import insert_rows

JOB: Final = TypeAdapter(ImportJob)

KEPT_DAYS: Final = 30
"""How long an import can be undone, a stopped one gone on with, and rejected rows be mended."""

_SELECT: Final = "SELECT CAST(document AS text) AS document FROM imports"
_OUTDATED: Final = (
    f"{_SELECT} WHERE status = ANY(:ended) AND document->>'forgotten' IS DISTINCT FROM 'true'"
    " AND created_at < now() - make_interval(days => :days) ORDER BY created_at LIMIT 1 FOR UPDATE"
)


class RejectedRow(NamedTuple):
    """A row that was rejected, as it is kept."""

    row_number: int
    code: str
    detail: str
    pointer: str | None
    original: str | None = None
    """What it said, as long as that is kept."""


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
                f"{_SELECT} WHERE status IN ('waiting', 'running', 'undoing')"
                " ORDER BY created_at, import_id LIMIT 1"
            )
        )
    ).one_or_none()
    return None if row is None else JOB.validate_json(row.document)


async def newest(
    connection: AsyncConnection, limit: int, after: tuple[datetime, str] | None
) -> list[tuple[datetime, ImportJob]]:
    """Imports with the time at which they came, the newest first; those after `after`."""
    place = "" if after is None else " WHERE (created_at, import_id) < (:at, :id)"
    rows = await connection.execute(
        text(
            f"SELECT created_at, CAST(document AS text) AS document FROM imports{place}"  # noqa: S608
            " ORDER BY created_at DESC, import_id DESC LIMIT :limit"
        ),
        {"limit": limit} | ({} if after is None else {"at": after[0], "id": after[1]}),
    )
    return [(row.created_at, JOB.validate_json(row.document)) for row in rows]


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
    connection: AsyncConnection, import_id: str, rejections: Sequence[RejectedRow]
) -> None:
    """Keep why rows were rejected, and what they said."""
    await insert_rows(
        connection,
        tables.import_rejections,
        [
            {
                "import_id": import_id,
                "row_number": row.row_number,
                "code": row.code,
                "detail": row.detail,
                "pointer": row.pointer,
                "original": _to_be_mended(row),
            }
            for row in rejections
        ],
    )


def _to_be_mended(row: RejectedRow) -> str | None:
    """What a row said, for whoever mends it; nothing of a person who is not to come back."""
    if row.original is None or row.code == SUPPRESSED_PERSON:
        return None
    # PostgreSQL keeps no NUL character; nobody would miss one in a row to be mended.
    return row.original.replace("\x00", "\ufffd")


async def rejections(
    connection: AsyncConnection, import_id: str, after_row: int, limit: int
) -> list[RejectedRow]:
    """The rows that were rejected, in the order of the file; those after `after_row`."""
    rows = await connection.execute(
        text(
            "SELECT row_number, code, detail, pointer, original FROM import_rejections"
            " WHERE import_id = :id AND row_number > :after ORDER BY row_number LIMIT :limit"
        ),
        {"id": import_id, "after": after_row, "limit": limit},
    )
    return [RejectedRow(*row) for row in rows]


async def forget_outdated(connection: AsyncConnection) -> ImportJob | None:
    """Drop what is kept of one import that ended too long ago to be undone; None if there is none.

    Its counts and its rows' outcomes stay.
    """
    row = (
        await connection.execute(
            text(_OUTDATED), {"ended": [*ENDED, ImportStatus.UNDONE], "days": KEPT_DAYS}
        )
    ).one_or_none()
    if row is None:
        return None
    job = replace(JOB.validate_json(row.document), forgotten=True)
    await drop_chunks(connection, job.import_id)
    await forget_values(connection, job.import_id)
    await save(connection, job)
    return job


async def forget_values(connection: AsyncConnection, import_id: str) -> None:
    """Drop what rejected rows said, and what taken ones changed."""
    for table, column in (("import_rejections", "original"), ("import_rows", "changes")):
        await connection.execute(
            text(
                f"UPDATE {table} SET {column} = NULL"  # noqa: S608 - both are ours
                f" WHERE import_id = :id AND {column} IS NOT NULL"
            ),
            {"id": import_id},
        )
