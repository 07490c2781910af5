from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import REGISTRY
from pydantic import BaseModel

from keyturn_chassis import telemetry
from keyturn_chassis.logs import DROPPED, MAX_MESSAGE, configure_logging, mask
from keyturn_chassis.problems import install_problem_handlers
from keyturn_chassis.request_guard import RequestGuard
from keyturn_chassis.settings import Settings
from keyturn_chassis.telemetry import (
    TelemetryMiddleware,
    child_traceparent,
    configure_tracing,
    current_trace_id,
    current_traceparent,
    get_logger,
    span,
)

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FORMAT = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
HEX = "0123456789abcdef"


def hexadecimal(digits: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=digits, max_size=digits).filter(lambda text: set(text) != {"0"})


@given(hexadecimal(32), hexadecimal(16), st.text(HEX, min_size=2, max_size=2))
def test_a_child_is_in_its_parents_trace_with_a_span_of_its_own(
    trace_id: str, span_id: str, flags: str
) -> None:
    child = child_traceparent(f"00-{trace_id}-{span_id}-{flags}")
    assert FORMAT.match(child)
    assert (child[3:35], child[53:]) == (trace_id, flags)
    assert child[36:52] != span_id


@given(st.none() | st.text(max_size=60))
def test_whatever_came_in_the_child_is_well_formed(parent: str | None) -> None:
    assert FORMAT.match(child_traceparent(parent))


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        PARENT.upper(),
        PARENT[:-1],
    ],
)
def test_a_bad_parent_starts_a_new_trace(parent: str | None) -> None:
    child = child_traceparent(parent)
    assert child[3:35] != PARENT[3:35]
    assert child != child_traceparent(parent)


def test_a_parent_of_a_later_version_is_understood() -> None:
    later = "cc" + PARENT[2:] + "-what-the-future-will-be-like"
    assert child_traceparent(later).startswith(PARENT[:35])


def test_a_span_is_current_inside_and_gone_after() -> None:
    assert current_traceparent() is None
    with span("outer", PARENT):
        outer = current_traceparent()
        assert outer is not None
        assert current_trace_id() == PARENT[3:35]
        with span("inner"):
            inner = current_traceparent()
            assert inner is not None
            assert (inner[:35], inner[36:52] != outer[36:52]) == (outer[:35], True)
        assert current_traceparent() == outer
    assert (current_traceparent(), current_trace_id()) == (None, None)


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry._Tracing, "tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def test_with_a_collector_spans_are_recorded_as_the_traceparents_say(
    exported: InMemorySpanExporter,
) -> None:
    with span("consume", PARENT, topic="intake.leads"):
        outer = current_traceparent()
        with span("decide"):
            inner = current_traceparent()
    first, second = exported.get_finished_spans()
    assert [first.name, second.name] == ["decide", "consume"]
    assert outer is not None
    assert inner is not None
    assert first.context is not None
    assert inner[36:52] == f"{first.context.span_id:016x}"
    assert first.parent is not None
    assert outer[36:52] == f"{first.parent.span_id:016x}"
    assert second.parent is not None
    assert f"{second.parent.span_id:016x}" == PARENT[36:52]
    assert second.attributes == {"topic": "intake.leads"}


def test_a_failed_span_tells_the_type_of_the_failure_alone(exported: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="Anna"), span("decide"):
        raise ValueError("Anna Lindqvist")
    (recorded,) = exported.get_finished_spans()
    assert recorded.status.status_code is StatusCode.ERROR
    assert recorded.status.description == "ValueError"
    assert recorded.events == ()


def test_without_a_collector_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    configure_tracing("intake", "test")()
    assert telemetry._Tracing.tracer is None


def test_a_named_collector_is_used_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    stop = configure_tracing("intake", "test")
    assert telemetry._Tracing.tracer is not None
    stop()
    assert telemetry._Tracing.tracer is None


class Body(BaseModel):
    value: int


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    app.add_middleware(RequestGuard, max_body_bytes=1_000)
    app.add_middleware(TelemetryMiddleware)
    install_problem_handlers(app)

    @app.get("/customers/{id}")
    async def customer(id: str) -> str | None:
        return current_traceparent() if id != "broken" else 1 / 0  # type: ignore[return-value]  # it raises

    @app.post("/numbers")
    async def number(body: Body) -> int:
        return body.value

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_a_request_continues_the_callers_trace_and_tells_it(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/customers/1", headers={"traceparent": PARENT})
    assert answer.json().startswith(PARENT[:35])
    assert answer.headers["traceresponse"] == answer.json()
    assert current_traceparent() is None


async def test_a_request_is_a_span_named_after_its_route(
    client: httpx.AsyncClient, exported: InMemorySpanExporter
) -> None:
    await client.get("/customers/13800138000", headers={"traceparent": PARENT})
    (recorded,) = exported.get_finished_spans()
    assert recorded.name == "GET /customers/{id}"
    assert recorded.attributes == {"http.response.status_code": 200}


def seconds(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("keyturn_http_requests_seconds_count", labels) or 0


async def test_requests_are_measured_by_route_never_by_path(client: httpx.AsyncClient) -> None:
    before = seconds("GET", "/customers/{id}", "200")
    lost = seconds("other", "unmatched", "404")
    await client.get("/customers/1")
    await client.get("/customers/2")
    await client.request("BREW", "/coffee/42")
    assert seconds("GET", "/customers/{id}", "200") == before + 2
    assert seconds("other", "unmatched", "404") == lost + 1


async def test_a_failure_is_measured_and_its_trace_told(client: httpx.AsyncClient) -> None:
    before = seconds("GET", "/customers/{id}", "500")
    answer = await client.get("/customers/broken", headers={"traceparent": PARENT})
    assert (answer.status_code, answer.json()["trace_id"]) == (500, PARENT[3:35])
    assert answer.headers["traceresponse"].startswith(PARENT[:35])
    assert seconds("GET", "/customers/{id}", "500") == before + 1


async def test_a_refused_request_is_counted_by_door_and_reason(client: httpx.AsyncClient) -> None:
    def refused() -> float:
        labels = {"door": "POST /numbers", "code": "invalid-request"}
        return REGISTRY.get_sample_value("keyturn_refused_total", labels) or 0

    before = refused()
    await client.post("/numbers", json={"value": "x"})
    assert refused() == before + 1


def test_the_metrics_have_their_agreed_names() -> None:
    names = {
        sample.rpartition(" ")[0].split()[2]
        for sample in telemetry.metrics_response().body.decode().splitlines()  # type: ignore[union-attr]  # it is bytes
        if sample.startswith("# TYPE keyturn_")
    }
    assert names >= {
        "keyturn_accepted_total",
        "keyturn_refused_total",
        "keyturn_effect_latency_seconds",
        "keyturn_outbox_age_seconds",
        "keyturn_outbox_published_total",
        "keyturn_consumer_lag",
        "keyturn_consumed_total",
        "keyturn_skipped_total",
        "keyturn_parked_total",
        "keyturn_parked_waiting",
        "keyturn_timer_lateness_seconds",
        "keyturn_timers_fired_total",
        "keyturn_batch_size",
        "keyturn_batch_seconds",
        "keyturn_http_requests_seconds",
    }


class Logs:
    """What has been logged, a dictionary a line."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._capture.readouterr().out.splitlines()]


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> Iterator[Logs]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logging("intake", "test", "info", current_trace_id)
    yield Logs(capsys)
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def test_a_log_line_is_json_with_its_origin_and_trace(logs: Logs) -> None:
    with span("consume", PARENT):
        get_logger("consumer").info("batch_done", records=12)
    (line,) = logs.lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "batch_done",
        "level": "info",
        "module": "consumer",
        "records": 12,
        "service": "intake",
        "environment": "test",
        "trace_id": PARENT[3:35],
    }


def test_below_the_level_nothing_is_logged(logs: Logs) -> None:
    get_logger("consumer").debug("detail")
    assert logs.lines() == []


def test_personal_data_and_secrets_do_not_reach_the_log(logs: Logs) -> None:
    personal = {
        "phone": "13800138000",
        "contactPhone": "13800138000",
        "buyer_email": "a@b.example",
        "name": "Anna",
        "Authorization": "Bearer x",
        "access_token": "x",
        "wechat-id": "x",
        "first_name": "Anna",
    }
    get_logger("test").info("careless", **personal, nested=[{"email": "a@b.example", "id": 7}])
    (line,) = logs.lines()
    assert {line[key] for key in personal} == {DROPPED}
    assert line["nested"] == [{"email": DROPPED, "id": 7}]


def test_facts_that_name_nobody_are_kept(logs: Logs) -> None:
    facts = {"topic": "intake.leads", "code": "home-claimed", "customer_id": "c-1", "tokens": 3}
    get_logger("test").info("fact", **facts)
    (line,) = logs.lines()
    assert {key: line[key] for key in facts} == facts


def test_an_exception_is_told_by_type_place_and_masked_message(logs: Logs) -> None:
    try:
        try:
            raise KeyError("home")
        except KeyError as cause:
            raise RuntimeError("no call to +86 138 0013 8000 or a@b.example\nDETAIL: x") from cause
    except RuntimeError:
        get_logger("test").exception("failed")
    (line,) = logs.lines()
    assert line["error"]["type"] == "builtins.RuntimeError"
    assert line["error"]["message"] == "no call to [number] or [e-mail]"
    assert re.search(r"test_telemetry\.py:\d+ test_an_exception", line["error"]["frames"][-1])
    assert line["error"]["cause"]["type"] == "builtins.KeyError"


def test_every_error_of_a_group_is_told_and_none_at_length(logs: Logs) -> None:
    error = ExceptionGroup("two", [ValueError("a" * 1_000), ValueError("b")])
    get_logger("test").error("failed", exc_info=error)
    (line,) = logs.lines()
    assert [len(inner["message"]) for inner in line["error"]["errors"]] == [MAX_MESSAGE, 1]


def test_what_libraries_log_is_json_too_and_masked(logs: Logs) -> None:
    logging.getLogger("library").warning("sent to %s", "anna@lindqvist.example")
    (line,) = logs.lines()
    assert (line["logger"], line["level"]) == ("library", "warning")
    assert line["event"] == "sent to [e-mail]"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+8613800138000", "[number]"),
        ("call 138-0013-8000 now", "call [number] now"),
        ("mail a.b+c@d.example!", "mail [e-mail]"),
        ("offset 1234567", "offset 1234567"),
        ("2024-02-29T08:00:00Z", "2024-02-29T08:00:00Z"),
        ("id 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "id 3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
    ],
)
def test_only_addresses_and_numbers_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_configuring_sets_up_logs_from_the_settings(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    telemetry.configure("campaigns", Settings(environment="test", log_level="error"))
    get_logger("test").warning("quiet")
    get_logger("test").error("loud")
    (line,) = logs.lines()
    assert (line["event"], line["service"]) == ("loud", "campaigns")
