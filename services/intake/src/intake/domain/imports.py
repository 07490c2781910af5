"""An import: one file of leads, how far it is, and what became of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from keyturn_events.vocabulary import LeadChannel


class ImportStatus(StrEnum):
    """Where an import stands."""

    RECEIVING = "receiving"
    """Its body is still coming in."""
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """The file itself cannot be read on; the rows before that were imported."""


class FileFormat(StrEnum):
    """How the rows of a file are written."""

    CSV = "csv"
    NDJSON = "ndjson"


class Encoding(StrEnum):
    """How the characters of a file are written; a byte order mark is skipped."""

    UTF_8 = "utf-8"
    GB18030 = "gb18030"


@dataclass(frozen=True, slots=True)
class FileLayout:
    """How to read a file."""

    format: FileFormat = FileFormat.CSV
    encoding: Encoding = Encoding.UTF_8
    gzip: bool = False
    delimiter: str = ","
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our name of a column by the file's own, for those that differ."""
    ignore_unknown_columns: bool = False
    channel: LeadChannel = LeadChannel.FILE
    """The channel of rows that name none."""
    community_id: str | None = None
    """The community of rows that name none."""


@dataclass(frozen=True, slots=True)
class ImportJob:
    """An import as it stands."""

    import_id: str
    layout: FileLayout
    dry_run: bool = False
    """Whether everything is checked and nothing kept."""
    name: str | None = None
    status: ImportStatus = ImportStatus.RECEIVING
    attempt: str = ""
    """Which upload it is that may add to the body."""
    digest: str = ""
    """SHA-256 of the body."""
    bytes_received: int = 0
    chunks: int = 0
    rows: int = 0
    """Rows that are done; an import goes on after this one."""
    created: int = 0
    joined: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Rows that were rejected, by reason. created + joined + rejected = rows."""
    fault_code: str | None = None
    fault_detail: str | None = None

    def progressed(self, outcomes: Iterable[str]) -> ImportJob:
        """The import after more rows: each created, joined or rejected for a reason."""
        rows, created, joined = self.rows, self.created, self.joined
        rejected = dict(self.rejected)
        for outcome in outcomes:
            rows += 1
            if outcome == "created":
                created += 1
            elif outcome == "joined":
                joined += 1
            else:
                rejected[outcome] = rejected.get(outcome, 0) + 1
        return replace(
            self,
            status=ImportStatus.RUNNING,
            rows=rows,
            created=created,
            joined=joined,
            rejected=rejected,
        )

    def failed(self, code: str, detail: str) -> ImportJob:
        """The import when its file cannot be read on."""
        return replace(self, status=ImportStatus.FAILED, fault_code=code, fault_detail=detail)
