"""The doors as the load uses them: every write is counted, partners repeat and mix things up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from keyturn_demo.doors.http import Answer, HttpDoor
from keyturn_demo.doors.partners import PartnerDoor, PartnerRecord
from keyturn_events import Topic
from tests.faults.kill_and_count.conductor import Conductor

REPEATED: Final = 0.15
"""Share of a partner's records that come twice."""
DISPLACED: Final = 0.3
"""Share of a partner's records that come out of their order."""
FARTHEST: Final = 5
"""Places by which a record may be displaced."""
MOST_TRIES: Final = 5
"""How often a partner sends a record, under the same id, that the broker did not acknowledge."""

BeforeWrite = Callable[[int], Awaitable[None]]
"""Called with the number of each write before it is made."""


class CountedDoor(HttpDoor):
    """A service's API; whatever changes something waits for its turn and is counted."""

    def __init__(self, plain: HttpDoor, conductor: Conductor, before: BeforeWrite) -> None:
        super().__init__(plain.url)
        # The caller's token is in the headers that the plain door sends.
        self._client.headers.update(plain._client.headers)
        self._conductor = conductor
        self._before = before

    async def send(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """One request, repeated until it is answered."""
        if method != "GET":
            await self._before(await self._conductor.pass_one())
        return await super().send(method, path, content, headers)


class CarelessPartner(PartnerDoor):
    """A partner whose records come twice and out of order, in the same way for the same seed."""

    def __init__(
        self, producer: AIOKafkaProducer, conductor: Conductor, before: BeforeWrite, rng: Random
    ) -> None:
        super().__init__(producer)
        self._conductor = conductor
        self._before = before
        self._rng = rng
        self.records = 0
        """Records acknowledged by the broker."""
        self.repeated = 0
        """Of these, the ones that said again what another had said."""
        self.sent_again = 0
        """Records that the broker did not acknowledge at first."""

    async def publish(self, records: Sequence[PartnerRecord]) -> list[tuple[int, int]]:
        """Publish records; the partition and offset at which each came first."""
        places: dict[int, tuple[int, int]] = {}
        for index in delivery_order(self._rng, len(records)):
            await self._before(await self._conductor.pass_one())
            place = await self._publish(records[index])
            self.records += 1
            self.repeated += index in places
            places.setdefault(index, place)
        return [places[index] for index in range(len(records))]

    async def _publish(self, record: PartnerRecord) -> tuple[int, int]:
        for _ in range(MOST_TRIES - 1):
            try:
                return await self._send(record)
            except KafkaError:
                self.sent_again += 1
        return await self._send(record)

    async def _send(self, record: PartnerRecord) -> tuple[int, int]:
        # One at a time: the places of the records on the topic are the same in every run.
        written = await self._producer.send_and_wait(
            Topic.PARTNERS_INBOUND.value,
            key=record.key,
            value=record.value,
            headers=list(record.headers),
        )
        return written.partition, written.offset


def delivery_order(rng: Random, records: int) -> list[int]:
    """In which order records come, some of them twice; each comes at least once."""
    places: list[tuple[float, int]] = []
    for index in range(records):
        displaced = rng.random() < DISPLACED
        first = index + (rng.uniform(-FARTHEST, FARTHEST) if displaced else 0.0)
        places.append((first, index))
        if rng.random() < REPEATED:
            places.append((first + rng.uniform(0.0, FARTHEST), index))
    return [index for _, index in sorted(places)]
