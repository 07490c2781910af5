"""A change that breaks a committed promise fails the check, which says which field and why."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from keyturn_events import golden_message, publish, published
from keyturn_events.compatibility import ahead_of_readers
from keyturn_events.intake import LeadCaptured, LeadScored

Json: TypeAlias = dict[str, Any]

SCORED = f"schemas/{LeadScored.type}.json"
CAPTURED = f"schemas/{LeadCaptured.type}.json"


class Repository:
    """A repository with the package's published files, whose past can be another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for directory in ("schemas", "examples"):
            shutil.copytree(published(directory), path / directory)
        (path / "pyproject.toml").touch()
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@mail.example")
        command = ["git", "-C", str(self.path), *identity, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", ".")
        self.git("commit", "--quiet", "--no-verify", "--message", "published")

    def edit(self, file: str, change: Callable[[Json], None]) -> None:
        path = self.path / file
        document = json.loads(path.read_text("utf-8"))
        change(document)
        path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")

    def promised(self, file: str, change: Callable[[Json], None]) -> None:
        """Commit a past in which `file` was otherwise, and then the present."""
        present = (self.path / file).read_text("utf-8")
        self.edit(file, change)
        self.commit()
        (self.path / file).write_text(present, "utf-8")
        self.commit()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(publish, "PACKAGE", tmp_path)
    return Repository(tmp_path)


def had(pointer: str, **keywords: Any) -> Callable[[Json], None]:
    """A schema in which the field at `pointer` had these keywords too."""

    def change(schema: Json) -> None:
        field = schema
        for step in filter(None, pointer.split("/")):
            field = field[step]
        field |= keywords

    return change


def without(pointer: str) -> Callable[[Json], None]:
    """A schema that was without what is at `pointer`; a field was not required either."""

    def change(schema: Json) -> None:
        *steps, last = pointer.strip("/").split("/")
        node = schema
        for step in steps:
            node = node[step]
        del node[last]
        if steps[-1] == "properties":
            schema["required"] = [name for name in schema["required"] if name != last]

    return change


@pytest.mark.parametrize(
    ("file", "past", "said"),
    [
        pytest.param(
            SCORED,
            had("/properties", confidence={"type": "number"}),
            "keyturn.lead.scored.v1 /confidence: field removed, but readers may rely on it",
            id="a removed field",
        ),
        pytest.param(
            SCORED,
            without("/properties/model"),
            "keyturn.lead.scored.v1 /model: new and required, but older messages are without it",
            id="a new required field",
        ),
        pytest.param(
            SCORED,
            had("", required=["customer_id", "lead_id", "score", "model"]),
            "keyturn.lead.scored.v1 /model_version: made required, but older messages are without"
            " it",
            id="a field made required",
        ),
        pytest.param(
            SCORED,
            had("/properties/score", type="number"),
            "keyturn.lead.scored.v1 /score: type changed from number to integer",
            id="a narrowed type",
        ),
        pytest.param(
            SCORED,
            had("/properties/score", minimum=-100),
            "keyturn.lead.scored.v1 /score: minimum raised from -100 to 0",
            id="a narrowed lower bound",
        ),
        pytest.param(
            SCORED,
            had("/properties/score", maximum=1000),
            "keyturn.lead.scored.v1 /score: maximum shrunk from 1000 to 100",
            id="a narrowed upper bound",
        ),
        pytest.param(
            SCORED,
            without("/properties/model/pattern"),
            "keyturn.lead.scored.v1 /model: pattern changed from 'none' to"
            " '^[a-z0-9][a-z0-9._-]{0,63}$'",
            id="a narrowed pattern",
        ),
        pytest.param(
            SCORED,
            had("/properties/reasons", maxItems=60),
            "keyturn.lead.scored.v1 /reasons: maxItems shrunk from 60 to 50",
            id="a shorter list",
        ),
        pytest.param(
            CAPTURED,
            lambda schema: schema["$defs"]["LeadChannel"]["enum"].append("balloon"),
            "keyturn.lead.captured.v1 /channel: enum value 'balloon' removed, but messages with it"
            " exist",
            id="a removed enum value",
        ),
        pytest.param(
            SCORED,
            had("", **{"x-topic": "intake.customers"}),
            "keyturn.lead.scored.v1: topic changed from intake.customers to intake.leads, but its"
            " messages and its readers are there",
            id="another topic",
        ),
        pytest.param(
            f"examples/{LeadScored.type}.json",
            lambda example: example["attributes"].update(subject="lead-1"),
            "keyturn.lead.scored.v1 /: record key changed from 'lead-1' to"
            " 'CUSTOMER' for a committed example; events of one key"
            " would no longer keep their order",
            id="another record key",
        ),
        pytest.param(
            f"examples/{LeadScored.type}.json",
            lambda example: example["data"].update(score=101),
            "keyturn.lead.scored.v1 /score: a committed example is refused: Input should be less"
            " than or equal to 100",
            id="an example that is read no longer",
        ),
    ],
)
def test_a_break_of_any_kind_fails_the_check_and_says_which_field_and_why(
    repository: Repository,
    capsys: pytest.CaptureFixture[str],
    file: str,
    past: Callable[[Json], None],
    said: str,
) -> None:
    repository.promised(file, past)

    assert publish.main(["--check"]) == 1
    customer_id = golden_message(LeadScored).event.customer_id
    assert capsys.readouterr().err.splitlines() == [said.replace("CUSTOMER", customer_id)]


def test_a_type_that_was_removed_or_renamed_fails_the_check(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    sold = repository.path / "schemas" / "keyturn.lead.sold.v1.json"
    shutil.copy(repository.path / SCORED, sold)
    repository.commit()
    sold.unlink()
    repository.commit()

    assert publish.main(["--check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "keyturn.lead.sold.v1: type removed, but its messages exist; keep it beside its v+1"
    ]


def test_a_break_is_still_one_after_it_and_another_change_were_committed(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.promised(SCORED, had("/properties/score", maximum=1000))
    repository.promised(CAPTURED, had("", title="Captured"))

    assert publish.main(["--check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "keyturn.lead.scored.v1 /score: maximum shrunk from 1000 to 100"
    ]


def test_only_what_was_committed_before_the_named_commit_is_a_promise(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit()
    repository.git("tag", "trunk")
    repository.promised(SCORED, had("/properties/score", maximum=1000))

    assert publish.main(["--check", "--against", "trunk"]) == 0
    assert publish.main(["--check"]) == 1
    assert "/score" in capsys.readouterr().err


def test_growth_passes_and_says_where_readers_have_to_be_first(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.promised(SCORED, had("/properties/score", maximum=50))

    assert publish.main(["--check"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "note: keyturn.lead.scored.v1 /score: allows more than a committed version; update its"
        " readers before its writers, or they park what they do not understand until they are"
    )


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"properties": {"stage": {"enum": ["new", "lost", "won"]}}}, ["/stage"]),
        ({"properties": {"stage": {"enum": ["new", "lost"]}, "note": {"type": "string"}}}, []),
        ({"properties": {"stage": {}}}, ["/stage"]),
    ],
)
def test_readers_come_first_where_a_known_field_may_say_more(
    change: Json, pointers: list[str]
) -> None:
    old: Json = {"type": "object", "properties": {"stage": {"enum": ["new", "lost"]}}}

    assert ahead_of_readers(old, old | change) == pointers


def test_make_check_runs_the_check() -> None:
    makefile = Path(__file__).parents[2] / "Makefile"
    recipe = makefile.read_text("utf-8").partition("\ncheck:")[2].partition("\n\n")[0]

    assert "-m keyturn_events.publish --check\n" in recipe
