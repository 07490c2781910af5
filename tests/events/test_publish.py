"""The publish command writes what the classes say, and fails on what is stale, wrong or broken."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from keyturn_events import CATALOGUE, publish, published, published_schema
from keyturn_events.intake import LeadScored
from keyturn_events.partners import PartnerSaleRecorded


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's published files that the command works on."""
    for directory in ("schemas", "examples"):
        shutil.copytree(published(directory), tmp_path / directory)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(publish, "PACKAGE", tmp_path)
    return tmp_path


def git(directory: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@mail.example")
    subprocess.run(
        ["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True
    )


def commit(directory: Path) -> None:
    git(directory, "init", "--quiet")
    git(directory, "add", ".")
    git(directory, "commit", "--quiet", "--no-verify", "--message", "published")


def edit(path: Path, **changes: Any) -> None:
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(document | changes, ensure_ascii=False), "utf-8")


def test_the_written_schemas_are_what_the_classes_say() -> None:
    assert publish.stale_schemas(published("schemas")) == []


def test_the_golden_examples_fit_their_types() -> None:
    assert publish.wrong_examples(published("examples")) == []


def test_without_a_commit_the_check_says_so_and_passes(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish.main(["--check"]) == 0
    assert capsys.readouterr().out == (
        "no schemas are committed at HEAD: none to compare with\n"
        f"{len(CATALOGUE)} event types: schemas and examples are sound\n"
    )


def test_a_stale_missing_or_superfluous_schema_fails_the_check(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(checkout / "schemas" / f"{LeadScored.type}.json", title="Other")
    (checkout / "schemas" / f"{PartnerSaleRecorded.type}.json").unlink()
    (checkout / "schemas" / "keyturn.lead.sold.v1.json").write_text("{}", "utf-8")

    assert publish.main(["--check"]) == 1
    assert set(capsys.readouterr().err.splitlines()) == {
        "schemas/keyturn.lead.scored.v1.json: stale",
        "schemas/partner.sale.recorded.v1.json: missing",
        "schemas/keyturn.lead.sold.v1.json: no event type has this name",
        "mend stale schemas with: python -m keyturn_events.publish",
    }


def test_publishing_mends_every_stale_schema(checkout: Path) -> None:
    shutil.rmtree(checkout / "schemas")
    (checkout / "schemas").mkdir()
    (checkout / "schemas" / "keyturn.lead.sold.v1.json").write_text("{}", "utf-8")

    assert publish.main([]) == 0
    assert publish.stale_schemas(checkout / "schemas") == []


def test_a_break_of_a_committed_schema_fails_and_names_type_field_and_reason(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout / "schemas" / f"{LeadScored.type}.json"
    promised = json.loads(path.read_text("utf-8"))
    promised["properties"]["confidence"] = {"type": "number"}
    promised["properties"]["score"]["maximum"] = 1000
    path.write_text(json.dumps(promised), "utf-8")
    (checkout / "schemas" / "keyturn.lead.sold.v1.json").write_text("{}", "utf-8")
    commit(checkout)

    assert publish.main([]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "keyturn.lead.scored.v1 /score: maximum shrunk from 1000 to 100",
        "keyturn.lead.scored.v1 /confidence: field removed, but readers may rely on it",
        "keyturn.lead.sold.v1: type removed, but its messages exist; keep it beside its v+1",
    ]


def test_unchanged_schemas_keep_what_was_committed(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(checkout)

    assert publish.main(["--check"]) == 0
    assert "nothing" not in capsys.readouterr().out


def test_an_example_that_does_not_fit_is_named_with_its_field(checkout: Path) -> None:
    path = checkout / "examples" / f"{LeadScored.type}.json"
    example = json.loads(path.read_text("utf-8"))
    edit(path, data=example["data"] | {"score": 101})

    assert publish.wrong_examples(checkout / "examples") == [
        "keyturn.lead.scored.v1.json: /score: Input should be less than or equal to 100"
    ]


def test_an_example_about_another_customer_than_its_envelope_is_named(checkout: Path) -> None:
    path = checkout / "examples" / f"{LeadScored.type}.json"
    example = json.loads(path.read_text("utf-8"))
    edit(path, data=example["data"] | {"customer_id": "cus-other"})

    assert publish.wrong_examples(checkout / "examples") == [
        "keyturn.lead.scored.v1.json: type or subject differs between attributes and data"
    ]


def test_a_missing_and_a_superfluous_example_are_named(checkout: Path) -> None:
    (checkout / "examples" / f"{LeadScored.type}.json").rename(
        checkout / "examples" / "keyturn.lead.sold.v1.json"
    )

    assert publish.wrong_examples(checkout / "examples") == [
        "keyturn.lead.scored.v1.json: missing",
        "keyturn.lead.sold.v1.json: no event type has this name",
    ]


def test_the_command_refuses_to_work_outside_a_checkout(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "pyproject.toml").unlink()

    assert publish.main(["--check"]) == 2
    assert capsys.readouterr().err == "this command works on a checkout of the repository\n"


def test_a_schema_explains_its_fields_and_where_the_event_travels() -> None:
    schema = published_schema(PartnerSaleRecorded)

    assert schema["title"] == "PartnerSaleRecorded"
    assert schema["x-topic"] == "partners.inbound"
    assert schema["properties"]["lead_reference"]["description"] == (
        "The partner's lead that this sale came from."
    )
    assert schema["required"] == [
        "sale_reference",
        "stage",
        "recorded_on",
        "home_id",
        "community_id",
        "price",
        "buyer",
    ]
