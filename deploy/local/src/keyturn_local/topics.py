"""Create the topics that `keyturn_events.topics` declares."""

from __future__ import annotations

import asyncio
import time

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from keyturn_events.topics import Topic
from keyturn_local.errors import StackError

READY_SECONDS = 60.0
RETRY_SECONDS = 0.1
NO_ERROR = 0
TOPIC_ALREADY_EXISTS = 36


async def ensure_topics(bootstrap: str, *, seconds: float = READY_SECONDS) -> list[str]:
    """Wait for the broker, then create every declared topic that is not there.

    Returns:
        The names of all declared topics.

    Raises:
        StackError: the broker does not answer within `seconds`, or refuses a topic.
    """
    admin = await _connect(bootstrap, time.monotonic() + seconds)
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in Topic if topic.value not in existing]
        if missing:
            response = await admin.create_topics([_declaration(topic) for topic in missing])
            for name, code, *_ in response.topic_errors:
                if code not in (NO_ERROR, TOPIC_ALREADY_EXISTS):
                    raise StackError(
                        f"the broker at {bootstrap} refuses topic {name}: {for_code(code).__name__}"
                    )
    finally:
        await admin.close()
    return [topic.value for topic in Topic]


def _declaration(topic: Topic) -> NewTopic:
    policy = "compact" if topic.compacted else "delete"
    return NewTopic(
        name=topic.value,
        num_partitions=topic.partitions,
        replication_factor=1,
        # An event store for replays: records stay until they are compacted away.
        topic_configs={"cleanup.policy": policy, "retention.ms": "-1"},
    )


async def _connect(bootstrap: str, deadline: float) -> AIOKafkaAdminClient:
    host, _, port = bootstrap.partition(",")[0].rpartition(":")
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        try:
            # The client logs every failed attempt; a plain connection asks first, in silence.
            _, probe = await asyncio.open_connection(host, int(port))
            probe.close()
            await admin.start()
        except (KafkaError, OSError) as error:
            await admin.close()
            if time.monotonic() > deadline:
                raise StackError(f"no Kafka broker answers at {bootstrap}: {error}") from error
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return admin
