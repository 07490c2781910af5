"""Poison: records on the services' own topics that nobody can decode, as a broken release writes.

Each is about a stranger of its own, and a good event of the same stranger follows it: that one has
to wait behind the poison and must not be lost. Nobody else's events may wait.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import orjson
from aiokafka import AIOKafkaProducer

from keyturn_events import CustomerEvent, Message
from keyturn_events.intake import ConsentChanged, CustomerRegistered, HomeReserved, HomeSubscribed
from keyturn_events.service_desk import ComplaintAcknowledged, ComplaintRaised
from keyturn_local.state import REPOSITORY

EVERY: Final = 100
"""One write in so many is accompanied by poison."""
EXAMPLES: Final = REPOSITORY / "libs" / "events" / "examples"

PAIRS: Final[tuple[tuple[type[CustomerEvent], str, type[CustomerEvent]], ...]] = (
    (ConsentChanged, "status", CustomerRegistered),
    (HomeSubscribed, "price", HomeReserved),
    (ComplaintAcknowledged, "late", ComplaintRaised),
)
"""What is poisoned, in which field, and the good event that follows it on the same topic."""
NONSENSE: Final = {"broken": "by a release that was rolled back"}


class Poisoner:
    """Writes poison onto the services' topics, the n-th the same in every run."""

    def __init__(self, producer: AIOKafkaProducer, tag: str, at: datetime) -> None:
        self._producer = producer
        self._tag = tag
        self._at = at
        self.written = 0
        self.strangers: frozenset[str] = frozenset()
        """The customers of whom only poison and what follows it tells."""

    async def accompany(self, write: int) -> None:
        """Write the poison that belongs to the write of this number, if any."""
        if write % EVERY:
            return
        for topic, message, value in poison(self._tag, write // EVERY, self._at):
            await self._producer.send_and_wait(
                topic, key=message.key, value=value, headers=message.headers
            )
            self.strangers |= {message.event.customer_id}
        self.written += 1


def poison(
    tag: str, number: int, at: datetime
) -> list[tuple[str, Message[CustomerEvent], bytes | None]]:
    """Topic, message and value of the n-th poison and of the good event behind it."""
    broken, field, good = PAIRS[number % len(PAIRS)]
    stranger = str(uuid5(NAMESPACE_URL, f"{tag}/stranger/{number}"))
    first, second = (_message(kind, stranger, f"{tag}-{number}", at) for kind in (broken, good))
    data: dict[str, Any] = orjson.loads(first.value or b"{}")
    return [
        (broken.topic.value, first, orjson.dumps({**data, field: NONSENSE})),
        (good.topic.value, second, second.value),
    ]


def _message(
    kind: type[CustomerEvent], customer_id: str, name: str, at: datetime
) -> Message[CustomerEvent]:
    example = orjson.loads(Path(EXAMPLES / f"{kind.type}.json").read_bytes())
    data = {name: value for name, value in example["data"].items() if name != "household"}
    own = {field: f"{name}-{field}" for field in ("purchase_id", "case_id") if field in data}
    return Message.of(
        kind.model_validate({**data, **own, "customer_id": customer_id}),
        id=str(uuid5(NAMESPACE_URL, f"{name}/{kind.type}")),
        source=example["attributes"]["source"],
        time=at,
        recordedtime=at,
    )
