"""Effect latencies as the workers themselves measure them, for effects that no event tells of.

A profile that is brought up to date emits nothing. Its worker counts, in buckets, how long after
an event was written down its effect was decided; what the buckets grew by is this run's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

import httpx

from keyturn_demo.latency import Latency
from keyturn_events import Event
from keyturn_events.service_desk import ComplaintRaised, SurveyAnswered

_BUCKET: Final = re.compile(
    r'^keyturn_effect_latency_seconds_bucket\{le="([^"]+)",reaction="([^"]+)"\} (\S+)$',
    re.MULTILINE,
)

Buckets: TypeAlias = Mapping[str, Mapping[float, float]]
"""By event type and upper bound in seconds: how many effects came within it."""

TOLD_BY_METRICS: Final[Mapping[str, type[Event]]] = {
    "complaint_to_segment": ComplaintRaised,
    "survey_to_segment": SurveyAnswered,
}
"""Hops into segmentation that change a profile and need not move anybody."""


async def read_buckets(worker_url: str) -> Buckets:
    """The buckets that a worker shows now; none while it is away."""
    async with httpx.AsyncClient(base_url=worker_url, timeout=10) as client:
        try:
            answer = await client.get("/metrics")
        except httpx.TransportError:
            return {}
    return parse_buckets(answer.text)


def parse_buckets(metrics: str) -> Buckets:
    """The buckets in a metrics page, as Prometheus reads it."""
    found: dict[str, dict[float, float]] = {}
    for bound, reaction, count in _BUCKET.findall(metrics):
        found.setdefault(reaction, {})[float(bound)] = float(count)
    return found


def grown(before: Buckets, after: Buckets, event_class: type[Event]) -> Latency | None:
    """How long the effects of an event took meanwhile, as the bounds they came within.

    None when there were none. A worker that was started anew counts from zero again.
    """
    now, then = after.get(event_class.type, {}), before.get(event_class.type, {})
    if any(now.get(bound, 0.0) < count for bound, count in then.items()):
        then = {}
    counts = [(bound, now[bound] - then.get(bound, 0.0)) for bound in sorted(now)]
    total = counts[-1][1] if counts else 0.0
    if total < 1:
        return None
    return Latency(int(total), _within(counts, total * 0.5), _within(counts, total * 0.99))


def _within(counts: list[tuple[float, float]], wanted: float) -> float:
    """The smallest bound, in milliseconds, within which so many came."""
    finite = [bound for bound, _ in counts if bound != float("inf")]
    bound = next(bound for bound, count in counts if count >= wanted)
    return 1000 * min(bound, max(finite))
