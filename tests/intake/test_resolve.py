"""`resolve` finds who is one person in files of any kind, and says plainly what it cannot read."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

pytest.importorskip("rapidfuzz")
pytest.importorskip("numpy")


from intake.domain.people.matching import (
    Level,
    score,
)
from intake.learning.matching.command import resolve_cli
from intake.learning.matching.estimation import chances, learn
from intake.learning.matching.evaluation import Quality, quality
from intake.learning.matching.pairs import candidate_pairs, compared, random_pairs, vocabularies
from intake.learning.matching.resolution import Resolution, resolve
from intake.reading.comparing import findings
from intake.reading.match_model_file import MatchModelFile
from intake.reading.person_records import PersonRecord, person_record
from tests.intake.invented_people import chinese_buyers, english_buyers

DATA = Path(__file__).parents[2].parent / "shared" / "data"
FEBRL = (
    "--map", "given_name=given_name", "--map", "family_name=surname",
    "--map", "birth_date=date_of_birth", "--map", "national_id=soc_sec_id",
    "--map", "street=street_number+address_1+address_2", "--map", "city=suburb",
    "--map", "region=state", "--map", "postcode=postcode",
)  # fmt: skip


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.add_typer(resolve_cli)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["resolve", *(str(argument) for argument in arguments)])


def silent(_doing: str, _done: int, _of: int) -> None:
    pass


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def shared(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here; the invented people cover the rest")
    return path


def figures(result: Result) -> dict[str, list[float]]:
    """Precision, recall and F1 by the name of their line."""
    found = {}
    for line in result.stdout.splitlines():
        name, precision, rest = line.partition("precision")
        if precision:
            words = rest.replace("recall", " ").replace("F1", " ").split()
            found[name.strip()] = [float(word) for word in words[:3]]
    return found


@pytest.mark.parametrize(
    ("name", "recall", "with_review"),
    [("febrl1", 0.97, 0.99), ("febrl2", 0.95, 0.98), ("febrl3", 0.93, 0.96)],
)
def test_febrl_is_resolved_without_labels(
    tmp_path: Path, name: str, recall: float, with_review: float
) -> None:
    result = run(
        shared(f"identity_{name}.csv.gz"), *FEBRL, "--id", "rec_id",
        "--truth", r"rec_id~rec-(\d+)", "--out", tmp_path / "clusters.csv", "--delimiter", ", ",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = figures(result)
    assert found["automatic links"][0] >= 0.99
    assert found["automatic links"][1] >= recall
    assert found["links and review"][1] >= with_review


def test_people_of_whom_little_is_known_are_resolved_without_labels(tmp_path: Path) -> None:
    result = run(
        shared("identity_fake_1000.csv.gz"), "--map", "given_name=first_name",
        "family_name=surname", "birth_date=dob", "city=city", "email=email",
        "--id", "unique_id", "--truth", "cluster",
        "--out", tmp_path / "clusters.csv",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert figures(result)["automatic links"][2] >= 0.9
    assert figures(result)["automatic links"][0] >= 0.99


CHINESE = chinese_buyers(random.Random(7), 600)
ENGLISH = english_buyers(random.Random(8), 600)


def records_of(people: list[dict[str, str]], *fields: str) -> list[PersonRecord]:
    return [
        person_record({field: one[field] for field in fields}, day_first=False) for one in people
    ]


def judged(people: list[dict[str, str]], *fields: str) -> tuple[Quality, Quality, Resolution]:
    found = resolve(records_of(people, *fields), silent)
    truth = [one["truth"] for one in people]
    pairs = [(pair.first, pair.second) for pair in found.reviews]
    return quality(truth, found.groups), quality(truth, found.groups, pairs), found


@pytest.mark.parametrize(
    ("people", "fields", "precision", "recall", "with_review"),
    [
        (CHINESE, "name phone city birth_date street", 0.99, 0.93, 0.97),
        (CHINESE, "name phone city", 0.98, 0.75, 0.93),
        (ENGLISH, "given_name family_name email phone street city region postcode birth_date",
         0.98, 0.80, 0.92),
        (ENGLISH, "given_name family_name birth_date", 0.97, 0.5, 0.7),
    ],
    ids=["chinese", "chinese-few-fields", "english", "english-few-fields"],
)  # fmt: skip
def test_invented_people_of_other_kinds_are_resolved_as_well(
    people: list[dict[str, str]], fields: str, precision: float, recall: float, with_review: float
) -> None:
    links, with_questions, _ = judged(people, *fields.split())
    assert links.precision >= precision
    assert links.recall >= recall
    assert with_questions.recall >= with_review


def test_a_field_that_nobody_fills_makes_no_difference() -> None:
    some = [{**one, "email": ""} for one in CHINESE[:200]]
    fields = ("name", "phone", "city", "birth_date", "street")
    assert judged(some, *fields)[2].groups == judged(some, *fields, "email")[2].groups


def test_no_household_is_taken_for_one_person() -> None:
    for one in (CHINESE, ENGLISH):
        fields = tuple(one[0].keys() - {"truth", "household"})
        _, _, found = judged(one, *fields)
        together = [
            (one[place], one[group])
            for place, group in enumerate(found.groups)
            if one[place]["truth"] != one[group]["truth"]
        ]
        assert len(together) <= len(one) // 100


def test_the_order_of_the_records_makes_no_difference() -> None:
    records = records_of(CHINESE[:300], "name", "phone", "city", "birth_date", "street")
    order = list(range(len(records)))
    random.Random(3).shuffle(order)
    straight = resolve(records, silent)
    shuffled = resolve([records[place] for place in order], silent)

    def people(groups: list[int], names: list[int]) -> set[frozenset[int]]:
        members: dict[int, set[int]] = {}
        for place, group in enumerate(groups):
            members.setdefault(group, set()).add(names[place])
        return {frozenset(group) for group in members.values()}

    assert people(straight.groups, list(range(len(records)))) == people(shuffled.groups, order)
    assert {frozenset((pair.first, pair.second)) for pair in straight.reviews} == {
        frozenset((order[pair.first], order[pair.second])) for pair in shuffled.reviews
    }


def test_the_estimation_and_the_scorer_agree_on_every_pair() -> None:
    records = records_of(ENGLISH[:300], "given_name", "family_name", "phone", "city", "postcode")
    words = vocabularies(records)
    candidates = compared(words, *candidate_pairs(records), silent)
    at_random = compared(words, *random_pairs(len(records)), silent)
    by_chance = chances(words, at_random, None)
    model, _ = learn(words, candidates, by_chance, len(records))
    for first, second in zip(candidates.first[:500], candidates.second[:500], strict=True):
        by_value = {found.field: found for found in findings(records[first], records[second])}
        verdict = score(model, by_value.values())
        assert verdict.bits == score(model, findings(records[second], records[first])).bits
        for weight in verdict.weights:
            place = candidates.levels[weight.field][
                (candidates.first == first) & (candidates.second == second)
            ]
            assert list(Level)[int(place[0])] is weight.level


def test_a_model_as_a_file_scores_as_the_model_did() -> None:
    records = records_of(CHINESE[:200], "name", "phone", "birth_date")
    model = resolve(records, silent).model
    again = MatchModelFile.model_validate_json(MatchModelFile.of(model).model_dump_json()).model()
    for one, other in pairwise(records):
        assert score(model, findings(one, other)) == score(again, findings(one, other))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(
        "﻿id;who;名;born\n"
        "a;1; Robert Alan ;1971-06-24\n"
        "b;1;Robert Alan;24.06.1971\n"
        "c;2;Grace Kelly;1997-04-26\n",
        encoding="utf-8",
    )
    return path


def test_the_files_name_every_record_and_every_question(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "clusters.csv"
    result = run(
        small, "--map", "name=名", "birth_date=born", "--id", "id", "--truth", "who", "--out", out,
        "--model", tmp_path / "model.json", "--explain", tmp_path / "why.ndjson",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    header, *rows = rows_of(out)
    assert header == ["record", "cluster", "score"]
    assert [row[0] for row in rows] == ["a", "b", "c"]
    assert rows[2] == ["c", "c", "0"]
    assert rows_of(tmp_path / "clusters.review.csv")[0] == ["record", "record", "score"]
    assert figures(result).keys() == {"automatic links", "links and review"}
    assert json.loads((tmp_path / "model.json").read_text())["learnt_from"] == "3 records"
    assert "%" in result.stderr


def test_a_compressed_file_without_an_id_column_numbers_its_records(
    small: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "people.csv.gz"
    packed.write_bytes(gzip.compress(small.read_bytes()))
    out = tmp_path / "clusters.csv"
    assert run(packed, "--map", "name=名", "--out", out).exit_code == 0
    assert [row[0] for row in rows_of(out)[1:]] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--map", "name=nobody"], "unknown-column"),
        (["--map", "nick=名"], "unknown-field"),
        (["--map", "name"], "file-not-found"),
        (["--map", "name=名", "--map", "name=born"], "invalid-mapping"),
        (["--map", "name=名", "--map", "given_name=born"], "invalid-mapping"),
        (["--map", "name=名+"], "invalid-mapping"),
        ([], "invalid-mapping"),
        (["--map", "name=名", "--id", "nobody"], "unknown-column"),
        (["--map", "name=名", "--id", "who"], "duplicate-id"),
        (["--map", "name=名", "--truth", "nobody"], "unknown-column"),
        (["--map", "name=名", "--truth", "id"], "invalid-truth"),
        (["--map", "name=名", "--truth", "who~("], "invalid-truth"),
        (["--map", "name=名", "--delimiter", "abc"], "invalid-delimiter"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(
    small: Path, tmp_path: Path, arguments: list[str], code: str
) -> None:
    named = [] if arguments == ["--map", "name"] else [small]
    result = run(*named, *arguments, "--out", tmp_path / "clusters.csv")
    assert result.exit_code != 0
    if named:
        assert code in result.stderr
    assert not (tmp_path / "clusters.csv").exists()


def broken_files() -> Iterator[tuple[str, bytes]]:
    yield "table-not-readable", b""
    yield "no-records", b"id,name\n"
    yield "wrong-number-of-cells", b"id,name\n1,a\n2,b,c\n3,d\n"
    yield "missing-id", b"id,name\n1,a\n,b\n"
    yield "duplicate-id", b"id,name\n1,a\n1,b\n"


@pytest.mark.parametrize(("code", "content"), list(broken_files()))
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, code: str, content: bytes) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    result = run(path, "--map", "name=name", "--id", "id", "--out", tmp_path / "clusters.csv")
    assert result.exit_code == 1
    assert code in result.stderr


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    small: Path, tmp_path: Path
) -> None:
    result = run(small, "--map", "name=名", "--out", tmp_path / "nowhere" / "clusters.csv")
    assert result.exit_code == 1
    assert "out-not-writable" in result.stderr


def test_why_each_pair_is_linked_or_asked_is_told_on_request(tmp_path: Path) -> None:
    path, why = tmp_path / "people.csv", tmp_path / "why.ndjson"
    columns = ("name", "phone", "birth_date", "city", "street")
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows([one[column] for column in columns] for one in CHINESE[:200])
    maps = [part for column in columns for part in ("--map", f"{column}={column}")]
    result = run(path, *maps, "--out", tmp_path / "clusters.csv", "--explain", why)
    assert result.exit_code == 0, result.output
    told = [json.loads(line) for line in why.read_text("utf-8").splitlines()]
    assert told
    for pair in told:
        parts = [pair["prior"], *(each["bits"] for each in pair["fields"])]
        assert pair["bits"] == pytest.approx(sum(parts), abs=1e-9)
    asked = [pair["records"] for pair in told if pair["outcome"] == "review"]
    assert asked == [row[:2] for row in rows_of(tmp_path / "clusters.review.csv")[1:]]
