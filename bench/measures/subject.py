"""What a subject is: comparisons that are measured together, on the same preparation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bench.rounds import Comparison, Run
from bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    customers: int
    """Histories that wait to be consumed; each has some twenty events."""
    capture_seconds: float
    """How long one run of lead capture is measured."""
    outbox_customers: int
    """Customers whose events wait in intake's outbox; each has some twelve."""
    outbox_copies: int
    """How often each of them waits there."""
    backlog: int
    """Rows of the large outbox, at least."""
    import_rows: int
    """Rows of the file that is imported and copied."""
    growth_rows: int
    """Rows of the file during whose import memory is watched."""
    growth_warm_up_rows: int
    """Rows of a file that is imported before."""
    growth_seconds: float
    """How long that may take; then as many rows as were done have to do."""
    small_store: int
    """Profiles of a small store."""
    large_store: int
    """Profiles of a large one."""
    visitors: int
    """Customers of a store of whom there is news; of each, four events."""
    burst: int
    """Leads that come at once, to see how many a second the way to campaigns sustains."""
    latency_seconds: float
    """How long leads come at half of that."""
    hops: int
    """How often the hops are measured."""
    leads: int
    """Leads of the store that is searched."""
    reading_seconds: float
    """How long one run of searches, or of lists, is measured."""


FULL = Sizes(
    customers=2_000,
    capture_seconds=5.0,
    outbox_customers=4_000,
    outbox_copies=3,
    backlog=1_000_000,
    import_rows=30_000,
    growth_rows=1_000_000,
    growth_warm_up_rows=5_000,
    growth_seconds=300.0,
    small_store=10_000,
    large_store=1_000_000,
    visitors=6_000,
    burst=2_000,
    latency_seconds=12.0,
    hops=600,
    leads=1_000_000,
    reading_seconds=10.0,
)
SHORT = Sizes(
    customers=300,
    capture_seconds=2.0,
    outbox_customers=400,
    outbox_copies=2,
    backlog=20_000,
    import_rows=5_000,
    growth_rows=20_000,
    growth_warm_up_rows=2_000,
    growth_seconds=30.0,
    small_store=1_000,
    large_store=10_000,
    visitors=800,
    burst=300,
    latency_seconds=4.0,
    hops=200,
    leads=20_000,
    reading_seconds=2.0,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Comparisons, and what makes their contenders ready."""

    comparisons: tuple[Comparison, ...]
    contenders: Callable[[Stage, Sizes], AbstractAsyncContextManager[Mapping[str, Run]]]
    most_rounds: int = 100
    """Rounds that are worth their time."""
