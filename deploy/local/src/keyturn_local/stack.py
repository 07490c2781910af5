"""The whole stack: start what is down, stop what is up, say what there is."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keyturn_local import broker, ports, processes
from keyturn_local.blocking import run_to_end
from keyturn_local.databases import ensure_databases, service_url
from keyturn_local.errors import StackError
from keyturn_local.postgres import PREDECESSOR_LINGERS, EmbeddedPostgres, choose_home, new_password
from keyturn_local.processes import ProcessSpec
from keyturn_local.readiness import failure, is_ready, wait_until_ready
from keyturn_local.service_processes import (
    ROLES,
    Role,
    Wiring,
    migrate,
    process_name,
    service_processes,
)
from keyturn_local.services import SERVICES, service_named
from keyturn_local.signing_key import ensure_signing_key
from keyturn_local.state import ProcessRecord, StackState, StateDirectory, default_state_dir
from keyturn_local.topics import ensure_topics

POSTGRES = "postgres"
BROKER = "broker"
CONTROLLER = "broker-controller"
PREFERRED_PORTS = {POSTGRES: 55432, BROKER: 9092, CONTROLLER: 9093} | {
    process_name(service, role): service.api_port if role == "api" else service.worker_port
    for service in SERVICES
    for role in ROLES
}
SUPERUSER = "postgres"
RESTART_SECONDS = 15.0
"""How long PostgreSQL may be kept from starting by the children of a killed predecessor."""
PREDECESSOR_POLL_SECONDS = 0.3

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """How one process of the stack is."""

    name: str
    pid: int | None
    """None when it does not run."""
    port: int | None
    url: str | None
    ready: bool
    log: str


class Stack:
    """One stack and its state directory. Several may run side by side.

    Args:
        state_dir: where everything lies; `KEYTURN_STATE_DIR` or `.local` by default.
        broker: `embedded`, `apache` or `host:port`; by default as it was started last.
        postgres_url: a superuser's URL of a server to use instead of the embedded one.
        durable: False makes PostgreSQL fast and forgetful, for tests that start from nothing.
        settings: further `KEYTURN_…` settings for all services, e.g. the clock.
        report: told each step as it begins.
    """

    def __init__(
        self,
        state_dir: Path | None = None,
        *,
        broker: str | None = None,
        postgres_url: str | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        report: Report = lambda _: None,
    ) -> None:
        self._directory = StateDirectory(state_dir or default_state_dir())
        self._requested_broker = broker
        self._requested_postgres = postgres_url
        self._durable = durable
        self._settings = dict(settings or {})
        self._report = report
        self._state = self._directory.load()

    @property
    def state_dir(self) -> Path:
        """The directory that holds everything of this stack."""
        return self._directory.path

    @property
    def kafka_bootstrap(self) -> str:
        """Where clients reach the broker."""
        return self._state.kafka_bootstrap

    @property
    def admin_url(self) -> str:
        """The superuser's URL: for tests and operators, never for a service."""
        return self._state.postgres_url or self._postgres().admin_url

    @property
    def private_key(self) -> Path:
        """The local token issuer's private key."""
        return self._directory.auth / "private.pem"

    @property
    def urls(self) -> Mapping[str, str]:
        """Base URL by process name, e.g. `intake-api`."""
        return dict(self._state.urls)

    def database_url(self, service: str) -> str:
        """The URL with which a service, and nobody else, opens its database."""
        chosen = service_named(service)
        return service_url(self.admin_url, chosen, self._state.passwords[chosen.database])

    def env(self, service: str, process: Role | None = None) -> dict[str, str]:
        """The settings of a service's process; without one, an operator's."""
        wiring, chosen = self._wiring(), service_named(service)
        return wiring.env(chosen) if process else wiring.operator_env(chosen)

    def up(self, *, services: bool = True) -> None:
        """Start what is down, in order, and wait until all of it is ready.

        Args:
            services: False starts PostgreSQL and the broker only.

        Raises:
            StackError: something does not start; the message says what, and shows its log.
        """
        with self._directory.locked():
            self._state = self._directory.load()
            self._choose_servers()
            ensure_signing_key(self._directory.auth)
            self._reserve_ports()
            self._start_servers()
            if services:
                self._start_services()

    def down(self) -> list[str]:
        """Stop everything, last started first, and check that nothing is left.

        Returns:
            The names of those that had to be killed because they did not end in time.

        Raises:
            StackError: a process survived being killed.
        """
        with self._directory.locked():
            self._state = self._directory.load()
            return self._stop_all()

    def clean(self) -> None:
        """Stop everything and remove all data, also what lies outside the state directory."""
        if not self.state_dir.exists():
            return
        self.down()
        for home in self._state.postgres_homes.values():
            shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(self.state_dir)
        self._state = StackState()

    def status(self) -> list[ProcessStatus]:
        """How every process of the stack is."""
        self._state = self._directory.load()
        ready = run_to_end(is_ready(self._state.urls))
        return [
            ProcessStatus(
                name=record.name,
                pid=record.pid if processes.is_running(record) else None,
                port=self._state.ports.get(record.name),
                url=self._state.urls.get(record.name),
                ready=processes.is_running(record) and ready.get(record.name, True),
                log=record.log,
            )
            for record in self._state.processes.values()
        ]

    def log_files(self, name: str | None = None) -> list[Path]:
        """The log files whose names begin with `name`, or all."""
        return sorted(self._directory.logs.glob(f"{name or ''}*.log"))

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to one process of the stack; after SIGKILL wait until it is gone.

        Returns:
            Its pid.

        Raises:
            StackError: there is no such process, or it does not run.
        """
        record = self._record(name)
        if not processes.send(record, number):
            raise StackError(f"{name} does not run")
        if number is signal.SIGKILL:
            processes.wait_until_gone(record, processes.STOP_SECONDS)
        return record.pid

    def start(self, name: str) -> int:
        """Start one process that is down, and wait until it is ready.

        Returns:
            Its pid, also when it was running already.

        Raises:
            StackError: there is no such process, or it does not start.
        """
        with self._directory.locked():
            self._state = self._directory.load()
            self._record(name)
            if name in (POSTGRES, BROKER):
                self._start_servers()
            else:
                specs = [spec for spec in self._service_specs() if spec.name == name]
                self._start_and_wait(specs)
        return self._record(name).pid

    def restart(self, name: str) -> int:
        """Stop one process gracefully, start it again, and wait until it is ready.

        Returns:
            Its new pid.
        """
        stop_signal = signal.SIGINT if name == POSTGRES else signal.SIGTERM
        processes.stop(self._record(name), stop_signal)
        return self.start(name)

    def ensure_topics(self) -> list[str]:
        """Create the declared topics that are missing, and name all declared ones.

        Raises:
            StackError: the stack is not up.
        """
        if not self.kafka_bootstrap:
            raise StackError("there is no broker yet: `make up` starts one")
        return run_to_end(ensure_topics(self.kafka_bootstrap))

    def _choose_servers(self) -> None:
        state = self._state
        chosen = self._requested_broker or state.broker or broker.EMBEDDED
        broker.check_kind(chosen)
        postgres_url = self._requested_postgres or state.postgres_url
        if (chosen, postgres_url) != (state.broker, state.postgres_url) and state.processes:
            self._report(f"Stopping the stack that ran on {state.broker}")
            self._stop_all()
        state.broker, state.postgres_url = chosen, postgres_url
        for role in (SUPERUSER, *(service.database for service in SERVICES)):
            state.passwords.setdefault(role, new_password())
        if not postgres_url:
            home = choose_home(self._data, state.postgres_homes.get(self._data.name, ""))
            state.postgres_homes[self._data.name] = str(home)
            if not home.is_relative_to(self.state_dir):
                self._report(f"PostgreSQL, not run as root, keeps its data in {home}")
        self._directory.save(state)

    @property
    def _data(self) -> Path:
        """Databases and topics belong together, so every broker has a directory of its own."""
        data = self.state_dir / "data" / self._state.broker.replace(":", "-")
        data.mkdir(parents=True, exist_ok=True)
        return data

    def _reserve_ports(self) -> None:
        state = self._state
        wanted = dict(PREFERRED_PORTS) | state.ports
        for name, port in wanted.items():
            record = state.processes.get(BROKER if name == CONTROLLER else name)
            if record is None or not processes.is_running(record):
                others = [other for key, other in state.ports.items() if key != name]
                state.ports[name] = ports.choose(port, others)
                if state.ports[name] != PREFERRED_PORTS[name] and port == PREFERRED_PORTS[name]:
                    self._report(f"Port {port} is taken; {name} gets {state.ports[name]}")
        state.kafka_bootstrap = broker.bootstrap(state.broker, state.ports[BROKER])
        state.urls = {
            process_name(service, role): f"http://{ports.LOOPBACK}:{state.ports[name]}"
            for service in SERVICES
            for role in ROLES
            for name in (process_name(service, role),)
        }
        self._directory.save(state)

    def _postgres(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(
            home=Path(self._state.postgres_homes[self._data.name]),
            port=self._state.ports[POSTGRES],
            password=self._state.passwords[SUPERUSER],
            durable=self._durable,
        )

    def _start_servers(self) -> None:
        state = self._state
        started = []
        own = broker.own_broker(
            state.broker, self._data / "broker", state.ports[BROKER], state.ports[CONTROLLER]
        )
        if own is not None and not self._is_running(BROKER):
            self._report(f"Starting the broker ({state.broker})")
            own.prepare()
            started.append(self._start(own.process(self._directory.logs / "broker.log")))
        if not state.postgres_url and not self._is_running(POSTGRES):
            self._report("Starting PostgreSQL")
            started.append(self._start_postgres())
        work = self._set_up_servers()
        run_to_end(_unless_one_ends(work, started))

    async def _set_up_servers(self) -> None:
        state = self._state
        await asyncio.gather(
            ensure_databases(self.admin_url, state.passwords, embedded=not state.postgres_url),
            ensure_topics(state.kafka_bootstrap),
        )

    def _start_postgres(self) -> ProcessRecord:
        server = self._postgres()
        server.initialise()
        log = self._directory.logs / "postgres.log"
        deadline = time.monotonic() + RESTART_SECONDS
        while True:
            position = log.stat().st_size if log.exists() else 0
            record = self._start(server.process(log))
            while processes.is_running(record) and not ports.is_listening(server.port):
                time.sleep(processes.POLL_SECONDS)
            said = log.read_bytes()[position:].decode(errors="replace")
            if processes.is_running(record) or not any(
                sign in said for sign in PREDECESSOR_LINGERS
            ):
                return record
            if time.monotonic() > deadline:
                raise failure(record, "is kept from starting by what an earlier one left")
            time.sleep(PREDECESSOR_POLL_SECONDS)
            server.forget_dead_predecessor()

    def _wiring(self) -> Wiring:
        return Wiring(
            kafka_bootstrap=self.kafka_bootstrap,
            database_urls={service.name: self.database_url(service.name) for service in SERVICES},
            ports=self._state.ports,
            key=ensure_signing_key(self._directory.auth),
            outgoing_messages=self.state_dir / "messages.ndjson",
            settings=self._settings or self._state.settings,
        )

    def _service_specs(self) -> list[ProcessSpec]:
        return service_processes(self._wiring(), self._directory.logs)

    def _start_services(self) -> None:
        if self._settings:
            self._state.settings = self._settings
        specs = self._service_specs()
        if not all(self._is_running(spec.name) for spec in specs):
            self._report("Migrating the databases")
            migrate(self._wiring(), self._directory.logs)
        self._start_and_wait(specs)

    def _start_and_wait(self, specs: Sequence[ProcessSpec]) -> None:
        for spec in specs:
            record = self._state.processes.get(spec.name)
            if record is not None and processes.is_running(record):
                if record.env == dict(spec.env) and record.command == spec.command:
                    continue
                self._report(f"Restarting {spec.name}, whose settings changed")
                processes.stop(record)
            else:
                self._report(f"Starting {spec.name}")
            self._start(spec)
        records = [self._state.processes[spec.name] for spec in specs]
        run_to_end(wait_until_ready(records, self._state.urls))

    def _start(self, spec: ProcessSpec) -> ProcessRecord:
        record = processes.start(spec)
        self._state.processes[spec.name] = record
        # Saved at once: whatever happens next, `down` must find this process.
        self._directory.save(self._state)
        return record

    def _stop_all(self) -> list[str]:
        """Services first and at the same time, then the broker, then PostgreSQL."""
        recorded = self._state.processes
        servers = [recorded[name] for name in (BROKER, POSTGRES) if name in recorded]
        services = [record for record in recorded.values() if record not in servers]
        killed = processes.stop_together(services)
        for record in servers:
            # To PostgreSQL SIGTERM means to wait for every client, SIGINT to end their sessions.
            number = signal.SIGINT if record.name == POSTGRES else signal.SIGTERM
            killed += [] if processes.stop(record, number) else [record.name]
        left = [record for record in recorded.values() if processes.is_running(record)]
        if left:
            listing = ", ".join(f"{record.name} (pid {record.pid})" for record in left)
            raise StackError(f"still running after being killed: {listing}")
        self._state.processes = {}
        self._directory.save(self._state)
        return killed

    def _record(self, name: str) -> ProcessRecord:
        try:
            return self._state.processes[name]
        except KeyError:
            known = ", ".join(self._state.processes) or "none; `make up` starts them"
            raise StackError(f"no process is called {name!r}; there are: {known}") from None

    def _is_running(self, name: str) -> bool:
        record = self._state.processes.get(name)
        return record is not None and processes.is_running(record)


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
