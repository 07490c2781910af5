"""Where it is measured: PostgreSQL and a broker of its own, fresh databases, real processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from bench.records import Record
from keyturn_local import processes
from keyturn_local.readiness import wait_until_ready
from keyturn_local.stack import Stack
from keyturn_local.state import REPOSITORY, ProcessRecord

Positions = dict[TopicPartition, int]
"""An offset for each partition."""

IN_FLIGHT = 2_000
"""Records that a filling producer hands over before it waits for the broker."""
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the log: what was written between two moments, partition by partition."""

    start: Positions
    end: Positions

    @property
    def length(self) -> int:
        """How many records it has."""
        return sum(self.end[partition] - first for partition, first in self.start.items())

    def covered(self, reached: Mapping[TopicPartition, int]) -> int:
        """How many of its records lie before the offsets `reached`."""
        return sum(
            min(max(reached.get(partition, first), first), self.end[partition]) - first
            for partition, first in self.start.items()
        )


class Stage:
    """What every measure needs of PostgreSQL, the broker and the operating system.

    Services run as in production, each process on a database made for the run. The databases are
    copies of one that `migrate` made, so a fresh one is there in an instant.

    Args:
        stack: a stack whose servers are up.
        note: told what a reader of the figures may want to know beside them.
    """

    def __init__(self, stack: Stack, note: Callable[[str], None] = lambda _: None) -> None:
        self.stack = stack
        self.note = note
        self._templates: set[str] = set()

    @property
    def bootstrap(self) -> str:
        """Where clients reach the broker."""
        return self.stack.kafka_bootstrap

    @property
    def scratch(self) -> Path:
        """A directory for files that processes hand to each other."""
        directory = self.stack.state_dir / "scratch"
        directory.mkdir(exist_ok=True)
        return directory

    def url(self, database: str) -> str:
        """The URL of a database of this server."""
        return urlsplit(self.stack.admin_url)._replace(path=f"/{database}").geturl()

    async def drop_database(self, name: str) -> None:
        """Drop a database that may be there."""
        await self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def empty_database(self, name: str) -> str:
        """A new database without tables; its URL. One of that name is dropped."""
        await self.drop_database(name)
        await self._administer(f'CREATE DATABASE "{name}"')
        return self.url(name)

    async def service_database(self, service: str, name: str) -> str:
        """A new database with the tables of `service`, all but empty; its URL."""
        template = f"bench_{service}_template"
        if template not in self._templates:
            url = await self.empty_database(template)
            await self.run(
                [sys.executable, "-m", service.replace("-", "_"), "migrate"],
                self.stack.env(service) | {"KEYTURN_DATABASE_URL": url},
            )
            self._templates.add(template)
        await self.drop_database(name)
        await self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    async def settle_database(self) -> None:
        """Write out what the last run left in memory, so that the next does not pay for it."""
        await self._administer("CHECKPOINT")

    async def token(self, service: str, *scopes: str) -> str:
        """An access token for the doors of `service`."""
        command = [sys.executable, "-m", service.replace("-", "_"), "token", "--minutes", "600"]
        for scope in scopes:
            command += ["--scope", scope]
        return (await self.run(command, self.stack.env(service))).strip()

    async def run(self, command: Sequence[str], env: Mapping[str, str]) -> str:
        """Run a program to its end; what it printed.

        Raises:
            RuntimeError: it failed, with the end of what it said.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=REPOSITORY,
            env=processes.environment(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, complaints = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed:\n{complaints.decode()[-3_000:]}")
        return output.decode()

    @asynccontextmanager
    async def process(
        self, name: str, command: Sequence[str], env: Mapping[str, str], *, url: str | None = None
    ) -> AsyncIterator[ProcessRecord]:
        """A process that runs as long as the block, which with a `url` begins when it is ready.

        Raises:
            StackError: it does not get ready.
        """
        log = self.stack.state_dir / "logs" / f"{name}.log"
        spec = processes.ProcessSpec(
            name, list(command), log, dict(env), working_directory=REPOSITORY
        )
        record = processes.start(spec)
        try:
            if url is not None:
                await wait_until_ready([record], {name: url}, seconds=READY_SECONDS)
            yield record
        finally:
            await asyncio.to_thread(processes.stop, record)

    @asynccontextmanager
    async def service(
        self,
        name: str,
        role: str,
        database_url: str,
        *,
        module: str | None = None,
        ready: bool = True,
    ) -> AsyncIterator[ProcessRecord]:
        """The API or the worker of a service, on `database_url`.

        Args:
            name: the service.
            role: `api` or `worker`.
            database_url: its database.
            module: what to run instead of the service's own package; it takes the same commands.
            ready: whether to wait until it is ready; not, where its first moments are measured.
        """
        env = self.stack.env(name) | {"KEYTURN_DATABASE_URL": database_url}
        process = f"{name}-{role}"
        command = [sys.executable, "-m", module or name.replace("-", "_"), role]
        url = self.stack.urls[process] if ready else None
        async with self.process(process, command, env, url=url) as record:
            yield record

    async def fill(self, records: Iterable[Record]) -> Stretch:
        """Write records to their topics; where they stand."""
        records = list(records)
        topics = sorted({record.topic for record in records})
        start = await self.ends(topics)
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, acks=1, linger_ms=20, max_batch_size=262_144
        )
        await producer.start()
        try:
            for first in range(0, len(records), IN_FLIGHT):
                sent = [
                    await producer.send(
                        record.topic, record.value, key=record.key, headers=record.headers
                    )
                    for record in records[first : first + IN_FLIGHT]
                ]
                await asyncio.gather(*sent)
        finally:
            await producer.stop()
        return Stretch(start, await self.ends(topics))

    async def ends(self, topics: Iterable[str]) -> Positions:
        """Where the next record of each partition will stand."""
        async with Offsets(self.bootstrap) as offsets:
            return await offsets.ends(await offsets.partitions(topics))

    async def rewind(self, group: str, to: Positions) -> None:
        """Let a consumer group that nobody is in go on at the offsets `to`."""
        async with Offsets(self.bootstrap, group) as offsets:
            await offsets.commit(to)

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self.stack.admin_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class Offsets:
    """Asks the broker for offsets, and sets them, as a client that reads nothing."""

    def __init__(self, bootstrap: str, group: str | None = None) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        """All partitions of the topics."""
        await self._consumer._client.force_metadata_update()  # noqa: SLF001 - there is no other way
        return [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in sorted(self._consumer.partitions_for_topic(topic) or ())
        ]

    async def ends(self, partitions: Sequence[TopicPartition]) -> Positions:
        """Where the next record of each partition will stand."""
        return dict(await self._consumer.end_offsets(partitions))

    async def commit(self, positions: Positions) -> None:
        """Set the group's offsets."""
        self._consumer.assign(list(positions))
        await self._consumer.commit(
            {partition: OffsetAndMetadata(offset, "") for partition, offset in positions.items()}
        )


def resident_megabytes(record: ProcessRecord) -> float:
    """Resident memory of a process and its children, in MB of 10^6 bytes."""
    process = processes.find(record)
    if process is None:
        raise RuntimeError(f"{record.name} does not run; see {record.log}")
    family = [process, *process.children(recursive=True)]
    return float(sum(member.memory_info().rss for member in family)) / 1e6


def state_directory() -> Path:
    """The stack of the benchmarks: `KEYTURN_STATE_DIR`, or `.local-bench`."""
    return Path(os.environ.get("KEYTURN_STATE_DIR") or REPOSITORY / ".local-bench").resolve()
