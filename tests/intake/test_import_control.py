"""Imports listed, stopped, gone on with, and killed: no row is lost, none is done twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from intake.domain.imports import imports
from intake.domain.imports.imports import FileLayout, ImportJob, ImportStatus
from intake.store import jobs
from intake.tasks import imports as task
from intake.tasks import undoing
from intake.tasks.imports import ImportTask
from keyturn_events import Refusal
from keyturn_events.intake import CustomerRegistered, CustomerWithdrawn, LeadWithdrawn

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tests.intake.conftest import Intake

AT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def numbered(rows: int) -> str:
    return "name,phone\n" + "".join(f"Client {n},138{n:08d}\n" for n in range(rows))


def job(status: ImportStatus, **more: Any) -> ImportJob:
    return replace(ImportJob("import-1", FileLayout(), rows=10), status=status, **more)


async def work(intake: Intake) -> None:
    while await ImportTask().work(intake.harness.runtime):
        pass


async def act(intake: Intake, path: str, verb: str, **options: Any) -> dict[str, Any]:
    response = await intake.call("POST", f"{path}/{verb}", **options)
    assert response.status_code == 202, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def until_somebody_waits(intake: Intake) -> None:
    """Until a transaction waits for the rows that another has in hand."""
    async with asyncio.timeout(10):
        while True:
            (waiting,) = await intake.harness.rows(
                "SELECT count(*) AS n FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if waiting.n:
                return
            await asyncio.sleep(0.005)


async def test_imports_are_listed_newest_first_page_by_page(intake: Intake) -> None:
    names = ("first", "second", "third")
    sent = [(await intake.imported(numbered(1), name=name))["import_id"] for name in names]
    page = (await intake.get("/imports", limit=2)).json()
    rest = (await intake.get("/imports", limit=2, cursor=page["next_cursor"])).json()
    assert [item["import_id"] for item in page["items"] + rest["items"]] == sent[::-1]
    assert rest["next_cursor"] is None
    assert page["items"][0]["name"] == "third"


async def test_a_stopped_import_ends_after_the_rows_in_hand_and_goes_on_when_told(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "BATCH", 10)
    path = (await intake.send_file(numbered(35))).headers["location"]
    real_add, batches = jobs.add_rejections, 0

    async def add_and_stop(connection: AsyncConnection, import_id: str, rows: Any) -> None:
        nonlocal batches
        await real_add(connection, import_id, rows)
        batches += 1
        if batches == 2:
            stopping.append(asyncio.create_task(act(intake, path, "stop")))
            await until_somebody_waits(intake)

    stopping: list[asyncio.Task[Any]] = []
    monkeypatch.setattr(jobs, "add_rejections", add_and_stop)
    await work(intake)
    (stop,) = stopping
    assert (await stop)["status"] == "stopped"
    halfway = (await intake.get(path)).json()
    assert halfway["status"] == "stopped"
    assert 20 <= halfway["rows"] < 35
    assert await act(intake, path, "stop") == halfway
    assert (await act(intake, path, "resume"))["status"] == "waiting"
    await work(intake)
    done = (await intake.get(path)).json()
    assert (done["status"], done["rows"], done["created"]) == ("done", 35, 35)
    assert done["progress"] == 1.0
    assert await intake.count("touches") == 35
    assert await intake.count("import_rows") == 35


async def test_the_same_key_gives_the_same_answer_and_another_request_is_refused(
    intake: Intake,
) -> None:
    path = (await intake.send_file(numbered(2))).headers["location"]
    key = {"headers": {"idempotency-key": "stop-1"}}
    first = await act(intake, path, "stop", **key)
    await act(intake, path, "resume")
    assert await act(intake, path, "stop", **key) == first
    assert (await intake.get(path)).json()["status"] == "waiting"
    other = await intake.call("POST", f"{path}/undo", **key)
    assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (
        422,
        "idempotency-key-reused",
    )


async def test_what_cannot_be_done_is_refused_with_the_reason(intake: Intake) -> None:
    path = (await intake.send_file(numbered(1))).headers["location"]
    dry = (await intake.imported(numbered(1), dry_run="true"))["import_id"]
    for wanted, code in (
        (f"{path}/undo", None),
        (f"{path}/stop", "import-not-running"),
        (f"{path}/resume", "import-not-stopped"),
        (f"/imports/{dry}/undo", "import-kept-nothing"),
        ("/imports/no-import/stop", "import-not-found"),
    ):
        await work(intake)
        response = await intake.call("POST", wanted)
        found = None if response.is_success else response.json()["type"].rpartition("/")[2]
        assert (wanted, found) == (wanted, code)


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (imports.stopped, ImportStatus.WAITING, ImportStatus.STOPPED),
        (imports.stopped, ImportStatus.RUNNING, ImportStatus.STOPPED),
        (imports.stopped, ImportStatus.STOPPED, ImportStatus.STOPPED),
        (imports.resumed, ImportStatus.STOPPED, ImportStatus.WAITING),
        (imports.resumed, ImportStatus.RUNNING, ImportStatus.RUNNING),
    ],
)
def test_a_change_leads_where_it_should(
    change: Any, before: ImportStatus, after: ImportStatus
) -> None:
    assert change(job(before)).status is after


@pytest.mark.parametrize("status", [ImportStatus.DONE, ImportStatus.FAILED, ImportStatus.STOPPED])
def test_an_import_that_ended_can_be_undone_and_a_dry_run_leaves_it_where_it_was(
    status: ImportStatus,
) -> None:
    looked = imports.looked_through(imports.undone(job(status), dry_run=True))
    assert looked.status is status
    really = imports.looked_through(imports.undone(looked, dry_run=False))
    assert really.status is ImportStatus.UNDONE
    assert imports.undone(really, dry_run=False) is really


@pytest.mark.parametrize(
    ("status", "more", "code"),
    [
        (ImportStatus.RUNNING, {}, "import-in-progress"),
        (ImportStatus.RECEIVING, {}, "import-in-progress"),
        (ImportStatus.DONE, {"forgotten": True}, "import-forgotten"),
        (ImportStatus.DONE, {"dry_run": True}, "import-kept-nothing"),
    ],
)
def test_what_cannot_be_undone_says_why(
    status: ImportStatus, more: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refusal, match=code):
        imports.undone(job(status, **more), dry_run=False)


def test_pace_and_what_is_left_follow_from_the_bytes_that_are_read() -> None:
    begun = job(ImportStatus.WAITING, bytes_received=1_000, bytes_read=100).taken_up(AT)
    assert (begun.rows_per_second, begun.seconds_left) == (None, None)
    outcomes = ["created"] * 40
    later = begun.progressed(outcomes, bytes_read=500, at=AT + timedelta(seconds=2))
    assert (later.rows, later.rows_per_second, later.progress) == (50, 20.0, 0.5)
    assert later.seconds_left == 2.5
    undo = imports.undone(replace(later, status=ImportStatus.DONE), dry_run=False).taken_up(AT)
    undo = imports.taken_back(
        undo, next_row=40, rows=8, gone={"leads": 8}, kept={}, at=AT + timedelta(seconds=1)
    )
    assert undo.rows_per_second == 8.0
    assert undo.progress == pytest.approx(0.2)
    assert undo.seconds_left == pytest.approx(4.0)


async def test_what_is_kept_of_an_old_import_is_forgotten(intake: Intake) -> None:
    await intake.captured(wechat="open-1")
    done = await intake.imported("name,wechat\n张伟,open-1\nx,\n")
    async with intake.harness.runtime.database.transaction() as connection:
        await connection.exec_driver_sql(
            "UPDATE imports SET created_at = now() - interval '31 days'"
        )
    await ImportTask().work(intake.harness.runtime)
    rows = await intake.harness.rows(
        "SELECT CAST(changes AS text) AS kept FROM import_rows"
        " UNION ALL SELECT original FROM import_rejections"
    )
    assert [row.kept for row in rows] == [None, None]
    refused = await intake.call("POST", f"/imports/{done['import_id']}/undo")
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (
        409,
        "import-forgotten",
    )
    kept = (await intake.get(f"/imports/{done['import_id']}")).json()
    assert (kept["created"], kept["joined"], kept["rejected"]) == (0, 1, 1)


WORKER = """
import asyncio, sys
from pydantic import PostgresDsn
from intake.service import service
from intake.tasks.imports import ImportTask
from keyturn_chassis.runtime import Runtime

async def main():
    settings = service.settings(
        database_url=PostgresDsn(sys.argv[1]), auth_issuer="x", auth_audience="x",
        auth_jwks=sys.argv[2], clock="driven",
    )
    async with Runtime(service, settings) as runtime:
        print("ready", flush=True)
        while await ImportTask().work(runtime):
            pass

asyncio.run(main())
"""


async def _killed_worker(intake: Intake, table: str, rows: int) -> None:
    """A worker of its own process, killed as soon as it has done that many rows."""
    settings = intake.harness.runtime.settings
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        str(settings.database_url),
        str(settings.auth_jwks),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ},
    )
    assert process.stdout is not None
    await process.stdout.readline()
    async with asyncio.timeout(60):
        while process.returncode is None:
            (found,) = await intake.harness.rows(f"SELECT count(*) AS n FROM {table}")
            if found.n >= rows:
                process.send_signal(signal.SIGKILL)
                break
            await asyncio.sleep(0.005)
        await process.wait()


async def test_a_worker_killed_at_random_points_does_no_row_twice_and_loses_none(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL while 5,000 rows are imported, and again while they are taken back."""
    monkeypatch.setattr(undoing, "BATCH", 100)
    dice = random.Random(4)
    path = (await intake.send_file(numbered(5_000) + "bad,12\n")).headers["location"]
    for share in sorted(dice.sample(range(500, 4_500), 2)):
        await _killed_worker(intake, "import_rows", share)
    await work(intake)
    done = (await intake.get(path)).json()
    assert (done["status"], done["rows"], done["created"]) == ("done", 5_001, 5_000)
    assert await intake.count("touches") == 5_000
    assert await intake.count("import_rows") == 5_000
    assert await intake.count("import_rejections") == 1
    assert len(await intake.harness.published(CustomerRegistered)) == 5_000
    await act(intake, path, "undo")
    await _killed_worker(
        intake, "touches WHERE withdrawn_at IS NOT NULL", dice.randrange(500, 4_000)
    )
    await work(intake)
    undone = (await intake.get(path)).json()
    assert undone["status"] == "undone"
    assert undone["undo"]["taken_back"] == {"customers": 5_000, "leads": 5_000, "touches": 5_000}
    assert len(await intake.harness.published(CustomerWithdrawn)) == 5_000
    assert len(await intake.harness.published(LeadWithdrawn)) == 5_000
    assert await intake.count("identifiers") == 0
