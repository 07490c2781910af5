"""The published JSON Schemas and golden examples, from the installed package or a checkout."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from keyturn_events.envelope import Envelope, Message
from keyturn_events.event import Event

E = TypeVar("E", bound=Event)

_INSTALLED: Final = Path(__file__).resolve().parent
_CHECKOUT: Final = _INSTALLED.parents[1]


def published(directory: str) -> Path:
    """Where `schemas` or `examples` are kept."""
    installed = _INSTALLED / directory
    return installed if installed.is_dir() else _CHECKOUT / directory


def golden_message(event_class: type[E]) -> Message[E]:
    """The golden example of an event type: realistic, and the same in every test that uses it."""
    example = _golden_json(event_class.type)
    envelope = Envelope.model_validate(example["attributes"])
    data = example["data"]
    value = None if data is None else json.dumps(data, ensure_ascii=False).encode()
    return Message(envelope, event_class.read(envelope.subject, value))


def published_schema(event_class: type[Event]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event's data, as it is published."""
    return _parsed(published("schemas") / f"{event_class.type}.json")


def _golden_json(type_name: str) -> dict[str, Any]:
    return _parsed(published("examples") / f"{type_name}.json")


@cache
def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _parsed(path: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(_text(path))
    return parsed
