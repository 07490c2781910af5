"""Whether a changed JSON Schema still keeps its promises.

Two promises: every message that was valid stays valid, since messages are stored and replayed and
partners write them; and no field that a reader may rely on goes away. Growing is free: a new
optional field, a longer text, one more enum value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
"""A JSON Schema (2020-12) as parsed from JSON."""

_ANNOTATIONS: Final = frozenset(
    {"$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples"}
    | {"deprecated", "readOnly", "writeOnly"}
)
_LOWER_BOUNDS: Final = {
    "minimum": float("-inf"),
    "exclusiveMinimum": float("-inf"),
    "minLength": 0,
    "minItems": 0,
    "minProperties": 0,
}
_UPPER_BOUNDS: Final = {
    name: float("inf")
    for name in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
}
_EXACT: Final = frozenset(
    {"pattern", "format", "multipleOf", "uniqueItems", "additionalProperties", "propertyNames"}
)
_STRUCTURE: Final = frozenset(
    {"type", "enum", "const", "anyOf", "oneOf", "$ref", "properties", "required", "items"}
)
_UNDERSTOOD: Final = (
    _ANNOTATIONS | _EXACT | _STRUCTURE | _LOWER_BOUNDS.keys() | _UPPER_BOUNDS.keys()
)


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """What `new` breaks of `old`: one sentence a break, beginning with the field's JSON Pointer.

    Keywords outside those that event schemas use may not change at all: what this function does
    not understand it does not let pass.
    """
    return list(dict.fromkeys(_Comparison(old, new).node(old, new, "")))


def ahead_of_readers(old: Schema, new: Schema) -> list[str]:
    """Where `new` allows what a reader of `old` refuses: the fields' JSON Pointers.

    That is no break: such a reader parks the event and handles it once it is updated. But it is
    cheaper to update the readers first. A new field is not among them, since readers ignore it.
    """
    return list(
        dict.fromkeys(
            line.partition(":")[0]
            for line in breaking_changes(new, old)
            if not line.endswith(_READERS_LOSE)
        )
    )


_READERS_LOSE: Final = ("readers may rely on it", "readers rely on it")
"""How the sentences end that concern readers, not messages."""


class _Comparison:
    """One walk through two schemas side by side; remembers which pairs of `$ref` it is inside."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old_defs: Schema = old.get("$defs", {})
        self._new_defs: Schema = new.get("$defs", {})
        self._inside: set[tuple[str, str]] = set()

    def node(self, old: Schema, new: Schema, pointer: str) -> Iterator[str]:
        """The breaks at `pointer` and below it."""
        references = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if any(references):
            if references in self._inside:
                return
            self._inside.add(references)
        new_choices = list(_choices(new, self._new_defs))
        for old_choice in _choices(old, self._old_defs):
            yield from min(
                (list(self._choice(old_choice, choice, pointer)) for choice in new_choices),
                key=lambda breaks: (any("type changed" in line for line in breaks), len(breaks)),
            )
        self._inside.discard(references)

    def _choice(self, old: Schema, new: Schema, pointer: str) -> Iterator[str]:
        where = pointer or "/"
        old_type, new_type = old.get("type"), new.get("type")
        if new_type not in (None, old_type) and (old_type, new_type) != ("integer", "number"):
            yield f"{where}: type changed from {old_type or 'any'} to {new_type}"
            return
        yield from _lost_values(old, new, where)
        yield from _tightened(old, new, where)
        if old_type == "object" or "properties" in old or "properties" in new:
            yield from self._fields(old, new, pointer)
        if "items" in new:
            yield from self.node(old.get("items", {}), new["items"], f"{pointer}/items")

    def _fields(self, old: Schema, new: Schema, pointer: str) -> Iterator[str]:
        old_fields: Schema = old.get("properties", {})
        new_fields: Schema = new.get("properties", {})
        old_required, new_required = set(old.get("required", ())), set(new.get("required", ()))
        for name, field in old_fields.items():
            at = f"{pointer}/{name}"
            if name not in new_fields:
                yield f"{at}: field removed, but readers may rely on it"
                continue
            if name in old_required - new_required:
                yield f"{at}: no longer required, but readers rely on it"
            yield from self.node(field, new_fields[name], at)
        for name in sorted(new_required - old_required):
            kind = "made required" if name in old_fields else "new and required"
            yield f"{pointer}/{name}: {kind}, but older messages are without it"


def _choices(node: Schema, definitions: Schema) -> Iterator[Schema]:
    """The alternatives of a node, each without reference and of one type."""
    if "$ref" in node:
        yield from _choices(definitions[str(node["$ref"]).rpartition("/")[2]], definitions)
        return
    alternatives = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    if alternatives:
        for alternative in alternatives:
            yield from _choices(alternative, definitions)
        return
    types = node.get("type")
    if isinstance(types, list):
        for one in types:
            yield {**node, "type": one}
        return
    yield node


def _lost_values(old: Schema, new: Schema, where: str) -> Iterator[str]:
    old_values, new_values = _values(old), _values(new)
    if new_values is None:
        return
    if old_values is None:
        yield f"{where}: narrowed to {', '.join(map(repr, new_values))}"
        return
    for value in old_values:
        if value not in new_values:
            yield f"{where}: enum value {value!r} removed, but messages with it exist"


def _values(node: Schema) -> list[Any] | None:
    if "const" in node:
        return [node["const"]]
    return node.get("enum")


def _tightened(old: Schema, new: Schema, where: str) -> Iterator[str]:
    for name, unbounded in _LOWER_BOUNDS.items():
        if new.get(name, unbounded) > old.get(name, unbounded):
            yield f"{where}: {name} raised from {old.get(name, 'none')} to {new[name]}"
    for name, unbounded in _UPPER_BOUNDS.items():
        if new.get(name, unbounded) < old.get(name, unbounded):
            yield f"{where}: {name} shrunk from {old.get(name, 'none')} to {new[name]}"
    for name in sorted(_EXACT):
        if name in new and new[name] != old.get(name):
            yield f"{where}: {name} changed from {old.get(name, 'none')!r} to {new[name]!r}"
    for name in sorted((old.keys() | new.keys()) - _UNDERSTOOD):
        if not name.startswith("x-") and old.get(name) != new.get(name):
            yield f"{where}: {name} changed, and the check does not know what that means"
