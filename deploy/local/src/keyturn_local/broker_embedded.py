"""The embedded broker as a process of the stack."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from keyturn_local.processes import ProcessSpec


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """`keyturn_local.embedded_broker` on a data directory of the stack."""

    directory: Path
    port: int

    def prepare(self) -> None:
        """Make the data directory."""
        self.directory.mkdir(parents=True, exist_ok=True)

    def process(self, log: Path) -> ProcessSpec:
        """The broker, listening on loopback only."""
        command = [sys.executable, "-m", "keyturn_local.embedded_broker"]
        command += ["--directory", str(self.directory), "--port", str(self.port)]
        return ProcessSpec(name="broker", command=command, log=log)
