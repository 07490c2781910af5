"""One lead on a running stack: its trace, from the HTTP call to the last effect."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console

from keyturn_demo.clocks import Clocks
from keyturn_demo.doors.http import HttpDoor
from keyturn_demo.run import trace
from keyturn_demo.session import SETTINGS, door_of, next_opening
from keyturn_demo.trace import Node, Origin, read_trace
from keyturn_demo.world import SERVICES
from keyturn_events.campaigns import MessageSent
from keyturn_events.intake import LeadCaptured
from keyturn_events.segmentation import CustomerSegmented
from keyturn_local.stack import Stack

PATIENCE_SECONDS = 30.0
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLERS_SPAN = "00f067aa0ba902b7"
LEAD = {
    "name": "Ann Lee",
    "email": "ann.lee@mail.example",
    "language": "en",
    "channel": "web",
    "community_id": "riverside",
    "household": {"marital_status": "married"},
    "consents": [
        {"channel": "email", "purpose": "marketing", "status": "granted", "wording": "w-1"}
    ],
}


@dataclass(frozen=True, slots=True)
class Exported:
    """A span as a process sent it."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int


class Collector:
    """Takes spans over OTLP/HTTP, as any collector of traces does."""

    def __init__(self) -> None:
        self.spans: list[Exported] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, request: ExportTraceServiceRequest) -> None:
        for process in request.resource_spans:
            attributes = {a.key: a.value.string_value for a in process.resource.attributes}
            self.spans += [
                Exported(
                    attributes["service.name"],
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                )
                for scope in process.scope_spans
                for span in scope.spans
            ]

    def of(self, trace_id: str) -> list[Exported]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()
    try:
        yield collector
    finally:
        collector.close()


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    """A stack of its own, whose processes send their spans to the collector at once."""
    stack = Stack(
        tmp_path_factory.mktemp("traced"), broker="embedded", durable=False, settings=SETTINGS
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        try:
            stack.up()
            yield stack
        finally:
            stack.clean()


async def until(holds: Callable[[], bool]) -> bool:
    """Wait until something holds; False when it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


@pytest.fixture(scope="module")
def customer_id(own_stack: Stack) -> str:
    """A customer who came through the lead's door in a trace of the caller's own."""

    async def come() -> str:
        doors: dict[str, HttpDoor] = {}
        for service in SERVICES:
            doors[service] = await door_of(own_stack, service)
        clocks = Clocks(doors)
        await clocks.drive(next_opening(max(await clocks.latest(), datetime.now(UTC))))
        traceparent = f"00-{TRACE_ID}-{CALLERS_SPAN}-01"
        doors["intake"]._client.headers["traceparent"] = traceparent
        answer = await doors["intake"].post("/leads", LEAD, "the-lead")
        for door in doors.values():
            await door.__aexit__(None, None, None)
        return str(answer.accepted()["customer_id"])

    return asyncio.run(come())


def flat(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from flat(node.effects)


async def settled_trace(stack: Stack, customer_id: str) -> Origin:
    """The trace of the lead, once the welcome message has been sent."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = await read_trace(stack.kafka_bootstrap, customer_id)
        told = {node.event.type for origin in found for node in flat(origin.effects)}
        if {MessageSent.type, CustomerSegmented.type} <= told or time.monotonic() > deadline:
            [origin] = found
            return origin
        await asyncio.sleep(0.1)


async def test_every_event_that_follows_from_a_request_is_of_the_callers_trace(
    own_stack: Stack, customer_id: str
) -> None:
    origin = await settled_trace(own_stack, customer_id)

    assert origin.cause.startswith("the-lead@")
    assert origin.trace_ids == (TRACE_ID,)
    events = {node.event.type: node.event for node in flat(origin.effects)}
    assert {event.service for event in events.values()} == {"intake", "segmentation", "campaigns"}
    assert events[MessageSent.type].fact == "welcome"


async def test_the_events_of_a_trace_are_a_tree_in_which_no_effect_is_earlier_than_its_cause(
    own_stack: Stack, customer_id: str
) -> None:
    origin = await settled_trace(own_stack, customer_id)

    nodes = list(flat(origin.effects))
    assert {node.event.service for node in origin.effects} == {"intake"}
    for node in nodes:
        assert node.event.published >= node.event.decided - 0.001  # Kafka keeps milliseconds
        for effect in node.effects:
            assert effect.event.decided >= node.event.published - 0.001
    effects = [effect for node in origin.effects for effect in node.effects]
    assert {effect.event.service for effect in effects} == {"segmentation", "campaigns"}


async def test_the_demo_prints_a_customers_trace_as_a_tree_with_times(
    own_stack: Stack, customer_id: str
) -> None:
    await settled_trace(own_stack, customer_id)
    console = Console(file=io.StringIO(), width=120)
    await trace(own_stack, customer_id, console)

    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[0].startswith(f"Customer {customer_id} · 1 input, ")
    assert lines[1].startswith("request the-lead ")
    assert lines[1].endswith(f"trace {TRACE_ID}")
    [sent] = [line for line in lines if "message.sent welcome" in line]
    assert sent.startswith("│   ")
    assert " ms · Kafka +" in sent


async def test_the_spans_of_all_processes_are_one_trace_from_the_request_to_the_last_effect(
    own_stack: Stack, customer_id: str, collector: Collector
) -> None:
    last = ("segmentation", f"react {MessageSent.type}")
    assert await until(
        lambda: last in {(span.service, span.name) for span in collector.of(TRACE_ID)}
    )

    spans = collector.of(TRACE_ID)
    assert {(span.service, span.name) for span in spans} >= {
        ("intake", "POST /leads"),
        ("intake", "decide CaptureLead"),
        ("intake", "publish intake.leads"),
        ("segmentation", f"react {LeadCaptured.type}"),
        ("campaigns", f"react {LeadCaptured.type}"),
        ("segmentation", "publish segmentation.customers"),
        ("service-desk", f"react {CustomerSegmented.type}"),
        ("campaigns", "send email"),
        ("campaigns", "decide Delivered"),
        ("campaigns", "publish campaigns.messages"),
        last,
    }
    known = {span.span_id for span in spans}
    assert [span.name for span in spans if span.parent_id not in known] == ["POST /leads"]
    [request] = [span for span in spans if span.name == "POST /leads"]
    assert request.parent_id == CALLERS_SPAN
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        if span is not request:
            assert by_id[span.parent_id].start <= span.start
