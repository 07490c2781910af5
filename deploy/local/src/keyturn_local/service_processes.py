"""The services as processes: what each is told, how it is migrated and started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from keyturn_chassis.signing_key import KeyPair
from keyturn_local.errors import StackError
from keyturn_local.ports import LOOPBACK
from keyturn_local.processes import ProcessSpec, environment, tail
from keyturn_local.services import SERVICES, Service

ISSUER = "https://issuer.keyturn.local"
AUDIENCE = "keyturn"

Role = Literal["api", "worker"]
ROLES: tuple[Role, ...] = ("api", "worker")


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the services must know of the rest of the stack."""

    kafka_bootstrap: str
    database_urls: Mapping[str, str]
    """By service name."""
    ports: Mapping[str, int]
    """By process name, e.g. `intake-api`."""
    key: KeyPair
    outgoing_messages: Path
    """The file to which campaigns' file channel writes what it sends."""
    settings: Mapping[str, str]
    """Further `KEYTURN_…` settings, the same for every service."""

    def env(self, service: Service) -> dict[str, str]:
        """The settings of one service's processes."""
        settings = {
            "KEYTURN_ENVIRONMENT": "local",
            "KEYTURN_DATABASE_URL": self.database_urls[service.name],
            "KEYTURN_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "KEYTURN_AUTH_ISSUER": ISSUER,
            "KEYTURN_AUTH_AUDIENCE": AUDIENCE,
            "KEYTURN_AUTH_JWKS": str(self.key.jwks),
            "KEYTURN_HOST": LOOPBACK,
            "KEYTURN_PORT": str(self.ports[process_name(service, "api")]),
            "KEYTURN_WORKER_PORT": str(self.ports[process_name(service, "worker")]),
        }
        if service.name == "campaigns":
            settings["KEYTURN_CHANNEL_FILE"] = str(self.outgoing_messages)
        return {**settings, **self.settings}

    def operator_env(self, service: Service) -> dict[str, str]:
        """The same for a command typed by a person, who may also mint tokens."""
        return {**self.env(service), "KEYTURN_AUTH_PRIVATE_KEY": str(self.key.private)}


def process_name(service: Service, role: Role) -> str:
    """The name of one of a service's processes, e.g. `service-desk-worker`."""
    return f"{service.name}-{role}"


def service_processes(wiring: Wiring, logs: Path) -> list[ProcessSpec]:
    """Every service's API and worker, in the order to start them."""
    return [
        ProcessSpec(
            name=process_name(service, role),
            command=[sys.executable, "-m", service.module, role],
            env=wiring.env(service),
            log=logs / f"{process_name(service, role)}.log",
        )
        for role in ROLES
        for service in SERVICES
    ]


def migrate(wiring: Wiring, logs: Path) -> None:
    """Bring every service's database to the code's schema, all four at once.

    Raises:
        StackError: a migration failed, with the end of its log.
    """
    running: list[tuple[Service, Path, subprocess.Popen[bytes]]] = []
    for service in SERVICES:
        log = logs / f"{service.name}-migrate.log"
        with log.open("wb") as output:
            command = [sys.executable, "-m", service.module, "migrate"]
            env = environment(wiring.env(service))
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env)
        running.append((service, log, process))
    failed = [(service, log) for service, log, process in running if process.wait() != 0]
    if failed:
        raise StackError(
            "\n".join(f"{service.name} migrate failed:\n{tail(log)}" for service, log in failed)
        )
