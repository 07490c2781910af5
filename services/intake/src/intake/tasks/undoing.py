"""Undoes an import: its rows are taken back from the last to the first, some a transaction.

Killed at any moment, it goes on with the rows that are not taken back yet. A dry run decides the
same and keeps nothing but the counts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.imports.imports import ImportJob, ImportStatus, looked_through, taken_back
from intake.domain.imports.undoing import ImportedRow, TakeBackRow, take_back
from intake.store import import_rows, jobs
from keyturn_chassis import telemetry
from keyturn_chassis.clock import wall_now
from keyturn_chassis.inputs import Cause, Input
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.settle import settle
from keyturn_chassis.unit_of_work import UnitOfWork

BATCH: Final = 500
"""Rows of one transaction."""
BREATH: Final = 50
"""Rows after which the other loops of the worker get their turn."""

_log = telemetry.get_logger(__name__)


class _LetGo(Exception):
    """Another worker is further."""


async def undo(runtime: Runtime, job: ImportJob) -> None:
    """Work until every row of the import is done, or somebody else goes on with it."""
    import_id = job.import_id

    async def transact(rows: Sequence[TakeBackRow]) -> None:
        await _transact(runtime, import_id, rows)

    async def give_up(row: TakeBackRow, error: Exception) -> None:
        if isinstance(error, _LetGo):
            raise error
        _log.error("undo_refused_row", error=type(error).__name__, import_id=import_id)
        async with runtime.database.transaction() as connection:
            current = await _current(connection, import_id, row)
            counted = _progressed(current, [row], Counter(), Counter({"rows/store-refused": 1}))
            await jobs.save(connection, counted)

    while (rows := await _next(runtime, import_id)) is not None:
        try:
            await settle(rows, transact, give_up)
        except _LetGo:
            _log.info("undo_let_go", import_id=import_id)
            return


async def _next(runtime: Runtime, import_id: str) -> list[TakeBackRow] | None:
    """The rows to take back next; None when there are none left, and the import says so."""
    async with runtime.database.transaction() as connection:
        job = await jobs.find(connection, import_id, lock=True)
        if job is None or job.status is not ImportStatus.UNDOING or job.undoing is None:
            return None
        rows = await import_rows.to_take_back(connection, import_id, job.undoing.next_row, BATCH)
        if rows:
            return rows
        ended = looked_through(job)
        await jobs.save(connection, ended)
        if ended.status is ImportStatus.UNDONE:
            await jobs.drop_chunks(connection, import_id)
            await jobs.forget_values(connection, import_id)
    _log.info("import_looked_through", import_id=import_id, status=ended.status)
    return None


async def _transact(runtime: Runtime, import_id: str, rows: Sequence[TakeBackRow]) -> None:
    """One transaction: the rows taken back, and the place to go on."""
    gone: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    async with runtime.database.transaction() as connection:
        job = await _current(connection, import_id, rows[0])
        unit = UnitOfWork(runtime.service, connection)
        now = await runtime.clock.now(connection)
        inputs = [_input(row, now) for row in rows]
        await unit.load(inputs)
        for count, input in enumerate(inputs, 1):
            row: ImportedRow
            row, _ = unit.decide(input)
            gone.update(row.gone)
            kept.update(row.kept)
            if count % BREATH == 0:
                await asyncio.sleep(0)
        if job.undoing is not None and not job.undoing.dry_run:
            await unit.flush()
        await jobs.save(connection, _progressed(job, rows, gone, kept))


async def _current(connection: AsyncConnection, import_id: str, row: TakeBackRow) -> ImportJob:
    """The import, if this is the row to go on with. Raises `_LetGo`."""
    job = await jobs.find(connection, import_id, lock=True)
    if job is None or job.undoing is None or job.status is not ImportStatus.UNDOING:
        raise _LetGo
    if job.undoing.next_row < row.row_number:
        raise _LetGo
    return job


def _progressed(
    job: ImportJob, rows: Sequence[TakeBackRow], gone: Counter[str], kept: Counter[str]
) -> ImportJob:
    return taken_back(
        job,
        next_row=rows[-1].row_number - 1,
        rows=len(rows),
        gone=gone,
        kept=kept,
        at=wall_now(),
    )


def _input(command: TakeBackRow, now: datetime) -> Input[TakeBackRow]:
    cause = Cause("/imports", f"{command.import_id}/{command.row_number}/undo", now)
    return Input(command, cause, take_back)
