"""What a service is made of: the composition root fills this in, the chassis runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import typer
from fastapi import APIRouter
from sqlalchemy import MetaData, Table
from sqlalchemy.ext.asyncio import AsyncConnection

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
    scopes: Mapping[str, str] = field(default_factory=dict)
    """What each OAuth 2 scope allows, for the API's own description."""
