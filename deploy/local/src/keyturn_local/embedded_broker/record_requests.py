"""Records in and out: produce, fetch, offsets by time."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

from keyturn_local.embedded_broker.catalogue import Catalogue
from keyturn_local.embedded_broker.errors import ErrorCode, Rejected
from keyturn_local.embedded_broker.partition_log import PartitionLog
from keyturn_local.embedded_broker.protocol import NO_THROTTLE, Api, Call, Handler

NO_OFFSET = -1
NO_TIMESTAMP = -1
LOG_START = 0

# Partition, error, high watermark, last stable offset, aborted transactions (none).
_FETCHED = struct.Struct(">ihqqi")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A partition that a consumer asks for; `log` is None when there is no such partition."""

    partition: int
    offset: int
    max_bytes: int
    log: PartitionLog | None


class RecordRequests:
    """Answers that carry records."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def handlers(self) -> dict[Api, Handler]:
        """What this class answers."""
        return {
            Api.PRODUCE: self._produce,
            Api.FETCH: self._fetch,
            Api.LIST_OFFSETS: self._list_offsets,
            Api.INIT_PRODUCER_ID: self._init_producer_id,
        }

    async def _init_producer_id(self, call: Call) -> bool:
        transactional = call.request.nullable_string() is not None
        call.answer.int32(NO_THROTTLE)
        if transactional:
            call.answer.int16(ErrorCode.INVALID_REQUEST).int64(-1).int16(-1)
        else:
            first_epoch = 0
            call.answer.int16(ErrorCode.NONE)
            call.answer.int64(self._catalogue.new_producer_id()).int16(first_epoch)
        return True

    async def _produce(self, call: Call) -> bool:
        request, answer = call.request, call.answer
        transactional = request.nullable_string() is not None
        acks = request.int16()
        request.int32()  # How long to wait for other replicas, of which there are none.

        def append(topic: str) -> None:
            partition, records = request.int32(), request.blob()
            code, offset = ErrorCode.NONE, NO_OFFSET
            try:
                if transactional:
                    raise Rejected(ErrorCode.INVALID_REQUEST)
                offset = self._catalogue.log(topic, partition).append(records)
            except Rejected as rejection:
                code = rejection.code
            answer.int32(partition).int16(code).int64(offset).int64(NO_TIMESTAMP).int64(LOG_START)

        topics = request.int32()
        answer.int32(topics)
        for _ in range(topics):
            topic, partitions = request.string(), request.int32()
            answer.string(topic).int32(partitions)
            for _ in range(partitions):
                append(topic)
        answer.int32(NO_THROTTLE)
        return acks != 0

    async def _fetch(self, call: Call) -> bool:
        request, answer = call.request, call.answer
        request.int32()  # The id of a replica; a consumer has none.
        max_wait, min_bytes, max_bytes = request.int32() / 1000, request.int32(), request.int32()
        request.int8()  # Without transactions, every record is committed.
        wanted = request.array(
            lambda: (topic := request.string(), request.array(lambda: self._wanted(call, topic)))
        )
        await _wait_for_records(
            [part for _, parts in wanted for part in parts], min_bytes, max_wait
        )
        budget = max_bytes
        answer.int32(NO_THROTTLE).int32(len(wanted))
        for topic, parts in wanted:
            answer.string(topic).int32(len(parts))
            for part in parts:
                code, end, records = ErrorCode.NONE, NO_OFFSET, b""
                try:
                    if part.log is None:
                        raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                    end = part.log.end_offset
                    if budget > 0 or part.offset > end:
                        records = part.log.read(part.offset, min(part.max_bytes, budget))
                except Rejected as rejection:
                    code = rejection.code
                budget -= len(records)
                answer.raw(_FETCHED.pack(part.partition, code, end, end, 0)).blob(records)
        return True

    def _wanted(self, call: Call, topic: str) -> _Wanted:
        partition, offset, max_bytes = (
            call.request.int32(),
            call.request.int64(),
            call.request.int32(),
        )
        logs = self._catalogue.partitions(topic) or []
        log = logs[partition] if 0 <= partition < len(logs) else None
        return _Wanted(partition, offset, max_bytes, log)

    async def _list_offsets(self, call: Call) -> bool:
        request, answer = call.request, call.answer
        request.int32()  # The id of a replica; a consumer has none.
        request.int8()  # Without transactions, every record is committed.
        topics = request.int32()
        answer.int32(NO_THROTTLE).int32(topics)
        for _ in range(topics):
            topic, partitions = request.string(), request.int32()
            answer.string(topic).int32(partitions)
            for _ in range(partitions):
                partition, timestamp = request.int32(), request.int64()
                code, found, offset = ErrorCode.NONE, NO_TIMESTAMP, NO_OFFSET
                try:
                    found, offset = self._catalogue.log(topic, partition).offset_at(timestamp)
                except Rejected as rejection:
                    code = rejection.code
                answer.int32(partition).int16(code).int64(found).int64(offset)
        return True


async def _wait_for_records(wanted: list[_Wanted], min_bytes: int, seconds: float) -> None:
    """Wait until there is enough to read, something to complain about, or time is up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    logs = [part.log for part in wanted if part.log is not None]
    while len(logs) == len(wanted) and not _has_enough(wanted, min_bytes):
        left = deadline - loop.time()
        if left <= 0:
            return
        appended: asyncio.Future[None] = loop.create_future()
        for log in logs:
            log.watch(appended)
        try:
            await asyncio.wait({appended}, timeout=left)
        finally:
            for log in logs:
                log.unwatch(appended)


def _has_enough(wanted: list[_Wanted], min_bytes: int) -> bool:
    available = 0
    for part in wanted:
        if part.log is not None:
            if not 0 <= part.offset <= part.log.end_offset:
                return True
            available += part.log.bytes_from(part.offset)
    return available >= min_bytes
