"""What must follow from the accepted inputs, and what has been seen to follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keyturn_demo.event_log import EventLog, Seen
from keyturn_events import Event


@dataclass(frozen=True, slots=True)
class Expectation:
    """One effect that one accepted input must have."""

    input: str
    """Which input, as the report names it."""
    effect: type[Event]
    fields: tuple[str, ...]
    values: tuple[Any, ...]
    once: bool = True
    """Whether a second such event would be a doubled effect."""

    def seen_in(self, log: EventLog) -> list[Seen]:
        """The events that are this effect."""
        return log.having(self.effect, self.fields, self.values)

    def __str__(self) -> str:
        by = ", ".join(
            f"{name} {value}" for name, value in zip(self.fields, self.values, strict=True)
        )
        return f"{self.input}: {self.effect.type} with {by}"


class Expectations:
    """The effects that are owed, and those that have come."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._all: list[Expectation] = []
        self._pending: list[Expectation] = []
        self._inputs: set[str] = set()

    def expect(self, input: str, effect: type[Event], *, once: bool = True, **match: Any) -> None:
        """From now on, this input owes this effect."""
        fields = tuple(sorted(match))
        values = tuple(match[name] for name in fields)
        expectation = Expectation(input, effect, fields, values, once)
        self._all.append(expectation)
        self._pending.append(expectation)
        self._inputs.add(input)

    @property
    def inputs(self) -> int:
        """Inputs that owe, or owed, some effect."""
        return len(self._inputs)

    def __len__(self) -> int:
        return len(self._all)

    def pending(self) -> list[Expectation]:
        """The effects that have not come yet."""
        self._pending = [owed for owed in self._pending if not owed.seen_in(self._log)]
        return self._pending

    def lost(self) -> list[str]:
        """One line for each effect that never came."""
        return [str(owed) for owed in self.pending()]

    def doubled(self) -> list[str]:
        """One line for each effect that came more than once and may not."""
        return [
            f"{owed} came {len(found)} times"
            for owed in self._all
            if owed.once and len(found := owed.seen_in(self._log)) > 1
        ]
