"""Imports as they stand: listed, shown, stopped, gone on with, and undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response, Security

from intake.api.import_bodies import ImportBody, ImportSummary, not_found
from intake.domain.imports.imports import ImportJob, resumed, stopped, undone
from intake.store import jobs
from keyturn_chassis import commands, idempotency
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.idempotency import Answer
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Keyset, Limit, Page
from keyturn_events.scalars import ImportId

router = APIRouter(prefix="/imports", tags=["imports"])

Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["imports:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["imports:read"])]

FIRST_REJECTIONS: Final = 20
"""Rejected rows that come with an import itself."""

_newest_first = Keyset(tuple[datetime, str])


@router.get("", summary="The imports, newest first", response_model=Page[ImportSummary])
async def list_imports(
    _: Reader,
    connection: commands.Reading,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[ImportSummary]:
    """Every file that was sent, and how its import went."""
    found = await jobs.newest(connection, limit + 1, _newest_first.decode(cursor))
    items, next_cursor = _newest_first.page(found, limit, lambda item: (item[0], item[1].import_id))
    return Page(items=[ImportSummary.of(job) for _, job in items], next_cursor=next_cursor)


@router.get("/{import_id}", summary="How an import goes", response_model=ImportBody)
async def show_import(import_id: ImportId, _: Reader, connection: commands.Reading) -> ImportBody:
    """How far an import is, what became of its rows, and the first that were rejected."""
    job = await jobs.find(connection, import_id)
    if job is None:
        raise not_found()
    return ImportBody.of(job, await jobs.rejections(connection, import_id, 0, FIRST_REJECTIONS))


@router.post(
    "/{import_id}/stop", status_code=202, summary="Stop an import", response_model=ImportBody
)
async def stop_import(import_id: ImportId, caller: Writer) -> Response:
    """End after the rows in hand. What was imported stays; it can go on later, or be undone."""
    return await _changed(caller, import_id, stopped)


@router.post(
    "/{import_id}/resume",
    status_code=202,
    summary="Go on with a stopped import",
    response_model=ImportBody,
)
async def resume_import(import_id: ImportId, caller: Writer) -> Response:
    """Go on after the last row that was done. Possible for 30 days after the file was sent."""
    return await _changed(caller, import_id, resumed)


@router.post(
    "/{import_id}/undo", status_code=202, summary="Undo an import", response_model=ImportBody
)
async def undo_import(
    import_id: ImportId,
    caller: Writer,
    *,
    dry_run: Annotated[bool, Query(description="Only find out what could be taken back.")] = False,
) -> Response:
    """Take back what the import did, row by row from the last: `GET` it to see how far it is.

    Customers and leads that only this import made, and nobody touched since, are withdrawn, and
    their contact details deleted. Of others, the values that it filled in become what they were,
    unless they were changed since; contact points stay when the person came again. Touches stay in
    the history, marked as withdrawn. Possible for 30 days after the file was sent.
    """
    return await _changed(caller, import_id, lambda job: undone(job, dry_run=dry_run))


async def _changed(
    caller: commands.Caller, import_id: str, change: Callable[[ImportJob], ImportJob]
) -> Response:
    """Change how an import stands, and say how it does; once for each Idempotency-Key.

    Not in one commit with other requests: it waits for the rows that are in hand.
    """
    request = caller.request
    async with caller.runtime.database.transaction() as connection:
        job = await jobs.find(connection, import_id, lock=True)
        if job is None:
            raise not_found()
        known = await idempotency.recall(connection, [request] if caller.remembered else [])
        if (earlier := known.get(request.identity)) is not None:
            answer = earlier.answer_to(request)
        else:
            changed = change(job)
            if changed is not job:
                await jobs.save(connection, changed)
            first = await jobs.rejections(connection, import_id, 0, FIRST_REJECTIONS)
            answer = Answer(202, ImportBody.of(changed, first).model_dump_json())
            if caller.remembered:
                await idempotency.remember(connection, {request: answer})
    headers = {"location": f"/imports/{import_id}"}
    if answer.replayed:
        headers["idempotency-replayed"] = "true"
    return Response(
        answer.body, status_code=answer.status, media_type=answer.media_type, headers=headers
    )
