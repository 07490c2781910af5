"""How long each hop took: from the moment a cause was written down to that of its effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from keyturn_demo.event_log import EventLog
from keyturn_events import Event, campaigns, intake, segmentation, service_desk


@dataclass(frozen=True, slots=True)
class Hop:
    """A way through the services, from a fact to what another service made of it."""

    name: str
    cause: type[Event]
    effects: tuple[type[Event], ...]


HOPS: Final = (
    Hop("lead_to_segment", intake.LeadCaptured, (segmentation.CustomerSegmented,)),
    Hop(
        "lead_to_campaign",
        intake.LeadCaptured,
        (campaigns.MessageSent, campaigns.MessageHeld, campaigns.MessageSkipped),
    ),
    Hop(
        "lead_to_referral",
        intake.LeadCaptured,
        (campaigns.ReferralAccepted, campaigns.ReferralRefused),
    ),
    Hop("purchase_to_handover", intake.PurchaseSigned, (service_desk.HandoverPlanned,)),
    Hop("purchase_to_segment", intake.PurchaseSigned, (segmentation.CustomerSegmented,)),
    Hop("purchase_to_value", intake.PurchaseSigned, (segmentation.CustomerValueChanged,)),
    Hop("purchase_to_referral_reward", intake.PurchaseSigned, (campaigns.ReferralRewarded,)),
    Hop("rescission_to_claw_back", intake.PurchaseRescinded, (campaigns.ReferralClawedBack,)),
    Hop(
        "handover_to_message",
        service_desk.HandoverCompleted,
        (campaigns.MessageSent, campaigns.MessageHeld, campaigns.MessageSkipped),
    ),
    Hop("survey_to_points", service_desk.SurveyAnswered, (campaigns.PointsEarned,)),
)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one hop took, in milliseconds."""

    count: int
    p50: float
    p99: float


def measure(log: EventLog, hops: Sequence[Hop] = HOPS) -> dict[str, Latency]:
    """The latency of each hop that was made at all."""
    measured = {}
    for hop in hops:
        durations = _durations(log, hop)
        if durations:
            measured[hop.name] = summary(durations)
    return measured


def summary(durations: Sequence[float]) -> Latency:
    """Count, median and 99th percentile of durations in milliseconds."""
    ordered = sorted(durations)
    return Latency(len(ordered), percentile(ordered, 0.5), percentile(ordered, 0.99))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))
    return round(ordered[rank - 1], 1)


def _durations(log: EventLog, hop: Hop) -> list[float]:
    durations = []
    for effect_class in hop.effects:
        for effect in log.of(effect_class):
            cause = next((c for c in log.ancestors(effect) if c.type == hop.cause.type), None)
            if cause is not None:
                durations.append(max(0.0, (effect.recorded - cause.recorded) * 1000))
    return durations
