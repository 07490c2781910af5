"""Consumer groups: who reads which partitions, and how far they have got."""

from __future__ import annotations

from collections.abc import Callable

from keyturn_local.embedded_broker.consumer_group import ConsumerGroup
from keyturn_local.embedded_broker.errors import ErrorCode, Rejected
from keyturn_local.embedded_broker.offsets import Commit, CommittedOffsets
from keyturn_local.embedded_broker.protocol import NO_THROTTLE, Api, Call, Handler
from keyturn_local.embedded_broker.topic_requests import NODE_ID

GROUP_KEY = 0
"""What a coordinator is asked for by; the other kind of key is for transactions."""
NO_GENERATION = -1
NOT_COMMITTED = Commit(offset=-1, note="")


class GroupRequests:
    """Answers of the groups' coordinator."""

    def __init__(self, offsets: CommittedOffsets, host: str, port: int) -> None:
        self._offsets = offsets
        self._host = host
        self._port = port
        self._groups: dict[str, ConsumerGroup] = {}

    def handlers(self) -> dict[Api, Handler]:
        """What this class answers."""
        return {
            Api.FIND_COORDINATOR: self._find_coordinator,
            Api.JOIN_GROUP: self._join,
            Api.SYNC_GROUP: self._sync,
            Api.HEARTBEAT: self._heartbeat,
            Api.LEAVE_GROUP: self._leave,
            Api.OFFSET_COMMIT: self._commit,
            Api.OFFSET_FETCH: self._fetch_commits,
        }

    def _group(self, name: str) -> ConsumerGroup:
        return self._groups.setdefault(name, ConsumerGroup())

    async def _find_coordinator(self, call: Call) -> bool:
        call.request.string()
        is_group = call.request.int8() == GROUP_KEY
        code = ErrorCode.NONE if is_group else ErrorCode.COORDINATOR_NOT_AVAILABLE
        call.answer.int32(NO_THROTTLE).int16(code).string(None)
        call.answer.int32(NODE_ID).string(self._host).int32(self._port)
        return True

    async def _join(self, call: Call) -> bool:
        request, answer = call.request, call.answer
        group, session_ms, rebalance_ms = request.string(), request.int32(), request.int32()
        member = request.string()
        request.string()  # The protocol type: only consumers join groups here.
        protocols = request.array(lambda: (request.string(), request.blob()))
        answer.int32(NO_THROTTLE)
        try:
            joined = await self._group(group).join(
                member, call.client_id, session_ms, rebalance_ms, protocols
            )
        except Rejected as rejection:
            answer.int16(rejection.code).int32(NO_GENERATION).string("").string("").string(member)
            answer.int32(0)
            return True
        answer.int16(ErrorCode.NONE).int32(joined.generation).string(joined.protocol)
        answer.string(joined.leader).string(joined.member)
        answer.array(joined.members, lambda one: answer.string(one[0]).blob(one[1]))
        return True

    async def _sync(self, call: Call) -> bool:
        request, answer = call.request, call.answer
        group, generation, member = request.string(), request.int32(), request.string()
        assignments = request.array(lambda: (request.string(), request.blob()))
        answer.int32(NO_THROTTLE)
        try:
            share = await self._group(group).sync(member, generation, dict(assignments))
        except Rejected as rejection:
            answer.int16(rejection.code).blob(b"")
        else:
            answer.int16(ErrorCode.NONE).blob(share)
        return True

    async def _heartbeat(self, call: Call) -> bool:
        request = call.request
        group, generation, member = request.string(), request.int32(), request.string()
        code = _code_of(lambda: self._group(group).heartbeat(member, generation))
        call.answer.int32(NO_THROTTLE).int16(code)
        return True

    async def _leave(self, call: Call) -> bool:
        group, member = call.request.string(), call.request.string()
        code = _code_of(lambda: self._group(group).leave(member))
        call.answer.int32(NO_THROTTLE).int16(code)
        return True

    async def _commit(self, call: Call) -> bool:
        request, answer = call.request, call.answer
        group, generation, member = request.string(), request.int32(), request.string()
        request.int64()  # How long to remember: for ever.
        topics = request.array(
            lambda: (
                request.string(),
                request.array(
                    lambda: (request.int32(), request.int64(), request.nullable_string() or "")
                ),
            )
        )
        code = _code_of(lambda: self._group(group).check_commit(member, generation))
        if code is ErrorCode.NONE:
            self._offsets.commit(
                group,
                {
                    (topic, partition): Commit(offset, note)
                    for topic, parts in topics
                    for partition, offset, note in parts
                },
            )
        answer.int32(NO_THROTTLE).int32(len(topics))
        for topic, parts in topics:
            answer.string(topic)
            answer.array(parts, lambda part: answer.int32(part[0]).int16(code))
        return True

    async def _fetch_commits(self, call: Call) -> bool:
        request, answer = call.request, call.answer
        commits = self._offsets.of_group(request.string())
        asked = request.nullable_array(lambda: (request.string(), request.array(request.int32)))
        if asked is None:
            topics = {topic for topic, _ in commits}
            asked = [
                (topic, [number for name, number in commits if name == topic]) for topic in topics
            ]
        answer.int32(NO_THROTTLE).int32(len(asked))
        for topic, partitions in asked:
            answer.string(topic).int32(len(partitions))
            for partition in partitions:
                commit = commits.get((topic, partition), NOT_COMMITTED)
                answer.int32(partition).int64(commit.offset).string(commit.note)
                answer.int16(ErrorCode.NONE)
        answer.int16(ErrorCode.NONE)
        return True


def _code_of(action: Callable[[], None]) -> ErrorCode:
    """NONE if the action is accepted, else why not."""
    try:
        action()
    except Rejected as rejection:
        return rejection.code
    return ErrorCode.NONE
