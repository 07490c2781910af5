"""An import: one file of leads, how far it is, what became of its rows, and its taking back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from keyturn_events.refusal import Refusal
from keyturn_events.vocabulary import LeadChannel


class ImportStatus(StrEnum):
    """Where an import stands."""

    RECEIVING = "receiving"
    """Its body is still coming in."""
    WAITING = "waiting"
    RUNNING = "running"
    STOPPED = "stopped"
    """Somebody stopped it; the rows before that were imported, and it can go on."""
    DONE = "done"
    FAILED = "failed"
    """The file itself cannot be read on; the rows before that were imported."""
    UNDOING = "undoing"
    """Its rows are being taken back, or it is being found out which could be."""
    UNDONE = "undone"


TO_DO = frozenset({ImportStatus.WAITING, ImportStatus.RUNNING, ImportStatus.UNDOING})
"""Where the worker has something to do."""
ENDED = frozenset({ImportStatus.STOPPED, ImportStatus.DONE, ImportStatus.FAILED})
"""Where an import can be undone."""


class RowOutcome(StrEnum):
    """What became of a row."""

    CREATED = "created"
    JOINED = "joined"
    REJECTED = "rejected"


class FileFormat(StrEnum):
    """How the rows of a file are written."""

    CSV = "csv"
    NDJSON = "ndjson"


class Encoding(StrEnum):
    """How the characters of a file are written; the file's own byte order mark has precedence."""

    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    """By its byte order mark; without one, little-endian."""
    GB18030 = "gb18030"
    """Simplified Chinese, GBK and GB 2312 included."""
    BIG5 = "big5"
    """Traditional Chinese."""
    SHIFT_JIS = "shift_jis"
    EUC_JP = "euc-jp"
    EUC_KR = "euc-kr"
    WINDOWS_1250 = "windows-1250"
    """Central European."""
    WINDOWS_1251 = "windows-1251"
    """Cyrillic."""
    WINDOWS_1252 = "windows-1252"
    """Western European, ISO 8859-1 included."""


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
class Pace:
    """How quickly work goes, since it was last taken up."""

    since: datetime
    """Real time, as all times of this module."""
    rows: int
    """Rows that were done by then."""
    at: datetime
    """When the latest rows were done."""

    def per_second(self, rows: int) -> float | None:
        """Rows a second up to the latest; None before there is anything to measure."""
        seconds = (self.at - self.since).total_seconds()
        return (rows - self.rows) / seconds if seconds > 0 and rows > self.rows else None


@dataclass(frozen=True, slots=True)
class Undoing:
    """The taking back of an import, from its last row to its first."""

    returns_to: ImportStatus
    """Where the import stood before."""
    dry_run: bool = False
    """Whether it is only found out what could be taken back."""
    next_row: int = 0
    """The row to go on with, downwards; 0 when all are done."""
    rows: int = 0
    """Rows that are done, of those that were created or joined."""
    taken_back: Mapping[str, int] = field(default_factory=dict)
    """How many customers, leads, touches and values."""
    kept: Mapping[str, int] = field(default_factory=dict)
    """How many customers, leads and values stay, by the reason."""
    pace: Pace | None = None


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
    received_at: datetime | None = None
    digest: str = ""
    """SHA-256 of the body."""
    bytes_received: int = 0
    chunks: int = 0
    header: tuple[str, ...] = ()
    """The first line of a CSV file, cell by cell."""
    bytes_read: int = 0
    """How much of the body the rows that are done take up."""
    rows: int = 0
    """Rows that are done; an import goes on after this one."""
    created: int = 0
    joined: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Rows that were rejected, by reason. created + joined + rejected = rows."""
    pace: Pace | None = None
    fault_code: str | None = None
    fault_detail: str | None = None
    undoing: Undoing | None = None
    forgotten: bool = False
    """Whether what would be needed to undo it, or to go on with it, has been dropped."""

    def progressed(
        self, outcomes: Iterable[str], *, bytes_read: int = 0, at: datetime | None = None
    ) -> ImportJob:
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
            bytes_read=max(bytes_read, self.bytes_read),
            pace=self.pace and replace(self.pace, at=at or self.pace.at),
        )

    def taken_up(self, at: datetime) -> ImportJob:
        """The import when a worker takes it up at that time."""
        if self.undoing is not None and self.status is ImportStatus.UNDOING:
            pace = Pace(at, self.undoing.rows, at)
            return replace(self, undoing=replace(self.undoing, pace=pace))
        return replace(self, status=ImportStatus.RUNNING, pace=Pace(at, self.rows, at))

    def failed(self, code: str, detail: str) -> ImportJob:
        """The import when its file cannot be read on."""
        return replace(self, status=ImportStatus.FAILED, fault_code=code, fault_detail=detail)

    @property
    def rows_per_second(self) -> float | None:
        """The pace of the latest run, of the import or of its undoing; None if unknown."""
        if self._backwards is not None:
            pace, rows = self._backwards.pace, self._backwards.rows
        else:
            pace, rows = self.pace, self.rows
        return None if pace is None else pace.per_second(rows)

    @property
    def progress(self) -> float:
        """How much of the work in hand is done, from 0 to 1."""
        if self._backwards is not None:
            return 1 - self._backwards.next_row / self.rows if self.rows else 1.0
        if self.status is ImportStatus.DONE:
            return 1.0
        return min(1.0, self.bytes_read / self.bytes_received) if self.bytes_received else 0.0

    @property
    def seconds_left(self) -> float | None:
        """An estimate of how long the work in hand still takes; None if unknown or not in hand."""
        pace, progress = self.rows_per_second, self.progress
        if pace is None or progress <= 0 or self.status not in TO_DO:
            return None
        done = self.rows if self._backwards is None else self._backwards.rows
        return done * (1 - progress) / progress / pace

    @property
    def _backwards(self) -> Undoing | None:
        return self.undoing if self.status in (ImportStatus.UNDOING, ImportStatus.UNDONE) else None


def stopped(job: ImportJob) -> ImportJob:
    """The import stopped; nothing happens when it is already. Raises `Refusal`."""
    if job.status is ImportStatus.STOPPED:
        return job
    if job.status not in (ImportStatus.WAITING, ImportStatus.RUNNING):
        raise Refusal(
            "import-not-running",
            f"The import is {job.status}; only one that waits or runs can be stopped.",
        )
    return replace(job, status=ImportStatus.STOPPED)


def resumed(job: ImportJob) -> ImportJob:
    """A stopped import goes on after its last row; nothing happens when it does. Raises `Refusal`.

    The undoing of an import that was tried, if any, is forgotten: more rows come.
    """
    if job.status in (ImportStatus.WAITING, ImportStatus.RUNNING):
        return job
    if job.status is not ImportStatus.STOPPED:
        raise Refusal(
            "import-not-stopped",
            f"The import is {job.status}; only one that was stopped can go on.",
        )
    if job.forgotten:
        raise Refusal(
            "import-forgotten",
            "The import was stopped so long ago that its file is kept no more; send it anew.",
        )
    return replace(job, status=ImportStatus.WAITING, undoing=None)


def undone(job: ImportJob, *, dry_run: bool) -> ImportJob:
    """The import with its undoing begun; nothing happens when it is on its way or done already.

    Raises `Refusal` when there is nothing that could be taken back, or not yet, or no more.
    """
    if job.status is ImportStatus.UNDONE and not dry_run:
        return job
    if job.status is ImportStatus.UNDOING and job.undoing is not None:
        if job.undoing.dry_run == dry_run:
            return job
        raise Refusal(
            "import-being-undone",
            "The import is being looked through already; ask again when that is done.",
        )
    if job.dry_run:
        raise Refusal("import-kept-nothing", "The import was a dry run: there is nothing to undo.")
    if job.status is ImportStatus.UNDONE:
        raise Refusal("import-undone", "The import has been undone; nothing is left to take back.")
    if job.status not in ENDED:
        raise Refusal(
            "import-in-progress",
            f"The import is {job.status}; stop it, or wait until it is done, then undo it.",
        )
    if job.forgotten:
        raise Refusal(
            "import-forgotten",
            "The import ended so long ago that what it changed is remembered no more; mend the"
            " customers and leads one by one.",
        )
    undoing = Undoing(returns_to=job.status, dry_run=dry_run, next_row=job.rows)
    return replace(job, status=ImportStatus.UNDOING, undoing=undoing)


def taken_back(
    job: ImportJob,
    *,
    next_row: int,
    rows: int,
    gone: Mapping[str, int],
    kept: Mapping[str, int],
    at: datetime,
) -> ImportJob:
    """The import after the undoing of more rows, down to `next_row`.

    Raises LookupError when it is not being undone.
    """
    if job.undoing is None:
        raise LookupError("the import is not being undone")
    undoing = replace(
        job.undoing,
        next_row=next_row,
        rows=job.undoing.rows + rows,
        taken_back=_added(job.undoing.taken_back, gone),
        kept=_added(job.undoing.kept, kept),
        pace=job.undoing.pace and replace(job.undoing.pace, at=at),
    )
    return replace(job, undoing=undoing)


def looked_through(job: ImportJob) -> ImportJob:
    """The import after the last row of its undoing. Raises LookupError as `taken_back`."""
    if job.undoing is None:
        raise LookupError("the import is not being undone")
    undoing = replace(job.undoing, next_row=0)
    status = undoing.returns_to if undoing.dry_run else ImportStatus.UNDONE
    return replace(job, undoing=undoing, status=status)


def _added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {key: counts.get(key, 0) + more.get(key, 0) for key in sorted({*counts, *more})}
