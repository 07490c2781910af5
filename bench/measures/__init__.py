"""The measures: one file a subject."""

from __future__ import annotations

from bench.measures import (
    capture,
    consume,
    growth,
    importing,
    latency,
    parking,
    reading,
    relay,
)
from bench.measures.subject import Subject

SUBJECTS: tuple[Subject, ...] = (
    capture.SUBJECT,
    reading.SUBJECT,
    consume.SUBJECT,
    latency.SUBJECT,
    parking.SUBJECT,
    relay.RELAY_SUBJECT,
    relay.BACKLOG_SUBJECT,
    importing.SUBJECT,
    importing.GROWTH_SUBJECT,
    growth.SUBJECT,
)
