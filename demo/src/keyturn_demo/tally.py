"""What was sent through each door, and how each input was answered."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum


class Noun(StrEnum):
    """What an input was about."""

    LEAD = "leads"
    PURCHASE = "purchases"
    HANDOVER = "handovers"
    COMPLAINT = "complaints"
    SURVEY = "surveys"
    REFERRAL = "referrals"


@dataclass(slots=True)
class DoorCount:
    """The inputs of one noun through one door. Each counts once, whatever was repeated."""

    sent: int = 0
    accepted: int = 0
    joined: int = 0
    """Accepted, and about somebody who was known already."""
    repeated: int = 0
    """The same input again, answered as the first time, without a second effect."""
    rejected: Counter[str] = field(default_factory=Counter)
    """By reason."""


class Tally:
    """The books of a run's inputs."""

    def __init__(self) -> None:
        self.rows: defaultdict[tuple[Noun, str], DoorCount] = defaultdict(DoorCount)

    def accepted(self, noun: Noun, door: str, number: int = 1) -> None:
        """So many inputs were accepted."""
        row = self.rows[noun, door]
        row.sent += number
        row.accepted += number

    def joined(self, noun: Noun, door: str, number: int = 1) -> None:
        """So many inputs were accepted and joined to somebody known."""
        row = self.rows[noun, door]
        row.sent += number
        row.joined += number

    def repeated(self, noun: Noun, door: str, number: int = 1) -> None:
        """So many inputs were the same again."""
        row = self.rows[noun, door]
        row.sent += number
        row.repeated += number

    def rejected(self, noun: Noun, door: str, reason: str, number: int = 1) -> None:
        """So many inputs were rejected, for a reason."""
        row = self.rows[noun, door]
        row.sent += number
        row.rejected[reason] += number

    def sent_of(self, noun: Noun) -> int:
        """Inputs of a noun, through all doors."""
        return sum(row.sent for (of, _), row in self.rows.items() if of is noun)

    def accepted_of(self, noun: Noun) -> int:
        """Accepted inputs of a noun, joined ones included."""
        return sum(row.accepted + row.joined for (of, _), row in self.rows.items() if of is noun)

    def rejections(self) -> dict[str, dict[str, int]]:
        """Rejected inputs by door and reason."""
        doors: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for (_, door), row in self.rows.items():
            doors[door].update(row.rejected)
        return {door: dict(sorted(reasons.items())) for door, reasons in doors.items() if reasons}
