"""What became of the rows of an import, and which columns a file may have."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Header, Request, Security
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.api.import_bodies import RejectedRow, not_found
from intake.domain.imports.imports import FileFormat, ImportJob, ImportStatus, RowOutcome
from intake.reading.column_words import WORDS
from intake.reading.columns import COLUMNS, MARK
from intake.reading.rows import cells_of
from intake.store import jobs
from intake.store.import_rows import RESULT_NAMES, results
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_chassis.pagination import DEFAULT_LIMIT, CursorParameter, Keyset, Limit, Page
from keyturn_chassis.problems import Problem, problem_responses
from keyturn_chassis.runtime import Runtime
from keyturn_events import Refusal
from keyturn_events.scalars import ImportId

router = APIRouter(prefix="/imports", tags=["imports"])

Reader = Annotated[Principal, Security(principal, scopes=["imports:read"])]
Sender = Annotated[Principal, Security(principal, scopes=["imports:write"])]

AT_ONCE: Final = 2_000
"""Rows of a download that are read at once."""
CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
FORMATS: Final = {
    CSV: CSV,
    "text/*": CSV,
    "*/*": CSV,
    NDJSON: NDJSON,
    "application/ndjson": NDJSON,
    "application/jsonl": NDJSON,
    "application/json": NDJSON,
    "application/*": NDJSON,
}
"""The format of a download by what the caller accepts."""
MARKS: Final = tuple(f"{MARK}.{name}" for name in ("row", "code", "detail", "pointer"))
"""The columns that we add to rejected rows; a file that is sent may have them."""
BYTE_ORDER_MARK: Final = "\ufeff"
"""Tells spreadsheets that the text is UTF-8."""

_KINDS: Final = {int: "number", bool: "yes-no", date: "date", datetime: "time", Decimal: "amount"}
_row_order = Keyset(tuple[int])

_DOWNLOAD: Final[dict[str, Any]] = {
    "content": {media_type: {"schema": {"type": "string"}} for media_type in (CSV, NDJSON)},
    "description": "The rows, in the order of the file.",
}


class ColumnBody(BaseModel):
    """A column that a file may have."""

    name: str = Field(description="N is a number from 0.")
    kind: Literal["text", "number", "yes-no", "date", "time", "amount", "choice"]
    choices: list[str] = Field(description="What a choice may be.")
    english: str
    chinese: str
    example: str


class ColumnList(BaseModel):
    """Every column that a file may have."""

    items: list[ColumnBody]


@router.get("/columns", summary="The columns of a file")
async def list_columns(_: Reader) -> ColumnList:
    """The name of each column, what it means in English and Chinese, and an example.

    A column of a file that is called otherwise is mapped with `column=ours=theirs`. In NDJSON the
    same names are the places of the values.
    """
    return ColumnList(items=_COLUMNS)


@router.get(
    "/{import_id}/rows", summary="Rows of an import by outcome", response_model=Page[RejectedRow]
)
async def list_rows(
    import_id: ImportId,
    _: Reader,
    connection: commands.Reading,
    outcome: Literal["rejected"] = "rejected",  # noqa: ARG001 - there is one so far
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Page[RejectedRow]:
    """The rows that were rejected, in the order of the file, each with its reason."""
    if await jobs.find(connection, import_id) is None:
        raise not_found()
    after = _row_order.decode(cursor)
    rows = await jobs.rejections(connection, import_id, after[0] if after else 0, limit + 1)
    items, next_cursor = _row_order.page(rows, limit, lambda row: (row.row_number,))
    return Page(items=[RejectedRow.of(row) for row in items], next_cursor=next_cursor)


@router.get(
    "/{import_id}/results",
    summary="Download what became of every row",
    response_class=StreamingResponse,
    responses={200: _DOWNLOAD, **problem_responses(406)},
)
async def download_results(
    import_id: ImportId,
    _: Reader,
    request: Request,
    connection: commands.Reading,
    outcome: RowOutcome | None = None,
    accept: Annotated[str, Header()] = CSV,
) -> StreamingResponse:
    """Row, outcome, customer, lead and touch, or why it was rejected; and whether it was undone.

    CSV, or NDJSON, by `Accept`. Only rows that are done so far.
    """
    media_type = _media_type(accept)
    if await jobs.find(connection, import_id) is None:
        raise not_found()
    runtime: Runtime = request.app.state.runtime

    async def read(after: int, page: AsyncConnection) -> Sequence[Sequence[Any]]:
        return await results(page, import_id, outcome, after, AT_ONCE)

    return _streamed(
        runtime,
        read,
        media_type,
        _csv_line(RESULT_NAMES) if media_type == CSV else "",
        _csv_line if media_type == CSV else _result_line,
    )


@router.get(
    "/{import_id}/rejected-rows",
    summary="Download the rejected rows, to be mended and sent again",
    response_class=StreamingResponse,
    responses={200: _DOWNLOAD, **problem_responses(406)},
)
async def download_rejected_rows(
    import_id: ImportId, _: Sender, request: Request, connection: commands.Reading
) -> StreamingResponse:
    """The rejected rows as they were sent, in UTF-8, each with why it was rejected.

    The reasons are in columns that begin with `import.`, or in a field `import`, which are skipped
    when the mended file is sent again with the parameters of the first. What rows said is kept for
    30 days, or until the import is undone.
    """
    job = await jobs.find(connection, import_id)
    if job is None:
        raise not_found()
    if job.forgotten or job.status is ImportStatus.UNDONE:
        raise Refusal(
            "import-forgotten",
            "What the rejected rows said is kept no more; take them from the file that was sent.",
        )

    async def read(after: int, page: AsyncConnection) -> Sequence[Sequence[Any]]:
        return await jobs.rejections(page, import_id, after, AT_ONCE)

    csv_file = job.layout.format is FileFormat.CSV
    return _streamed(
        request.app.state.runtime,
        read,
        CSV if csv_file else NDJSON,
        BYTE_ORDER_MARK + _csv_line((*job.header, *MARKS)) if csv_file else "",
        _rejected_cells(job) if csv_file else _rejected_object,
    )


def _streamed(
    runtime: Runtime,
    read: Callable[[int, AsyncConnection], Any],
    media_type: str,
    head: str,
    written: Callable[[Any], str],
) -> StreamingResponse:
    """A download that is read a page at a time, so that it holds neither memory nor a snapshot."""

    async def lines() -> AsyncIterator[str]:
        yield head
        after = 0
        while True:
            async with runtime.database.reading() as connection:
                rows = await read(after, connection)
            if not rows:
                return
            yield "".join([written(row) for row in rows])
            after = rows[-1][0]

    extension = "csv" if media_type == CSV else "ndjson"
    return StreamingResponse(
        lines(),
        media_type=media_type,
        headers={"content-disposition": f'attachment; filename="rows.{extension}"'},
    )


def _media_type(accept: str) -> str:
    for wish in accept.lower().split(","):
        media_type = FORMATS.get(wish.partition(";")[0].strip())
        if media_type is not None:
            return media_type
    raise Problem(406, "not-acceptable", f"There is {CSV} and {NDJSON}; accept one of them.")


def _csv_line(cells: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(["" if cell is None else cell for cell in cells])
    return line.getvalue()


def _result_line(row: Sequence[Any]) -> str:
    said = {name: value for name, value in zip(RESULT_NAMES, row, strict=True) if value is not None}
    return orjson.dumps(said).decode() + "\n"


def _rejected_cells(job: ImportJob) -> Callable[[jobs.RejectedRow], str]:
    """Writes rejected rows in the columns of their file; a line without cells in the first."""
    width = len(job.header)

    def written(row: jobs.RejectedRow) -> str:
        text = row.original or ""
        try:
            cells = cells_of(text, job.layout.delimiter)
        except ValueError:
            cells = [text]
        cells += [""] * (width - len(cells))
        if len(cells) > width:
            cells = [text, *[""] * (width - 1)]
        return _csv_line((*cells, row.row_number, row.code, row.detail, row.pointer))

    return written


def _rejected_object(row: jobs.RejectedRow) -> str:
    text = row.original or ""
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        said = None
    known = said if isinstance(said, dict) else {}
    why = {"row": row.row_number, "code": row.code, "detail": row.detail, "pointer": row.pointer}
    if known is not said:
        why["line"] = text
    return orjson.dumps({**known, MARK: why}).decode() + "\n"


def _column(name: str, kind: type) -> ColumnBody:
    words = WORDS[name]
    choices = [str(each) for each in kind] if issubclass(kind, StrEnum) else []
    return ColumnBody.model_validate(
        {
            "name": name,
            "kind": "choice" if choices else _KINDS.get(kind, "text"),
            "choices": choices,
            "english": words.english,
            "chinese": words.chinese,
            "example": words.example,
        }
    )


_COLUMNS: Final = [_column(name, kind) for name, kind in COLUMNS.items() if name in WORDS]
