"""Works through imports: a thousand rows a transaction, and with them how far it is.

Killed at any moment, it goes on after the last row that was committed: no row is lost or doubled.
Stopped by its owner, it ends after the rows in hand. To undo an import is the same work backwards
(undoing.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from intake.domain.dossier import EMPTY, Dossier
from intake.domain.imports.imports import TO_DO, ImportJob, ImportStatus
from intake.domain.leads.capture import CaptureLead, capture
from intake.domain.privacy.suppression import SUPPRESSED_PERSON
from intake.reading.lead_form import LeadForm
from intake.reading.rows import Row, RowReader, kept_for_mending
from intake.store import import_rows, jobs
from intake.store.jobs import RejectedRow
from intake.tasks import undoing
from keyturn_chassis import telemetry
from keyturn_chassis.clock import wall_now
from keyturn_chassis.database import is_conflict, is_transient
from keyturn_chassis.inputs import Cause, Input
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.settle import settle
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_events import Event, Refusal, RefusalKind

BATCH: Final = 1_000
"""Rows of one transaction."""
POLL_SECONDS: Final = 0.25
"""How long a new import may wait when there was nothing to do."""
BREATH: Final = 50
"""Rows after which the other loops of the worker get their turn."""
READ_AT_ONCE: Final = 65_536
"""Bytes of the body that are read at once: so finely it is known how far an import is."""
TIDY_SECONDS: Final = 60.0
"""How often it looks for what need not be kept any more."""
LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('intake-imports'))"
"""One worker imports at a time; the lock goes with its connection, so a crash frees it."""

_log = telemetry.get_logger(__name__)


class _LetGo(Exception):
    """The import is not ours to go on with: another worker is further, or somebody stopped it."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a row of the file asks for, or why it cannot be read."""

    number: int
    """Its place in the file, from 1."""
    command: CaptureLead | Refusal
    text: str
    """The line as it stands."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows for one transaction, and how much of the body is read when they are done."""

    rows: Sequence[_Asked]
    bytes_read: int


class _Watch:
    """Has captures decided, and remembers what the latest looked at."""

    def __init__(self) -> None:
        self.before = EMPTY

    def decide(
        self, dossier: Dossier, command: CaptureLead, cause: Cause
    ) -> tuple[Dossier, Sequence[Event]]:
        """The decision of the domain."""
        self.before = dossier
        return capture(dossier, command, cause)


class ImportTask:
    """The worker's loop over imports that are waiting or were interrupted."""

    name = "imports"

    def __init__(self) -> None:
        self._tidy_at = 0.0

    async def run(self, runtime: Runtime, /) -> None:
        """Import until cancelled."""
        while True:
            try:
                worked = await self.work(runtime)
            except Exception as error:
                if not (is_transient(error) or is_conflict(error)):
                    raise
                _log.warning("import_retry", error=type(error).__name__)
                worked = False
            if not worked:
                await asyncio.sleep(POLL_SECONDS)

    async def work(self, runtime: Runtime) -> bool:
        """Work through the oldest import; whether there was one that is ours."""
        await self._tidy(runtime)
        async with runtime.database.transaction() as connection:
            job = await jobs.next_to_do(connection)
        if job is None:
            return False
        alone = await runtime.database.dedicated()
        try:
            if not await alone.fetchval(LOCK):
                return False
            taken = await _take_up(runtime, job.import_id)
            if taken is None:
                return True
            if taken.status is ImportStatus.UNDOING:
                await undoing.undo(runtime, taken)
            else:
                await _import(runtime, taken)
        except _LetGo:
            _log.info("import_let_go", import_id=job.import_id)
        finally:
            await alone.close()
        return True

    async def _tidy(self, runtime: Runtime) -> None:
        """Now and then, drop what is kept for nobody."""
        now = asyncio.get_running_loop().time()
        if now < self._tidy_at:
            return
        self._tidy_at = now + TIDY_SECONDS
        async with runtime.database.transaction() as connection:
            await jobs.drop_abandoned(connection)
            forgotten = await jobs.forget_outdated(connection)
        if forgotten is not None:
            # There may be more; the next round looks again at once.
            self._tidy_at = now
            _log.info("import_forgotten", import_id=forgotten.import_id)


async def _take_up(runtime: Runtime, import_id: str) -> ImportJob | None:
    """Begin, or go on; None when there is nothing left to do."""
    async with runtime.database.transaction() as connection:
        job = await jobs.find(connection, import_id, lock=True)
        if job is None or job.status not in TO_DO:
            return None
        job = job.taken_up(wall_now())
        await jobs.save(connection, job)
    return job


async def _import(runtime: Runtime, job: ImportJob) -> None:
    batches = _batches(runtime, job)
    # While PostgreSQL is busy with one batch the next is read.
    upcoming = asyncio.ensure_future(anext(batches, None))
    try:
        while (batch := await upcoming) is not None:
            upcoming = asyncio.ensure_future(anext(batches, None))
            await _settle(runtime, job, batch)
    except Refusal as refusal:
        await _finish(runtime, job.import_id, refusal)
    else:
        await _finish(runtime, job.import_id, None)
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)


async def _batches(runtime: Runtime, job: ImportJob) -> AsyncIterator[_Batch]:
    """The rows that are not done yet, read, a transaction's worth at a time.

    Raises `Refusal` when the file cannot be read on, after the rows before that.
    """
    rows: list[_Asked] = []
    bytes_read = 0
    try:
        async for row, bytes_read in _rows(runtime, job):
            rows.append(_Asked(row.number, _read(job, row), row.text))
            if len(rows) == BATCH:
                yield _Batch(rows, bytes_read)
                rows = []
            elif len(rows) % BREATH == 0:
                await asyncio.sleep(0)
    except Refusal:
        if rows:
            yield _Batch(rows, bytes_read)
        raise
    if rows:
        yield _Batch(rows, bytes_read)


async def _rows(runtime: Runtime, job: ImportJob) -> AsyncIterator[tuple[Row, int]]:
    """The rows that are not done yet, each with how much of the body was read for it."""
    reader = RowReader(job.layout)
    bytes_read = 0
    for number in range(job.chunks):
        async with runtime.database.transaction() as connection:
            content = await jobs.chunk(connection, job.import_id, number)
        for start in range(0, len(content), READ_AT_ONCE):
            piece = content[start : start + READ_AT_ONCE]
            bytes_read += len(piece)
            for row in reader.feed(piece):
                if row.number > job.rows:
                    yield row, bytes_read
    for row in reader.finish():
        if row.number > job.rows:
            yield row, bytes_read


def _read(job: ImportJob, row: Row) -> CaptureLead | Refusal:
    if row.fault is not None:
        return row.fault
    try:
        form = LeadForm.read(row.form)
    except Refusal as invalid:
        return invalid
    return form.command(collected_through="import", import_id=job.import_id)


async def _settle(runtime: Runtime, job: ImportJob, batch: _Batch) -> None:
    """Commit rows, together or, when the store refuses them so, in smaller parts."""

    async def transact(part: Sequence[_Asked]) -> None:
        await _transact(runtime, job, _Batch(part, batch.bytes_read))

    async def give_up(row: _Asked, error: Exception) -> None:
        if isinstance(error, _LetGo):
            raise error
        _log.error("store_refused_row", error=type(error).__name__, import_id=job.import_id)
        refusal = Refusal(
            "store-refused",
            f"The store refused the row: {type(error).__name__}.",
            kind=RefusalKind.INVALID,
        )
        await transact([replace(row, command=refusal)])

    await settle(batch.rows, transact, give_up)


async def _transact(runtime: Runtime, job: ImportJob, batch: _Batch) -> None:
    """One transaction: the effects of the rows, what became of them, and the place to go on."""
    watch = _Watch()
    outcomes: list[str] = []
    taken: list[dict[str, Any]] = []
    rejections: list[RejectedRow] = []
    async with runtime.database.transaction() as connection:
        current = await jobs.find(connection, job.import_id, lock=True)
        if (
            current is None
            or current.rows != batch.rows[0].number - 1
            or current.status is not ImportStatus.RUNNING
        ):
            raise _LetGo
        unit = UnitOfWork(runtime.service, connection)
        now = await runtime.clock.now(connection)
        inputs = [_input(job, row, now, watch) for row in batch.rows]
        await unit.load([input for input in inputs if isinstance(input, Input)])
        for count, (row, input) in enumerate(zip(batch.rows, inputs, strict=True), 1):
            try:
                after = _decided(unit, input)
            except Refusal as refusal:
                outcomes.append(refusal.code)
                rejections.append(_rejected(job, row, refusal))
            else:
                taken.append(import_rows.import_row(job.import_id, row.number, watch.before, after))
                outcomes.append(taken[-1]["outcome"])
            if count % BREATH == 0:
                await asyncio.sleep(0)
        if not job.dry_run:
            await unit.flush()
            await import_rows.add(connection, taken)
        await jobs.add_rejections(connection, job.import_id, rejections)
        progressed = current.progressed(outcomes, bytes_read=batch.bytes_read, at=wall_now())
        await jobs.save(connection, progressed)
    telemetry.BATCH_SIZE.labels("import").observe(len(batch.rows))
    telemetry.ACCEPTED.labels("import").inc(len(taken))
    for rejection in rejections:
        telemetry.REFUSED.labels("import", rejection.code).inc()


def _input(
    job: ImportJob, row: _Asked, now: datetime, watch: _Watch
) -> Input[CaptureLead] | Refusal:
    if isinstance(row.command, Refusal):
        return row.command
    return Input(row.command, Cause("/imports", f"{job.import_id}/{row.number}", now), watch.decide)


def _decided(unit: UnitOfWork, input: Input[CaptureLead] | Refusal) -> Dossier:
    """What a row comes to. Raises `Refusal`."""
    if isinstance(input, Refusal):
        raise input
    dossier: Dossier
    dossier, _ = unit.decide(input)
    return dossier


def _rejected(job: ImportJob, row: _Asked, refusal: Refusal) -> RejectedRow:
    # Who was erased is not to come back by way of what we keep for mending.
    suppressed = refusal.code == SUPPRESSED_PERSON
    text = None if suppressed else kept_for_mending(row.text, job.layout, job.header)
    return RejectedRow(row.number, refusal.code, refusal.detail, refusal.pointer, text)


async def _finish(runtime: Runtime, import_id: str, fault: Refusal | None) -> None:
    async with runtime.database.transaction() as connection:
        job = await jobs.find(connection, import_id, lock=True)
        if job is None or job.status is not ImportStatus.RUNNING:
            return
        finished = (
            replace(job, status=ImportStatus.DONE)
            if fault is None
            else job.failed(fault.code, fault.detail)
        )
        await jobs.save(connection, finished)
        await jobs.drop_chunks(connection, import_id)
    _log.info("import_finished", import_id=import_id, status=finished.status, rows=finished.rows)
