"""What became of the rows can be downloaded, and rejected ones mended and sent again."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from intake.api import import_results
from intake.reading.column_words import NAMES_ELSEWHERE, WORDS
from intake.reading.columns import COLUMNS, Columns, nearest
from intake.reading.lead_form import LeadForm
from keyturn_events import Refusal

if TYPE_CHECKING:
    import httpx

    from tests.intake.conftest import Intake

FILE = 'name;手机;note\n张伟;13800138000;a\n李娜;12;b\n张伟;13800138000;c\n王芳;;"d; e"\nx\n'
LAYOUT: dict[str, Any] = {
    "delimiter": ";",
    "column": "phone=手机",
    "ignore_unknown_columns": "true",
}


async def download(
    intake: Intake, path: str, accept: str = "text/csv", **parameters: Any
) -> httpx.Response:
    response = await intake.call("GET", path, headers={"accept": accept}, params=parameters)
    assert response.status_code == 200, response.text
    return response


def table(response: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))


async def test_every_row_can_be_downloaded_with_what_became_of_it(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_results, "AT_ONCE", 2)
    done = await intake.imported(FILE, **LAYOUT)
    path = f"/imports/{done['import_id']}/results"
    rows = table(await download(intake, path))
    assert [(row["row"], row["outcome"], row["code"]) for row in rows] == [
        ("1", "created", ""),
        ("2", "rejected", "invalid-phone"),
        ("3", "joined", ""),
        ("4", "rejected", "no-identifier"),
        ("5", "rejected", "wrong-number-of-cells"),
    ]
    assert rows[0]["lead_id"] == rows[2]["lead_id"]
    objects = (await download(intake, path, "application/x-ndjson")).text.splitlines()
    lead = (await intake.get(f"/leads/{rows[0]['lead_id']}")).json()
    assert orjson.loads(objects[0]) == {
        "row": 1,
        "outcome": "created",
        "customer_id": lead["lead"]["customer_id"],
        "lead_id": lead["lead"]["lead_id"],
        "touch_id": lead["touches"][0]["touch_id"],
    }
    joined = table(await download(intake, path, outcome="joined"))
    assert [row["row"] for row in joined] == ["3"]
    assert len(table(await download(intake, path, outcome="rejected"))) == 3
    refused = await intake.call("GET", path, headers={"accept": "image/png"})
    assert refused.status_code == 406
    assert (await intake.call("GET", "/imports/none/results")).status_code == 404


async def test_rejected_rows_come_back_as_they_were_and_can_be_mended_and_sent_again(
    intake: Intake,
) -> None:
    done = await intake.imported(FILE, **LAYOUT)
    response = await download(intake, f"/imports/{done['import_id']}/rejected-rows")
    rows = table(response)
    assert [(row["name"], row["手机"], row["note"], row["import.row"]) for row in rows] == [
        ("李娜", "12", "b", "2"),
        ("王芳", "", "d; e", "4"),
        ("x", "", "", "5"),
    ]
    assert rows[0]["import.code"] == "invalid-phone"
    mended = response.text.replace("12", "13900139000", 1)
    again = await intake.imported(mended, **LAYOUT | {"delimiter": ","})
    assert (again["created"], again["rejected"]) == (1, 2)


async def test_rejected_objects_come_back_with_the_reason_beside_what_they_said(
    intake: Intake,
) -> None:
    lines = '{"phone": "12", "name": "李娜"}\n{"phone"\n'
    done = await intake.imported(lines, content_type="application/x-ndjson")
    response = await download(intake, f"/imports/{done['import_id']}/rejected-rows")
    first, second = map(orjson.loads, response.text.splitlines())
    assert (first["phone"], first["name"]) == ("12", "李娜")
    assert (first["import"]["row"], first["import"]["code"]) == (1, "invalid-phone")
    assert second == {
        "import": {
            "row": 2,
            "code": "malformed-row",
            "detail": "The line is not JSON.",
            "pointer": None,
            "line": '{"phone"',
        }
    }
    first["phone"] = "13900139000"
    again = await intake.imported(orjson.dumps(first), content_type="application/x-ndjson")
    assert again["created"] == 1


async def test_the_number_of_an_identity_card_is_not_kept_with_a_rejected_row(
    intake: Intake,
) -> None:
    done = await intake.imported(
        "phone,身份证\n12,330102199005011234\n", column="national_id=身份证"
    )
    rows = table(await download(intake, f"/imports/{done['import_id']}/rejected-rows"))
    assert [(row["phone"], row["身份证"]) for row in rows] == [("12", "")]
    done = await intake.imported(
        '{"phone": "12", "national_id": "330102199005011234"}',
        content_type="application/x-ndjson",
    )
    response = await download(intake, f"/imports/{done['import_id']}/rejected-rows")
    assert "330102199005011234" not in response.text
    assert '"phone":"12"' in response.text


async def test_a_dry_run_shows_the_first_errors_in_the_import_itself(intake: Intake) -> None:
    rows = "".join(f"{n}\n" for n in range(30))
    done = await intake.imported("phone\n13800138000\n" + rows, dry_run="true")
    assert (done["created"], done["rejected"]) == (1, 30)
    first = done["first_rejections"]
    assert [row["row"] for row in first] == list(range(2, 22))
    assert first[0] == {
        "row": 2,
        "outcome": "rejected",
        "code": "invalid-phone",
        "detail": "Not a telephone number of CN; write it with its country code, such as"
        " +8613800138000.",
        "pointer": "/phone",
    }
    assert await intake.count("import_rows") == 0


async def test_after_the_undoing_the_results_say_what_went_and_what_stayed(intake: Intake) -> None:
    done = await intake.imported("phone\n13800138000\n13900139000\n12\n")
    await intake.captured(phone="13900139000")
    path = f"/imports/{done['import_id']}"
    await intake.call("POST", f"{path}/undo")
    while await import_task().work(intake.harness.runtime):
        pass
    rows = table(await download(intake, f"{path}/results"))
    assert [row["undo"] for row in rows] == [
        "taken-back",
        "kept leads/came-again customers/came-again",
        "",
    ]
    gone = await intake.call("GET", f"{path}/rejected-rows")
    assert (gone.status_code, gone.json()["type"].rpartition("/")[2]) == (409, "import-forgotten")


def import_task() -> Any:
    from intake.tasks.imports import ImportTask

    return ImportTask()


async def test_the_columns_are_listed_in_both_languages_with_examples(intake: Intake) -> None:
    items = {item["name"]: item for item in (await intake.get("/imports/columns")).json()["items"]}
    assert items["phone"] == {
        "name": "phone",
        "kind": "text",
        "choices": [],
        "english": "Telephone, with country code or as written in the community's country",
        "chinese": "电话（可带国家代码）",
        "example": "138 0013 8000",
    }
    assert items["household.homes_owned"]["kind"] == "number"
    assert "walk-in" in items["channel"]["choices"]


def test_every_column_of_the_form_has_words_and_every_example_is_taken() -> None:
    assert set(WORDS) == set(COLUMNS)
    assert {NAMES_ELSEWHERE[name] for name in NAMES_ELSEWHERE} <= set(COLUMNS)
    header = [name.replace(".N.", ".0.") for name in COLUMNS]
    columns = Columns(header, {}, ignore_unknown=False)
    form = columns.form([WORDS[name].example for name in COLUMNS])
    assert LeadForm.read(form).household is not None


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("fone", "phone"),
        ("手机", "phone"),
        ("E-Mail", "email"),
        ("homes_owned", "household.homes_owned"),
        ("Telephone", "phone"),
        ("出生日期", "birth_date"),
    ],
)
def test_an_unknown_column_is_answered_with_the_nearest_known(name: str, likely: str) -> None:
    assert nearest(name)[0] == likely
    with pytest.raises(Refusal) as refused:
        Columns(["phone", name], {}, ignore_unknown=False)
    assert f"No column is called {name!r} (perhaps {likely}" in refused.value.detail


def test_a_column_that_is_like_none_is_named_without_a_guess() -> None:
    with pytest.raises(Refusal) as refused:
        Columns(["phone", "zzz"], {}, ignore_unknown=False)
    assert refused.value.detail.startswith("No column is called 'zzz'. Map")


def test_columns_of_ours_are_skipped() -> None:
    columns = Columns(["phone", "import.row", "import.code"], {}, ignore_unknown=False)
    assert columns.form(["1", "2", "x"]) == {"phone": "1"}
