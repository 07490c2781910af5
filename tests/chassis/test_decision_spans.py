"""The spans that lie between the request and the last effect: decisions, and events going out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from keyturn_chassis import telemetry
from keyturn_chassis.inputs import RawRecord, TimerFired
from keyturn_chassis.telemetry import DecisionSpans, collected, published
from keyturn_events import golden_message
from keyturn_events.intake import LeadCaptured

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass(frozen=True)
class CaptureLead:
    """A command; what it holds may be personal."""

    phone: str


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry._Tracing, "tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def test_without_a_collector_a_decision_goes_on_with_its_causes_trace() -> None:
    spans = DecisionSpans()

    made = spans.of(CaptureLead("1"), PARENT)
    spans.end()

    assert not collected()
    assert made[:35] == PARENT[:35]
    assert made != PARENT


def test_without_a_collector_nobody_looks_at_what_is_published() -> None:
    published((pytest.fail("looked") for _ in range(1)), 0)


@pytest.mark.parametrize(
    ("value", "name", "kind"),
    [
        (CaptureLead("+8613800138000"), "decide CaptureLead", SpanKind.INTERNAL),
        (
            golden_message(LeadCaptured).event,
            "react keyturn.lead.captured.v1",
            SpanKind.CONSUMER,
        ),
        (
            RawRecord("partners.inbound", 0, 1, None, b"{}", ()),
            "react partners.inbound",
            SpanKind.CONSUMER,
        ),
        (
            TimerFired("cus-1", "lead-stalled", "", datetime(2026, 3, 1, tzinfo=UTC)),
            "fire lead-stalled",
            SpanKind.INTERNAL,
        ),
    ],
)
def test_a_decision_is_a_span_named_by_the_type_of_its_input_alone(
    exported: InMemorySpanExporter, value: object, name: str, kind: SpanKind
) -> None:
    spans = DecisionSpans()

    made = spans.of(value, PARENT)
    spans.end()

    [span] = exported.get_finished_spans()
    assert (span.name, span.kind, span.attributes) == (name, kind, {})
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT[36:52]
    assert span.context is not None
    assert made == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"


def test_what_was_never_written_is_never_told(exported: InMemorySpanExporter) -> None:
    DecisionSpans().of(CaptureLead("1"), PARENT)

    assert exported.get_finished_spans() == ()


def test_a_decision_that_begins_a_trace_has_no_parent(exported: InMemorySpanExporter) -> None:
    spans = DecisionSpans()
    with telemetry.span("another", PARENT):
        made = spans.of(CaptureLead("1"), None)
    spans.end()

    decision = exported.get_finished_spans()[-1]
    assert decision.name == "decide CaptureLead"
    assert decision.parent is None
    assert made[3:35] != PARENT[3:35]


def test_an_event_going_out_is_a_span_in_its_own_trace(exported: InMemorySpanExporter) -> None:
    published([("intake.leads", LeadCaptured.type, PARENT)], 1_000)

    [span] = exported.get_finished_spans()
    assert (span.name, span.kind) == ("publish intake.leads", SpanKind.PRODUCER)
    assert span.start_time == 1_000
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT[36:52]
    assert span.attributes == {
        "messaging.system": "kafka",
        "cloudevents.event_type": LeadCaptured.type,
    }
