"""The same load twice, without faults and with them; then both are compared and counted."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console

from keyturn_local.stack import Stack
from tests.faults.kill_and_count import canonical, snapshot
from tests.faults.kill_and_count.canonical import Canonical, Difference
from tests.faults.kill_and_count.conductor import Conductor
from tests.faults.kill_and_count.counting import Counted, count, names_of, passing_ids
from tests.faults.kill_and_count.load import Loaded, live, open_load
from tests.faults.kill_and_count.machinery import Machinery
from tests.faults.kill_and_count.mending import mend, parked
from tests.faults.kill_and_count.plan import TURN, Fault, Kind, make_plan
from tests.faults.kill_and_count.strikes import Strikes

SETTINGS: Final = {"KEYTURN_CLOCK": "driven", "KEYTURN_LOG_LEVEL": "warning"}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done in a run."""

    households: int
    faults: Mapping[Kind, int]
    whole_journey: bool = True
    """False ends the load when the homes are sold."""
    turn: float = TURN
    """Share of the writes after which the load turns from selling homes to handing them over."""
    durable: bool = True
    """False makes PostgreSQL forget when the machine dies, which no fault here does."""


@dataclass(slots=True)
class Struck:
    """What became of a plan."""

    faults: list[Fault] = field(default_factory=list)
    missed: list[Fault] = field(default_factory=list)
    """Faults whose process never came to its point."""
    revived: list[str] = field(default_factory=list)
    """Processes that ended without being struck themselves."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of the load."""

    state: Canonical
    counted: Counted
    struck: Struck
    writes: int
    sent_again: int
    """Requests and records that nobody had answered, and that were sent again."""
    parked: int
    poison: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Two runs of the same inputs, compared."""

    broker: str
    seed: int
    households: int
    seconds: float
    clean: Outcome
    faulted: Outcome
    differences: Sequence[Difference]
    """All of them, in order; none when the states are the same."""

    @property
    def state_equal(self) -> bool:
        """Whether the faults left no trace in the state of any service."""
        return not self.differences

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, nothing doubled, and both states are the same."""
        return self.state_equal and not any(
            (run.counted.lost or run.counted.doubled) for run in (self.clean, self.faulted)
        )


class Progress:
    """Says what happens, with the time since the beginning."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """One line."""
        minutes, seconds = divmod(int(self.seconds), 60)
        self.console.print(
            f"  [dim]{minutes}:{seconds:02d}[/] {text}", highlight=False, soft_wrap=True
        )


async def kill_and_count(
    directory: Path, *, broker: str, seed: int, size: Size, console: Console, logs: Path
) -> Verdict:
    """Run the load without faults, then with them, each on a stack of its own, and compare.

    The processes' logs are copied to `logs`; everything else in `directory` goes.
    """
    progress = Progress(console)
    progress.say(f"the load without faults · broker {broker}, seed {seed}")
    first, second = (
        Stack(directory / name, broker=broker, durable=size.durable, settings=SETTINGS)
        for name in ("without-faults", "with-faults")
    )
    try:
        await asyncio.to_thread(first.up)
        # Much of the first run is waiting, for others to have nothing left to do.
        starting = asyncio.create_task(asyncio.to_thread(second.up))
        clean = await Attempt(first, seed, size, progress).run([])
        await asyncio.to_thread(_away_with, first, logs)
        await starting
        plan = make_plan(seed, size.faults, clean.writes, turn=size.turn)
        progress.say(f"the same load with {len(plan)} faults among its {clean.writes} writes")
        faulted = await Attempt(second, seed, size, progress).run(plan)
    finally:
        for stack in (first, second):
            await asyncio.to_thread(_away_with, stack, logs)
    return Verdict(
        broker=broker,
        seed=seed,
        households=size.households,
        seconds=progress.seconds,
        clean=clean,
        faulted=faulted,
        differences=list(canonical.differences(clean.state, faulted.state)),
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of the load on a fresh stack."""

    stack: Stack
    seed: int
    size: Size
    progress: Progress

    async def run(self, plan: Sequence[Fault]) -> Outcome:
        """Run the load while the faults of a plan strike; then take stock."""
        conductor = Conductor()
        machinery = Machinery(self.stack, self.progress.say)
        struck = Struck(revived=machinery.revived)
        async with (
            machinery.watched(),
            open_load(self.stack, self.progress.say, conductor, self.seed) as world,
        ):
            async with asyncio.TaskGroup() as group:
                group.create_task(_strike(plan, conductor, machinery, struck, self.progress))
                await live(world, self.size.households, self.seed, whole=self.size.whole_journey)
                await conductor.finish()
            return await self._taken(world, struck, conductor.writes)

    async def _taken(self, world: Loaded, struck: Struck, writes: int) -> Outcome:
        """Everything that the run came to, once all is quiet and the poison is mended."""
        await world.at_rest()
        kept = await parked(world.plain)
        letters = canonical.canonical(await snapshot.take(self.stack.admin_url))
        await mend(world.plain)
        await world.at_rest()
        taken = await snapshot.take(self.stack.admin_url)
        counted = count(
            world.owed,
            world.log,
            taken,
            world.poisoner.strangers,
            faults=world.faults,
            messages=_received(self.stack),
        )
        return Outcome(
            state=_with_parked(
                canonical.canonical(taken, passing_ids(world.log), names_of(world.log)), letters
            ),
            counted=counted,
            struck=struck,
            writes=writes,
            sent_again=_sent_again(world),
            parked=kept,
            poison=world.poisoner.written,
        )


async def _strike(
    plan: Sequence[Fault],
    conductor: Conductor,
    machinery: Machinery,
    struck: Struck,
    progress: Progress,
) -> None:
    """Strike each fault at its place; the load waits at the next place until all is whole."""
    strikes = Strikes(machinery, conductor)
    places = [fault.place for fault in plan[1:]]
    for number, fault in enumerate(plan):
        if not await conductor.reached(fault.place):
            struck.missed += plan[number:]
            return
        # The load goes on under the fault, as far as the place of the next one.
        await conductor.hold_at(places[number] if number < len(places) else None)
        began = time.monotonic()
        hit = await strikes.strike(fault)
        (struck.faults if hit else struck.missed).append(fault)
        progress.say(
            f"{number + 1:>2}/{len(plan)} {fault}"
            + (f" · whole again after {time.monotonic() - began:.1f} s" if hit else " · missed")
        )
    await conductor.hold_at(None)


def _with_parked(state: Canonical, before: Canonical) -> Canonical:
    """The state, and what was parked in it before that was mended."""
    return {
        service: {**tables, "parked": before[service]["dead_letters"]}
        for service, tables in state.items()
    }


def _away_with(stack: Stack, logs: Path) -> None:
    """Stop a stack and remove everything but its logs."""
    kept = stack.state_dir / "logs"
    if kept.exists():
        shutil.copytree(kept, logs / stack.state_dir.name, dirs_exist_ok=True)
    stack.clean()


def _sent_again(world: Loaded) -> int:
    doors = world.doors
    api = (doors.intake, doors.segmentation, doors.service_desk, doors.campaigns)
    return sum(door.repeated for door in api) + world.partner.sent_again


def _received(stack: Stack) -> list[str]:
    """The id of each message in the file in which campaigns' messages land."""
    file = stack.state_dir / "messages.jsonl"
    if not file.exists():
        return []
    return [orjson.loads(line)["message_id"] for line in file.read_bytes().splitlines()]
