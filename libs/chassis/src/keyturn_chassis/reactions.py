"""The visible list of what a service reacts to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from keyturn_chassis.inputs import Decision, RawRecord, TimerFired
from keyturn_events import Event, Topic

E = TypeVar("E", bound=Event)
S = TypeVar("S")


class Reactions:
    """Decisions by the event type, the timer kind or the untrusted topic that calls for them.

        reactions = Reactions()

        @reactions.on(PurchaseSigned)
        def open_handover(state: OwnerFile, event: PurchaseSigned, cause: Cause): ...

    A type or kind has one reaction; a second one is refused when the module is imported.
    """

    def __init__(self) -> None:
        self._events: dict[str, tuple[type[Event], Decision[Any, Any]]] = {}
        self._timers: dict[str, Decision[Any, TimerFired]] = {}
        self._untrusted: dict[Topic, Decision[Any, RawRecord]] = {}

    def on(self, *event_types: type[E]) -> Callable[[Decision[S, E]], Decision[S, E]]:
        """React to events of these types."""

        def register(decide: Decision[S, E]) -> Decision[S, E]:
            for event_type in event_types:
                _once(self._events, event_type.type, (event_type, decide))
            return decide

        return register

    def on_timer(self, kind: str) -> Callable[[Decision[S, TimerFired]], Decision[S, TimerFired]]:
        """React when a deadline of this kind passes."""

        def register(decide: Decision[S, TimerFired]) -> Decision[S, TimerFired]:
            _once(self._timers, kind, decide)
            return decide

        return register

    def on_untrusted(
        self, topic: Topic
    ) -> Callable[[Decision[S, RawRecord]], Decision[S, RawRecord]]:
        """React to every record of a topic whose writers are not trusted, checked by nobody yet."""

        def register(decide: Decision[S, RawRecord]) -> Decision[S, RawRecord]:
            _once(self._untrusted, topic, decide)
            return decide

        return register

    @property
    def events(self) -> Mapping[str, tuple[type[Event], Decision[Any, Any]]]:
        """Event class and decision by wire type."""
        return MappingProxyType(self._events)

    @property
    def timers(self) -> Mapping[str, Decision[Any, TimerFired]]:
        """Decision by timer kind."""
        return MappingProxyType(self._timers)

    @property
    def untrusted(self) -> Mapping[Topic, Decision[Any, RawRecord]]:
        """Decision by untrusted topic."""
        return MappingProxyType(self._untrusted)

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Every topic that has to be read, in the order of their names."""
        known = {event_type.topic for event_type, _ in self._events.values()}
        return tuple(sorted(known | set(self._untrusted)))


def _once(registry: dict[Any, Any], key: Any, value: Any) -> None:
    if key in registry:
        raise TypeError(f"there is a reaction to {key} already")
    registry[key] = value
