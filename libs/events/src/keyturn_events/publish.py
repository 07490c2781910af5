"""Writes the JSON Schema of every event type, and checks them and the golden examples.

    python -m keyturn_events.publish [--check] [--against REF]

Without `--check` the schemas are written. With it nothing is written, and the command fails when a
written schema is stale. Either way it fails when an example does not fit its type, and when a class
breaks what any version promised that was ever committed before REF, HEAD if not given: messages of
all of them are stored, and are replayed. It works on a checkout of the repository with its history.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from keyturn_events import CATALOGUE, SCHEMA_BASE, Envelope, Event, field_problems
from keyturn_events.compatibility import Schema, ahead_of_readers, breaking_changes

PACKAGE: Final = Path(__file__).resolve().parents[2]
"""The checkout's `libs/events`."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _EventSchema(GenerateJsonSchema):
    """JSON Schema whose field descriptions are the docstrings beneath the fields."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's own
        """Leave out titles that only repeat the field's name."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The schema of a model, each field with its docstring."""
        described = super().model_schema(schema)
        for name, text in _field_docs(cast("type[BaseModel]", schema["cls"])).items():
            field = described["properties"].get(name)
            if field is not None:
                described["properties"][name] = {**field, "description": text}
        return described

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """The whole document, with its dialect named first."""
        return {"$schema": DIALECT, **super().generate(schema, mode)}


def schema_of(event_class: type[Event]) -> dict[str, Any]:
    """The published JSON Schema of an event's data."""
    schema = event_class.model_json_schema(schema_generator=_EventSchema)
    if event_class.tombstone:
        schema = {name: schema[name] for name in ("$schema", "title", "description")}
        schema["type"] = "null"
    return {
        "$schema": schema.pop("$schema"),
        "$id": f"{SCHEMA_BASE}{event_class.type}.json",
        "title": schema.pop("title"),
        "description": schema.pop("description"),
        "x-topic": event_class.topic.value,
        **schema,
    }


def rendered(schema: Schema) -> str:
    """A schema as its file has it."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def stale_schemas(directory: Path) -> list[str]:
    """Which files of `directory` are not what the classes say, and why."""
    wanted = {f"{name}.json": rendered(schema_of(cls)) for name, cls in CATALOGUE.items()}
    found = {path.name: path.read_text("utf-8") for path in sorted(directory.glob("*.json"))}
    return [
        *(f"{name}: missing" for name in wanted.keys() - found.keys()),
        *(f"{name}: no event type has this name" for name in found.keys() - wanted.keys()),
        *(f"{name}: stale" for name in wanted.keys() & found.keys() if wanted[name] != found[name]),
    ]


def write_schemas(directory: Path) -> None:
    """Make `directory` hold the schema of every type and nothing else."""
    directory.mkdir(exist_ok=True)
    for path in directory.glob("*.json"):
        if path.stem not in CATALOGUE:
            path.unlink()
    for name, cls in CATALOGUE.items():
        (directory / f"{name}.json").write_text(rendered(schema_of(cls)), "utf-8")


def wrong_examples(directory: Path) -> list[str]:
    """Which golden examples are missing, superfluous or do not fit their type, and why."""
    found = {path.stem: path for path in sorted(directory.glob("*.json"))}
    wrong = [f"{name}.json: missing" for name in CATALOGUE.keys() - found.keys()]
    for name, path in found.items():
        if name not in CATALOGUE:
            wrong.append(f"{path.name}: no event type has this name")
            continue
        example = json.loads(path.read_text("utf-8"))
        try:
            envelope = Envelope.model_validate(example["attributes"])
            event = CATALOGUE[name].read(envelope.subject, _value(example["data"]))
        except ValidationError as error:
            problems = "; ".join(f"{p.pointer}: {p.detail}" for p in field_problems(error))
            wrong.append(f"{path.name}: {problems}")
            continue
        if (envelope.type, envelope.subject) != (name, event.subject):
            wrong.append(f"{path.name}: type or subject differs between attributes and data")
    return sorted(wrong)


def _value(data: object) -> bytes | None:
    return None if data is None else json.dumps(data).encode()


@dataclass(frozen=True, slots=True)
class Committed:
    """A schema, or an example, as some commit has it."""

    name: str
    """The event type."""
    document: Mapping[str, Any]


def broken_promises(schemas: Iterable[Committed], examples: Iterable[Committed]) -> list[str]:
    """What the classes break of what was committed: a sentence each, with type and field."""
    broken = []
    for old in schemas:
        if old.name not in CATALOGUE:
            broken.append(
                f"{old.name}: type removed, but its messages exist; keep it beside its v+1"
            )
            continue
        new = schema_of(CATALOGUE[old.name])
        if old.document.get("x-topic", new["x-topic"]) != new["x-topic"]:
            broken.append(
                f"{old.name}: topic changed from {old.document['x-topic']} to {new['x-topic']},"
                " but its messages and its readers are there"
            )
        broken += [f"{old.name} {change}" for change in breaking_changes(old.document, new)]
    for old in examples:
        if old.name in CATALOGUE:
            broken += [f"{old.name} {change}" for change in _unread(old)]
    return list(dict.fromkeys(broken))


def _unread(example: Committed) -> Iterator[str]:
    """Why a class no longer reads an example that was committed, or no longer under its key."""
    subject = example.document["attributes"]["subject"]
    try:
        event = CATALOGUE[example.name].read(subject, _value(example.document["data"]))
    except ValidationError as error:
        for problem in field_problems(error):
            yield f"{problem.pointer or '/'}: a committed example is refused: {problem.detail}"
        return
    if event.subject != subject:
        yield (
            f"/: record key changed from {subject!r} to {event.subject!r} for a committed example;"
            " events of one key would no longer keep their order"
        )


def widened(schemas: Iterable[Committed]) -> list[str]:
    """Where a class says more than what was committed allowed: readers come first."""
    return list(
        dict.fromkeys(
            f"{old.name} {pointer}: allows more than a committed version; update its readers before"
            " its writers, or they park what they do not understand until they are"
            for old in schemas
            if old.name in CATALOGUE
            for pointer in ahead_of_readers(old.document, schema_of(CATALOGUE[old.name]))
        )
    )


def committed(package: Path, directory: str, ref: str) -> list[Committed]:
    """Every version of the files of `directory` up to `ref`; none where there is no history."""
    commits = _git(package, "rev-list", ref, "--", f"{directory}/").split()
    blobs: dict[tuple[str, str], None] = {}
    for commit in commits:
        for line in _git(package, "ls-tree", commit, "--", f"{directory}/").splitlines():
            _, _, blob, path = line.split(maxsplit=3)
            if path.endswith(".json"):
                blobs[Path(path).stem, blob] = None
    texts = _contents(package, [blob for _, blob in blobs])
    return [Committed(name, json.loads(texts[blob])) for name, blob in blobs]


def _contents(directory: Path, blobs: Sequence[str]) -> dict[str, bytes]:
    """The contents of git objects by their ids: one process for all."""
    answer = _git_bytes(directory, "cat-file", "--batch", asked="\n".join(blobs))
    contents = {}
    while answer:
        head, _, answer = answer.partition(b"\n")
        blob, _, size = head.decode().split()
        contents[blob], answer = answer[: int(size)], answer[int(size) + 1 :]
    return contents


def _git(directory: Path, *arguments: str) -> str:
    return _git_bytes(directory, *arguments).decode()


def _git_bytes(directory: Path, *arguments: str, asked: str = "") -> bytes:
    git = shutil.which("git")
    if git is None:
        return b""
    try:
        done = subprocess.run(
            [git, "-C", str(directory), *arguments],
            input=asked.encode(),
            capture_output=True,
            check=True,
        )
    except subprocess.CalledProcessError:
        return b""
    return done.stdout


def _field_docs(model: type[BaseModel]) -> dict[str, str]:
    documented: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if cls.__module__.startswith("keyturn_events."):
            documented |= _documented_fields(cls.__module__).get(cls.__name__, {})
    return documented


@cache
def _documented_fields(module: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        node.name: dict(_docs_beneath(node)) for node in tree.body if isinstance(node, ast.ClassDef)
    }


def _docs_beneath(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, doc in zip(node.body, node.body[1:], strict=False):
        match (field, doc):
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(text.split())


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status is 0 when all is well."""
    parser = argparse.ArgumentParser(prog="python -m keyturn_events.publish")
    parser.add_argument("--check", action="store_true", help="write nothing; fail on any fault")
    parser.add_argument(
        "--against",
        default="HEAD",
        metavar="REF",
        help="commit up to which no version may be broken; on a branch, where it left the trunk",
    )
    options = parser.parse_args(arguments)
    schemas = PACKAGE / "schemas"
    if not (PACKAGE / "pyproject.toml").is_file():
        sys.stderr.write("this command works on a checkout of the repository\n")
        return 2

    faults = [f"examples/{fault}" for fault in wrong_examples(PACKAGE / "examples")]
    promised = committed(PACKAGE, "schemas", options.against)
    if promised:
        faults += broken_promises(promised, committed(PACKAGE, "examples", options.against))
        for note in widened(promised):
            sys.stdout.write(f"note: {note}\n")
    else:
        sys.stdout.write(f"no schemas are committed at {options.against}: none to compare with\n")
    if options.check:
        stale = stale_schemas(schemas)
        faults += [f"schemas/{fault}" for fault in stale]
        if stale:
            faults.append("mend stale schemas with: python -m keyturn_events.publish")
    else:
        write_schemas(schemas)

    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    if not faults:
        sys.stdout.write(f"{len(CATALOGUE)} event types: schemas and examples are sound\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
