"""Which faults strike, whom, and at which of the load's writes: a pure function of the seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final


class Kind(StrEnum):
    """What strikes. The value is how `faults.json` and the progress display call it."""

    API_KILLED = "api killed"
    API_TERMINATED = "api terminated under load"
    API_BEFORE_COMMIT = "api killed between decision and commit"
    API_BEFORE_ANSWER = "api killed between commit and answer"
    WORKER_KILLED = "worker killed"
    WORKER_TERMINATED = "worker terminated under load"
    WORKER_IN_BATCH = "worker killed between decision and commit"
    WORKER_BEFORE_OFFSETS = "worker killed between database commit and offset commit"
    WORKER_BEFORE_OUTBOX = "worker killed between acknowledgement and outbox delete"
    WORKER_AFTER_SENDING = "worker killed between sending a message and noting it"
    WORKER_SUSPENDED = "worker suspended in a batch past its session and continued"
    SECOND_WORKER = "second worker joined and left"
    RELAY_LOST = "relay lost its lock"
    CONNECTION_LOST = "connection ended in a transaction"
    POSTGRES_RESTARTED = "postgres restarted in immediate mode"
    BROKER_KILLED = "broker killed"
    BROKER_SUSPENDED = "broker suspended and continued"


SERVERS: Final = "servers"
"""The target of a fault that strikes everybody."""
EARLY: Final = ("intake",)
"""Whose doors are used while leads come and homes are sold."""
LATE: Final = ("service-desk",)
"""Whose doors are used while homes are handed over and lived in."""
ALL: Final = ("intake", "segmentation", "service-desk", "campaigns")
HEARERS: Final = ("segmentation", "campaigns")
"""Who hears of nearly everything that happens."""
TURN: Final = 0.45
"""Share of the writes after which the load turns from selling homes to handing them over."""
LAST: Final = 0.9
"""Share of the writes after which nothing strikes: what is struck late has work to come back to."""
SPREAD: Final = 0.6
"""Share of the distance to the next fault by which a fault may come later than at its beginning."""
MOST_CALLS: Final = 2
"""A process that is to die at a point dies the first or the second time it comes there."""

FULL: Final[Mapping[Kind, int]] = {
    Kind.API_KILLED: 4,
    Kind.API_TERMINATED: 1,
    Kind.API_BEFORE_COMMIT: 1,
    Kind.API_BEFORE_ANSWER: 2,
    Kind.WORKER_KILLED: 4,
    Kind.WORKER_TERMINATED: 2,
    Kind.WORKER_IN_BATCH: 2,
    Kind.WORKER_BEFORE_OFFSETS: 2,
    Kind.WORKER_BEFORE_OUTBOX: 2,
    Kind.WORKER_AFTER_SENDING: 1,
    Kind.WORKER_SUSPENDED: 2,
    Kind.SECOND_WORKER: 1,
    Kind.RELAY_LOST: 2,
    Kind.CONNECTION_LOST: 3,
    Kind.POSTGRES_RESTARTED: 2,
    Kind.BROKER_KILLED: 1,
    Kind.BROKER_SUSPENDED: 1,
}
"""How often each kind strikes in a full run."""

SHORT: Final[Mapping[Kind, int]] = {
    Kind.API_BEFORE_ANSWER: 1,
    Kind.WORKER_BEFORE_OFFSETS: 1,
    Kind.WORKER_BEFORE_OUTBOX: 1,
    Kind.CONNECTION_LOST: 1,
    Kind.RELAY_LOST: 1,
}
"""The short form: the exact points, and what needs no process to start again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan."""

    kind: Kind
    target: str
    """A service, or `SERVERS`."""
    place: int
    """It strikes when this write of the load begins."""
    call: int = 1
    """For a death at an exact point: at which call."""

    def __str__(self) -> str:
        whom = "" if self.target == SERVERS else f" · {self.target}"
        return f"{self.kind}{whom}"


def make_plan(
    seed: int, counts: Mapping[Kind, int], writes: int, *, turn: float = TURN
) -> list[Fault]:
    """The faults of a run over a load of so many writes, in the order in which they strike.

    The same seed gives the same plan. A kind strikes as many different services as it can.

    Raises:
        ValueError: there are more faults than writes.
    """
    rng = Random(f"faults/{seed}")
    kinds = [kind for kind, number in counts.items() for _ in range(number)]
    if len(kinds) > writes:
        raise ValueError(f"{len(kinds)} faults need at least as many writes, not {writes}")
    rng.shuffle(kinds)
    share = max(LAST * writes, len(kinds)) / len(kinds) if kinds else 0.0
    faults: list[Fault] = []
    turns: dict[tuple[Kind, bool], Iterator[str]] = {}
    for number, kind in enumerate(kinds):
        place = 1 + int(share * (number + rng.uniform(0.0, SPREAD)))
        late = place > turn * writes
        order = turns.get((kind, late))
        if order is None:
            order = turns[kind, late] = _in_turn(rng, targets(kind, late=late))
        faults.append(Fault(kind, next(order), place, rng.randint(1, MOST_CALLS)))
    return sorted(_every_one(faults), key=lambda fault: fault.place)


def targets(kind: Kind, *, late: bool) -> tuple[str, ...]:  # noqa: PLR0911 - one a case
    """Whom a kind can strike early or late in the load, so that it strikes somebody at work."""
    busy = LATE if late else EARLY
    if kind in (Kind.API_BEFORE_COMMIT, Kind.API_BEFORE_ANSWER):
        return busy
    if kind in (Kind.WORKER_BEFORE_OUTBOX, Kind.RELAY_LOST):
        return busy if late else (*busy, "segmentation")
    if kind in (Kind.WORKER_IN_BATCH, Kind.WORKER_BEFORE_OFFSETS, Kind.WORKER_SUSPENDED):
        return HEARERS
    if kind is Kind.WORKER_AFTER_SENDING:
        return ("campaigns",)
    if kind in (Kind.CONNECTION_LOST, Kind.SECOND_WORKER):
        return (*busy, *HEARERS)
    if kind in (Kind.POSTGRES_RESTARTED, Kind.BROKER_KILLED, Kind.BROKER_SUSPENDED):
        return (SERVERS,)
    return ALL


def _in_turn(rng: Random, targets: tuple[str, ...]) -> Iterator[str]:
    order = rng.sample(targets, len(targets))
    while True:
        yield from order


def _every_one(faults: list[Fault]) -> list[Fault]:
    """The plan with each API and each worker killed, where those kinds strike often enough."""
    changed = list(faults)
    for kind in (Kind.API_KILLED, Kind.WORKER_KILLED):
        places = [number for number, fault in enumerate(faults) if fault.kind is kind]
        for number, target in zip(places, ALL, strict=False):
            fault = changed[number]
            changed[number] = Fault(kind, target, fault.place, fault.call)
    return changed
