"""Which changes of a schema break a promise, and which only grow it."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from keyturn_events import CATALOGUE, published_schema
from keyturn_events.compatibility import breaking_changes

Json: TypeAlias = dict[str, Any]

names = st.sampled_from(["price", "stage", "home", "note", "tags", "gates"])
words = st.sampled_from(["reserved", "signed", "paid", "lost"])

leaves = st.one_of(
    st.builds(
        lambda low, span: {"type": "integer", "minimum": low, "maximum": low + span},
        st.integers(-3, 3),
        st.integers(0, 4),
    ),
    st.builds(
        lambda low, span: {"type": "string", "minLength": low, "maxLength": low + span},
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    st.builds(
        lambda values: {"type": "string", "enum": values},
        st.lists(words, min_size=1, max_size=4, unique=True),
    ),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": "number"}]),
)


def objects(fields: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    def build(properties: Json, chosen: set[str]) -> Json:
        required = sorted(chosen & properties.keys())
        return {"type": "object", "properties": properties, "required": required}

    return st.builds(build, st.dictionaries(names, fields, max_size=3), st.sets(names, max_size=3))


nodes = st.recursive(
    leaves,
    lambda inner: st.one_of(
        objects(inner),
        st.builds(
            lambda items, most: {"type": "array", "items": items, "maxItems": most},
            inner,
            st.integers(0, 3),
        ),
        st.builds(lambda one: {"anyOf": [one, {"type": "null"}]}, inner),
    ),
    max_leaves=6,
)
schemas = objects(nodes)


def instances(schema: Json) -> st.SearchStrategy[Any]:
    """Documents that are valid under `schema`, with no field that it does not name."""
    if "anyOf" in schema:
        return st.one_of([instances(choice) for choice in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    of_type: dict[str, Callable[[Json], st.SearchStrategy[Any]]] = {
        "integer": lambda s: st.integers(s["minimum"], s["maximum"]),
        "string": lambda s: st.text("ab", min_size=s["minLength"], max_size=s["maxLength"]),
        "boolean": lambda _: st.booleans(),
        "number": lambda _: st.sampled_from([-1.5, 0, 7]),
        "null": lambda _: st.none(),
        "array": lambda s: st.lists(instances(s["items"]), max_size=s["maxItems"]),
        "object": documents,
    }
    return of_type[schema["type"]](schema)


def documents(schema: Json) -> st.SearchStrategy[Json]:
    fields = {name: instances(field) for name, field in schema["properties"].items()}
    required = {name: fields[name] for name in schema["required"]}
    optional = {name: fields[name] for name in fields.keys() - required.keys()}
    return st.fixed_dictionaries(required, optional=optional)


def grown(schema: Json) -> st.SearchStrategy[Json]:
    """`schema` with more room somewhere: a field, a value, a length, a bound."""
    if "anyOf" in schema:
        first, *others = schema["anyOf"]
        return grown(first).map(lambda new: {"anyOf": [new, *others]})
    if "enum" in schema:
        return st.just({**schema, "enum": [*schema["enum"], "rescinded"]})
    of_type: dict[str, Callable[[Json], st.SearchStrategy[Json]]] = {
        "integer": lambda s: st.sampled_from(
            [{**s, "minimum": s["minimum"] - 1}, {**s, "type": "number"}]
        ),
        "string": lambda s: st.just({**s, "maxLength": s["maxLength"] + 1}),
        "array": lambda s: grown(s["items"]).map(lambda items: {**s, "items": items}),
        "object": grown_fields,
    }
    return of_type.get(schema["type"], st.just)(schema)


def grown_fields(schema: Json) -> st.SearchStrategy[Json]:
    fields: Json = schema["properties"]
    added = with_field(schema, "added", {"type": "string"})
    deeper = [grown(field).map(partial(with_field, schema, name)) for name, field in fields.items()]
    return st.one_of(st.just(added), *deeper)


def with_field(schema: Json, name: str, field: Json) -> Json:
    return {**schema, "properties": {**schema["properties"], name: field}}


@given(schemas)
def test_a_schema_breaks_nothing_of_itself(schema: Json) -> None:
    assert breaking_changes(schema, copy.deepcopy(schema)) == []


@given(st.data())
def test_what_passes_accepts_every_message_of_before(data: st.DataObject) -> None:
    old = data.draw(schemas)
    new = data.draw(st.one_of(schemas, grown(old), st.just(old)))

    if not breaking_changes(old, new):
        document = data.draw(instances(old))
        assert Draft202012Validator(new).is_valid(document)


@given(st.data())
def test_growth_is_free_at_any_depth(data: st.DataObject) -> None:
    old = data.draw(schemas)

    assert breaking_changes(old, data.draw(grown(old))) == []


@given(st.data())
def test_growth_cannot_be_taken_back(data: st.DataObject) -> None:
    old = data.draw(schemas)
    new = data.draw(grown(old))

    if new != old:
        assert breaking_changes(new, old) != []


SALE: Json = {
    "type": "object",
    "$defs": {
        "Money": {
            "type": "object",
            "properties": {
                "amount": {"type": "string", "maxLength": 20, "pattern": "^[0-9.]+$"},
                "currency": {"enum": ["CNY", "EUR"], "type": "string"},
            },
            "required": ["amount", "currency"],
        }
    },
    "properties": {
        "price": {"$ref": "#/$defs/Money"},
        "deposit": {"anyOf": [{"$ref": "#/$defs/Money"}, {"type": "null"}], "default": None},
        "floor": {"type": "integer", "minimum": 0},
        "gates": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
        "note": {"type": "string"},
    },
    "required": ["price"],
}


def changed(path: str, value: Any) -> Json:
    """SALE with another value at `path`; None removes what is there."""
    schema = copy.deepcopy(SALE)
    *steps, last = path.split("/")
    node: Any = schema
    for step in steps:
        node = node[step]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return schema


@pytest.mark.parametrize(
    ("path", "value", "breaks"),
    [
        ("properties/note", None, ["/note: field removed, but readers may rely on it"]),
        (
            "required",
            ["price", "note"],
            ["/note: made required, but older messages are without it"],
        ),
        (
            "required",
            ["price", "lead"],
            ["/lead: new and required, but older messages are without it"],
        ),
        ("required", [], ["/price: no longer required, but readers rely on it"]),
        ("properties/floor/type", "string", ["/floor: type changed from integer to string"]),
        ("properties/floor/minimum", 1, ["/floor: minimum raised from 0 to 1"]),
        ("properties/floor/maximum", 99, ["/floor: maximum shrunk from none to 99"]),
        ("properties/note/maxLength", 10, ["/note: maxLength shrunk from none to 10"]),
        ("properties/note/const", "x", ["/note: narrowed to 'x'"]),
        ("properties/gates/maxItems", 4, ["/gates: maxItems shrunk from 5 to 4"]),
        (
            "properties/gates/items/enum",
            ["keys"],
            ["/gates/items: narrowed to 'keys'"],
        ),
        (
            "properties/deposit",
            {"$ref": "#/$defs/Money"},
            ["/deposit: type changed from null to object"],
        ),
        (
            "$defs/Money/properties/currency/enum",
            ["EUR"],
            [
                "/price/currency: enum value 'CNY' removed, but messages with it exist",
                "/deposit/currency: enum value 'CNY' removed, but messages with it exist",
            ],
        ),
        (
            "$defs/Money/properties/amount/pattern",
            "^[0-9]+$",
            [
                "/price/amount: pattern changed from '^[0-9.]+$' to '^[0-9]+$'",
                "/deposit/amount: pattern changed from '^[0-9.]+$' to '^[0-9]+$'",
            ],
        ),
        (
            "properties/note/contentEncoding",
            "base64",
            ["/note: contentEncoding changed, and the check does not know what that means"],
        ),
        ("additionalProperties", False, ["/: additionalProperties changed from 'none' to False"]),
    ],
)
def test_a_break_is_named_with_its_field_and_why(path: str, value: Any, breaks: list[str]) -> None:
    assert breaking_changes(SALE, changed(path, value)) == breaks


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("description", "Another sentence."),
        ("properties/note/title", "Note"),
        ("properties/gates/maxItems", 6),
        ("properties/floor/minimum", None),
        ("properties/floor/type", "number"),
        ("properties/lead", {"type": "string"}),
        ("properties/note/x-unit", "words"),
        ("$defs/Money/properties/currency/enum", ["USD", "EUR", "CNY"]),
        ("$defs/Money/properties/amount/pattern", None),
        ("properties/price", {"anyOf": [{"$ref": "#/$defs/Money"}, {"type": "null"}]}),
    ],
)
def test_growth_breaks_nothing(path: str, value: Any) -> None:
    assert breaking_changes(SALE, changed(path, value)) == []


def test_a_definition_may_be_renamed_or_written_in_place() -> None:
    inlined = changed("properties/price", SALE["$defs"]["Money"])

    assert breaking_changes(SALE, inlined) == []
    assert breaking_changes(inlined, SALE) == []


def test_a_schema_that_refers_to_itself_is_compared_once() -> None:
    tree: Json = {
        "$defs": {
            "Part": {
                "type": "object",
                "properties": {"parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}}},
            }
        },
        "$ref": "#/$defs/Part",
    }

    assert breaking_changes(tree, copy.deepcopy(tree)) == []


def test_every_keyword_of_our_own_schemas_is_understood() -> None:
    for name in CATALOGUE:
        schema = published_schema(CATALOGUE[name])
        assert breaking_changes(schema, copy.deepcopy(schema)) == []
