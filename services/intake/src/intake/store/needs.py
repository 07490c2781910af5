"""Which rows a batch of inputs looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from intake.domain.leads.capture import PersonSaid
from keyturn_chassis.inputs import Input, TimerFired

if TYPE_CHECKING:
    from intake.store.subject import Subject

P = TypeVar("P")


@dataclass(slots=True)
class Visitor:
    """Somebody who comes with an input and is to be identified."""

    person: PersonSaid
    community_id: str | None


@dataclass(slots=True)
class Needs:
    """The keys of the rows to load, and the people to identify, by the identity of the input."""

    leads: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)
    purchases: set[str] = field(default_factory=set)
    homes: set[str] = field(default_factory=set)
    sales: set[tuple[str, str]] = field(default_factory=set)
    neighbours: set[tuple[str, str]] = field(default_factory=set)
    """Buildings of which every purchase is needed."""
    visitors: dict[int, Visitor] = field(default_factory=dict)
    documents: dict[type, set[tuple[str, ...]]] = field(default_factory=dict)
    at: datetime | None = None
    """The latest business time of the batch."""
    _parts: dict[type, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: Sequence[Input[Any]], subjects: Subjects) -> Needs:
        """What these inputs need."""
        needs = cls(at=max((input.cause.at for input in inputs), default=None))
        for input in inputs:
            subjects.of(input.value).need(needs, input)
        return needs

    def document(self, state: type, *key: str) -> None:
        """Ask for the state of that type (see aggregates.py) with this key."""
        self.documents.setdefault(state, set()).add(key)

    def part(self, cls: type[P]) -> P:
        """What one subject needs for itself alone; empty at first."""
        part = self._parts.get(cls)
        if part is None:
            part = self._parts[cls] = cls()
        found: P = part
        return found


class Subjects:
    """The subjects, found by what they serve."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.all = tuple(subjects)
        self._by_timer = {kind: each for each in subjects for kind in each.timers}
        self._by_input = {cls: each for each in subjects for cls in each.inputs}
        self.by_state: Mapping[type, Subject] = {
            cls: each for each in subjects for cls in each.states
        }

    def of(self, value: object) -> Subject:
        """The subject that serves an input of this value. Raises LookupError if none does."""
        if isinstance(value, TimerFired):
            return self._by_timer[value.kind]
        cls = type(value)
        found = self._by_input.get(cls)
        if found is None:
            served = next(parent for parent in cls.__mro__ if parent in self._by_input)
            found = self._by_input[cls] = self._by_input[served]
        return found
