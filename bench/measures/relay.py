"""The relay: from outbox to broker, against raw produce, and how it drains a million rows.

Raw produce sends the same messages from memory. Intake's worker starts on a database whose outbox
is full. What counts is what arrives: the growth of the topics' ends, from the first growth on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bench import records
from bench.histories import histories
from bench.measures.subject import Sizes, Subject
from bench.outbox_rows import fill_outbox
from bench.progress import appended, pace
from bench.records import Record
from bench.rounds import Comparison, Run
from bench.stage import Stage

RELAY, PRODUCE = "relay", "produce"
BACKLOG, ALMOST_EMPTY = "backlog", "almost empty"
LONGEST_SECONDS = 240.0
SEED = 11


def intake_events(customers: int) -> list[Record]:
    """What intake says of so many customers: some twelve events of each."""
    return [
        record for record in histories(customers, seed=SEED) if record.topic.startswith("intake.")
    ]


async def drained(stage: Stage, messages: list[Record], copies: int) -> float:
    """Rows a second of intake's relay on an outbox with so many copies of `messages`."""
    url = await stage.service_database("intake", "bench_relay")
    rows = await fill_outbox(url, messages, copies)
    await stage.settle_database()
    topics = sorted({message.topic for message in messages})
    async with (
        appended(stage, topics) as count,
        stage.service("intake", "worker", url, ready=False) as process,
    ):
        return (await pace(process, count, rows, seconds=LONGEST_SECONDS)).rate


@asynccontextmanager
async def relay_contenders(stage: Stage, sizes: Sizes) -> AsyncIterator[Mapping[str, Run]]:
    """Relay and raw produce."""
    messages = await asyncio.to_thread(intake_events, sizes.outbox_customers)
    copies = sizes.outbox_copies
    file = stage.scratch / "records.pickle"
    records.write(file, messages)
    topics = sorted({message.topic for message in messages})

    async def relay() -> float:
        return await drained(stage, messages, copies)

    async def produce() -> float:
        env = {"KEYTURN_KAFKA_BOOTSTRAP": stage.bootstrap}
        command = [sys.executable, "-m", "bench.baselines.raw_produce", str(file), str(copies)]
        async with (
            appended(stage, topics) as count,
            stage.process("raw_produce", command, env) as process,
        ):
            rows = len(messages) * copies
            return (await pace(process, count, rows, seconds=LONGEST_SECONDS)).rate

    yield {RELAY: relay, PRODUCE: produce}
    file.unlink()


@asynccontextmanager
async def backlog_contenders(stage: Stage, sizes: Sizes) -> AsyncIterator[Mapping[str, Run]]:
    """The relay with a small outbox, and with a large one."""
    messages = await asyncio.to_thread(intake_events, sizes.outbox_customers)
    copies = -(-sizes.backlog // len(messages))

    async def backlog() -> float:
        return await drained(stage, messages, copies)

    async def almost_empty() -> float:
        return await drained(stage, messages, sizes.outbox_copies)

    yield {BACKLOG: backlog, ALMOST_EMPTY: almost_empty}


RELAY_SUBJECT = Subject(
    comparisons=(Comparison("relay_vs_produce", "events/s", RELAY, PRODUCE, 0.6),),
    contenders=relay_contenders,
)
BACKLOG_SUBJECT = Subject(
    comparisons=(Comparison("backlog_1m_vs_empty", "events/s", BACKLOG, ALMOST_EMPTY, 0.8),),
    contenders=backlog_contenders,
    most_rounds=2,
)
