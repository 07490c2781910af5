"""What a service tells its operators: metrics, logs and traces.

A trace is carried as a W3C `traceparent` string, because that is what travels in headers, in
outbox rows and in CloudEvents; it costs a microsecond. OpenTelemetry spans are made on top of it
only when `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector.
"""

from __future__ import annotations

import atexit
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from keyturn_chassis.inputs import RawRecord, TimerFired
from keyturn_chassis.logs import configure_logging
from keyturn_events import Event

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from structlog.typing import FilteringBoundLogger

    from keyturn_chassis.settings import Settings

# Durations of requests and batches, from half a millisecond.
_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# From a fact to its effect, or from a deadline to its timer: seconds when all is well, else hours.
_SLOW: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 14400, 86400)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)

ACCEPTED: Final = Counter(
    "keyturn_accepted", "Inputs accepted, by the door they came in.", ["door"]
)
REFUSED: Final = Counter("keyturn_refused", "Inputs refused, by door and reason.", ["door", "code"])
EFFECT_LATENCY: Final = Histogram(
    "keyturn_effect_latency_seconds",
    "From the time of an event to the commit of its effect.",
    ["reaction"],
    buckets=_SLOW,
)
OUTBOX_AGE: Final = Gauge(
    "keyturn_outbox_age_seconds", "Age of the oldest event that is not published yet; 0 if none."
)
OUTBOX_PUBLISHED: Final = Counter("keyturn_outbox_published", "Events published by the relay.")
CONSUMER_LAG: Final = Gauge(
    "keyturn_consumer_lag", "Records not consumed yet.", ["topic", "partition"]
)
CONSUMED: Final = Counter("keyturn_consumed", "Events that took effect, by type.", ["type"])
SKIPPED: Final = Counter(
    "keyturn_skipped", "Records without effect: duplicate, unknown-type or tombstone.", ["reason"]
)
PARKED_TOTAL: Final = Counter("keyturn_parked", "Inputs parked, by reason.", ["code"])
# Not `keyturn_parked`: the client library reserves a counter's name without its `_total`.
PARKED_ERASED: Final = Counter(
    "keyturn_parked_erased", "Parked records discarded because their subject was erased."
)
PARKED: Final = Gauge("keyturn_parked_waiting", "Inputs that are parked now.")
TIMER_LATENESS: Final = Histogram(
    "keyturn_timer_lateness_seconds",
    "From the time a timer was due to the commit of its effect.",
    buckets=_SLOW,
)
TIMERS_FIRED: Final = Counter("keyturn_timers_fired", "Timers that fired, by kind.", ["kind"])
BATCH_SIZE: Final = Histogram(
    "keyturn_batch_size", "Inputs in one transaction.", ["door"], buckets=_SIZES
)
BATCH_SECONDS: Final = Histogram(
    "keyturn_batch_seconds", "Duration of one transaction.", ["door"], buckets=_FAST
)
HTTP_SECONDS: Final = Histogram(
    "keyturn_http_requests_seconds",
    "Duration of HTTP requests.",
    ["method", "route", "status"],
    buckets=_FAST,
)


def configure(service: str, settings: Settings) -> None:
    """Set up logs and traces of this process; at its exit the last spans are sent."""
    configure_logging(service, settings.environment, settings.log_level, current_trace_id)
    atexit.register(configure_tracing(service, settings.environment))


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger that takes an event's name and its facts: `log.info("batch_done", records=12)`.

    `keyturn_chassis.logs` decides what becomes of them.
    """
    logger: FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def metrics_response() -> Response:
    """All metrics of this process, in the Prometheus text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


_TRACEPARENT: Final = re.compile(
    r"^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
)
_current: Final[ContextVar[str | None]] = ContextVar("traceparent", default=None)


def current_traceparent() -> str | None:
    """The W3C `traceparent` of the span that is under way, or None outside any."""
    return _current.get()


def current_trace_id() -> str | None:
    """The trace id of the span that is under way (32 hexadecimal digits), or None outside any."""
    traceparent = _current.get()
    return None if traceparent is None else traceparent[3:35]


def child_traceparent(parent: str | None) -> str:
    """A `traceparent` with a new span id in the trace of `parent`.

    A missing or malformed parent starts a new trace, as W3C Trace Context section 3.2.2.3 says;
    a parent of a future version is read as version 00.
    """
    match = None if parent is None else _TRACEPARENT.match(parent)
    if match is None:
        return f"00-{_hex(128)}-{_hex(64)}-01"
    return f"00-{match[1]}-{_hex(64)}-{match[3]}"


def _hex(bits: int) -> str:
    """A random identifier that is not zero; it names a span and guards nothing."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"


class _Tracing:
    """The tracer, when there is a collector to send to."""

    tracer: trace.Tracer | None = None


def configure_tracing(service: str, environment: str) -> Callable[[], None]:
    """Send spans to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names, if it names one.

    Returns what is to be called before the process ends, to send the last spans.
    """
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return lambda: None
    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": service, "deployment.environment.name": environment}
        ),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _Tracing.tracer = provider.get_tracer("keyturn_chassis")

    def stop() -> None:
        _Tracing.tracer = None
        provider.shutdown()

    return stop


@contextmanager
def span(
    name: str, parent_traceparent: str | None = None, **attributes: str | float | bool
) -> Iterator[None]:
    """Work inside a new span: a child of `parent_traceparent`, else of the one under way.

    Inside it `current_traceparent()` tells the new span. An exception marks the span as failed,
    by its type alone, since messages may carry personal data.
    """
    parent = parent_traceparent or _current.get()
    if _Tracing.tracer is None:
        token = _current.set(child_traceparent(parent))
        try:
            yield
        finally:
            _current.reset(token)
        return
    with _Tracing.tracer.start_as_current_span(
        name,
        context=_context(parent),
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as recorded:
        token = _current.set(_traceparent(recorded))
        try:
            yield
        except Exception as error:
            recorded.set_status(StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            _current.reset(token)


def collected() -> bool:
    """Whether there is a collector, so that spans are worth making."""
    return _Tracing.tracer is not None


class DecisionSpans:
    """The spans of one transaction's decisions; they end when all of it is written.

    Without a collector there are none, only the `traceparent` that goes on. What is never written
    is never told.
    """

    def __init__(self) -> None:
        self._open: list[Span] = []

    def of(self, value: object, parent: str | None) -> str:
        """The `traceparent` for what a decision on `value` says, in the trace of `parent`.

        One for all events of the decision, so that they are of one trace also where the decision
        begins it: a timer, a row of a file.
        """
        tracer = _Tracing.tracer
        if tracer is None:
            return child_traceparent(parent)
        name, kind = _named(value)
        made = tracer.start_span(name, context=_context(parent), kind=kind)
        self._open.append(made)
        return _traceparent(made)

    def end(self) -> None:
        """The state and the events of all decisions are written."""
        for made in self._open:
            made.end()
        self._open.clear()


def _named(value: object) -> tuple[str, SpanKind]:
    """What a decision's span is called: by types alone, since values may be personal."""
    match value:
        case Event():
            return f"react {value.type}", SpanKind.CONSUMER
        case TimerFired():
            return f"fire {value.kind}", SpanKind.INTERNAL
        case RawRecord():
            return f"react {value.topic}", SpanKind.CONSUMER
        case _:
            return f"decide {type(value).__name__}", SpanKind.INTERNAL


def published(events: Iterable[tuple[str, str, str]], began: int) -> None:
    """Tell a collector, if there is one, of events that the broker has acknowledged.

    `events` are topic, type and `traceparent`, looked at only then; `began` is when they were
    handed to the broker, in nanoseconds since 1970.
    """
    tracer = _Tracing.tracer
    if tracer is None:
        return
    for topic, type_name, traceparent in events:
        tracer.start_span(
            f"publish {topic}",
            context=_context(traceparent),
            kind=SpanKind.PRODUCER,
            attributes={"messaging.system": "kafka", "cloudevents.event_type": type_name},
            start_time=began,
        ).end()


def _context(traceparent: str | None) -> Context:
    """Where a span hangs whose parent is `traceparent`: nowhere, when there is none."""
    return set_span_in_context(NonRecordingSpan(_span_context(traceparent)))


def _traceparent(made: Span) -> str:
    context = made.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _span_context(traceparent: str | None) -> SpanContext:
    match = None if traceparent is None else _TRACEPARENT.match(traceparent)
    if match is None:
        return trace.INVALID_SPAN_CONTEXT
    return SpanContext(
        trace_id=int(match[1], 16),
        span_id=int(match[2], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match[3], 16)),
    )


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def door_of(scope: Scope) -> str:
    """The name of the HTTP door that a request came in, such as `POST /leads`.

    The path is the route's template, never the request's own, which holds identifiers.
    """
    method = scope["method"]
    path = getattr(scope.get("route"), "path", "unmatched")
    return f"{method if method in _METHODS else 'other'} {path}"


class TelemetryMiddleware:
    """Gives each request a span, measures it, and tells the caller its trace in `traceresponse`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._histograms: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = None
        for name, value in scope["headers"]:
            if name == b"traceparent":
                parent = value.decode("latin-1")
                break
        started = time.perf_counter()
        status = 500

        async def send_traced(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                traceparent = _current.get()
                if traceparent is not None:
                    header = (b"traceresponse", traceparent.encode())
                    message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            if _Tracing.tracer is None:
                token = _current.set(child_traceparent(parent))
                try:
                    await self._app(scope, receive, send_traced)
                finally:
                    _current.reset(token)
            else:
                with span(f"HTTP {scope['method']}", parent):
                    await self._app(scope, receive, send_traced)
                    trace.get_current_span().update_name(door_of(scope))
                    trace.get_current_span().set_attribute("http.response.status_code", status)
        finally:
            self._measure(scope, status, time.perf_counter() - started)

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"]
        key = (method, getattr(scope.get("route"), "path", "unmatched"), status)
        histogram = self._histograms.get(key)
        if histogram is None:
            labels = (method if method in _METHODS else "other", key[1], str(status))
            histogram = HTTP_SECONDS.labels(*labels)
            if method in _METHODS:
                self._histograms[key] = histogram
        histogram.observe(seconds)
