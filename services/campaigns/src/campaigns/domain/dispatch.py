"""The sender's decisions: take a message in hand, and write down what became of it.

Business time comes with the command. It is what the clock says at the moment of sending; in a
replay, where sending takes no time, it is when the message fell due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from campaigns.domain import sending
from campaigns.domain.campaign import Campaign
from campaigns.domain.occasion import Occasion
from campaigns.domain.people import Person
from campaigns.domain.policy import Policy
from campaigns.domain.sending import Send
from campaigns.domain.standing import Standing
from campaigns.domain.template import Template
from keyturn_events import Event
from keyturn_events.vocabulary import Channel, FailureReason


@dataclass(frozen=True, slots=True)
class Claim:
    """Decide on a message that is due, and take it in hand if it may go."""

    message_id: str
    available: frozenset[Channel]
    leased_until: datetime
    """Wall time."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The channel took the message."""

    message_id: str
    attempt: int
    template: str
    template_version: int
    reference: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The channel did not take the message."""

    message_id: str
    attempt: int
    reason: FailureReason
    lasting: bool
    """Whether trying again on this channel cannot help."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody knows what became of an attempt."""

    message_id: str
    attempt: int
    repeatable: bool
    """Whether the channel takes a message only once however often it is given."""


@dataclass(frozen=True, slots=True)
class SendFile:
    """What a decision on one message looks at."""

    send: Send
    person: Standing
    campaign: Campaign
    policy: Policy
    templates: Mapping[str, Template] = field(default_factory=dict)
    referral_code: str | None = None

    def with_root(self, root: Person) -> SendFile:
        """The file with the surviving id's own record as it now is."""
        return replace(self, person=replace(self.person, records=(root, *self.person.records[1:])))


def claim(file: SendFile, command: Claim, cause: Occasion) -> tuple[SendFile, list[Event]]:
    """Decide whether the message goes now."""
    send, root, events = sending.claim(
        file.send,
        file.campaign,
        file.person,
        file.policy,
        available=command.available,
        at=cause.at,
        leased_until=command.leased_until,
    )
    return replace(file, send=send).with_root(root), events


def delivered(file: SendFile, command: Delivered, cause: Occasion) -> tuple[SendFile, list[Event]]:
    """The message is sent."""
    send, events = sending.delivered(
        file.send,
        attempt=command.attempt,
        template=command.template,
        template_version=command.template_version,
        reference=command.reference,
        customer_id=file.person.customer_id,
        at=cause.at,
    )
    return replace(file, send=send), events


def failed(file: SendFile, command: Failed, cause: Occasion) -> tuple[SendFile, list[Event]]:
    """The message is tried again, goes to the next channel, or has failed."""
    send, root, events = sending.failed(
        file.send,
        file.person.root,
        attempt=command.attempt,
        reason=command.reason,
        lasting=command.lasting,
        customer_id=file.person.customer_id,
        at=cause.at,
    )
    return replace(file, send=send).with_root(root), events


def lost(file: SendFile, command: Lost, cause: Occasion) -> tuple[SendFile, list[Event]]:
    """An attempt of unknown outcome is repeated where that is safe, and given up where not."""
    send, events = sending.lost_sight(
        file.send,
        attempt=command.attempt,
        repeatable=command.repeatable,
        customer_id=file.person.customer_id,
        at=cause.at,
    )
    return replace(file, send=send), events
