"""PostgreSQL and the broker: chosen, started, and set up for the services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from keyturn_local import broker, processes
from keyturn_local.blocking import run_to_end
from keyturn_local.databases import ensure_databases
from keyturn_local.postgres import (
    PREDECESSOR_LINGERS,
    SUPERUSER,
    EmbeddedPostgres,
    choose_home,
    new_password,
)
from keyturn_local.readiness import READY_SECONDS, failure
from keyturn_local.registry import BROKER, POSTGRES, Registry
from keyturn_local.services import SERVICES
from keyturn_local.state import ProcessRecord
from keyturn_local.topics import ensure_topics

CONTROLLER = "broker-controller"
PREDECESSOR_SECONDS = 15.0
"""How long PostgreSQL may be kept from starting by what a killed predecessor left."""
PREDECESSOR_POLL_SECONDS = 0.3

Report = Callable[[str], None]


class Servers:
    """The two servers that the services need.

    Args:
        registry: where they are noted.
        durable: False makes PostgreSQL fast and forgetful.
        report: told each step as it begins.
    """

    def __init__(self, registry: Registry, *, durable: bool, report: Report) -> None:
        self._registry = registry
        self._durable = durable
        self._report = report

    @property
    def admin_url(self) -> str:
        """The superuser's URL, of the embedded server or of somebody else's."""
        return self._registry.state.postgres_url or self._postgres().admin_url

    def choose(self, kind: str | None, postgres_url: str | None) -> None:
        """Settle on a broker and a PostgreSQL; None keeps what it was.

        A stack that runs on others is stopped first.

        Raises:
            StackError: `kind` names no broker, or the databases are gone.
        """
        state = self._registry.state
        kind = kind or state.broker or broker.EMBEDDED
        postgres_url = postgres_url or state.postgres_url
        broker.check_kind(kind)
        if (kind, postgres_url) != (state.broker, state.postgres_url) and state.processes:
            self._report(f"Stopping the stack that ran on {state.broker}")
            self._registry.stop_all()
        state.broker, state.postgres_url = kind, postgres_url
        for role in (SUPERUSER, *(service.database for service in SERVICES)):
            state.passwords.setdefault(role, new_password())
        if not postgres_url:
            home = choose_home(self._data, state.postgres_homes.get(self._data.name, ""))
            state.postgres_homes[self._data.name] = str(home)
            if not home.is_relative_to(self._registry.directory.path):
                self._report(f"PostgreSQL, not run as root, keeps its data in {home}")
        self._registry.save()

    def start(self) -> None:
        """Start what is down of the two, and give the services their databases and topics.

        Raises:
            StackError: something does not start; the message says what, and shows its log.
        """
        state, logs = self._registry.state, self._registry.directory.logs
        started = []
        own = broker.own_broker(
            state.broker, self._data / "broker", state.ports[BROKER], state.ports[CONTROLLER]
        )
        if own is not None and not self._registry.is_running(BROKER):
            self._report(f"Starting the broker ({state.broker})")
            own.prepare()
            started.append(self._registry.start(own.process(logs / "broker.log")))
        if not state.postgres_url and not self._registry.is_running(POSTGRES):
            self._report("Starting PostgreSQL")
            started.append(self._start_postgres(logs / "postgres.log"))
        for record in started:
            # Whoever took the port first would answer in this server's place.
            _wait_until_listening(record, state.ports[record.name])
        run_to_end(_unless_one_ends(self._set_up(), started))

    @property
    def _data(self) -> Path:
        """Databases and topics belong together, so every broker has a directory of its own."""
        kind = self._registry.state.broker.replace(":", "-")
        data = self._registry.directory.path / "data" / kind
        data.mkdir(parents=True, exist_ok=True)
        return data

    def _postgres(self) -> EmbeddedPostgres:
        state = self._registry.state
        return EmbeddedPostgres(
            home=Path(state.postgres_homes[self._data.name]),
            port=state.ports[POSTGRES],
            password=state.passwords[SUPERUSER],
            durable=self._durable,
        )

    async def _set_up(self) -> None:
        state = self._registry.state
        embedded = not state.postgres_url
        await asyncio.gather(
            ensure_databases(self.admin_url, state.passwords, embedded=embedded),
            ensure_topics(state.kafka_bootstrap),
        )

    def _start_postgres(self, log: Path) -> ProcessRecord:
        server = self._postgres()
        server.initialise()
        deadline = time.monotonic() + PREDECESSOR_SECONDS
        while True:
            position = log.stat().st_size if log.exists() else 0
            record = self._registry.start(server.process(log))
            while processes.is_running(record) and not processes.listens_on(record, server.port):
                time.sleep(processes.POLL_SECONDS)
            said = log.read_bytes()[position:].decode(errors="replace")
            kept = any(sign in said for sign in PREDECESSOR_LINGERS)
            if processes.is_running(record) or not kept:
                return record
            if time.monotonic() > deadline:
                raise failure(record, "is kept from starting by what an earlier one left")
            time.sleep(PREDECESSOR_POLL_SECONDS)
            server.forget_dead_predecessor()


def _wait_until_listening(record: ProcessRecord, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not processes.listens_on(record, port):
        if not processes.is_running(record):
            raise failure(record, "ended while it was starting")
        if time.monotonic() > deadline:
            raise failure(record, f"does not listen on port {port}")
        time.sleep(processes.POLL_SECONDS)


async def _unless_one_ends(
    work: Coroutine[object, object, None], records: Sequence[ProcessRecord]
) -> None:
    """Do `work`, but give up at once when a process it needs has ended."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait({task}, timeout=processes.POLL_SECONDS)
        for record in records:
            if not task.done() and not processes.is_running(record):
                task.cancel()
                await asyncio.wait({task})
                raise failure(record, "ended while it was starting")
    task.result()
