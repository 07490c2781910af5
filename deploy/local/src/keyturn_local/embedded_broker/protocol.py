"""What a request handler is: it reads one request and writes one answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum

from keyturn_local.embedded_broker.wire import Reader, Writer

NO_THROTTLE = 0
"""Kafka may slow clients down and says so in every answer; this broker never does."""


class Api(IntEnum):
    """The kinds of request that the broker answers, by the protocol's numbers."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    DELETE_TOPICS = 20
    INIT_PRODUCER_ID = 22


VERSIONS = {
    Api.PRODUCE: 7,
    Api.FETCH: 4,
    Api.LIST_OFFSETS: 2,
    Api.METADATA: 5,
    Api.OFFSET_COMMIT: 3,
    Api.OFFSET_FETCH: 3,
    Api.FIND_COORDINATOR: 1,
    Api.JOIN_GROUP: 2,
    Api.HEARTBEAT: 1,
    Api.LEAVE_GROUP: 1,
    Api.SYNC_GROUP: 1,
    Api.API_VERSIONS: 0,
    Api.CREATE_TOPICS: 3,
    Api.DELETE_TOPICS: 3,
    Api.INIT_PRODUCER_ID: 0,
}
"""The one version of each that is offered: new enough for idempotence, old enough to be simple."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, its header read, and the answer being written."""

    client_id: str
    request: Reader
    answer: Writer


Handler = Callable[[Call], Awaitable[bool]]
"""Answers a call; returns whether the client wants the answer at all."""
