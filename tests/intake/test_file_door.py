"""POST /imports: kept as it comes in, worked through row by row, resumed after a crash."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from intake.store import jobs
from intake.tasks import imports as task
from intake.tasks.imports import ImportTask
from keyturn_events.intake import ConsentChanged, CustomerRegistered, LeadCaptured

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from intake.domain.imports.imports import ImportJob
    from tests.intake.conftest import Intake


def numbered(rows: int) -> str:
    return "name,phone\n" + "".join(f"Client {n},138{n:08d}\n" for n in range(rows))


async def test_a_file_adds_up_and_its_rejected_rows_can_be_read(intake: Intake) -> None:
    content = (
        "name,phone,channel,consents\n"
        "张伟,13800138000,,sms/marketing\n"
        "张伟,138 0013 8000,web,\n"
        "x,12,,\n"
        ",,,\n"
        "y,13900139000,telepathy,\n"
        "z,13900139000,,sms/fun\n"
    )
    done = await intake.imported(content, name="spring fair")
    assert done["status"] == "done"
    assert (done["rows"], done["created"], done["joined"], done["rejected"]) == (6, 1, 1, 4)
    assert done["rejected_by_reason"] == {
        "invalid-phone": 1,
        "no-identifier": 1,
        "invalid-fields": 2,
    }
    path = f"/imports/{done['import_id']}/rows"
    page = (await intake.get(path, outcome="rejected", limit=3)).json()
    rest = (await intake.get(path, cursor=page["next_cursor"])).json()
    assert [(row["row"], row["code"], row["pointer"]) for row in page["items"] + rest["items"]] == [
        (3, "invalid-phone", "/phone"),
        (4, "no-identifier", ""),
        (5, "invalid-fields", "/channel"),
        (6, "invalid-fields", "/consents/0/purpose"),
    ]
    captured = await intake.harness.published(LeadCaptured)
    assert [(event.channel, event.joined) for event in captured] == [("file", False), ("web", True)]
    assert {event.import_id for event in captured} == {done["import_id"]}
    (consent,) = await intake.harness.published(ConsentChanged)
    assert consent.collected_through == "import"
    assert await intake.count("import_chunks") == 0


async def test_ndjson_and_gzip_are_taken_as_well(intake: Intake) -> None:
    lines = b"\n".join(orjson.dumps({"phone": f"1380013800{n}"}) for n in range(3))
    done = await intake.imported(
        gzip.compress(lines),
        content_type="application/x-ndjson",
        headers={"content-encoding": "gzip"},
    )
    assert (done["created"], done["rejected"]) == (3, 0)


async def test_a_dry_run_checks_everything_and_keeps_nothing(intake: Intake) -> None:
    done = await intake.imported("phone\n13800138000\n13800138000\n12\n", dry_run="true")
    assert (done["created"], done["joined"], done["rejected"]) == (1, 1, 1)
    assert await intake.count("customers") == 0
    assert await intake.harness.published() == []


async def test_an_import_killed_in_the_middle_goes_on_without_losing_or_doubling_a_row(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies at the last moment before a commit, again and again."""
    monkeypatch.setattr(task, "BATCH", 10)
    response = await intake.send_file(numbered(95) + "bad,12\n")
    real_save, saves = jobs.save, 0

    async def save_and_die(connection: AsyncConnection, job: ImportJob) -> None:
        nonlocal saves
        await real_save(connection, job)
        saves += 1
        if saves % 3 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "save", save_and_die)
    deaths = 0
    while True:
        try:
            if not await ImportTask().work(intake.harness.runtime):
                break
        except KeyboardInterrupt:
            deaths += 1
    assert deaths >= 4
    done = (await intake.get(response.headers["location"])).json()
    assert (done["status"], done["rows"]) == ("done", 96)
    assert (done["created"], done["joined"], done["rejected"]) == (95, 0, 1)
    assert await intake.count("touches") == 95
    assert len(await intake.harness.published(CustomerRegistered)) == 95
    assert await intake.count("import_rejections") == 1


async def test_two_workers_do_not_import_the_same_file_at_once(intake: Intake) -> None:
    await intake.send_file(numbered(3))
    other = await intake.harness.runtime.database.dedicated()
    try:
        assert await other.fetchval(task.LOCK)
        assert await ImportTask().work(intake.harness.runtime) is False
    finally:
        await other.close()
    assert await ImportTask().work(intake.harness.runtime) is True
    assert await intake.count("touches") == 3


async def test_a_row_that_the_store_refuses_is_rejected_alone(intake: Intake) -> None:
    async with intake.harness.runtime.database.transaction() as connection:
        await connection.exec_driver_sql(
            "ALTER TABLE touches ADD CHECK (source_reference <> 'cursed')"
        )
    lines = "".join(f"1380013800{n},{'cursed' if n == 2 else 'fine'}\n" for n in range(5))
    done = await intake.imported("phone,source_reference\n" + lines)
    assert (done["created"], done["rejected_by_reason"]) == (4, {"store-refused": 1})


async def test_a_file_that_breaks_off_keeps_the_rows_before_and_says_why(intake: Intake) -> None:
    whole = gzip.compress(numbered(5000).encode())
    done = await intake.imported(whole[: len(whole) // 2], headers={"content-encoding": "gzip"})
    assert (done["status"], done["fault_code"]) == ("failed", "broken-gzip")
    assert done["created"] == done["rows"] == await intake.count("touches")
    assert done["rows"] > 0


async def test_sending_a_file_again_with_its_key_imports_it_once(intake: Intake) -> None:
    key = {"idempotency-key": "file-1"}
    first = await intake.imported(numbered(3), headers=key)
    again = await intake.send_file(numbered(3), headers=key)
    assert (again.status_code, again.json()["import_id"]) == (201, first["import_id"])
    assert again.headers["idempotency-replayed"] == "true"
    other = await intake.send_file(numbered(4), headers=key)
    assert other.status_code == 422
    assert other.json()["type"].endswith("/idempotency-key-reused")
    assert await intake.count("touches") == 3


async def test_an_upload_that_was_cut_off_begins_anew_under_its_key(intake: Intake) -> None:
    async def cut_off() -> Any:
        yield b"phone\n" + b"13800138000\n" * 100_000
        raise ConnectionResetError

    headers = {
        **intake.harness.headers("imports:write"),
        "content-type": "text/csv",
        "idempotency-key": "file-1",
    }
    response = await intake.harness.client.post("/imports", content=cut_off(), headers=headers)
    assert response.status_code == 503
    assert await intake.count("import_chunks") > 0
    done = await intake.imported(numbered(3), headers={"idempotency-key": "file-1"})
    assert (done["status"], done["created"]) == ("done", 3)


async def test_a_wrong_file_is_refused_at_the_door(intake: Intake) -> None:
    wrong: list[tuple[int, str, dict[str, Any]]] = [
        (415, "unsupported-media-type", {"content_type": "application/pdf"}),
        (422, "unknown-column", {"content": "phone,age\n1,2\n"}),
        (422, "header-not-readable", {"content": ""}),
        (422, "invalid-request", {"delimiter": ";;"}),
        (422, "invalid-request", {"encoding": "latin-1"}),
        (422, "invalid-request", {"community_id": "not an id"}),
        (422, "invalid-column-mapping", {"column": "phone"}),
        (422, "broken-gzip", {"headers": {"content-encoding": "gzip"}}),
        (422, "invalid-request", {"headers": {"content-encoding": "br"}}),
    ]
    for status, code, options in wrong:
        response = await intake.send_file(**{"content": "phone\n13800138000\n"} | options)
        assert (response.status_code, response.json()["type"].rpartition("/")[2]) == (status, code)
    assert await intake.count("imports") == 0
    assert await intake.count("import_chunks") == 0


async def test_a_file_beyond_the_limit_is_refused_and_forgotten(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intake.api import imports

    monkeypatch.setattr(imports.import_file, "body_limit", 20)
    response = await intake.send_file(numbered(3))
    assert response.status_code == 413
    assert await intake.count("imports") == 0
