"""Parking: how late the others' effects are with one customer in a hundred parked, and with none.

Segmentation's worker gets leads at a steady pace: of customers who come once, each of whom moves to
a segment, and of one regular in every hundred leads. In one run the regulars' first event cannot be
read, so that they are parked and their queues grow. What is compared is the 99th percentile, over
the others, of the time from the lead's record to the record of the move.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.measures.subject import Sizes, Subject
from bench.narrator import customer_id
from bench.rounds import Comparison, Run
from bench.stage import Positions, Stage
from keyturn_events import Message, Topic
from keyturn_events.intake import LeadCaptured
from keyturn_events.segmentation import CustomerSegmented
from keyturn_events.vocabulary import LeadChannel

PARKED, NONE = "1 % parked", "none parked"
PACE = 200
"""Leads a second: well below what the worker can do, so that nothing but parking makes it late."""
TICK_SECONDS = 0.05
WARM_UP_SECONDS = 1.5
REGULARS = 20
"""Customers who send every hundredth lead in turn."""
SHARE = 100
PATIENCE_SECONDS = 30.0

_seeds = count(1)


@asynccontextmanager
async def contenders(stage: Stage, sizes: Sizes) -> AsyncIterator[Mapping[str, Run]]:
    """The two runs."""

    def contender(*, parked: bool) -> Run:
        async def run() -> float:
            url = await stage.service_database("segmentation", "bench_segmentation")
            start = await stage.ends([Topic.INTAKE_LEADS, Topic.SEGMENTATION_CUSTOMERS])
            every = await stage.ends(_read_by_segmentation())
            await stage.rewind("segmentation", every)
            await stage.settle_database()
            async with stage.service("segmentation", "worker", url):
                return await _p99(stage, start, sizes.capture_seconds, parked=parked)

        return run

    yield {PARKED: contender(parked=True), NONE: contender(parked=False)}


def _read_by_segmentation() -> list[str]:
    restricted = (Topic.INTAKE_CONTACTS, Topic.PARTNERS_INBOUND, Topic.PARTNERS_REJECTED)
    return [topic.value for topic in Topic if topic not in restricted]


async def _p99(stage: Stage, start: Positions, seconds: float, *, parked: bool) -> float:
    """Milliseconds within which 99 % of the others' moves are on Kafka."""
    seed = next(_seeds)
    regulars = [customer_id(-seed, number) for number in range(REGULARS)]
    reader = AIOKafkaConsumer(bootstrap_servers=stage.bootstrap, enable_auto_commit=False)
    async with (
        AIOKafkaProducer(bootstrap_servers=stage.bootstrap, acks="all") as producer,
        reader,
    ):
        moves = [tp for tp in start if tp.topic == Topic.SEGMENTATION_CUSTOMERS]
        reader.assign(moves)
        for partition in moves:
            reader.seek(partition, start[partition])
        for regular in regulars:
            message = _lead(regular, f"{seed}-{regular}")
            value = b"{" if parked else message.value
            await producer.send_and_wait(
                message.event.topic, value, key=message.key, headers=message.headers
            )
        sent: dict[str, float] = {}
        seen: dict[str, float] = {}
        reading = asyncio.create_task(_note_moves(reader, seen))
        try:
            # The worker has joined its group and is warm before anything counts.
            await _send(producer, regulars, sent, WARM_UP_SECONDS, f"{seed}-warm-up")
            await _wait_for(sent, seen)
            sent.clear()
            await _send(producer, regulars, sent, seconds, f"{seed}")
            await _wait_for(sent, seen)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    latencies = sorted(seen[cause] - began for cause, began in sent.items())
    return latencies[int(len(latencies) * 0.99)] * 1000


async def _wait_for(sent: Mapping[str, float], seen: Mapping[str, float]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not sent.keys() <= seen.keys():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(sent.keys() - seen.keys())} effects did not come")
        await asyncio.sleep(TICK_SECONDS)


async def _send(
    producer: AIOKafkaProducer,
    regulars: list[str],
    sent: dict[str, float],
    seconds: float,
    name: str,
) -> None:
    """Send leads at the pace; when each of the others' was handed over goes to `sent`."""
    began = time.monotonic()
    for number in range(int(PACE * seconds)):
        ahead = began + number / PACE - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(max(ahead, TICK_SECONDS))
        is_regular = number % SHARE == 0
        who = regulars[(number // SHARE) % REGULARS] if is_regular else f"{name}-{number}"
        message = _lead(who, f"{name}-{number}")
        if not is_regular:
            sent[message.envelope.id] = time.time()
        await producer.send(
            message.event.topic, message.value, key=message.key, headers=message.headers
        )
    await producer.flush()


def _lead(customer: str, name: str) -> Message[LeadCaptured]:
    now = datetime.now(UTC)
    return Message.of(
        LeadCaptured(
            customer_id=customer,
            lead_id=f"lead-{name}",
            channel=LeadChannel.WEB,
            captured_at=now,
            joined=False,
            repeated=False,
        ),
        id=f"bench-parking-{name}",
        source="intake",
        time=now,
        recordedtime=now,
    )


async def _note_moves(reader: AIOKafkaConsumer, seen: dict[str, float]) -> None:
    """When the first move that each lead caused was on Kafka."""
    while True:
        for records in (await reader.getmany(timeout_ms=200)).values():
            for record in records:
                headers = dict(record.headers)
                if headers.get("ce_type") == CustomerSegmented.type.encode():
                    cause = headers["ce_causationid"].decode()
                    seen.setdefault(cause, record.timestamp / 1000)


SUBJECT = Subject(
    comparisons=(Comparison("parked_1pct_p99_vs_none", "ms", PARKED, NONE, 1.25, at_most=True),),
    contenders=contenders,
    most_rounds=3,
)
