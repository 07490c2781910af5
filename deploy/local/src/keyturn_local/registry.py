"""The processes of a stack: started, found again and stopped by name."""

from __future__ import annotations

import signal

from keyturn_local import processes
from keyturn_local.errors import StackError
from keyturn_local.processes import ProcessSpec
from keyturn_local.state import ProcessRecord, StackState, StateDirectory

POSTGRES = "postgres"
BROKER = "broker"


class Registry:
    """What `stack.json` says, and the processes it speaks of."""

    def __init__(self, directory: StateDirectory) -> None:
        self.directory = directory
        self.state: StackState = directory.load()

    def reload(self) -> StackState:
        """Read again what another command may have changed."""
        self.state = self.directory.load()
        return self.state

    def save(self) -> None:
        """Write what changed."""
        self.directory.save(self.state)

    def record(self, name: str) -> ProcessRecord:
        """The process called `name`, as it was started last.

        Raises:
            StackError: none of that name was started.
        """
        try:
            return self.reload().processes[name]
        except KeyError:
            known = ", ".join(self.state.processes) or "none; `make up` starts them"
            raise StackError(f"no process is called {name!r}; there are: {known}") from None

    def is_running(self, name: str) -> bool:
        """Whether the process called `name` was started and still runs."""
        record = self.state.processes.get(name)
        return record is not None and processes.is_running(record)

    def start(self, spec: ProcessSpec) -> ProcessRecord:
        """Start a process and note it."""
        record = processes.start(spec)
        self.state.processes[spec.name] = record
        # Saved at once: whatever happens next, `down` must find this process.
        self.save()
        return record

    def stop(self, name: str) -> bool:
        """Ask a process to end; returns whether it did by itself."""
        # To PostgreSQL SIGTERM means to wait for every client, SIGINT to end their sessions.
        number = signal.SIGINT if name == POSTGRES else signal.SIGTERM
        return processes.stop(self.state.processes[name], number)

    def stop_all(self) -> list[str]:
        """Stop the services, at the same time, then the broker, then PostgreSQL.

        Returns:
            The names of those that had to be killed.

        Raises:
            StackError: a process survived being killed.
        """
        recorded = self.state.processes
        servers = [name for name in (BROKER, POSTGRES) if name in recorded]
        services = [record for name, record in recorded.items() if name not in servers]
        killed = processes.stop_together(services)
        killed += [name for name in servers if not self.stop(name)]
        left = [record for record in recorded.values() if processes.is_running(record)]
        if left:
            listing = ", ".join(f"{record.name} (pid {record.pid})" for record in left)
            raise StackError(f"still running after being killed: {listing}")
        self.state.processes = {}
        self.save()
        return killed
