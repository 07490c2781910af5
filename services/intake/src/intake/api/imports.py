"""The file door: a file is kept as it comes in, and worked through by the worker.

How an import goes is told, and decided on, in import_control.py; what became of its rows in
import_results.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Annotated, Final, Literal
from uuid import NAMESPACE_URL, uuid4, uuid5

from fastapi import APIRouter, Header, Query, Request, Response, Security

from intake.api.import_bodies import ImportBody
from intake.domain.imports.imports import Encoding, FileFormat, FileLayout, ImportJob, ImportStatus
from intake.reading.rows import RowReader
from intake.store import jobs
from keyturn_chassis import commands
from keyturn_chassis.clock import wall_now
from keyturn_chassis.problems import Problem
from keyturn_chassis.request_guard import streams_body
from keyturn_events import Refusal, RefusalKind
from keyturn_events.scalars import CommunityId, Line
from keyturn_events.vocabulary import LeadChannel

router = APIRouter(prefix="/imports", tags=["imports"])

Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["imports:write"])]

LARGEST_FILE: Final = 1_073_741_824
"""Bytes of one file as it is sent, 1 GiB."""
CHUNK: Final = 1_048_576
"""Bytes of the pieces in which a body is kept."""
FORMATS: Final = {
    "text/csv": FileFormat.CSV,
    "application/x-ndjson": FileFormat.NDJSON,
    "application/ndjson": FileFormat.NDJSON,
    "application/jsonl": FileFormat.NDJSON,
}
"""The format of a file by its content type."""


@router.post(
    "",
    status_code=201,
    summary="Import a file of leads",
    response_model=ImportBody,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "name,phone,community_id\n张伟,13800138000,riverside\n",
                },
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": '{"name": "张伟", "phone": "13800138000"}\n',
                },
            },
        }
    },
)
@streams_body(limit=LARGEST_FILE)
async def import_file(
    *,
    request: Request,
    caller: Writer,
    content_type: Annotated[str, Header()] = "",
    content_encoding: Annotated[Literal["gzip", "identity"], Header()] = "identity",
    encoding: Annotated[
        Encoding, Query(description="A byte order mark in the file has precedence.")
    ] = Encoding.UTF_8,
    delimiter: Annotated[str, Query(pattern=r'^[^"\r\n]$')] = ",",
    column: Annotated[
        list[str] | None,
        Query(
            max_length=100,
            description="`ours=theirs` for a column that the file calls otherwise; repeat it.",
        ),
    ] = None,
    channel: Annotated[LeadChannel, Query(description="For rows without one.")] = LeadChannel.FILE,
    community_id: Annotated[CommunityId | None, Query(description="For rows without one.")] = None,
    ignore_unknown_columns: bool = False,
    dry_run: Annotated[
        bool,
        Query(
            description="Check everything, keep nothing. Of a new person who comes again more than"
            " a thousand rows later, both rows count as created."
        ),
    ] = False,
    name: Line | None = None,
) -> Response:
    """Send CSV or NDJSON, gzip or not, up to a million rows; each row is as a POST /leads.

    The name of a CSV column is the place of its value in the body of POST /leads, such as `phone`,
    `budget.amount` or `household.members.0.birth_date`; `consents` holds words like
    `sms/marketing`; GET /imports/columns lists them all. The file is kept, and imported after the
    answer: `GET` the import to see how far it is. A row that is rejected keeps no other back.

    With an Idempotency-Key an upload that was cut off is sent again from its beginning under the
    same key; what had come before makes way. Once the file has come whole, the same key and file
    get the same answer.
    """
    layout = FileLayout(
        format=_format(content_type),
        encoding=encoding,
        gzip=content_encoding == "gzip",
        delimiter=delimiter,
        columns=_columns(column or []),
        ignore_unknown_columns=ignore_unknown_columns,
        channel=channel,
        community_id=community_id,
    )
    key = f"{caller.request.caller}/{caller.request.key}"
    job = ImportJob(
        import_id=str(uuid5(NAMESPACE_URL, f"/imports/{key}")),
        layout=layout,
        dry_run=dry_run,
        name=name,
        attempt=str(uuid4()),
        received_at=wall_now(),
    )
    known = await _begin(caller, job)
    if known is not None:
        return await _repeated(request, job, known)
    received = await _receive(request, caller, job)
    return _answer(received)


def _format(content_type: str) -> FileFormat:
    media_type = content_type.partition(";")[0].strip().lower()
    try:
        return FORMATS[media_type]
    except KeyError:
        raise Problem(
            415,
            "unsupported-media-type",
            f"Send the file with a Content-Type of {', '.join(FORMATS)}; say gzip in"
            " Content-Encoding.",
        ) from None


def _columns(mappings: list[str]) -> dict[str, str]:
    """Our names by theirs. Raises `Refusal` `invalid-column-mapping`."""
    columns = {}
    for mapping in mappings:
        ours, equals, theirs = mapping.partition("=")
        if not (ours and equals and theirs):
            raise Refusal(
                "invalid-column-mapping",
                "Write each `column` as ours=theirs, such as phone=手机.",
                kind=RefusalKind.INVALID,
            )
        columns[theirs] = ours
    return columns


async def _begin(caller: commands.Caller, job: ImportJob) -> ImportJob | None:
    """Open the import for its body; or the import that this key has received already."""
    async with caller.runtime.database.transaction() as connection:
        known = await jobs.find(connection, job.import_id, lock=True)
        if known is not None and known.status is not ImportStatus.RECEIVING:
            return known
        # What a cut-off upload under the same key has left makes way.
        await jobs.drop_chunks(connection, job.import_id)
        await jobs.save(connection, job)
    return None


async def _receive(request: Request, caller: commands.Caller, job: ImportJob) -> ImportJob:
    """Keep the body, a piece a transaction; the import waits for the worker when all is there."""
    digest = hashlib.sha256()
    reader = RowReader(job.layout)
    pending = bytearray()
    received = chunks = 0

    async def keep(last: bool) -> None:
        nonlocal chunks
        async with caller.runtime.database.transaction() as connection:
            current = await jobs.find(connection, job.import_id, lock=True)
            if current is None or current.attempt != job.attempt:
                raise Refusal(
                    "upload-superseded",
                    "Another upload with the same Idempotency-Key has taken over.",
                )
            if pending:
                await jobs.add_chunk(connection, job.import_id, chunks, bytes(pending))
                chunks += 1
            current = replace(current, bytes_received=received, chunks=chunks)
            await jobs.save(
                connection, _received(current, reader, digest.hexdigest()) if last else current
            )
        pending.clear()

    try:
        async for piece in request.stream():
            digest.update(piece)
            received += len(piece)
            pending += piece
            if not reader.header_read:
                _check_header(reader, piece)
            if len(pending) >= CHUNK:
                await keep(last=False)
        if not reader.header_read:
            list(reader.finish())
        await keep(last=True)
    except (Refusal, Problem):
        async with caller.runtime.database.transaction() as connection:
            await jobs.drop_upload(connection, job)
        raise
    whole = replace(job, bytes_received=received, chunks=chunks)
    return _received(whole, reader, digest.hexdigest())


def _check_header(reader: RowReader, piece: bytes) -> None:
    """Read as far as the header, so that a wrong one is refused at once."""
    for _ in reader.feed(piece):
        if reader.header_read:
            return


def _received(job: ImportJob, reader: RowReader, digest: str) -> ImportJob:
    return replace(job, status=ImportStatus.WAITING, digest=digest, header=reader.header)


async def _repeated(request: Request, job: ImportJob, known: ImportJob) -> Response:
    """The answer to an upload that came before; a body that differs is refused."""
    digest = hashlib.sha256()
    async for piece in request.stream():
        digest.update(piece)
    same = (job.layout, job.dry_run, job.name) == (known.layout, known.dry_run, known.name)
    if not same or digest.hexdigest() != known.digest:
        raise Refusal(
            "idempotency-key-reused",
            "This Idempotency-Key came with another file before; choose a new key.",
            kind=RefusalKind.INVALID,
        )
    response = _answer(known)
    response.headers["idempotency-replayed"] = "true"
    return response


def _answer(job: ImportJob) -> Response:
    return Response(
        ImportBody.of(job).model_dump_json(),
        status_code=201,
        media_type="application/json",
        headers={"location": f"/imports/{job.import_id}"},
    )
