"""How an import is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from intake.domain.imports.imports import ImportJob, ImportStatus, Undoing
from intake.store.jobs import RejectedRow as KeptRejection
from keyturn_events import Refusal, RefusalKind
from keyturn_events.scalars import Code


class RejectedRow(BaseModel):
    """A row that was rejected, and what to mend."""

    row: int = Field(description="Its place in the file, from 1, the header not counted.")
    outcome: Literal["rejected"] = "rejected"
    code: Code
    detail: str
    pointer: str | None

    @classmethod
    def of(cls, row: KeptRejection) -> RejectedRow:
        """The row as it is shown."""
        return cls(row=row.row_number, code=row.code, detail=row.detail, pointer=row.pointer)


class UndoBody(BaseModel):
    """How the undoing of an import goes, and what it came to."""

    dry_run: bool = Field(description="Whether it was only found out what could be taken back.")
    done: bool
    rows: int = Field(description="Rows that are done, of those that were created or joined.")
    taken_back: dict[str, int] = Field(description="How many customers, leads, touches and values.")
    kept: dict[str, dict[str, int]] = Field(
        description="How many customers, leads and values stay, by the reason; of values, by name."
    )

    @classmethod
    def of(cls, undoing: Undoing, *, done: bool) -> UndoBody:
        """The undoing as it stands."""
        return cls(
            dry_run=undoing.dry_run,
            done=done,
            rows=undoing.rows,
            taken_back=dict(undoing.taken_back),
            kept=_by_kind(undoing.kept),
        )


class ImportSummary(BaseModel):
    """How an import goes; created + joined + rejected = rows."""

    import_id: str
    status: ImportStatus
    name: str | None
    dry_run: bool
    received_at: datetime | None
    bytes_received: int
    rows: int = Field(description="Rows that are done.")
    created: int
    joined: int
    rejected: int
    rejected_by_reason: dict[str, int]
    progress: float = Field(description="How much of the work in hand is done, from 0 to 1.")
    rows_per_second: float | None
    seconds_left: int | None = Field(description="An estimate, while it runs or is undone.")
    fault_code: str | None = Field(description="Why the file could not be read to its end.")
    fault_detail: str | None
    undo: UndoBody | None

    @classmethod
    def of(cls, job: ImportJob) -> ImportSummary:
        """The import as it stands."""
        return cls.model_validate(_fields(job))


class ImportBody(ImportSummary):
    """An import with the first of its rows that were rejected."""

    first_rejections: list[RejectedRow] = Field(
        default=[], description="The first 20 rows that were rejected, in the order of the file."
    )

    @classmethod
    def of(cls, job: ImportJob, rejections: list[KeptRejection] | None = None) -> ImportBody:
        """The import as it stands."""
        first = [RejectedRow.of(row) for row in rejections or ()]
        return cls.model_validate(_fields(job) | {"first_rejections": first})


def _fields(job: ImportJob) -> dict[str, object]:
    pace, left, undoing = job.rows_per_second, job.seconds_left, job.undoing
    return {
        "import_id": job.import_id,
        "status": job.status,
        "name": job.name,
        "dry_run": job.dry_run,
        "received_at": job.received_at,
        "bytes_received": job.bytes_received,
        "rows": job.rows,
        "created": job.created,
        "joined": job.joined,
        "rejected": sum(job.rejected.values()),
        "rejected_by_reason": dict(job.rejected),
        "progress": round(job.progress, 4),
        "rows_per_second": None if pace is None else round(pace, 1),
        "seconds_left": None if left is None else round(left),
        "fault_code": job.fault_code,
        "fault_detail": job.fault_detail,
        "undo": undoing and UndoBody.of(undoing, done=job.status is not ImportStatus.UNDOING),
    }


def _by_kind(kept: Mapping[str, int]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for key, count in kept.items():
        kind, _, reason = key.partition("/")
        counts.setdefault(kind, {})[reason] = count
    return counts


def not_found() -> Refusal:
    """The refusal for an import that there is not."""
    return Refusal("import-not-found", "There is no import of this id.", kind=RefusalKind.NOT_FOUND)
