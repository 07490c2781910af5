"""Writes the JSON Schema of every event type, and checks them and the golden examples.

    python -m keyturn_events.publish [--check] [--against REF]

Without `--check` the schemas are written. With it nothing is written, and the command fails when a
written schema is stale or breaks what the committed one promised. Either way it fails when an
example does not fit its type. It works on a checkout of the repository.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from keyturn_events import CATALOGUE, SCHEMA_BASE, Envelope, Event, field_problems
from keyturn_events.compatibility import Schema, breaking_changes

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


def broken_promises(committed: dict[str, Schema]) -> list[str]:
    """What the classes break of the committed schemas, which are given by type name."""
    broken = []
    for name, old in committed.items():
        if name not in CATALOGUE:
            broken.append(f"{name}: type removed, but its messages exist; keep it beside its v+1")
            continue
        broken += [
            f"{name} {change}" for change in breaking_changes(old, schema_of(CATALOGUE[name]))
        ]
    return broken


def committed_schemas(package: Path, ref: str) -> dict[str, Schema]:
    """The schemas as committed at `ref`, by type name; empty where there is no such commit."""
    listing = _git(package, "ls-tree", "--name-only", ref, "--", "schemas/")
    names = [line for line in listing.splitlines() if line.endswith(".json")]
    return {Path(name).stem: json.loads(_git(package, "show", f"{ref}:./{name}")) for name in names}


def _git(directory: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    try:
        done = subprocess.run(
            [git, "-C", str(directory), *arguments], capture_output=True, text=True, check=True
        )
    except subprocess.CalledProcessError:
        return ""
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
        "--against", default="HEAD", metavar="REF", help="commit whose schemas must not be broken"
    )
    options = parser.parse_args(arguments)
    schemas = PACKAGE / "schemas"
    if not (PACKAGE / "pyproject.toml").is_file():
        sys.stderr.write("this command works on a checkout of the repository\n")
        return 2

    faults = [f"examples/{fault}" for fault in wrong_examples(PACKAGE / "examples")]
    committed = committed_schemas(PACKAGE, options.against)
    if committed:
        faults += broken_promises(committed)
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
