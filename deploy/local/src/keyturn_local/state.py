"""What the stack remembers between commands: one directory, one `stack.json`."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from keyturn_local.errors import StackError

REPOSITORY = Path(__file__).resolve().parents[4]


def default_state_dir() -> Path:
    """`KEYTURN_STATE_DIR`, or `.local` at the root of the repository."""
    return Path(os.environ.get("KEYTURN_STATE_DIR") or REPOSITORY / ".local").resolve()


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process that was started: enough to find it again, and to start the same one anew."""

    name: str
    pid: int
    started: float
    """The system's start time of the process, in seconds since 1970; tells a reused pid apart."""
    command: list[str]
    env: dict[str, str]
    """What was set on top of the starter's environment."""
    log: str


@dataclass(slots=True)
class StackState:
    """The content of `stack.json`. It holds database passwords, so its mode is 0600."""

    broker: str = ""
    """`embedded`, `apache` or `host:port`, as the stack was last started."""
    kafka_bootstrap: str = ""
    postgres_url: str = ""
    """A superuser's URL of somebody else's server; empty when the embedded one is used."""
    postgres_homes: dict[str, str] = field(default_factory=dict)
    """Directory of the embedded PostgreSQL by broker; elsewhere only when it must be."""
    settings: dict[str, str] = field(default_factory=dict)
    """Further settings that the services were started with."""
    ports: dict[str, int] = field(default_factory=dict)
    """Port by process name."""
    urls: dict[str, str] = field(default_factory=dict)
    """Base URL of each API and worker by process name, for people and scripts."""
    passwords: dict[str, str] = field(default_factory=dict)
    """Database password by role."""
    processes: dict[str, ProcessRecord] = field(default_factory=dict)
    """The processes in the order they were started."""


class StateDirectory:
    """The files of one stack. Two stacks with different directories do not meet."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        self.auth = self.path / "auth"
        self._file = self.path / "stack.json"

    def create(self) -> None:
        """Make the directories, readable to others so that an unprivileged database gets in."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        self.auth.mkdir(mode=0o700, exist_ok=True)

    def load(self) -> StackState:
        """The recorded state; a fresh one where nothing was recorded yet.

        Raises:
            StackError: `stack.json` is there and is not what this program writes.
        """
        try:
            raw = json.loads(self._file.read_text(encoding="utf-8"))
            processes = {name: ProcessRecord(**entry) for name, entry in raw["processes"].items()}
            return StackState(**{**raw, "processes": processes})
        except FileNotFoundError:
            return StackState()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StackError(
                f"{self._file} is damaged ({error}). Stop what still runs, remove {self.path}, "
                "and start again."
            ) from error

    def save(self, state: StackState) -> None:
        """Write `stack.json` whole or not at all."""
        draft = self._file.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(state), file, indent=2)
        draft.replace(self._file)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory, so that two commands at once take turns."""
        self.create()
        with (self.path / "lock").open("w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
