"""Connecting to a broker that may be away for a moment."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

from aiokafka.errors import KafkaConnectionError

AWAY_SECONDS: Final = 60.0
"""How long a broker may be away before the demo gives up; a restart takes seconds."""
PAUSE_SECONDS: Final = 0.25


class BrokerAway(Exception):
    """No broker answered for longer than `AWAY_SECONDS`."""


class Client(Protocol):
    """A consumer, a producer or an admin client."""

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self) -> None:
        """Close what is open."""
        ...


async def connected(client: Client) -> None:
    """Start a client, again and again while the broker is away.

    Raises `BrokerAway` when it stays away; the client is closed then.
    """
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            await client.start()
        except KafkaConnectionError as error:
            if time.monotonic() > deadline:
                await client.stop()
                raise BrokerAway(f"no Kafka broker answers: {error}") from error
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return
