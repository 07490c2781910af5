"""Which topics there are, and where: metadata, create, delete."""

from __future__ import annotations

from keyturn_local.embedded_broker.catalogue import Catalogue
from keyturn_local.embedded_broker.errors import ErrorCode, Rejected
from keyturn_local.embedded_broker.protocol import NO_THROTTLE, Api, Call, Handler

NODE_ID = 1
CLUSTER_ID = "keyturn-local"


class TopicRequests:
    """Answers about topics."""

    def __init__(self, catalogue: Catalogue, host: str, port: int) -> None:
        self._catalogue = catalogue
        self._host = host
        self._port = port

    def handlers(self) -> dict[Api, Handler]:
        """What this class answers."""
        return {
            Api.METADATA: self._metadata,
            Api.CREATE_TOPICS: self._create,
            Api.DELETE_TOPICS: self._delete,
        }

    async def _metadata(self, call: Call) -> bool:
        request, answer = call.request, call.answer
        asked = request.nullable_array(request.string)
        topics = self._catalogue.names() if asked is None else asked

        def describe_partition(partition: int) -> None:
            # This node leads, and is the only replica, in sync; none is offline.
            answer.int16(ErrorCode.NONE).int32(partition).int32(NODE_ID)
            answer.array([NODE_ID], answer.int32).array([NODE_ID], answer.int32)
            answer.array([], answer.int32)

        def describe_topic(topic: str) -> None:
            logs = self._catalogue.partitions(topic)
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if logs is None else ErrorCode.NONE
            answer.int16(code).string(topic).boolean(False)
            answer.array(range(len(logs or [])), describe_partition)

        answer.int32(NO_THROTTLE)
        answer.int32(1).int32(NODE_ID).string(self._host).int32(self._port).string(None)
        answer.string(CLUSTER_ID).int32(NODE_ID).array(topics, describe_topic)
        return True

    async def _create(self, call: Call) -> bool:
        request, answer = call.request, call.answer
        topics = request.array(
            lambda: (
                request.string(),
                request.int32(),
                request.int16(),
                # Which replicas and which settings: one node and no cleaning need neither.
                request.array(lambda: (request.int32(), request.array(request.int32))),
                request.array(lambda: (request.string(), request.nullable_string())),
            )
        )
        request.int32()  # How long to wait for other nodes.
        pretend = request.boolean()
        answer.int32(NO_THROTTLE).int32(len(topics))
        for topic, partitions, replication, _, _ in topics:
            code = ErrorCode.NONE
            try:
                self._catalogue.create(topic, partitions, replication, pretend=pretend)
            except Rejected as rejection:
                code = rejection.code
            answer.string(topic).int16(code).string(None if code is ErrorCode.NONE else code.name)
        return True

    async def _delete(self, call: Call) -> bool:
        request, answer = call.request, call.answer
        topics = request.array(request.string)
        answer.int32(NO_THROTTLE).int32(len(topics))
        for topic in topics:
            code = ErrorCode.NONE
            try:
                self._catalogue.delete(topic)
            except Rejected as rejection:
                code = rejection.code
            answer.string(topic).int16(code)
        return True
