"""Start, find and stop operating system processes that outlive the command that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from keyturn_local.state import ProcessRecord

STOP_SECONDS = 15.0
"""How long a process may take to end by itself before it is killed."""
POLL_SECONDS = 0.05
CREATE_TIME_TOLERANCE = 2.0
"""Seconds by which two readings of one process's start time may differ (clock adjustments)."""
TAIL_LINES = 25

# A Popen that is collected while its process runs warns, and an unreaped child stays a zombie.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to start."""

    name: str
    command: list[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    """Set on top of the caller's environment."""
    uid: int | None = None
    """Run as this user (and its group `gid`); only root may ask for it."""
    gid: int | None = None
    working_directory: Path | None = None


def start(spec: ProcessSpec) -> ProcessRecord:
    """Start a process in a session of its own, its output appended to its log."""
    _collect_ended_children()
    spec.log.parent.mkdir(parents=True, exist_ok=True)
    with spec.log.open("ab") as log:
        child = subprocess.Popen(
            spec.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(spec.env),
            cwd=spec.working_directory,
            start_new_session=True,
            user=spec.uid,
            group=spec.gid,
            extra_groups=[] if spec.uid is not None else None,
        )
    _children[child.pid] = child
    try:
        started = psutil.Process(child.pid).create_time()
    except psutil.NoSuchProcess:
        started = time.time()
    return ProcessRecord(spec.name, child.pid, started, spec.command, dict(spec.env), str(spec.log))


def _collect_ended_children() -> None:
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def environment(additions: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without its Keyturn settings, plus `additions`."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("KEYTURN_")}
    # Without cached bytecode each of a dozen processes compiles every library anew.
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**inherited, **additions}


def find(record: ProcessRecord) -> psutil.Process | None:
    """The recorded process if it still runs; None if it ended, even if its pid was reused."""
    child = _children.get(record.pid)
    if child is not None and child.poll() is not None:
        return None
    try:
        process = psutil.Process(record.pid)
        if abs(process.create_time() - record.started) > CREATE_TIME_TOLERANCE:
            return None
        # Just after the fork the command line is still the parent's, and a zombie has none.
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        arguments = process.cmdline()[1:]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process if arguments == record.command[1:] else None


def is_running(record: ProcessRecord) -> bool:
    """Whether the recorded process still runs."""
    return find(record) is not None


def listens_on(record: ProcessRecord, port: int) -> bool:
    """Whether it is the recorded process, and nobody else, that listens on the port."""
    process = find(record)
    if process is None:
        return False
    try:
        sockets = process.net_connections("tcp")
    except psutil.Error:
        return False
    return any(
        socket.status == psutil.CONN_LISTEN and socket.laddr.port == port for socket in sockets
    )


def send(record: ProcessRecord, number: signal.Signals) -> bool:
    """Send a signal to the recorded process and to nobody else; False if it does not run."""
    process = find(record)
    if process is None:
        return False
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


def wait_until_gone(record: ProcessRecord, seconds: float) -> bool:
    """Wait for the process to end; False if it still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while is_running(record):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def stop(record: ProcessRecord, number: signal.Signals = signal.SIGTERM) -> bool:
    """Ask the process to end, and kill it with its children when it does not in time.

    Returns:
        Whether it ended by itself (or was not running).
    """
    return not stop_together([record], number)


def stop_together(
    records: Sequence[ProcessRecord], number: signal.Signals = signal.SIGTERM
) -> list[str]:
    """Ask all the processes to end, and kill those that do not in time, with their children.

    Returns:
        The names of those that were killed.
    """
    families: dict[str, list[psutil.Process]] = {}
    for record in records:
        process = find(record)
        if process is not None:
            families[record.name] = [process, *process.children(recursive=True)]
            send(record, number)
    deadline = time.monotonic() + STOP_SECONDS
    killed = []
    for record in records:
        if not wait_until_gone(record, deadline - time.monotonic()):
            killed.append(record.name)
            for member in families[record.name]:
                # psutil checks the start time first, so a reused pid is safe.
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            wait_until_gone(record, STOP_SECONDS)
    return killed


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log file; empty when there is none."""
    try:
        content = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(content.splitlines()[-lines:])
