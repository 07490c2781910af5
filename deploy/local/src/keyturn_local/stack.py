"""The whole stack: start what is down, stop what is up, say what there is."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keyturn_chassis.signing_key import write_key_pair
from keyturn_local import broker, ports, processes
from keyturn_local.blocking import run_to_end
from keyturn_local.databases import service_url
from keyturn_local.errors import StackError
from keyturn_local.processes import ProcessSpec
from keyturn_local.readiness import is_ready, wait_until_ready
from keyturn_local.registry import BROKER, POSTGRES, Registry
from keyturn_local.servers import CONTROLLER, Report, Servers
from keyturn_local.service_processes import (
    ROLES,
    Role,
    Wiring,
    migrate,
    process_name,
    service_processes,
)
from keyturn_local.services import SERVICES, service_named
from keyturn_local.state import StateDirectory, default_state_dir
from keyturn_local.topics import ensure_topics

PREFERRED_PORTS = {POSTGRES: 55432, BROKER: 9092, CONTROLLER: 9093} | {
    process_name(service, role): service.api_port if role == "api" else service.worker_port
    for service in SERVICES
    for role in ROLES
}
PORT_ATTEMPTS = 3
"""How often other ports are tried when somebody takes one that was just found free."""


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
        settings: further `KEYTURN_…` settings for all services, e.g. the clock; they last until
            they are told otherwise.
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
        self._registry = Registry(self._directory)
        self._servers = Servers(self._registry, durable=durable, report=report)
        self._requested = (broker, postgres_url)
        self._settings = dict(settings or {})
        self._report = report

    @property
    def state_dir(self) -> Path:
        """The directory that holds everything of this stack."""
        return self._directory.path

    @property
    def kafka_bootstrap(self) -> str:
        """Where clients reach the broker."""
        return self._registry.state.kafka_bootstrap

    @property
    def admin_url(self) -> str:
        """The superuser's URL: for tests and operators, never for a service."""
        return self._servers.admin_url

    @property
    def private_key(self) -> Path:
        """The local token issuer's private key."""
        return self._directory.auth / "private.pem"

    @property
    def urls(self) -> Mapping[str, str]:
        """Base URL by process name, e.g. `intake-api`."""
        return dict(self._registry.state.urls)

    def database_url(self, service: str) -> str:
        """The URL with which a service, and nobody else, opens its database."""
        chosen = service_named(service)
        password = self._registry.state.passwords[chosen.database]
        return service_url(self.admin_url, chosen, password)

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
            self._registry.reload()
            self._servers.choose(*self._requested)
            write_key_pair(self._directory.auth)
            for attempt in range(PORT_ATTEMPTS):
                self._reserve_ports()
                try:
                    self._servers.start()
                    if services:
                        self._start_services()
                except StackError:
                    if attempt + 1 == PORT_ATTEMPTS or not self._lost_a_port():
                        raise
                else:
                    return

    def down(self) -> list[str]:
        """Stop everything, last started first, and check that nothing is left.

        Returns:
            The names of those that had to be killed because they did not end in time.

        Raises:
            StackError: a process survived being killed.
        """
        with self._directory.locked():
            self._registry.reload()
            return self._registry.stop_all()

    def clean(self) -> None:
        """Stop everything and remove all data, also what lies outside the state directory."""
        if not self.state_dir.exists():
            return
        self.down()
        for home in self._registry.state.postgres_homes.values():
            shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(self.state_dir)
        self._registry.reload()

    def status(self) -> list[ProcessStatus]:
        """How every process of the stack is."""
        state = self._registry.reload()
        ready = run_to_end(is_ready(state.urls))
        return [
            ProcessStatus(
                name=record.name,
                pid=record.pid if processes.is_running(record) else None,
                port=state.ports.get(record.name),
                url=state.urls.get(record.name),
                ready=processes.is_running(record) and ready.get(record.name, True),
                log=record.log,
            )
            for record in state.processes.values()
        ]

    def ended(self) -> list[str]:
        """The names of the processes that were started and no longer run; cheap to ask often."""
        recorded = self._registry.reload().processes
        return [name for name in recorded if not self._registry.is_running(name)]

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
        record = self._registry.record(name)
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
            self._registry.record(name)
            if name in (POSTGRES, BROKER):
                self._servers.start()
            else:
                self._start_and_wait([spec for spec in self._service_specs() if spec.name == name])
            return self._registry.record(name).pid

    def restart(self, name: str) -> int:
        """Stop one process gracefully, start it again, and wait until it is ready.

        Returns:
            Its new pid.

        Raises:
            StackError: there is no such process, or it does not start.
        """
        self._registry.record(name)
        self._registry.stop(name)
        return self.start(name)

    def ensure_topics(self) -> list[str]:
        """Create the declared topics that are missing, and name all declared ones.

        Raises:
            StackError: the stack is not up.
        """
        if not self.kafka_bootstrap:
            raise StackError("there is no broker yet: `make up` starts one")
        return run_to_end(ensure_topics(self.kafka_bootstrap))

    def _reserve_ports(self) -> None:
        state = self._registry.state
        for name, preferred in PREFERRED_PORTS.items():
            if self._registry.is_running(BROKER if name == CONTROLLER else name):
                continue
            wanted = state.ports.get(name, preferred)
            others = [port for other, port in state.ports.items() if other != name]
            state.ports[name] = ports.choose(wanted, others)
            if state.ports[name] != wanted:
                self._report(f"Port {wanted} is taken; {name} gets {state.ports[name]}")
        state.kafka_bootstrap = broker.bootstrap(state.broker, state.ports[BROKER])
        names = [process_name(service, role) for service in SERVICES for role in ROLES]
        state.urls = {name: f"http://{ports.LOOPBACK}:{state.ports[name]}" for name in names}
        self._registry.save()

    def _lost_a_port(self) -> bool:
        """Whether somebody took a port between its choice and the start of its process."""
        state = self._registry.state
        return any(
            not self._registry.is_running(name) and not ports.is_free(state.ports[name])
            for name in state.processes
        )

    def _wiring(self) -> Wiring:
        state = self._registry.state
        return Wiring(
            kafka_bootstrap=state.kafka_bootstrap,
            database_urls={service.name: self.database_url(service.name) for service in SERVICES},
            ports=state.ports,
            key=write_key_pair(self._directory.auth),
            outgoing_messages=self.state_dir / "messages.jsonl",
            settings=self._settings or state.settings,
        )

    def _service_specs(self) -> list[ProcessSpec]:
        return service_processes(self._wiring(), self._directory.logs)

    def _start_services(self) -> None:
        if self._settings:
            self._registry.state.settings = self._settings
        specs = self._service_specs()
        if not all(self._registry.is_running(spec.name) for spec in specs):
            self._report("Migrating the databases")
            migrate(self._wiring(), self._directory.logs)
        self._start_and_wait(specs)

    def _start_and_wait(self, specs: Sequence[ProcessSpec]) -> None:
        for spec in specs:
            if self._registry.is_running(spec.name):
                record = self._registry.state.processes[spec.name]
                if record.env == dict(spec.env) and record.command == spec.command:
                    continue
                self._report(f"Restarting {spec.name}, whose settings changed")
                self._registry.stop(spec.name)
            else:
                self._report(f"Starting {spec.name}")
            self._registry.start(spec)
        state = self._registry.state
        run_to_end(wait_until_ready([state.processes[spec.name] for spec in specs], state.urls))
