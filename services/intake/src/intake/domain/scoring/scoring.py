"""A lead's chance of becoming a purchase, 0 to 100, by the trained model that is loaded.

Without one it is scored by a short list of rules that are data: the sum of the points of those that
hold, which are its reasons. Nothing that is known only after the outcome may enter either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, NamedTuple

from intake.domain.leads.leads import Lead, Touch
from intake.domain.people.customers import Customer
from intake.domain.scoring.lead_signals import Label, signals_of
from intake.domain.scoring.scoring_models import LoadedModel
from keyturn_events.intake import LeadScored
from keyturn_events.values import ScoreReason
from keyturn_events.vocabulary import LeadStage

MODEL = "intake-rules"
VERSION = 1
REMEMBERED_JUDGEMENTS: Final = 4_096
"""Combinations of signals whose points are remembered; nearly all leads show one of a few."""


class Signals(NamedTuple):
    """What is known of a lead that a rule can ask for."""

    channel: str
    stage: str
    touches: int
    referred: bool
    budget: bool
    income: bool
    down_payment: bool
    first_home: bool
    contact_kinds: int
    """In how many ways the person can be reached."""


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
        value = getattr(signals, self.signal)
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

RULE_LABELS: Final[Mapping[str, Label]] = {
    "came-in-person": Label("Came in person", "亲自到访"),
    "recommended": Label("Recommended by an owner", "业主推荐"),
    "queued": Label("Holds a queue number", "已排号"),
    "asked-directly": Label("Asked directly", "直接咨询"),
    "visited": Label("Has visited", "已来访"),
    "came-three-times": Label("Came three times or more", "三次及以上接触"),
    "down-payment-known": Label("Down payment is known", "首付已知"),
    "named-a-budget": Label("Named a budget", "已告知预算"),
    "came-twice": Label("Came twice or more", "两次及以上接触"),
    "browsed": Label("Came by web, portal or partner", "网络或合作渠道"),
    "two-ways-to-reach": Label("Can be reached in two ways", "两种以上联系方式"),
    "income-known": Label("Income is known", "收入已知"),
    "first-home": Label("First home", "首次置业"),
}
"""What people call each rule."""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """By what leads are scored at this moment."""

    model: LoadedModel | None = None
    """None: by the rules."""
    touches: Mapping[str, Sequence[Touch]] = field(default_factory=dict)
    """What was said before, by lead id, where a model may ask for it."""


BY_RULES: Final = Scorecard()


def score(
    lead: Lead, customer: Customer, card: Scorecard = BY_RULES, *added: Touch
) -> tuple[Lead, list[LeadScored]]:
    """Score a lead anew, with the touches that are `added` now.

    The event comes only when the score is another one than before.
    """
    if card.model is None:
        points, reasons = judge(rule_signals(lead, customer))
        model, version = MODEL, VERSION
    else:
        touches = (*card.touches.get(lead.lead_id, ()), *added)
        points, reasons = card.model.judge(signals_of(lead.community_id, touches))
        model, version = card.model.model.name, card.model.version
    if points == lead.score:
        return lead, []
    scored = LeadScored(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        score=points,
        previous_score=lead.score,
        model=model,
        model_version=version,
        reasons=reasons,
    )
    return replace(lead, score=points), [scored]


@lru_cache(maxsize=REMEMBERED_JUDGEMENTS)
def judge(signals: Signals) -> tuple[int, tuple[ScoreReason, ...]]:
    """The score of a lead that shows these signals, and what counted."""
    holding = [rule for rule in RULES if rule.holds(signals)]
    reasons = tuple(ScoreReason(rule=rule.code, points=rule.points) for rule in holding)
    return min(100, sum(rule.points for rule in holding)), reasons


def rule_signals(lead: Lead, customer: Customer) -> Signals:
    """What the rules look at."""
    facts = customer.facts
    return Signals(
        channel=lead.channel,
        stage=lead.stage,
        touches=lead.touches,
        referred=lead.referral_code is not None,
        budget=lead.budget_named,
        income=facts.affordability.annual_income is not None,
        down_payment=facts.affordability.down_payment is not None,
        first_home=facts.household.homes_owned == 0,
        contact_kinds=bool(customer.phones) + bool(customer.emails) + (customer.wechat is not None),
    )
