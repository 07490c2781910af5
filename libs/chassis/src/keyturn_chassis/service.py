"""What a service is made of: the composition root fills this in, the chassis runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import typer
from fastapi import APIRouter
from sqlalchemy import MetaData, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.erasure import Erasing
from keyturn_chassis.holdings import Holdings
from keyturn_chassis.inputs import Input
from keyturn_chassis.reactions import Reactions
from keyturn_chassis.settings import Settings
from keyturn_events import Event


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time at which a timer of this `kind` is to fire; `key` tells several of one kind apart."""

    kind: str
    due_at: datetime
    key: str = ""


class WorkingSet(Protocol):
    """The part of the store that a batch of inputs needs, in memory.

    `state_for` hands a decision what it looks at; `put` takes the new state back, so that the
    next input of the batch sees it.
    """

    def state_for(self, input: Input[Any], /) -> Any:
        """The state that this input's decision looks at; raises `Refusal` when there is none."""
        ...

    def put(self, state: Any, /) -> None:
        """Take the state that a decision returned."""
        ...

    def deadlines(self) -> Mapping[str, Sequence[Deadline]]:
        """For each changed owner of timers, all the timers that it should have now."""
        ...


class VersionedWorkingSet(WorkingSet, Protocol):
    """A working set that knows which version of a state a command is about."""

    def version_for(self, input: Input[Any], /) -> int:
        """The version that a read would show after this batch so far; 0 for what is not there."""
        ...


class Store(Protocol):
    """Loads the state of many inputs, and saves it, in a constant number of statements."""

    metadata: MetaData

    async def load(self, connection: AsyncConnection, inputs: Sequence[Input[Any]], /) -> Any:
        """The `WorkingSet` that covers all of `inputs`."""
        ...

    async def save(self, connection: AsyncConnection, working_set: Any, /) -> None:
        """Write what changed; raises `ConcurrentUpdate` when somebody else wrote it meanwhile."""
        ...


class Task(Protocol):
    """A loop of the worker beside consumer, relay and timers, such as sending due messages."""

    name: str

    async def run(self, runtime: Any, /) -> None:
        """Work until cancelled; one step is one transaction."""
        ...


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service, described: everything that the chassis needs to run it."""

    name: str
    title: str
    description: str
    settings: type[Settings] = Settings
    store: Store
    router: APIRouter
    reactions: Reactions
    publishes: Sequence[type[Event]]
    migrations: Path
    tasks: Sequence[Task] = ()
    commands: Sequence[typer.Typer] = ()
    derived: Sequence[Table] = ()
    """The tables that follow from events alone. Where there are any, nothing but events decides on
    them, and the command `rebuild` fills them anew from the first event."""
    outgoing: Callable[[Any, Any, Sequence[Event]], Sequence[Event]] | None = None
    """The events of a decision as they leave, given the working set before it, the state that it
    handed back, and its events: the one place where all events of a type get what all must carry.
    """
    erasing: Erasing | None = None
    """How it forgets a person, and what its receipt is; None for who hears of no erasure."""
    holdings: Holdings | None = None
    """Which tables hold something on a person; the route for access exports comes from it."""
    scopes: Mapping[str, str] = field(default_factory=dict)
    """What each OAuth 2 scope allows, for the API's own description."""
    public: frozenset[str] = frozenset()
    """The paths that anybody may call, each as its route has it; every other one demands a scope.
    What such a route does is decided by what the request itself proves, such as a signed link."""
