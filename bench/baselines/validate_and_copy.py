"""Validate and COPY: the same file, read and validated by the same code, into one table.

No recognition, no consent, no events, no inbox: what a file costs that only has to be stored. A
thousand rows a transaction, as the import commits them.

Run as `python -m bench.baselines.validate_and_copy <file>`; it prints rows a second, counted from
the first commit on.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import uvloop

from intake.domain.imports.imports import FileLayout
from intake.reading.contact_points import identify
from intake.reading.lead_form import LeadForm
from intake.reading.rows import RowReader
from keyturn_events import Refusal

BATCH = 1_000
PIECE = 1_048_576
REGION = "CN"
TABLE = """
    CREATE TABLE imported (
        row_number integer PRIMARY KEY,
        name text, phone text, email text, wechat text,
        channel text NOT NULL, community_id text, campaign text, referral_code text,
        document jsonb NOT NULL
    )
"""
COLUMNS = (
    "row_number",
    "name",
    "phone",
    "email",
    "wechat",
    "channel",
    "community_id",
    "campaign",
    "referral_code",
    "document",
)

Imported = tuple[int | str | None, ...]


def rows(path: Path) -> Iterator[Imported]:
    """The valid rows of the file."""
    reader = RowReader(FileLayout())
    with path.open("rb") as file:
        pieces = iter(lambda: file.read(PIECE), b"")
        for piece in pieces:
            for row in reader.feed(piece):
                try:
                    form = LeadForm.read(row.form)
                    person = identify(form.command().person, REGION)
                except Refusal:
                    continue
                yield (
                    row.number,
                    person.name,
                    person.phone,
                    person.email,
                    person.wechat,
                    form.channel,
                    form.community_id,
                    form.campaign,
                    form.referral_code,
                    form.model_dump_json(exclude_none=True),
                )


async def main(path: Path) -> float:
    """Import the file; rows a second."""
    connection = await asyncpg.connect(os.environ["KEYTURN_DATABASE_URL"])
    await connection.execute(TABLE)
    batch: list[Imported] = []
    done, began = -BATCH, 0.0
    for row in rows(path):
        batch.append(row)
        if len(batch) == BATCH:
            await connection.copy_records_to_table("imported", records=batch, columns=COLUMNS)
            began = began or time.perf_counter()
            done += len(batch)
            batch = []
    seconds = time.perf_counter() - began
    await connection.close()
    return done / seconds


if __name__ == "__main__":
    print(uvloop.run(main(Path(sys.argv[1]))))  # noqa: T201 - its result
