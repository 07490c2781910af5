from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi import APIRouter, FastAPI
from jsonschema import Draft202012Validator
from sqlalchemy import MetaData

from keyturn_chassis.asyncapi import (
    JSON_TYPE,
    YAML_TYPE,
    asyncapi_document,
    asyncapi_router,
    asyncapi_yaml,
    golden_example,
)
from keyturn_chassis.inputs import Cause, RawRecord
from keyturn_chassis.reactions import Reactions
from keyturn_chassis.service import Service
from keyturn_events import CATALOGUE, Event, Topic
from keyturn_events.intake import HomeReserved, LeadCaptured

reactions = Reactions()


@reactions.on(HomeReserved)
def keep_the_home(state: None, event: HomeReserved, cause: Cause) -> tuple[None, Sequence[Event]]:
    """A reserved home is taken off the list.

    Not in the summary.
    """
    return state, ()


@reactions.on_untrusted(Topic.PARTNERS_INBOUND)
def hear_a_partner(state: None, record: RawRecord, cause: Cause) -> tuple[None, Sequence[Event]]:
    """Whatever a partner says is checked first."""
    return state, ()


class NoStore:
    """State is not what is tested here."""

    metadata = MetaData()

    async def load(self, *_: object) -> None: ...

    async def save(self, *_: object) -> None: ...


SERVICE = Service(
    name="sample",
    title="Sample <service>",
    description="Shows how a service describes itself.",
    store=NoStore(),
    router=APIRouter(),
    reactions=reactions,
    publishes=(LeadCaptured, HomeReserved),
    migrations=Path("migrations"),
)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi_document(SERVICE)


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolved(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/")
    value: Any = document
    for part in reference.removeprefix("#/").split("/"):
        value = value[part]
    return value


def test_what_is_published_and_reacted_to_are_its_operations(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["title"] == "Sample <service>"
    assert {name: op["action"] for name, op in document["operations"].items()} == {
        f"send.{LeadCaptured.type}": "send",
        f"send.{HomeReserved.type}": "send",
        f"receive.{HomeReserved.type}": "receive",
        "receive.partners.inbound": "receive",
    }


def test_a_reaction_is_summed_up_by_the_first_line_of_its_docstring(
    document: dict[str, Any],
) -> None:
    operation = document["operations"][f"receive.{HomeReserved.type}"]
    assert operation == {
        "action": "receive",
        "channel": {"$ref": "#/channels/intake.purchases"},
        "summary": "A reserved home is taken off the list.",
        "messages": [{"$ref": f"#/channels/intake.purchases/messages/{HomeReserved.type}"}],
    }


def test_an_untrusted_topic_takes_every_message_of_its_catalogue(document: dict[str, Any]) -> None:
    names = {kind.type for kind in CATALOGUE.values() if kind.topic is Topic.PARTNERS_INBOUND}
    assert set(document["channels"]["partners.inbound"]["messages"]) == names
    assert len(document["operations"]["receive.partners.inbound"]["messages"]) == len(names)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        assert resolved(document, reference) is not None


def test_a_message_has_its_cloudevents_headers(document: dict[str, Any]) -> None:
    headers = document["components"]["messages"][LeadCaptured.type]["headers"]
    assert headers["required"] == [
        "content-type",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_subject",
        "ce_time",
    ]
    assert headers["properties"]["ce_type"] == {"type": "string", "const": LeadCaptured.type}


def test_the_golden_example_of_a_message_fits_its_schema(document: dict[str, Any]) -> None:
    for name, message in document["components"]["messages"].items():
        example = golden_example(CATALOGUE[name])
        assert message.get("examples", []) == ([example] if example else [])
        for shown in message.get("examples", []):
            root = {**message["payload"], "components": document["components"]}
            Draft202012Validator(root).validate(shown["payload"])
            Draft202012Validator(message["headers"]).validate(shown["headers"])


def test_the_yaml_is_the_document_and_always_the_same(document: dict[str, Any]) -> None:
    text = asyncapi_yaml(SERVICE)
    assert yaml.safe_load(text) == document
    assert text == asyncapi_yaml(SERVICE)
    assert "&id" not in text


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(asyncapi_router(SERVICE))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "query", "media_type"),
    [
        ("*/*", "", YAML_TYPE),
        ("application/json", "", JSON_TYPE),
        (JSON_TYPE, "", JSON_TYPE),
        ("application/yaml", "", YAML_TYPE),
        (BROWSER, "", "text/html; charset=utf-8"),
        (BROWSER, "?format=json", JSON_TYPE),
        ("", "?format=html", "text/html; charset=utf-8"),
    ],
)
async def test_it_is_served_in_the_form_that_is_asked_for(
    client: httpx.AsyncClient, accept: str, query: str, media_type: str
) -> None:
    answer = await client.get(f"/asyncapi{query}", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


async def test_the_json_form_is_the_document(
    client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    answer = await client.get("/asyncapi?format=json")
    assert json.loads(answer.content) == document


async def test_the_page_is_complete_in_itself_and_escaped(client: httpx.AsyncClient) -> None:
    page = (await client.get("/asyncapi?format=html")).text
    assert "<h1>Sample &lt;service&gt;: events</h1>" in page
    assert f"<code>{LeadCaptured.type}</code> on <code>intake.leads</code>" in page
    assert "<script" not in page
    assert "src=" not in page
    assert "http" not in page.partition("<style>")[0]


async def test_an_unknown_form_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/asyncapi?format=pdf")).status_code == 422
