"""A model is fitted to any table, measured on rows it has not seen, and leaks are named."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import math
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from intake.domain.scoring.scoring_model import CategoryTerm, ScoringModel
from intake.domain.scoring.written_values import DateOrder
from intake.learning.scoring import report
from intake.learning.scoring.fields import (
    CategoryShape,
    Column,
    DateShape,
    LeftOut,
    NumberShape,
    shape_of,
)
from intake.learning.scoring.fit import Design, auc, held_out_auc, trial_rows
from intake.learning.scoring.leaks import Leak, leaks, suspects
from intake.learning.scoring.sample import LEAST_OF_A_CLASS, Outcome, take_sample
from intake.learning.scoring.table import LONGEST_NAME, MOST_COLUMNS, open_table
from intake.learning.scoring.training import Training, train
from intake.reading.scoring_model_file import ModelFile
from intake.service import service
from keyturn_chassis.cli import command_line
from keyturn_events import Refusal

Row = dict[str, Any]


def past_leads(rows: int, seed: int = 5) -> list[Row]:
    """Leads whose chance depends on the channel, the visits and, a little, the age."""
    chance = random.Random(seed)
    table = []
    for number in range(rows):
        channel = chance.choice(["web", "walk-in", "phone"])
        visits = chance.randint(0, 6)
        age = chance.randint(20, 70)
        odds = -2 + 0.02 * (age - 45) + 0.4 * visits + {"web": -0.5, "walk-in": 1.2}.get(channel, 0)
        table.append(
            {
                "name": f"person {number * 7919 % 100_003}",
                "age": age,
                "channel": channel,
                "visits": visits,
                "budget": chance.choice(["", "NA", f"${chance.randint(10, 99)},000", "unknown"]),
                "created": (date(2022, 1, 1) + timedelta(chance.randint(0, 700))).isoformat(),
                "constant": "x",
                "empty": "",
                "won": "yes" if chance.random() < 1 / (1 + math.exp(-odds)) else "no",
            }
        )
    return table


def written(table: Sequence[Mapping[str, Any]], delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def trained(path: Path, outcome: str = "won=yes", *dropped: str, **options: Any) -> Training:
    return train(path, outcome, dropped, "a-model", lambda _: None, **options)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[Sequence[Mapping[str, Any]]], Path]:
    def write(table: Sequence[Mapping[str, Any]]) -> Path:
        path = tmp_path / "table.csv"
        path.write_text(written(table), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    path = tmp_path_factory.mktemp("fit") / "leads.csv"
    path.write_text(written(past_leads(600)), encoding="utf-8")
    return trained(path, time_ordered=True)


def test_the_scorer_gives_every_row_what_the_trained_model_gives_it(training: Training) -> None:
    sample, model = training.sample, training.fitted.model
    read = ModelFile.model_validate_json(ModelFile.of(model).model_dump_json()).model()
    for place, wanted in enumerate(training.fitted.log_odds):
        row = {n: cells[place] for n, cells in zip(sample.names, sample.columns, strict=True)}
        assert read.estimate(row).log_odds == pytest.approx(wanted, abs=1e-9)


def test_contributions_are_counted_from_the_average_row(training: Training) -> None:
    sample, model = training.sample, training.fitted.model
    rows = [
        dict(zip(sample.names, cells, strict=True)) for cells in zip(*sample.columns, strict=True)
    ]
    estimates = [model.estimate(row) for row in rows]

    for name in model.terms:
        mean = np.mean([estimate.contributions[name] for estimate in estimates])
        if name != "created":
            assert mean == pytest.approx(0, abs=1e-9)
    assert np.mean([e.log_odds for e in estimates]) == pytest.approx(model.base, abs=1e-9)


def test_what_tells_nothing_is_left_out_and_told_why(training: Training) -> None:
    assert dict(training.kinds) == {
        "age": "number", "channel": "category", "visits": "number", "budget": "category",
        "created": "date",
    }  # fmt: skip
    assert training.left_out == {
        "name": "nearly every row has its own value: a name, a key or free text",
        "constant": "it is the same in every row",
        "empty": "every cell is empty",
    }


def test_the_report_says_how_good_the_model_is(training: Training) -> None:
    told = report.document(training)

    assert 0.70 < told["auc_cv"] < 0.85
    assert 0.60 < told["auc_last_fifth"] < 0.90
    assert told["time_ordered"]
    assert told["last_fifth_rows"] == 120
    assert 0 < told["brier"] < told["brier_of_base_rate"]
    assert [row["rows"] for row in told["calibration"]] == [60] * 10
    assert told["leak_warnings"] == []
    assert told["fields"][0]["field"] in {"channel", "visits"}
    for example in told["examples"]:
        total = example["base"] + sum(reason["contribution"] for reason in example["reasons"])
        assert total == pytest.approx(example["log_odds"], abs=1e-9)
    assert any("AUC, last fifth" in line for line in report.page(training))


def test_rows_that_are_not_in_time_give_a_last_fifth_that_says_so(
    file: Callable[[Sequence[Row]], Path],
) -> None:
    told = report.document(trained(file(past_leads(200))))

    assert told["auc_last_fifth"] is not None
    assert not told["time_ordered"]
    assert any("--time-order" in note for note in told["notes"])


def test_a_last_fifth_of_one_class_has_no_auc(file: Callable[[Sequence[Row]], Path]) -> None:
    told = report.document(trained(file(sorted(past_leads(200), key=lambda row: row["won"]))))

    assert told["auc_last_fifth"] is None
    assert any("lacks rows of one class" in note for note in told["notes"])


def warned(path: Path) -> list[Leak]:
    """The warnings alone, which need no model of all rows."""
    table = open_table(path)
    sample = take_sample(table, Outcome("won", "yes"), (), lambda _: None)
    columns = [
        Column.of(name, cells) for name, cells in zip(sample.names, sample.columns, strict=True)
    ]
    fields = [(column, shape_of(column)) for column in columns]
    used = [(column, shape) for column, shape in fields if not isinstance(shape, LeftOut)]
    design = Design.of(used, sample)
    return leaks(
        suspects(fields, sample.positive),
        sample.positive,
        lambda names: held_out_auc(design.of_fields(names), sample.positive, 0.1),
    )


def planted(name: str, value: Callable[[Row, random.Random], object]) -> list[Row]:
    chance = random.Random(1)
    return [row | {name: value(row, chance)} for row in past_leads(600)]


def later(row: Row, days: int) -> str:
    return (date.fromisoformat(row["created"]) + timedelta(days)).isoformat()


LEAKS: dict[str, Callable[[Row, random.Random], object]] = {
    "copy": lambda row, _: int(row["won"] == "yes"),
    "noisy_copy": lambda row, r: int((row["won"] == "yes") ^ (r.random() < 0.05)),
    "stage": lambda row, r: r.choice(["signed", "paid"] if row["won"] == "yes" else ["new", "old"]),
    "id_prefix": lambda row, r: ("W" if row["won"] == "yes" else "L") + str(r.randint(1, 10**9)),
    "id_range": lambda row, r: r.randint(1, 10**6) + 10**7 * (row["won"] == "yes"),
    "id_digit": lambda row, r: r.randint(1, 10**6) * 10 + (3 if row["won"] == "yes" else 4),
    "signed_on": lambda row, r: later(row, r.randint(5, 90)) if row["won"] == "yes" else "",
    "closed_on": lambda row, r: later(row, r.randint(*((40, 90), (0, 45))[row["won"] == "no"])),
    "price": lambda row, r: r.randint(100, 999) if row["won"] == "yes" else "",
    "some_price": lambda row, r: (
        r.randint(100, 999) if row["won"] == "yes" and r.random() < 0.3 else ""
    ),
    "paid": lambda row, r: r.randint(100, 999) if row["won"] == "yes" and r.random() < 0.3 else 0,
    "loss_reason": lambda row, r: (
        r.choice(["price", "place"]) if row["won"] == "no" and r.random() < 0.6 else ""
    ),
    "letters_sent": lambda row, r: r.randint(*((3, 12), (0, 5))[row["won"] == "no"]),
}
HARMLESS: dict[str, Callable[[Row, random.Random], object]] = {
    "hash": lambda _, r: f"{r.getrandbits(128):032x}",
    "number": lambda _, r: r.randint(1, 10**6),
    "noise": lambda _, r: r.random(),
    "seldom": lambda _, r: "yes" if r.random() < 0.02 else "",
    "city": lambda _, r: f"city {r.randint(1, 40)}",
    "late": lambda row, r: later(row, r.randint(0, 90)),
    "hint": lambda row, r: r.gauss(0.8 * (row["won"] == "yes"), 1),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_named_and_nothing_else(
    name: str, file: Callable[[Sequence[Row]], Path]
) -> None:
    warnings = warned(file(planted(name, LEAKS[name])))

    assert [leak.field for leak in warnings] == [name]
    assert warnings[0].used is (not name.startswith("id_"))


def test_a_leak_is_told_with_the_figures_that_the_model_has_without_it(
    file: Callable[[Sequence[Row]], Path],
) -> None:
    found = trained(file(planted("copy", LEAKS["copy"])))

    assert found.fitted.model.leaks == ("copy",)
    assert found.unseen.auc > 0.99
    assert found.unseen_without_leaks is not None
    assert 0.7 < found.unseen_without_leaks.auc < 0.85
    told = report.document(found)["leak_warnings"]
    assert [(leak["field"], leak["rule"], leak["used"]) for leak in told] == [
        ("copy", "tells-all", True)
    ]
    assert any(line.startswith("LEAK? copy: ") for line in report.page(found))


def test_a_key_that_leaks_is_told_and_the_model_is_free_of_it(
    file: Callable[[Sequence[Row]], Path],
) -> None:
    found = trained(file(planted("id_prefix", LEAKS["id_prefix"])))

    assert [leak.field for leak in found.leaks] == ["id_prefix"]
    assert found.fitted.model.leaks == ()
    assert found.unseen_without_leaks is None


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_field_is_not_suspected(
    name: str, file: Callable[[Sequence[Row]], Path]
) -> None:
    assert warned(file(planted(name, HARMLESS[name]))) == []


def test_two_leaks_do_not_hide_each_other(file: Callable[[Sequence[Row]], Path]) -> None:
    table = planted("minutes", LEAKS["noisy_copy"])
    warnings = warned(file([row | {"seconds": row["minutes"] * 60} for row in table]))

    assert {leak.field for leak in warnings} == {"minutes", "seconds"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("utf-8", gzip.compress),
        ("utf-8-sig", bz2.compress),
        ("gb18030", lzma.compress),
        ("utf-16", bytes),
    ],
)
def test_a_table_is_read_whatever_its_delimiter_encoding_and_compression(
    tmp_path: Path, delimiter: str, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "table"
    text = written([{"城市": "广州, 天河", "n": 1}, {"城市": "深圳; 南山", "n": 2}], delimiter)
    path.write_bytes(pack(text.encode(encoding)))

    table = open_table(path)

    assert table.header == ("城市", "n")
    assert list(table.rows()) == [["广州, 天河", "1"], ["深圳; 南山", "2"]]


def test_columns_without_a_name_and_with_one_twice_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f",a,a,b\x01 c,{'x' * 999}\n1,2,3,4,5\n", encoding="utf-8")

    *names, longest = open_table(path).header

    assert names == ["column 1", "a", "a (2)", "b c"]
    assert longest == "x" * LONGEST_NAME


def column(*cells: object) -> Column:
    return Column.of("c", [str(cell) for cell in cells])


def test_a_column_is_what_most_of_its_cells_are() -> None:
    numbers = shape_of(column(*range(100, 120), "unknown", "unknown", "", "unknown", *["?"] * 3))
    comma = shape_of(column(*[f"{n},5" for n in range(20)]))
    dates = shape_of(column(*[f"{day}/3/2026" for day in range(1, 29)] * 2))
    category = shape_of(column(*["a", "b", "c"] * 10, "rare"))

    assert isinstance(numbers, NumberShape)
    assert isinstance(comma, NumberShape)
    assert comma.decimal_comma
    assert isinstance(dates, DateShape)
    assert dates.order is DateOrder.DAY_FIRST
    assert isinstance(category, CategoryShape)
    assert category.levels == ("a", "b", "c")


def test_a_number_that_many_rows_have_counts_on_its_own() -> None:
    shape = shape_of(column(*[999] * 900, *range(50), *range(50)))

    assert isinstance(shape, NumberShape)
    assert shape.exact == (999.0,)
    assert max(shape.knots) < 50


def test_row_numbers_and_keys_are_left_out_and_sums_of_money_are_not() -> None:
    assert isinstance(shape_of(column(*range(1, 101))), LeftOut)
    assert isinstance(
        shape_of(Column.of("customerId", [str(n * n) for n in range(1, 101)])), LeftOut
    )
    assert isinstance(
        shape_of(Column.of("income", [str(n * n) for n in range(1, 101)])), NumberShape
    )


def test_a_long_table_is_sampled_fairly_and_weighted_back(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(written(past_leads(3000)), encoding="utf-8")
    table = open_table(path)

    sample = take_sample(table, Outcome("won", "yes"), (), lambda _: None, most_rows=400)

    assert sample.rows == 3000
    assert int(sample.positive.sum()) == 200
    assert len(sample.row) == 400
    assert sample.weight.sum() == pytest.approx(3000)
    assert sample.weight[sample.positive].sum() == pytest.approx(sample.positives)
    assert (np.diff(sample.row) > 0).all()


def test_a_model_of_a_sample_gives_the_chances_of_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(written(past_leads(3000)), encoding="utf-8")

    sampled = trained(path, most_rows=1000)

    rate = np.average(sampled.unseen.chance, weights=sampled.unseen.weight)
    assert rate == pytest.approx(sampled.sample.positives / 3000, abs=0.02)
    assert any("1,000 of 3,000 rows" in note for note in report.notes(sampled))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_auc_is_the_one_that_everybody_computes(weighted: bool) -> None:
    chance = np.random.default_rng(3)
    positive = chance.random(200) < 0.3
    score = np.round(chance.random(200) + 0.3 * positive, 1).astype(np.float64)
    weight = chance.random(200) if weighted else None

    wanted = roc_auc_score(positive, score, sample_weight=weight)
    assert auc(positive, score, weight) == pytest.approx(wanted, abs=1e-12)


def test_few_rows_are_no_ground_for_a_suspicion(
    file: Callable[[Sequence[Row]], Path],
) -> None:
    chance = random.Random(2)
    rows = [
        {f"c{n}": chance.random() for n in range(40)} | {"won": "yes" if number % 2 else "no"}
        for number in range(12)
    ]

    assert warned(file(rows)) == []


def test_a_trial_has_its_share_of_either_class() -> None:
    positive = np.array([True] * 500 + [False] * 9500)

    rows = trial_rows(positive, 1000)

    assert len(rows) == 1050
    assert int(positive[rows].sum()) == 100


BAD: dict[str, tuple[str | bytes, str, str]] = {
    "empty": ("", "won=yes", "table-not-readable"),
    "header-only": ("a,won\n", "won=yes", "no-rows"),
    "workbook": (b"PK\x03\x04rest", "won=yes", "table-not-readable"),
    "binary": (bytes(range(256)) * 10, "won=yes", "table-not-readable"),
    "cut-off": (gzip.compress(b"a,won\n" * 9)[:-9], "won=yes", "table-not-readable"),
    "no-outcome-column": ("a,wonn\n1,yes\n", "won=yes", "unknown-column"),
    "outcome-unreadable": ("a,won\n1,yes\n", "won", "outcome-not-readable"),
    "outcome-without-value": ("a,won\n1,yes\n", "won=", "outcome-not-readable"),
    "outcome-absent": ("a,won\n1,Yes\n2,no\n", "won=yes", "outcome-not-found"),
    "one-class": ("a,won\n1,yes\n2,yes\n3,\n", "won=yes", "one-class"),
    "ragged": ("a,won\n" + "1,2,3\n" * 30 + "1,yes\n2,no\n" * 9, "won=yes", "table-not-readable"),
    "nothing-else": ("won\nyes\nno\n", "won=yes", "nothing-to-learn-from"),
    "only-a-key": (
        "id,won\n" + "".join(f"{n},{'yes' if n % 3 else 'no'}\n" for n in range(99)),
        "won=yes",
        "nothing-to-learn-from",
    ),
    "too-wide": (",".join(f"c{n}" for n in range(MOST_COLUMNS + 1)), "c1=1", "too-many-columns"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_table_that_nothing_can_be_learned_from_is_refused(name: str, tmp_path: Path) -> None:
    content, outcome, code = BAD[name]
    path = tmp_path / "bad.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(Refusal) as refused:
        trained(path, outcome)

    assert refused.value.code == code


@pytest.mark.parametrize("positives", [LEAST_OF_A_CLASS - 1, LEAST_OF_A_CLASS])
def test_five_folds_need_five_rows_of_each_class(
    positives: int, file: Callable[[Sequence[Row]], Path]
) -> None:
    rows = past_leads(60)
    few = [row for row in rows if row["won"] == "yes"][:positives]
    path = file([*few, *(row for row in rows if row["won"] == "no")])

    if positives < LEAST_OF_A_CLASS:
        with pytest.raises(Refusal, match="too-few-rows"):
            trained(path)
    else:
        assert any("take every figure as rough" in note for note in report.notes(trained(path)))


def test_rows_without_an_outcome_and_of_another_length_are_counted_and_left_out(
    tmp_path: Path,
) -> None:
    path = tmp_path / "table.csv"
    text = written(past_leads(100))
    path.write_text(text + "short,line\n" * 3 + text.splitlines()[1].rsplit(",", 1)[0] + ",\n")

    told = report.document(trained(path))

    assert (told["rows"], told["rows_malformed"], told["rows_without_outcome"]) == (100, 3, 1)


def test_an_outcome_that_is_a_number_is_found_however_it_is_written() -> None:
    outcome = Outcome.of("y = 1", ["y"])

    assert [outcome.holds(cell) for cell in ("1", "1.0", "0", "", "x")] == [
        True, True, False, None, False,
    ]  # fmt: skip


def test_a_column_with_an_equals_sign_in_its_name_can_be_the_outcome() -> None:
    assert Outcome.of("a=b=c", ["a=b", "x"]) == Outcome("a=b", "c")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leads.csv").write_text(written(past_leads(200)), encoding="utf-8")
    other = ScoringModel("m", "y", "yes", 0.0, {"duration": CategoryTerm({})})
    (tmp_path / "of-another-table.json").write_text(ModelFile.of(other).model_dump_json())
    return tmp_path


def scoring(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(command_line(service), ["scoring", *words])
    return result.exit_code, result.output


def test_the_command_writes_the_model_and_its_report_beside_it(here: Path) -> None:
    code, said = scoring(
        "fit", "leads.csv", "--outcome", "won=yes", "--drop", "name", "age", "--out", "model.json"
    )

    assert code == 0, said
    model = ModelFile.model_validate_json((here / "model.json").read_bytes())
    assert model.name == "model"
    assert "age" not in model.fields
    assert model.trained is not None
    assert model.trained.rows == 200
    assert (here / "model.report.json").is_file()


def test_the_command_scores_the_rows_of_a_file_with_reasons(here: Path) -> None:
    scoring("fit", "leads.csv", "--outcome", "won=yes", "--out", "model.json")
    code, said = scoring("score", "leads.csv", "--model", "model.json", "--out", "scores.csv")

    assert code == 0, said
    with (here / "scores.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 200
    assert all(0 < float(row["probability"]) < 1 for row in rows)
    assert rows[0]["reasons"].count(";") == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("fit", "nope.csv", "--outcome", "won=yes", "--out", "m.json"), "file-not-found"),
        (("fit", "leads.csv", "--outcome", "won=yes", "--out", "no/m.json"), "out-not-writable"),
        (("fit", "leads.csv", "--outcome", "won=yes", "--out", "."), "out-not-writable"),
        (
            ("fit", "leads.csv", "--outcome", "won=yes", "--drop", "agee", "--out", "m.json"),
            "unknown-column",
        ),
        (
            ("fit", "leads.csv", "--outcome", "won=yes", "--drop", "won", "--out", "m.json"),
            "outcome-dropped",
        ),
        (("score", "leads.csv", "--model", "leads.csv", "--out", "s.csv"), "model-not-readable"),
        (("load", "nope.json"), "file-not-found"),
        (("load", "leads.csv"), "model-not-readable"),
        (("load", "of-another-table.json"), "unknown-model-field"),
    ],
)
def test_a_command_that_cannot_be_done_says_in_one_line_what_to_mend(
    here: Path, words: tuple[str, ...], code: str
) -> None:
    exit_code, said = scoring(*words)

    assert exit_code == 1
    assert said.startswith(f"{code}: ")
    assert said.count("\n") == 1
    assert not (here / "m.json").exists()
