"""A lead's chance of becoming a purchase, 0 to 100, by a short list of rules that are data.

Every rule asks for something that is known when the person comes; nothing that is known only
after the outcome may enter. The score is the sum of the points of the rules that hold, and its
reasons are those rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from intake.domain.customers import Customer
from intake.domain.leads import Lead
from keyturn_events.intake import LeadScored
from keyturn_events.values import ScoreReason
from keyturn_events.vocabulary import LeadStage

MODEL = "intake-rules"
VERSION = 1

Signals = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class ScoreRule:
    """`points` for a lead whose signal is one of `among`, or at least `at_least`."""

    code: str
    signal: str
    points: int
    among: frozenset[str] = frozenset()
    at_least: int | None = None

    def holds(self, signals: Signals) -> bool:
        """Whether the rule counts."""
        value = signals[self.signal]
        if self.at_least is not None:
            return isinstance(value, int) and value >= self.at_least
        return value in self.among


RULES: tuple[ScoreRule, ...] = (
    ScoreRule("came-in-person", "channel", 30, frozenset({"walk-in", "event"})),
    ScoreRule("recommended", "referred", 25, at_least=1),
    ScoreRule("queued", "stage", 25, frozenset({LeadStage.QUEUED})),
    ScoreRule("asked-directly", "channel", 20, frozenset({"phone", "wechat", "referral"})),
    ScoreRule("visited", "stage", 20, frozenset({LeadStage.VISITED})),
    ScoreRule("came-three-times", "touches", 15, at_least=3),
    ScoreRule("down-payment-known", "down_payment", 10, at_least=1),
    ScoreRule("named-a-budget", "budget", 10, at_least=1),
    ScoreRule("came-twice", "touches", 10, at_least=2),
    ScoreRule("browsed", "channel", 10, frozenset({"web", "portal", "agency", "partner"})),
    ScoreRule("two-ways-to-reach", "contact_kinds", 5, at_least=2),
    ScoreRule("income-known", "income", 5, at_least=1),
    ScoreRule("first-home", "first_home", 5, at_least=1),
)
"""The weightiest first, which is the order of the reasons."""

_REASONS = {rule.code: ScoreReason(rule=rule.code, points=rule.points) for rule in RULES}


def score(lead: Lead, customer: Customer) -> tuple[Lead, list[LeadScored]]:
    """Score a lead anew; the event only when the score is another one than before."""
    signals = _signals(lead, customer)
    holding = [rule for rule in RULES if rule.holds(signals)]
    points = min(100, sum(rule.points for rule in holding))
    if points == lead.score:
        return lead, []
    scored = LeadScored(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        score=points,
        previous_score=lead.score,
        model=MODEL,
        model_version=VERSION,
        reasons=_reasons(holding),
    )
    return replace(lead, score=points), [scored]


def _reasons(rules: Sequence[ScoreRule]) -> tuple[ScoreReason, ...]:
    return tuple(_REASONS[rule.code] for rule in rules)


def _signals(lead: Lead, customer: Customer) -> Signals:
    facts = customer.facts
    return {
        "channel": lead.channel,
        "stage": lead.stage,
        "touches": lead.touches,
        "referred": int(lead.referral_code is not None),
        "budget": int(lead.budget_named),
        "income": int(facts.affordability.annual_income is not None),
        "down_payment": int(facts.affordability.down_payment is not None),
        "first_home": int(facts.household.homes_owned == 0),
        "contact_kinds": bool(customer.phones)
        + bool(customer.emails)
        + (customer.wechat is not None),
    }
