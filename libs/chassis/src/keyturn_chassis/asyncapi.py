"""The AsyncAPI 3.0 description of what a service says and hears, made from its own declarations."""

from __future__ import annotations

import html
import inspect
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml
from fastapi import APIRouter, Query, Request, Response

import keyturn_events
from keyturn_events import CATALOGUE, Envelope, Event, Topic
from keyturn_events.publish import schema_of

if TYPE_CHECKING:
    from keyturn_chassis.service import Service

JSON_TYPE: Final = "application/vnd.aai.asyncapi+json;version=3.0.0"
YAML_TYPE: Final = "application/vnd.aai.asyncapi+yaml;version=3.0.0"

Document: TypeAlias = dict[str, Any]


def asyncapi_document(service: Service) -> Document:
    """Channels by topic, messages by type, one operation for each type sent or reacted to."""
    heard = [event_type for event_type, _ in service.reactions.events.values()]
    partners = {
        topic: [event_type for event_type in CATALOGUE.values() if event_type.topic is topic]
        for topic in service.reactions.untrusted
    }
    spoken = list(service.publishes)
    event_types = _distinct([*spoken, *heard, *(t for types in partners.values() for t in types)])
    topics = sorted({event_type.topic for event_type in event_types} | set(partners))
    schemas: Document = {}
    messages = {event_type.type: _message(event_type, schemas) for event_type in event_types}
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:keyturn:{service.name}",
        "info": {
            "title": service.title,
            "version": "1.0.0",
            "description": inspect.cleandoc(service.description),
        },
        "defaultContentType": "application/json",
        "channels": {topic.value: _channel(topic, event_types) for topic in topics},
        "operations": {
            **{f"send.{event_type.type}": _operation("send", event_type) for event_type in spoken},
            **{
                f"receive.{name}": {
                    **_operation("receive", event_type),
                    **_summary(inspect.getdoc(decide)),
                }
                for name, (event_type, decide) in service.reactions.events.items()
            },
            **{
                f"receive.{topic.value}": {
                    "action": "receive",
                    "channel": {"$ref": f"#/channels/{topic.value}"},
                    **_summary(inspect.getdoc(decide)),
                    "messages": [_message_reference(t) for t in partners[topic]],
                }
                for topic, decide in service.reactions.untrusted.items()
            },
        },
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


class _PlainDumper(yaml.SafeDumper):
    """YAML without anchors: what is said twice is written twice, as a reader expects."""

    def ignore_aliases(self, _: object) -> bool:
        """Nothing is worth an alias."""
        return True


def asyncapi_yaml(service: Service) -> str:
    """The document as YAML; the same service always gives the same text."""
    return _to_yaml(asyncapi_document(service))


def _to_yaml(document: Document) -> str:
    return yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100)


def asyncapi_router(service: Service) -> APIRouter:
    """`GET /asyncapi`: YAML, JSON or a page to read, whichever Accept or `format` asks for."""
    router = APIRouter(tags=["operations"])

    @cache
    def rendered(form: str) -> tuple[str, str]:
        document = asyncapi_document(service)
        if form == "json":
            return json.dumps(document, ensure_ascii=False), JSON_TYPE
        if form == "html":
            return _page(document), "text/html"
        return _to_yaml(document), YAML_TYPE

    @router.get(
        "/asyncapi",
        summary="The events of this service (AsyncAPI 3.0)",
        response_class=Response,
        responses={200: {"content": {YAML_TYPE: {}, JSON_TYPE: {}, "text/html": {}}}},
    )
    def asyncapi(
        request: Request, form: str = Query("", alias="format", pattern="^(json|yaml|html|)$")
    ) -> Response:
        content, media_type = rendered(form or _preferred(request.headers.get("accept", "")))
        return Response(content, media_type=media_type, headers={"Vary": "Accept"})

    return router


def _preferred(accept: str) -> str:
    for entry in accept.split(","):
        media_type = entry.partition(";")[0].strip().lower()
        for form in ("html", "yaml", "json"):
            if media_type.endswith(form):
                return form
    return "yaml"


def _distinct(event_types: Iterable[type[Event]]) -> list[type[Event]]:
    return list(dict.fromkeys(event_types))


def _channel(topic: Topic, event_types: Iterable[type[Event]]) -> Document:
    return {
        "address": topic.value,
        "description": f"Written by {topic.owner} alone, in order for each record key.",
        "messages": {
            event_type.type: {"$ref": f"#/components/messages/{event_type.type}"}
            for event_type in event_types
            if event_type.topic is topic
        },
        "bindings": {"kafka": {"topic": topic.value, "bindingVersion": "0.5.0"}},
    }


def _operation(action: str, event_type: type[Event]) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{event_type.topic.value}"},
        "messages": [_message_reference(event_type)],
    }


def _message_reference(event_type: type[Event]) -> Document:
    return {"$ref": f"#/channels/{event_type.topic.value}/messages/{event_type.type}"}


def _message(event_type: type[Event], schemas: Document) -> Document:
    example = golden_example(event_type)
    return {
        "name": event_type.type,
        "title": event_type.__name__,
        **_summary(inspect.getdoc(event_type)),
        "contentType": "application/json",
        "headers": _headers(event_type),
        "payload": _hoisted(event_type, schemas),
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The event's subject."},
                "bindingVersion": "0.5.0",
            }
        },
        **({"examples": [example]} if example else {}),
    }


def _summary(documentation: str | None) -> Document:
    return {"summary": documentation.partition("\n")[0]} if documentation else {}


def _headers(event_type: type[Event]) -> Document:
    """The CloudEvents attributes as Kafka headers (binary mode)."""
    schema = Envelope.model_json_schema()
    properties = {
        f"ce_{name}": {key: value for key, value in attribute.items() if key != "title"}
        for name, attribute in schema["properties"].items()
        if name != "datacontenttype"
    }
    properties["ce_type"] = {"type": "string", "const": event_type.type}
    return {
        "type": "object",
        "required": ["content-type", *(f"ce_{name}" for name in schema["required"])],
        "properties": {
            "content-type": {"type": "string", "const": "application/json"},
            **properties,
        },
    }


def _hoisted(event_type: type[Event], schemas: Document) -> Document:
    """The payload's schema, with its parts moved to `components`: references start at the root."""
    schema = schema_of(event_type)
    for key in ("$schema", "$id"):
        schema.pop(key, None)
    parts = schema.pop("$defs", {})
    names = {
        name: name if schemas.get(name, part) == part else f"{event_type.__name__}.{name}"
        for name, part in ((name, _renamed(part, {})) for name, part in parts.items())
    }
    for name, part in parts.items():
        schemas[names[name]] = _renamed(part, names)
    renamed: Document = _renamed(schema, names)
    return renamed


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _component(inner, names) if key == "$ref" else _renamed(inner, names)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return value


def _component(reference: str, names: Mapping[str, str]) -> str:
    name = reference.removeprefix("#/$defs/")
    return f"#/components/schemas/{names.get(name, name)}"


def golden_example(event_type: type[Event]) -> Document | None:
    """The published example of a type, as Kafka headers and payload."""
    package = Path(keyturn_events.__file__).parent
    for directory in (package / "examples", package.parents[1] / "examples"):
        path = directory / f"{event_type.type}.json"
        if path.exists():
            example = json.loads(path.read_text(encoding="utf-8"))
            attributes = dict(example["attributes"])
            content_type = attributes.pop("datacontenttype", "application/json")
            return {
                "headers": {
                    "content-type": content_type,
                    **{f"ce_{name}": value for name, value in attributes.items()},
                },
                "payload": example["data"],
            }
    return None


_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:1rem;overflow:auto}code{font-size:.9em}"
    "details{margin:.5rem 0}summary{cursor:pointer}"
)


def _page(document: Document) -> str:
    """The document to read in a browser: what is sent and received, each with its example."""
    title = html.escape(document["info"]["title"])
    sections = "".join(
        f"<h2>{heading}</h2>" + "".join(_operation_entry(document, action))
        for action, heading in (("send", "Says"), ("receive", "Hears"))
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: events</title>'
        f"<style>{_STYLE}</style><h1>{title}: events</h1>"
        f"<p>{html.escape(document['info']['description'])}</p>"
        '<p>As <a href="?format=yaml">YAML</a> or <a href="?format=json">JSON</a>'
        f" (AsyncAPI {document['asyncapi']}).</p>{sections}</html>"
    )


def _operation_entry(document: Document, action: str) -> Iterable[str]:
    for operation in document["operations"].values():
        if operation["action"] != action:
            continue
        topic = operation["channel"]["$ref"].removeprefix("#/channels/")
        for reference in operation["messages"]:
            message = document["components"]["messages"][reference["$ref"].rpartition("/")[2]]
            shown = {"payload": message["payload"], "examples": message.get("examples", [])}
            yield (
                f"<details><summary><code>{message['name']}</code> on <code>{topic}</code>: "
                f"{html.escape(operation.get('summary') or message.get('summary', ''))}</summary>"
                f"<pre>{html.escape(_to_yaml(shown))}</pre></details>"
            )
