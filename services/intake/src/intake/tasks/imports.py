"""Works through imports: a thousand rows a transaction, and with them how far it is.

Killed at any moment, it goes on after the last row that was committed: no row is lost or doubled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from intake.domain.capture import CaptureLead, capture
from intake.domain.imports import ImportJob, ImportStatus
from intake.reading.lead_form import LeadForm
from intake.reading.rows import Row, RowReader
from intake.store import jobs
from keyturn_chassis import telemetry
from keyturn_chassis.database import is_conflict, is_transient
from keyturn_chassis.inputs import Cause, Input
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.settle import settle
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_events import Refusal, RefusalKind

BATCH: Final = 1_000
"""Rows of one transaction."""
POLL_SECONDS: Final = 0.25
"""How long a new import may wait when there was nothing to do."""
BREATH: Final = 50
"""Rows after which the other loops of the worker get their turn."""
LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('intake-imports'))"
"""One worker imports at a time; the lock goes with its connection, so a crash frees it."""

_log = telemetry.get_logger(__name__)


class _TakenOver(Exception):
    """Another worker is further than we are."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a row of the file asks for, or why it cannot be read."""

    number: int
    """Its place in the file, from 1."""
    command: CaptureLead | Refusal


class ImportTask:
    """The worker's loop over imports that are waiting or were interrupted."""

    name = "imports"

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
        async with runtime.database.transaction() as connection:
            await jobs.drop_abandoned(connection)
            job = await jobs.next_to_do(connection)
        if job is None:
            return False
        alone = await runtime.database.dedicated()
        try:
            if not await alone.fetchval(LOCK):
                return False
            await _import(runtime, job.import_id)
        except _TakenOver:
            _log.info("import_taken_over", import_id=job.import_id)
        finally:
            await alone.close()
        return True


async def _import(runtime: Runtime, import_id: str) -> None:
    async with runtime.database.transaction() as connection:
        job = await jobs.find(connection, import_id)
    if job is None or job.status not in (ImportStatus.WAITING, ImportStatus.RUNNING):
        return
    batches = _batches(runtime, job)
    # While PostgreSQL is busy with one batch the next is read.
    upcoming = asyncio.ensure_future(anext(batches, None))
    try:
        while (batch := await upcoming) is not None:
            upcoming = asyncio.ensure_future(anext(batches, None))
            await _settle(runtime, job, batch)
    except Refusal as refusal:
        await _finish(runtime, import_id, refusal)
    else:
        await _finish(runtime, import_id, None)
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)


async def _batches(runtime: Runtime, job: ImportJob) -> AsyncIterator[list[_Asked]]:
    """The rows that are not done yet, read, a transaction's worth at a time.

    Raises `Refusal` when the file cannot be read on, after the rows before that.
    """
    batch: list[_Asked] = []
    try:
        async for row in _rows(runtime, job):
            batch.append(_Asked(row.number, _read(job, row)))
            if len(batch) == BATCH:
                yield batch
                batch = []
            elif len(batch) % BREATH == 0:
                await asyncio.sleep(0)
    except Refusal:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


async def _rows(runtime: Runtime, job: ImportJob) -> AsyncIterator[Row]:
    reader = RowReader(job.layout)
    for number in range(job.chunks):
        async with runtime.database.transaction() as connection:
            content = await jobs.chunk(connection, job.import_id, number)
        for row in reader.feed(content):
            if row.number > job.rows:
                yield row
    for row in reader.finish():
        if row.number > job.rows:
            yield row


def _read(job: ImportJob, row: Row) -> CaptureLead | Refusal:
    if row.fault is not None:
        return row.fault
    try:
        form = LeadForm.read(row.form)
    except Refusal as invalid:
        return invalid
    return form.command(collected_through="import", import_id=job.import_id)


async def _settle(runtime: Runtime, job: ImportJob, rows: Sequence[_Asked]) -> None:
    """Commit rows, together or, when the store refuses them so, in smaller parts."""

    async def transact(part: Sequence[_Asked]) -> None:
        await _transact(runtime, job, part)

    async def give_up(row: _Asked, error: Exception) -> None:
        if isinstance(error, _TakenOver):
            raise error
        _log.error("store_refused_row", error=type(error).__name__, import_id=job.import_id)
        refusal = Refusal(
            "store-refused",
            f"The store refused the row: {type(error).__name__}.",
            kind=RefusalKind.INVALID,
        )
        await _transact(runtime, job, [replace(row, command=refusal)])

    await settle(rows, transact, give_up)


async def _transact(runtime: Runtime, job: ImportJob, rows: Sequence[_Asked]) -> None:
    """One transaction: the effects of the rows, their rejections, and the place to go on."""
    async with runtime.database.transaction() as connection:
        current = await jobs.find(connection, job.import_id, lock=True)
        if current is None or current.rows != rows[0].number - 1:
            raise _TakenOver
        unit = UnitOfWork(runtime.service, connection)
        now = await runtime.clock.now(connection)
        inputs = [_input(job, row, now) for row in rows]
        await unit.load([input for input in inputs if isinstance(input, Input)])
        outcomes = []
        rejections = []
        for count, (row, input) in enumerate(zip(rows, inputs, strict=True), 1):
            outcome, refusal = _decide(unit, input)
            outcomes.append(outcome)
            if refusal is not None:
                rejections.append(
                    {
                        "row_number": row.number,
                        "code": refusal.code,
                        "detail": refusal.detail,
                        "pointer": refusal.pointer,
                    }
                )
            if count % BREATH == 0:
                await asyncio.sleep(0)
        if not job.dry_run:
            await unit.flush()
        await jobs.add_rejections(connection, job.import_id, rejections)
        await jobs.save(connection, current.progressed(outcomes))
    telemetry.BATCH_SIZE.labels("import").observe(len(rows))
    telemetry.ACCEPTED.labels("import").inc(len(rows) - len(rejections))
    for rejection in rejections:
        telemetry.REFUSED.labels("import", rejection["code"]).inc()


def _input(job: ImportJob, row: _Asked, now: datetime) -> Input[CaptureLead] | Refusal:
    if isinstance(row.command, Refusal):
        return row.command
    return Input(row.command, Cause("/imports", f"{job.import_id}/{row.number}", now), capture)


def _decide(unit: UnitOfWork, input: Input[CaptureLead] | Refusal) -> tuple[str, Refusal | None]:
    """What becomes of a row: created, joined, or the code of its refusal."""
    if isinstance(input, Refusal):
        return input.code, input
    try:
        dossier, _ = unit.decide(input)
    except Refusal as refusal:
        return refusal.code, refusal
    return ("joined" if dossier.touches[0].joined else "created"), None


async def _finish(runtime: Runtime, import_id: str, fault: Refusal | None) -> None:
    async with runtime.database.transaction() as connection:
        job = await jobs.find(connection, import_id, lock=True)
        if job is None:
            return
        finished = (
            replace(job, status=ImportStatus.DONE)
            if fault is None
            else job.failed(fault.code, fault.detail)
        )
        await jobs.save(connection, finished)
        await jobs.drop_chunks(connection, import_id)
    _log.info("import_finished", import_id=import_id, status=finished.status, rows=finished.rows)
