"""The port of every channel: hand over one message, and learn what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from keyturn_events.vocabulary import Channel, FailureReason


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready to go: no more about the person than the channel needs."""

    message_id: str
    """The same for every attempt, so that a channel can know the message again."""
    channel: Channel
    to: str
    name: str | None
    language: str
    subject: str
    body: str
    unsubscribe_url: str | None = None
    """Where one click ends messages of this kind; None where there is nothing to end."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The channel took the message; `reference` is its own name for it."""

    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The channel did not take the message."""

    reason: FailureReason
    lasting: bool
    """Whether trying again cannot help."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The connection broke where the message may have been taken or not."""


Outcome: TypeAlias = Taken | Refused | Unknown


class ChannelPort(Protocol):
    """A way to reach people."""

    repeatable: bool
    """Whether a message that is handed over twice under one id is still received once."""

    async def deliver(self, message: Outgoing) -> Outcome:
        """Hand over a message. Never raises for what the other side does."""
        ...
