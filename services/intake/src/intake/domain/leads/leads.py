"""A lead 线索: one customer's interest in one community, from the first touch to the contract.

Stages only go forward, except that a rescinded purchase sends its lead back to the visit. A lost
lead can be revived at the stage where it was lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from intake.domain.communities import Community
from intake.domain.leads.ownership import NOBODYS, Ownership, Party, PartyKind
from intake.domain.occasion import Occasion
from keyturn_events.event import Event
from keyturn_events.intake import (
    LeadAdvanced,
    LeadLost,
    LeadRevived,
    LeadStalled,
    LeadWithdrawn,
)
from keyturn_events.refusal import Refusal
from keyturn_events.vocabulary import LeadChannel, LeadStage, LossReason

ORDER: tuple[LeadStage, ...] = tuple(LeadStage)
"""The stages in the order in which a lead comes to them."""

BY_HAND = frozenset({LeadStage.CONTACTED, LeadStage.VISITED, LeadStage.QUEUED})
"""Stages that an advisor reports; the later ones follow from the purchase."""


NEW_TOUCH = "new-touch"
"""Why a lost lead is open again: the customer came once more."""


class LeadStatus(StrEnum):
    """Whether somebody still has to do something about a lead."""

    OPEN = "open"
    LOST = "lost"
    WON = "won"
    """The contract is signed; the customer's next interest is another lead."""
    WITHDRAWN = "withdrawn"
    """It was recorded by mistake and has been taken back."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead as it stands."""

    lead_id: str
    customer_id: str
    community_id: str | None
    channel: LeadChannel
    captured_at: datetime
    idle_since: datetime
    stage: LeadStage = LeadStage.NEW
    status: LeadStatus = LeadStatus.OPEN
    stalls_at: datetime | None = None
    """When it will have stalled if nothing happens; None once it has, or when it cannot."""
    touches: int = 0
    score: int | None = None
    advisor_id: str | None = None
    campaign: str | None = None
    referral_code: str | None = None
    product_line: str | None = None
    budget_named: bool = False
    loss_reason: LossReason | None = None
    response_due: datetime | None = None
    """Until when it is to be contacted; None once it was, and once that was found to be overdue."""
    owner: str | None = None
    """Whose customer it is 判客, as `<kind>:<id>`. An advisor who owns it also has it; an advisor
    may have what an agency owns."""
    protected_until: datetime | None = None
    """How long the owner's protection lasts; None with an owner: for good, by a claim on a home."""
    facts: int = 0
    """How many facts of its ownership were recorded."""
    facts_at: datetime | None = None
    """When the last of them was."""

    @property
    def ownership(self) -> Ownership:
        """Whose customer it is."""
        if self.owner is None:
            return NOBODYS
        kind, _, id = self.owner.partition(":")
        return Ownership(Party(PartyKind(kind), id), self.protected_until, self.lead_id)

    @property
    def claimed(self) -> bool:
        """Whether it has come as far as a claim on a home."""
        return ORDER.index(self.stage) >= ORDER.index(LeadStage.RESERVED)

    @property
    def live(self) -> bool:
        """Whether a new touch of the customer in this community belongs to it."""
        return self.status not in (LeadStatus.WON, LeadStatus.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Touch:
    """One contact that a lead came from: immutable, with every answer as it was given."""

    touch_id: str
    lead_id: str
    customer_id: str
    channel: LeadChannel
    captured_at: datetime
    recorded_at: datetime
    joined: bool
    partner_id: str | None = None
    import_id: str | None = None
    source_reference: str | None = None
    campaign: str | None = None
    referral_code: str | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    """What else was said: utm, budget, household, affordability and so on."""
    recognition: Mapping[str, Any] | None = None
    """By what a known customer was recognised: the rule, and where it is a score its weights."""


@dataclass(frozen=True, slots=True)
class LeadStep:
    """One change of a lead's stage, status or owner, with its reason."""

    step_id: str
    lead_id: str
    at: datetime
    kind: str
    """advanced, lost, revived, assigned, released, overdue, stalled or withdrawn."""
    from_stage: LeadStage
    to_stage: LeadStage
    reason: str
    advisor_id: str | None = None


def touched(lead: Lead, community: Community, at: datetime, **changes: Any) -> Lead:
    """The lead after something happened on it at that time, with these fields changed."""
    status = changes.get("status", lead.status)
    stage = changes.get("stage", lead.stage)
    idle_since = max(lead.idle_since, at)
    stalls_at = community.stalls_at(stage, idle_since) if status is LeadStatus.OPEN else None
    return replace(lead, idle_since=idle_since, stalls_at=stalls_at, **changes)


def advance(
    lead: Lead, to_stage: LeadStage, reason: str, community: Community, occasion: Occasion
) -> tuple[Lead, LeadStep, Event]:
    """Bring an open lead to a later stage.

    Raises `Refusal` `lead-not-open` and `stage-not-ahead`.
    """
    if lead.status is not LeadStatus.OPEN:
        raise Refusal(
            "lead-not-open",
            f"The lead is {lead.status}; revive a lost lead first, a won one is done.",
        )
    if ORDER.index(to_stage) <= ORDER.index(lead.stage):
        raise Refusal(
            "stage-not-ahead",
            f"The lead has reached {lead.stage}; choose a later stage than that.",
            pointer="/to_stage",
        )
    return moved(lead, to_stage, reason, community, occasion)


def moved(
    lead: Lead, to_stage: LeadStage, reason: str, community: Community, occasion: Occasion
) -> tuple[Lead, LeadStep, Event]:
    """Bring a lead to a stage, whatever it was before: it is open, or won when signed."""
    status = LeadStatus.WON if to_stage is LeadStage.SIGNED else LeadStatus.OPEN
    after = touched(
        lead,
        community,
        occasion.at,
        stage=to_stage,
        status=status,
        loss_reason=None,
        response_due=None,
    )
    event = LeadAdvanced(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        from_stage=lead.stage,
        to_stage=to_stage,
        reason=reason,
        advisor_id=lead.advisor_id,
    )
    return after, step(lead, after, "advanced", reason, occasion), event


def lose(lead: Lead, reason: LossReason, occasion: Occasion) -> tuple[Lead, LeadStep, Event]:
    """Give an open lead up. Raises `Refusal` `lead-not-open`, and `lead-has-a-claim`."""
    if lead.status is not LeadStatus.OPEN:
        raise Refusal(
            "lead-not-open", f"The lead is {lead.status} already; nothing is left to lose."
        )
    if lead.claimed:
        raise Refusal(
            "lead-has-a-claim", "The lead has a claim on a home; rescind that purchase first."
        )
    return given_up(lead, reason, occasion)


def given_up(lead: Lead, reason: LossReason, occasion: Occasion) -> tuple[Lead, LeadStep, Event]:
    """The lead as lost, whatever it was before."""
    after = replace(
        lead, status=LeadStatus.LOST, stalls_at=None, response_due=None, loss_reason=reason
    )
    event = LeadLost(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        stage=lead.stage,
        reason=reason,
        advisor_id=lead.advisor_id,
    )
    return after, step(lead, after, "lost", reason, occasion), event


def revive(
    lead: Lead, reason: str, community: Community, occasion: Occasion
) -> tuple[Lead, LeadStep, Event]:
    """Open a lost lead again. Raises `Refusal` `lead-not-lost`."""
    if lead.status is not LeadStatus.LOST:
        raise Refusal("lead-not-lost", f"The lead is {lead.status}; only a lost lead is revived.")
    after = touched(lead, community, occasion.at, status=LeadStatus.OPEN, loss_reason=None)
    event = LeadRevived(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        stage=lead.stage,
        reason=reason,
        advisor_id=lead.advisor_id,
    )
    return after, step(lead, after, "revived", reason, occasion), event


def withdrawn(
    lead: Lead, import_id: str, occasion: Occasion
) -> tuple[Lead, LeadStep, LeadWithdrawn]:
    """The lead when the import that opened it is undone: it was never there."""
    after = replace(
        lead,
        status=LeadStatus.WITHDRAWN,
        stalls_at=None,
        response_due=None,
        owner=None,
        protected_until=None,
    )
    event = LeadWithdrawn(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        import_id=import_id,
    )
    return after, step(lead, after, "withdrawn", "import-undone", occasion), event


def stall(lead: Lead, occasion: Occasion) -> tuple[Lead, LeadStep, Event]:
    """Note that nothing happened for too long. It is said once; the next touch begins anew.

    Raises `Refusal` `lead-not-idle` when something did happen meanwhile.
    """
    if lead.stalls_at is None or lead.stalls_at > occasion.at:
        raise Refusal("lead-not-idle", "Something happened on the lead; it has not stalled.")
    idle_days = (lead.stalls_at - lead.idle_since) // timedelta(days=1)
    after = replace(lead, stalls_at=None)
    event = LeadStalled(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        stage=lead.stage,
        idle_since=lead.idle_since,
        idle_days=idle_days,
        advisor_id=lead.advisor_id,
    )
    return after, step(lead, after, "stalled", f"idle-{idle_days}-days", occasion), event


def step(before: Lead, after: Lead, kind: str, reason: str, occasion: Occasion) -> LeadStep:
    """The record of a change of a lead."""
    return LeadStep(
        step_id=occasion.derive_id("step", kind, before.lead_id, after.stage, after.facts),
        lead_id=before.lead_id,
        at=occasion.at,
        kind=kind,
        from_stage=before.stage,
        to_stage=after.stage,
        reason=reason,
        advisor_id=after.advisor_id,
    )
