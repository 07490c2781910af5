"""Letting an identifier in again that an erased person had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from intake.domain.leads.capture import PersonSaid
from intake.domain.occasion import Occasion
from intake.domain.people.identity import Identifier, Identity
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind


@dataclass(frozen=True, slots=True)
class Lifting:
    """That an identifier may come again: who said so, and why. It is kept for ever."""

    identifier: Identifier
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class LiftSuppression:
    """Identifiers may come again: the person wants it, or they are somebody else's by now."""

    person: PersonSaid
    """Their identifiers, as somebody wrote them."""
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class SuppressionFile:
    """Which identifiers are asked about, and which of them are suppressed."""

    identity: Identity
    suppressed: Mapping[Identifier, datetime]
    lifted: tuple[Lifting, ...] = field(default=())


def lift(
    file: SuppressionFile, command: LiftSuppression, occasion: Occasion
) -> tuple[SuppressionFile, list[Event]]:
    """Let identifiers in again. Raises `Refusal` `not-suppressed` when none of them is kept out."""
    if not file.suppressed:
        raise Refusal("not-suppressed", "None of these is suppressed.", kind=RefusalKind.NOT_FOUND)
    lifted = tuple(
        Lifting(identifier, occasion.at, command.by, command.reason)
        for identifier in sorted(file.suppressed)
    )
    return replace(file, lifted=lifted), []
