"""Publishers and consumers keep the same contracts, each type's golden example among them."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

import pytest
from jsonschema import Draft202012Validator

import campaigns.service
import intake.service
import segmentation.service
import service_desk.service
from keyturn_chassis.inputs import RawRecord
from keyturn_chassis.service import Service
from keyturn_chassis.testing import Harness
from keyturn_events import CATALOGUE, Envelope, Event, Message, golden_message, published_schema
from keyturn_events.campaigns import ReferralInvited
from keyturn_events.intake import (
    CustomerErased,
    ErasureCompleted,
    HomeReserved,
    HomeSubscribed,
    LeadCaptured,
    MortgageChanged,
    PartnerEventRejected,
    PurchasePaid,
    PurchaseRescinded,
    PurchaseSigned,
    QueueNumberGiven,
    QueueNumberSettled,
)
from keyturn_events.partners import PartnerLeadSubmitted, PartnerSaleRecorded
from keyturn_events.segmentation import CustomerSegmented, CustomerValueChanged
from keyturn_events.service_desk import HandoverPlanned
from keyturn_events.vocabulary import PurchaseStage

Json: TypeAlias = dict[str, Any]
HarnessFactory: TypeAlias = Callable[..., Awaitable[Harness]]

ROOT = Path(__file__).parents[2]
SERVICES = (
    intake.service.service,
    segmentation.service.service,
    service_desk.service.service,
    campaigns.service.service,
)
NOBODY_SAYS_YET = {CustomerValueChanged}
"""Types that readers are ready for before their owner says them."""
ANNOUNCED: dict[type[Event], set[str]] = {
    ReferralInvited: {"campaign", "expires_at"},
}
"""Fields that golden examples show and that readers may come to expect, but nobody fills yet."""
FOR_OTHERS = {
    ErasureCompleted,
    MortgageChanged,
    PartnerEventRejected,
    QueueNumberGiven,
    QueueNumberSettled,
}
"""Types that only somebody outside reads: partners, the apps of buyers and advisors, and whoever
keeps the record of erasures."""

EVERY_SERVICE = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
EVERY_READER = pytest.mark.parametrize(
    "service",
    [service for service in SERVICES if service.reactions.events],
    ids=lambda service: service.name,
)


def ours() -> set[type[Event]]:
    return {kind for kind in CATALOGUE.values() if kind.topic.owner != "partners"}


def test_every_type_of_ours_is_published_by_the_owner_of_its_topic_and_by_nobody_else() -> None:
    publishers = {
        kind: [service.name for service in SERVICES if kind in service.publishes] for kind in ours()
    }

    assert publishers == {
        kind: [] if kind in NOBODY_SAYS_YET else [kind.topic.owner] for kind in ours()
    }


def test_every_type_of_ours_has_a_reader_among_the_services_or_outside() -> None:
    read = {kind for service in SERVICES for kind, _ in service.reactions.events.values()}

    assert ours() - read == FOR_OTHERS


def test_every_partner_type_is_let_in_at_the_partner_door() -> None:
    doors = {topic for service in SERVICES for topic in service.reactions.untrusted}

    assert {kind.topic for kind in set(CATALOGUE.values()) - ours()} == doors


@EVERY_SERVICE
def test_every_published_type_is_said_by_its_owners_domain_and_by_a_test(service: Service) -> None:
    module = service.name.replace("-", "_")
    domain = texts(ROOT / "services" / service.name / "src" / module / "domain")
    tests = texts(ROOT / "tests" / module) + Path(__file__).read_text("utf-8")

    names = {kind.__name__ for kind in service.publishes}
    assert {name for name in names if not re.search(rf"\b{name}\(", domain)} == set()
    assert {name for name in names if not re.search(rf"\b{name}\b", tests)} == set()


@EVERY_SERVICE
def test_a_golden_example_shows_no_field_that_its_publisher_never_fills(service: Service) -> None:
    module = ROOT / "services" / service.name / "src" / service.name.replace("-", "_")
    filled = fields_filled_by(module)

    unfilled = {
        kind: fields
        for kind in service.publishes
        if (fields := own_fields(kind) & data_of(golden_message(kind)).keys() - filled[kind])
    }
    assert unfilled == {k: fields for k, fields in ANNOUNCED.items() if k in service.publishes}


def own_fields(kind: type[Event]) -> set[str]:
    """The fields that a class declares itself; the others are of its kind as a whole."""
    return kind.model_fields.keys() & kind.__annotations__.keys()


def fields_filled_by(module: Path) -> defaultdict[type[Event], set[str]]:
    """The fields of events that any decision gives, or that are added on the way out, by name."""
    kinds = {kind.__name__: kind for kind in CATALOGUE.values()}
    filled: defaultdict[type[Event], set[str]] = defaultdict(set)
    for call in ast.walk(ast.parse(texts(module / "domain"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute):
            name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
            if name in kinds:
                filled[kinds[name]].update(word.arg for word in call.keywords if word.arg)
    for function in ast.walk(ast.parse(texts(module))):
        if isinstance(function, ast.FunctionDef) and isinstance(function.returns, ast.Name):
            kind = kinds.get(function.returns.id)
            if kind is not None:
                filled[kind] |= fields_added_in(function)
    return filled


def fields_added_in(function: ast.FunctionDef) -> set[str]:
    """The fields that a function that hands an event on gives to its copy, by name."""
    return {
        key.value
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "model_copy"
        for word in call.keywords
        if word.arg == "update" and isinstance(word.value, ast.Dict)
        for key in word.value.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def texts(directory: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted(directory.rglob("*.py")))


def again(message: Message[Any], tag: str, data: Json) -> RawRecord:
    """The record of a golden example with other data, as an event of its own."""
    envelope = message.envelope.model_copy(update={"id": f"{message.envelope.id}/{tag}"})
    other = replace(message, envelope=envelope)
    value = None if message.value is None else json.dumps(data).encode()
    return RawRecord(
        message.event.topic, 0, crc32(envelope.id.encode()), other.key, value, tuple(other.headers)
    )


def data_of(message: Message[Any]) -> Json:
    data: Json = json.loads(message.value or b"{}")
    return data


def least(message: Message[Any]) -> Json:
    required = published_schema(type(message.event)).get("required", [])
    return {name: value for name, value in data_of(message).items() if name in required}


def more(message: Message[Any]) -> Json:
    return data_of(message) | {"new_field": {"unknown": [1, None]}, "new_flag": True}


@EVERY_READER
@pytest.mark.parametrize("variant", [least, more])
async def test_every_reaction_takes_its_golden_example_from_an_older_and_a_newer_writer(
    service: Service, variant: Callable[[Message[Any]], Json], service_harness: HarnessFactory
) -> None:
    harness = await service_harness(service)
    messages = [golden_message(kind) for kind, _ in service.reactions.events.values()]

    await harness.receive_records(
        *(again(message, variant.__name__, variant(message)) for message in messages)
    )

    parked = await harness.rows("SELECT event_id, code, detail FROM dead_letters ORDER BY id")
    assert [tuple(row) for row in parked] == []
    assert (await harness.rows("SELECT count(*) AS n FROM inbox"))[0].n == len(messages)


async def faults_of_what_is_said(harness: Harness) -> tuple[set[str], list[str]]:
    """The types that stand in the outbox, and where their payloads break their contracts."""
    rows = await harness.rows("SELECT type, CAST(payload AS text) AS payload FROM outbox")
    faults = [
        f"{row.type} {fault.json_path}: {fault.message}"
        for row in rows
        for fault in Draft202012Validator(published_schema(CATALOGUE[row.type])).iter_errors(
            None if row.payload is None else json.loads(row.payload)
        )
    ]
    return {row.type for row in rows}, faults


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (segmentation.service.service, {CustomerSegmented.type}),
        (service_desk.service.service, {HandoverPlanned.type}),
        (campaigns.service.service, {"keyturn.member.enrolled.v1", "keyturn.points.earned.v1"}),
    ],
    ids=lambda value: value.name if isinstance(value, Service) else "",
)
async def test_what_a_service_says_to_golden_examples_fits_the_published_schemas(
    service: Service, said: set[str], service_harness: HarnessFactory
) -> None:
    harness = await service_harness(service)
    last = {CustomerErased.type, PurchaseRescinded.type}
    kinds = [kind for kind, _ in service.reactions.events.values() if kind.type not in last]
    await harness.receive(*(golden_message(kind) for kind in kinds))

    types, faults = await faults_of_what_is_said(harness)
    assert faults == []
    assert types >= said
    everything: list[Message[Any]] = await harness.messages()
    for message in everything:
        assert message.envelope.type in {published.type for published in service.publishes}
        assert message.envelope.source == service.name
        assert message.envelope.subject == message.event.subject


async def test_what_intake_says_to_partners_fits_the_published_schemas(
    service_harness: HarnessFactory,
) -> None:
    harness = await service_harness(intake.service.service)
    sale = golden_message(PartnerSaleRecorded)
    lead = golden_message(PartnerLeadSubmitted)
    await harness.drive(datetime(2026, 12, 1, tzinfo=UTC))
    for message in (sale, lead):
        answer = await harness.client.put(
            f"/partners/{message.envelope.source.removeprefix('/partners/')}",
            json={"name": "Partner", "allowed_types": [sale.event.type, lead.event.type]},
            headers=harness.headers("partners:write"),
        )
        assert answer.is_success, answer.text
    await harness.receive_records(again(lead, "lead", data_of(lead)))
    for stage in PurchaseStage:
        data = data_of(sale) | {"stage": stage.value}
        if stage is PurchaseStage.RESCINDED:
            data["rescission_reason"] = "buyer-withdrew"
        await harness.receive_records(again(sale, stage.value, data))
    await harness.receive_records(again(sale, "bad", {"stage": "sold"}))

    types, faults = await faults_of_what_is_said(harness)
    assert faults == []
    assert types >= {
        kind.type
        for kind in (
            LeadCaptured,
            HomeReserved,
            HomeSubscribed,
            PurchaseSigned,
            PurchasePaid,
            PartnerEventRejected,
        )
    }


async def test_what_stands_on_kafka_is_a_cloudevent_with_everything_that_a_trace_needs(
    service_harness: HarnessFactory,
) -> None:
    harness = await service_harness(segmentation.service.service)
    captured = golden_message(LeadCaptured)
    await harness.receive(captured)

    [message, *_] = await harness.messages(CustomerSegmented)
    envelope = message.envelope
    assert isinstance(envelope, Envelope)
    assert envelope.dataschema == published_schema(CustomerSegmented)["$id"]
    assert envelope.causationid == captured.envelope.id
    assert envelope.time == captured.envelope.time
    assert envelope.recordedtime is not None
    assert envelope.traceparent is not None
