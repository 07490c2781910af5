"""The figures of a journey: what the report shows and `build/journey.json` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyturn_demo.latency import Latency
from keyturn_demo.tally import Noun, Tally

COUNTED = (Noun.LEAD, Noun.PURCHASE, Noun.COMPLAINT, Noun.REFERRAL)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a model, with how many customers of this run are in it."""

    code: str
    name_en: str
    name_zh: str
    customers: int


@dataclass(frozen=True, slots=True)
class GateCount:
    """What became of one gate over all handovers."""

    gate: str
    passed: int
    late: int
    refused: Mapping[str, int]
    """By reason."""


@dataclass(frozen=True, slots=True)
class Complaints:
    """How the promises on complaints were kept."""

    raised: int
    on_time: int
    late: int
    undated: int
    """Closed, and never given a due date."""
    escalated: int
    reopened: int
    closed: int


@dataclass(frozen=True, slots=True)
class MessageCount:
    """Messages with the same outcome for the same reason."""

    outcome: str
    reason: str
    number: int


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit found: nothing lost and nothing doubled, or what was."""

    traced: int
    """Accepted inputs that were traced to their effects."""
    lost: Sequence[str] = ()
    """One line each, naming the input and the effect that it lacks."""
    doubled: Sequence[str] = ()
    parked: int = 0
    redelivered: int = 0


@dataclass(frozen=True, slots=True)
class Effects:
    """What the accepted inputs led to."""

    customers: int
    timelines: int
    """Customers whose timeline shows all their touches."""
    segmented: int
    handovers: int
    complaints: int
    complaints_late: int
    messages: int
    referral_rewards: int
    referral_claw_backs: int = 0
    defects: int = 0
    surveys: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that one run came to."""

    source: str
    seconds: float
    tally: Tally
    segment_model: str
    segments: Sequence[Segment]
    gates: Sequence[GateCount]
    completed: int
    complaints: Complaints
    messages: Sequence[MessageCount]
    purchases: int
    """Purchases that were signed and not rescinded."""
    purchases_by_referral: int
    effects: Effects
    latency: Mapping[str, Latency]
    audit: Audit
    phases: Mapping[str, float] = field(default_factory=dict)
    """Seconds by phase, in order."""
    notes: Sequence[str] = ()
    """What a reader must know to read the figures."""

    @property
    def sound(self) -> bool:
        """Whether nothing was lost and nothing doubled."""
        return not self.audit.lost and not self.audit.doubled

    def as_json(self) -> dict[str, Any]:
        """The content of `build/journey.json`."""
        effects = self.effects
        return {
            "source": self.source,
            "seconds": round(self.seconds, 1),
            "sent": {noun.value: self.tally.sent_of(noun) for noun in COUNTED},
            "accepted": {noun.value: self.tally.accepted_of(noun) for noun in COUNTED},
            "rejected": self.tally.rejections(),
            "effects": {name: getattr(effects, name) for name in effects.__slots__},
            "lost": len(self.audit.lost),
            "doubled": len(self.audit.doubled),
            "parked": self.audit.parked,
            "latency_ms": {
                name: {"p50": hop.p50, "p99": hop.p99, "count": hop.count}
                for name, hop in self.latency.items()
            },
            "doors": [
                {
                    "of": noun.value,
                    "door": door,
                    "sent": row.sent,
                    "accepted": row.accepted,
                    "joined": row.joined,
                    "repeated": row.repeated,
                    "rejected": sum(row.rejected.values()),
                }
                for (noun, door), row in sorted(self.tally.rows.items())
            ],
            "segments": {segment.code: segment.customers for segment in self.segments},
            "complaints": {
                name: getattr(self.complaints, name) for name in self.complaints.__slots__
            },
            "share_of_purchases_by_referral": self.referral_share,
            "phases_seconds": {name: round(taken, 1) for name, taken in self.phases.items()},
            "notes": list(self.notes),
        }

    @property
    def referral_share(self) -> float:
        """Share of the purchases that came by referral, from 0 to 1."""
        return round(self.purchases_by_referral / self.purchases, 3) if self.purchases else 0.0
