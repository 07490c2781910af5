"""How each kind of fault strikes, and how what it broke is made whole again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from keyturn_local.registry import BROKER, POSTGRES
from keyturn_local.service_processes import Role
from tests.faults.kill_and_count.armed import SESSION_MILLISECONDS, Point
from tests.faults.kill_and_count.conductor import Conductor
from tests.faults.kill_and_count.machinery import ArmedProcess, Machinery
from tests.faults.kill_and_count.plan import Fault, Kind

ARMED_SECONDS: Final = 25.0
"""How long an armed process may take to come to its point before the fault counts as missed."""
PAST_SESSION_SECONDS: Final = SESSION_MILLISECONDS / 1_000 + 2.0
"""How long a zombie stands still: the group has given its work to somebody else by then."""
BOTH_SECONDS: Final = 2.0
"""How long two workers work side by side, or a zombie among the living."""
FROZEN_BROKER_SECONDS: Final = 3.0
TRIES: Final = 50
"""How often in quick succession it looks for a connection to end."""
LOOKS: Final = 40
"""How often it does so before the fault counts as missed."""

GIVEN_SECONDS: Final = 0.2
GIVEN: Final = 2
"""Writes that the load may make every so often beyond the next fault's place, when an armed process
has no other way to come to its point."""

_IN_TRANSACTION: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND usename = current_database() AND xact_start IS NOT NULL
"""
_RELAY: Final = """
    SELECT pg_terminate_backend(l.pid) FROM pg_locks l
    JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock'
      AND l.objid = (hashtext('relay')::bigint & 4294967295)::oid
"""


class NobodyThere(Exception):
    """There was nobody to strike for as long as it was looked for."""


@dataclass(frozen=True, slots=True)
class Strikes:
    """Strikes the faults of a plan, one after the other."""

    machinery: Machinery
    conductor: Conductor

    async def strike(self, fault: Fault) -> bool:
        """Strike, and make whole again; False when the process never came to the point."""
        armed = ARMED.get(fault.kind)
        if armed is not None:
            return await self._killed_at(fault, *armed)
        if fault.kind is Kind.WORKER_SUSPENDED:
            return await self._zombie(fault)
        try:
            await _STRIKES[fault.kind](self, fault.target)
        except NobodyThere:
            return False
        return True

    async def _killed_at(self, fault: Fault, role: Role, point: Point) -> bool:
        """The process dies at a point."""
        async with self._armed(fault, role, point, signal.SIGKILL) as armed:
            return await self._comes_to_point(armed)

    async def _zombie(self, fault: Fault) -> bool:
        """The worker stands still at a point until another has its work; then it goes on."""
        point = Point.BEFORE_OFFSETS if fault.call % 2 else Point.BEFORE_COMMIT
        async with self._armed(fault, "worker", point, signal.SIGSTOP) as armed:
            if not await self._comes_to_point(armed):
                return False
            began = asyncio.get_running_loop().time()
            async with self.machinery.second_worker(fault.target):
                passed = asyncio.get_running_loop().time() - began
                await asyncio.sleep(max(0.0, PAST_SESSION_SECONDS - passed))
                armed.wake()
                await asyncio.sleep(BOTH_SECONDS)
            return True

    @asynccontextmanager
    async def _armed(
        self, fault: Fault, role: Role, point: Point, number: signal.Signals
    ) -> AsyncIterator[ArmedProcess]:
        """An armed process in the place of the ordinary one, until the end of the block."""
        name = f"{fault.target}-{role}"
        async with self.machinery.in_hand(name):
            await self.machinery.send(name, signal.SIGTERM)
            await self.machinery.gone(name)
            armed = self.machinery.arm(fault.target, role, point, fault.call, number)
            try:
                yield armed
            finally:
                await armed.end()

    async def _comes_to_point(self, armed: ArmedProcess) -> bool:
        """Wait for that; it comes there by the load's work alone, so the load has to go on."""
        coming = asyncio.create_task(armed.at_point(ARMED_SECONDS))
        while not (await asyncio.wait([coming], timeout=GIVEN_SECONDS))[0]:
            await self.conductor.give(GIVEN)
        return coming.result()

    async def _kill(self, name: str) -> None:
        async with self.machinery.in_hand(name):
            await self.machinery.send(name, signal.SIGKILL)

    async def _terminate(self, name: str) -> None:
        async with self.machinery.in_hand(name):
            await self.machinery.send(name, signal.SIGTERM)
            await self.machinery.gone(name)

    async def kill_api(self, service: str) -> None:
        """kill -9."""
        await self._kill(f"{service}-api")

    async def kill_worker(self, service: str) -> None:
        """kill -9."""
        await self._kill(f"{service}-worker")

    async def terminate_api(self, service: str) -> None:
        """SIGTERM while requests are under way."""
        await self._terminate(f"{service}-api")

    async def terminate_worker(self, service: str) -> None:
        """SIGTERM while events come in."""
        await self._terminate(f"{service}-worker")

    async def second_worker(self, service: str) -> None:
        """Another worker joins the group, works, and leaves."""
        async with self.machinery.second_worker(service):
            await asyncio.sleep(BOTH_SECONDS)

    async def lose_relay(self, service: str) -> None:
        """The connection that holds the relay's lock is ended; it has to be taken anew."""
        await self._end_one_of(service, _RELAY)

    async def lose_connections(self, service: str) -> None:
        """Connections that are in a transaction are ended."""
        await self._end_one_of(service, _IN_TRANSACTION)

    async def _end_one_of(self, service: str, ending: str) -> None:
        """Look until there is a connection to end; raises `NobodyThere` when none turns up."""
        for _ in range(LOOKS):
            if await self.machinery.sql(service, ending, TRIES):
                return
            await self.conductor.give(GIVEN)
        raise NobodyThere

    async def restart_postgres(self, _: str) -> None:
        """Immediate mode: no checkpoint, no goodbye; it recovers from its log."""
        async with self.machinery.in_hand(POSTGRES):
            await self.machinery.send(POSTGRES, signal.SIGQUIT)
            await self.machinery.gone(POSTGRES)

    async def kill_broker(self, _: str) -> None:
        """kill -9."""
        await self._kill(BROKER)

    async def suspend_broker(self, _: str) -> None:
        """SIGSTOP, and SIGCONT after a while: nobody is refused, everybody waits."""
        await self.machinery.send(BROKER, signal.SIGSTOP)
        try:
            await asyncio.sleep(FROZEN_BROKER_SECONDS)
        finally:
            await self.machinery.send(BROKER, signal.SIGCONT)


ARMED: Final[Mapping[Kind, tuple[Role, Point]]] = {
    Kind.API_BEFORE_COMMIT: ("api", Point.BEFORE_COMMIT),
    Kind.API_BEFORE_ANSWER: ("api", Point.BEFORE_ANSWER),
    Kind.WORKER_IN_BATCH: ("worker", Point.BEFORE_COMMIT),
    Kind.WORKER_BEFORE_OFFSETS: ("worker", Point.BEFORE_OFFSETS),
    Kind.WORKER_BEFORE_OUTBOX: ("worker", Point.BEFORE_OUTBOX),
    Kind.WORKER_AFTER_SENDING: ("worker", Point.AFTER_SENDING),
}
"""Which process dies where, for the kinds that need an exact point."""

_STRIKES: Final[Mapping[Kind, Callable[[Strikes, str], Awaitable[None]]]] = {
    Kind.API_KILLED: Strikes.kill_api,
    Kind.API_TERMINATED: Strikes.terminate_api,
    Kind.WORKER_KILLED: Strikes.kill_worker,
    Kind.WORKER_TERMINATED: Strikes.terminate_worker,
    Kind.SECOND_WORKER: Strikes.second_worker,
    Kind.RELAY_LOST: Strikes.lose_relay,
    Kind.CONNECTION_LOST: Strikes.lose_connections,
    Kind.POSTGRES_RESTARTED: Strikes.restart_postgres,
    Kind.BROKER_KILLED: Strikes.kill_broker,
    Kind.BROKER_SUSPENDED: Strikes.suspend_broker,
}
