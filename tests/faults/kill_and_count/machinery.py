"""The processes of a stack, as the faults handle them: killed, suspended, armed, started again."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import asyncpg

from keyturn_local import ports, processes
from keyturn_local.errors import StackError
from keyturn_local.readiness import is_ready
from keyturn_local.service_processes import Role
from keyturn_local.services import service_named
from keyturn_local.stack import Stack
from keyturn_local.state import REPOSITORY
from tests.faults.kill_and_count.armed import Point
from tests.faults.kill_and_count.rest import AWAY

POLL_SECONDS: Final = 0.05
GONE_SECONDS: Final = 40.0
"""How long a process may take to end; longer than the grace of any of them."""
WATCH_SECONDS: Final = 1.0
START_ATTEMPTS: Final = 3
READY_SECONDS: Final = 60.0
SECOND_WORKER_PORT: Final = 9105
"""Preferred; the next free one is taken when somebody has it."""

Say = Callable[[str], None]

Process = subprocess.Popen[bytes]


class Machinery:
    """Does things to the processes of one stack, one thing at a time."""

    def __init__(self, stack: Stack, say: Say) -> None:
        self._stack = stack
        self._say = say
        self._turn = asyncio.Lock()
        self._in_hand: set[str] = set()
        self._extra: list[Process] = []
        self.revived: list[str] = []
        """Processes that ended without being struck themselves, and were started again."""

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Start again whatever ends by itself, as an orchestrator does, until the block ends."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            for process in self._extra:
                process.kill()
                process.wait()

    @asynccontextmanager
    async def in_hand(self, name: str) -> AsyncIterator[None]:
        """Whatever happens to a process within the block is meant; it runs again afterwards."""
        self._in_hand.add(name)
        try:
            yield
        finally:
            try:
                await self.start(name)
            finally:
                self._in_hand.discard(name)

    async def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal; after SIGKILL the process is gone."""
        async with self._turn:
            await asyncio.to_thread(self._stack.kill, name, number)

    async def gone(self, name: str) -> None:
        """Wait until a process has ended; kill it when it does not end in time."""
        deadline = time.monotonic() + GONE_SECONDS
        while name not in self._stack.ended():
            if time.monotonic() > deadline:
                self._say(f"{name} does not end by itself; killed")
                await self.send(name, signal.SIGKILL)
            await asyncio.sleep(POLL_SECONDS)

    async def start(self, name: str) -> None:
        """Start a process that is down, and wait until it is ready."""
        for attempt in range(START_ATTEMPTS):
            try:
                async with self._turn:
                    await asyncio.to_thread(self._stack.start, name)
                return
            except StackError:
                if attempt + 1 == START_ATTEMPTS:
                    raise

    def arm(
        self, service: str, role: Role, point: Point, call: int, number: signal.Signals
    ) -> ArmedProcess:
        """Start a process, in the place of the ordinary one, that signals itself at a point."""
        witness = self._stack.state_dir / f"armed-{service}-{role}-{time.monotonic_ns()}"
        module = service_named(service).module
        arguments = ["tests.faults.kill_and_count.armed", module, role, point.value]
        arguments += [str(call), number.name, str(witness)]
        process = self._start_extra(
            f"{service}-{role}-armed", arguments, self._stack.env(service, role)
        )
        return ArmedProcess(process, witness)

    @asynccontextmanager
    async def second_worker(self, service: str) -> AsyncIterator[None]:
        """Another worker of a service, ready, until the block ends; then it leaves gracefully.

        Raises `StackError` when it does not get ready.
        """
        name = f"{service}-worker-2"
        port = ports.choose(SECOND_WORKER_PORT)
        settings = {**self._stack.env(service, "worker"), "KEYTURN_WORKER_PORT": str(port)}
        arguments = [service_named(service).module, "worker"]
        process = self._start_extra(name, arguments, settings)
        try:
            deadline = time.monotonic() + READY_SECONDS
            url = {name: f"http://{ports.LOOPBACK}:{port}"}
            while not (await is_ready(url))[name]:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StackError(f"{name} does not get ready; see its log")
                await asyncio.sleep(POLL_SECONDS)
            yield
        finally:
            await _stopped(process)

    async def sql(self, service: str, statement: str, tries: int) -> int:
        """Run a statement as the superuser in a service's database until it gives rows; how many.

        None are given when it gave none so many times.
        """
        server = self._stack.admin_url.rpartition("/")[0]
        database = service_named(service).database
        connection = await asyncpg.connect(f"{server}/{database}", timeout=5, command_timeout=10)
        try:
            for _ in range(tries):
                if rows := await connection.fetch(statement):
                    return len(rows)
            return 0
        finally:
            with suppress(*AWAY):
                await connection.close(timeout=3)

    def _start_extra(
        self, name: str, arguments: Sequence[str], settings: Mapping[str, str]
    ) -> Process:
        """Start a Python module beside the processes that the stack knows."""
        with (self._stack.state_dir / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=processes.environment(settings),
                cwd=REPOSITORY,
                start_new_session=True,
            )
        self._extra.append(process)
        return process

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._in_hand or self._turn.locked():
                continue
            for name in await asyncio.to_thread(self._stack.ended):
                if name in self._in_hand:
                    continue
                self.revived.append(name)
                self._say(f"{name} has ended by itself; starting it again")
                with suppress(StackError):
                    await self.start(name)


class ArmedProcess:
    """A process that will signal itself at a point, and may have."""

    def __init__(self, process: Process, witness: Path) -> None:
        self._process = process
        self._witness = witness

    async def at_point(self, seconds: float) -> bool:
        """Wait until it has come to its point; False when it does not in time."""
        deadline = time.monotonic() + seconds
        while not self._witness.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                return self._witness.exists()
            await asyncio.sleep(POLL_SECONDS)
        return True

    def wake(self) -> None:
        """Let it go on if it stands still."""
        self._process.send_signal(signal.SIGCONT)

    async def end(self) -> None:
        """Wake it, ask it to end, and wait; one that is dead already stays so."""
        self.wake()
        await _stopped(self._process)


async def _stopped(process: Process) -> None:
    """Ask a process to end, and wait; kill it when it does not in time."""
    process.terminate()
    deadline = time.monotonic() + GONE_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        await asyncio.sleep(POLL_SECONDS)
