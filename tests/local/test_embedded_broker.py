"""The embedded broker from the inside: the log after crashes, sequences, hostile bytes."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyturn_local import ports
from keyturn_local.embedded_broker.catalogue import Catalogue
from keyturn_local.embedded_broker.consumer_group import ConsumerGroup, GroupState
from keyturn_local.embedded_broker.errors import ErrorCode, Rejected
from keyturn_local.embedded_broker.offsets import Commit, CommittedOffsets
from keyturn_local.embedded_broker.partition_log import MAX_BATCH_BYTES, PartitionLog
from keyturn_local.embedded_broker.server import BrokerServer

RANGE = [("range", b"")]


def batch(
    records: int = 1,
    *,
    producer: int = -1,
    epoch: int = 0,
    sequence: int = -1,
    timestamp: int = 0,
    payload: bytes = b"payload",
) -> bytes:
    """A record batch as a producer sends it; what is inside the records is the clients' affair."""
    after_length = struct.pack(
        ">ibIhiqqqhii", 0, 2, 0, 0, records - 1, timestamp, timestamp, producer, epoch, sequence,
        records,
    )  # fmt: skip
    return struct.pack(">qi", 0, len(after_length) + len(payload)) + after_length + payload


def base_offset(data: bytes) -> int:
    return int(struct.unpack_from(">q", data)[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def reject_code(log: PartitionLog, data: bytes) -> ErrorCode:
    with pytest.raises(Rejected) as rejected:
        log.append(data)
    return rejected.value.code


def test_records_are_numbered_in_the_order_they_arrive(path: Path) -> None:
    log = PartitionLog(path)
    assert [log.append(batch(count)) for count in (3, 1, 2)] == [0, 3, 4]
    assert log.end_offset == 6
    log.close()


def test_reading_begins_with_the_batch_that_holds_the_offset(path: Path) -> None:
    log = PartitionLog(path)
    for count in (3, 2):
        log.append(batch(count))
    assert [base_offset(log.read(offset, 1)) for offset in range(5)] == [0, 0, 0, 3, 3]
    assert log.read(5, 1_000) == b""
    log.close()


@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=20), limit=st.integers(1, 2_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_reading_in_steps_gives_every_batch_once_and_heeds_the_limit(
    path: Path, sizes: list[int], limit: int
) -> None:
    path.unlink(missing_ok=True)
    log = PartitionLog(path)
    for size in sizes:
        log.append(batch(payload=b"x" * size))
    offset, taken = 0, b""
    while part := log.read(offset, limit):
        assert len(part) <= limit or len(part) == len(batch(payload=b"x" * sizes[offset]))
        taken += part
        position = 0
        while position < len(part):
            position += 12 + int(struct.unpack_from(">i", part, position + 8)[0])
            offset += 1
        assert position == len(part), "only whole batches are handed out"
    assert offset == len(sizes)
    assert taken == path.read_bytes()
    log.close()


@pytest.mark.parametrize("cut", [1, 12, 60, 61, 67])
def test_half_a_batch_at_the_end_is_cut_off_when_the_log_is_opened(path: Path, cut: int) -> None:
    log = PartitionLog(path)
    log.append(batch(2))
    whole = path.read_bytes()
    log.append(batch(3))
    log.close()
    path.write_bytes(path.read_bytes()[: len(whole) + cut])
    log = PartitionLog(path)
    assert (log.end_offset, path.read_bytes()) == (2, whole)
    assert log.append(batch()) == 2
    log.close()


def test_a_repeated_batch_gets_its_first_offset_and_is_not_stored_again(path: Path) -> None:
    log = PartitionLog(path)
    first = batch(2, producer=7, sequence=0)
    second = batch(1, producer=7, sequence=2)
    assert [log.append(first), log.append(second)] == [0, 2]
    assert [log.append(first), log.append(second)] == [0, 2]
    log.close()
    log = PartitionLog(path)
    assert [log.append(first), log.append(second)] == [0, 2], "also after a restart"
    assert log.end_offset == 3
    log.close()


def test_a_gap_in_a_producers_sequence_is_refused(path: Path) -> None:
    log = PartitionLog(path)
    log.append(batch(2, producer=7, sequence=0))
    code = reject_code(log, batch(1, producer=7, sequence=3))
    assert code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.end_offset == 2
    log.close()


def test_a_repetition_from_too_long_ago_is_refused_and_not_stored(path: Path) -> None:
    log = PartitionLog(path)
    for sequence in range(6):
        log.append(batch(producer=7, sequence=sequence))
    code = reject_code(log, batch(producer=7, sequence=0))
    assert code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    log.close()


def test_sequences_wrap_around(path: Path) -> None:
    log = PartitionLog(path)
    log.append(batch(1, producer=7, sequence=2**31 - 1))
    assert log.append(batch(1, producer=7, sequence=0)) == 1
    log.close()


def test_a_new_epoch_begins_its_sequence_anew_and_fences_the_old_one(path: Path) -> None:
    log = PartitionLog(path)
    log.append(batch(producer=7, epoch=0, sequence=5))
    code = reject_code(log, batch(producer=7, epoch=1, sequence=6))
    assert code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(batch(producer=7, epoch=1, sequence=0)) == 1
    code = reject_code(log, batch(producer=7, epoch=0, sequence=6))
    assert code is ErrorCode.INVALID_PRODUCER_EPOCH
    log.close()


def test_the_largest_batch_is_stored_and_one_byte_more_is_refused(path: Path) -> None:
    log = PartitionLog(path)
    largest = batch(payload=b"x" * (MAX_BATCH_BYTES - len(batch(payload=b""))))
    assert log.append(largest) == 0
    larger = batch(payload=b"x" * (MAX_BATCH_BYTES - len(batch(payload=b"")) + 1))
    assert reject_code(log, larger) is ErrorCode.MESSAGE_TOO_LARGE
    log.close()


@given(data=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_bytes_that_are_no_batch_are_refused_and_leave_no_trace(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    log = PartitionLog(path)
    assert reject_code(log, data[:16] + b"\x01" + data[17:]) is ErrorCode.CORRUPT_MESSAGE
    assert reject_code(log, batch()[:-1]) is ErrorCode.CORRUPT_MESSAGE
    assert path.read_bytes() == b""
    log.close()


def test_committed_offsets_survive_and_half_a_line_is_ignored(path: Path) -> None:
    offsets = CommittedOffsets(path)
    offsets.commit("g", {("t", 0): Commit(5, "note"), ("t", 1): Commit(6, "")})
    offsets.commit("g", {("t", 0): Commit(9, "")})
    offsets.close()
    with path.open("ab") as file:
        file.write(b'["g", "t", 0, 1')
    offsets = CommittedOffsets(path)
    assert offsets.of_group("g") == {("t", 0): Commit(9, ""), ("t", 1): Commit(6, "")}
    assert offsets.of_group("other") == {}
    assert len(path.read_bytes().splitlines()) == 2, "only what counts is kept"
    offsets.close()


def test_producer_ids_are_never_given_twice_not_even_after_a_restart(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    given_before = [catalogue.new_producer_id() for _ in range(3)]
    catalogue.close()
    catalogue = Catalogue(tmp_path)
    assert catalogue.new_producer_id() > max(given_before)
    catalogue.close()


@pytest.mark.parametrize(
    ("name", "partitions", "replication", "code"),
    [
        ("", 1, 1, ErrorCode.INVALID_TOPIC),
        ("..", 1, 1, ErrorCode.INVALID_TOPIC),
        ("a/b", 1, 1, ErrorCode.INVALID_TOPIC),
        ("x" * 250, 1, 1, ErrorCode.INVALID_TOPIC),
        ("t", 0, 1, ErrorCode.INVALID_PARTITIONS),
        ("t", 201, 1, ErrorCode.INVALID_PARTITIONS),
        ("t", 1, 3, ErrorCode.INVALID_REPLICATION_FACTOR),
    ],
)
def test_a_topic_that_cannot_be_is_refused(
    tmp_path: Path, name: str, partitions: int, replication: int, code: ErrorCode
) -> None:
    catalogue = Catalogue(tmp_path)
    with pytest.raises(Rejected) as rejected:
        catalogue.create(name, partitions, replication, pretend=False)
    assert (rejected.value.code, catalogue.names()) == (code, [])
    catalogue.close()


async def test_a_late_member_makes_the_others_join_again() -> None:
    group = ConsumerGroup()
    first = await group.join("", "a", 10_000, 10_000, RANGE)
    assert await group.sync(first.member, first.generation, {first.member: b"all"}) == b"all"
    second = asyncio.create_task(group.join("", "b", 10_000, 10_000, RANGE))
    await asyncio.sleep(0)
    with pytest.raises(Rejected, match="REBALANCE_IN_PROGRESS"):
        group.heartbeat(first.member, first.generation)
    again = await group.join(first.member, "a", 10_000, 10_000, RANGE)
    joined = await second
    assert again.generation == joined.generation == 2
    assert again.leader == joined.leader == first.member
    assert [member for member, _ in again.members] == [first.member, joined.member]
    assert joined.members == [], "only the leader is told who is there"
    with pytest.raises(Rejected, match="ILLEGAL_GENERATION"):
        group.heartbeat(first.member, 1)
    with pytest.raises(Rejected, match="ILLEGAL_GENERATION"):
        group.check_commit(first.member, 1)
    group.leave(joined.member)
    group.leave(first.member)
    assert group.state is GroupState.EMPTY


async def test_a_silent_member_is_dropped_and_its_partitions_go_to_the_rest() -> None:
    group = ConsumerGroup()
    silent = await group.join("", "a", 1_000, 1_000, RANGE)
    await group.sync(silent.member, silent.generation, {})
    other = await group.join("", "b", 10_000, 10_000, RANGE)
    assert (other.generation, other.leader) == (2, other.member)
    with pytest.raises(Rejected, match="UNKNOWN_MEMBER_ID"):
        group.heartbeat(silent.member, silent.generation)
    group.leave(other.member)


async def test_members_without_a_common_protocol_do_not_form_a_group() -> None:
    group = ConsumerGroup()
    member = await group.join("", "a", 10_000, 10_000, RANGE)
    with pytest.raises(Rejected, match="INCONSISTENT_GROUP_PROTOCOL"):
        await group.join("", "b", 10_000, 10_000, [("sticky", b"")])
    with pytest.raises(Rejected, match="INVALID_SESSION_TIMEOUT"):
        await group.join("", "b", 999, 10_000, RANGE)
    group.leave(member.member)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[int]:
    """A broker in this process; its port."""
    port, stop = ports.choose(19_092), asyncio.Event()
    serving = asyncio.create_task(BrokerServer(tmp_path, ports.LOOPBACK, port).serve(stop))
    async with asyncio.timeout(5):
        while not ports.is_listening(port):  # noqa: ASYNC110 -- somebody else's socket
            await asyncio.sleep(0)
    yield port
    stop.set()
    await serving


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">i", -5),
        struct.pack(">i", 2**31 - 1),
        struct.pack(">ihhih", 10, 999, 0, 1, -1),
        struct.pack(">ihhih", 10, 0, 99, 1, -1),
        struct.pack(">ihhih", 10, 3, 5, 1, 500),
        struct.pack(">ihhihi", 14, 3, 5, 1, -1, 2**31 - 1),
        struct.pack(">ihhih", 10, 0, 7, 1, -1),
    ],
    ids=["http", "negative", "huge", "api", "version", "client", "array", "short"],
)
async def test_hostile_bytes_close_their_own_connection_and_no_other(
    server: int, sent: bytes
) -> None:
    polite_in, polite_out = await asyncio.open_connection(ports.LOOPBACK, server)
    hostile_in, hostile_out = await asyncio.open_connection(ports.LOOPBACK, server)
    hostile_out.write(sent)
    async with asyncio.timeout(5):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await hostile_in.readexactly(1)
        polite_out.write(struct.pack(">ihhih", 10, 18, 0, 77, -1))
        size, correlation, code = struct.unpack(">iih", await polite_in.readexactly(10))
    assert (correlation, code) == (77, ErrorCode.NONE)
    assert size > 10
    for writer in (polite_out, hostile_out):
        writer.close()
