"""Stages, losses, revivals, stalls and scores of leads, as pure decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.communities import Community
from intake.domain.dossier import Dossier
from intake.domain.leads import lead_commands, leads
from intake.domain.leads.leads import Lead, LeadStatus
from intake.domain.people.customers import Customer
from intake.domain.scoring import scoring
from keyturn_chassis.inputs import Cause
from keyturn_events import Refusal
from keyturn_events.intake import LeadScored, LeadStalled
from keyturn_events.values import ScoreReason
from keyturn_events.vocabulary import AssignmentReason, LeadChannel, LeadStage, LossReason

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
RIVERSIDE = Community("riverside")
LEAD = Lead(
    "lead-1", "zhang", "riverside", LeadChannel.WEB, NOON, NOON, stalls_at=NOON + timedelta(days=3)
)
ZHANG = Customer("zhang", NOON, phones=("+8613800138000",))


def cause(days: float = 0) -> Cause:
    return Cause("test", str(days), NOON + timedelta(days=days))


def dossier(lead: Lead = LEAD) -> Dossier:
    return Dossier(community=RIVERSIDE, customer=ZHANG, lead=lead)


def test_a_lead_comes_to_a_later_stage_and_is_scored_anew() -> None:
    after, events = lead_commands.advance(
        dossier(), lead_commands.AdvanceLead("lead-1", LeadStage.VISITED, "came"), cause(1)
    )
    assert after.lead is not None
    assert after.lead.stage is LeadStage.VISITED
    assert after.lead.stalls_at == NOON + timedelta(days=15)
    assert [event.type for event in events] == [
        "keyturn.lead.advanced.v1",
        "keyturn.lead.scored.v1",
    ]


@pytest.mark.parametrize("stage", [LeadStage.NEW, LeadStage.CONTACTED, LeadStage.VISITED])
def test_a_lead_does_not_go_back_or_stand_still(stage: LeadStage) -> None:
    visited = replace(LEAD, stage=LeadStage.VISITED)
    with pytest.raises(Refusal, match=r"stage-not-ahead|stage-follows-purchase"):
        lead_commands.advance(
            dossier(visited), lead_commands.AdvanceLead("lead-1", stage, "why"), cause()
        )


@pytest.mark.parametrize("stage", [LeadStage.RESERVED, LeadStage.SUBSCRIBED, LeadStage.SIGNED])
def test_the_late_stages_follow_from_a_purchase_only(stage: LeadStage) -> None:
    with pytest.raises(Refusal) as refused:
        lead_commands.advance(dossier(), lead_commands.AdvanceLead("lead-1", stage, "why"), cause())
    assert (refused.value.code, refused.value.pointer) == ("stage-follows-purchase", "/to_stage")


def test_a_lost_lead_is_revived_at_its_stage() -> None:
    contacted = replace(LEAD, stage=LeadStage.CONTACTED)
    lost, _ = lead_commands.lose(
        dossier(contacted), lead_commands.LoseLead("lead-1", LossReason.PRICE), cause()
    )
    assert lost.lead is not None
    assert (lost.lead.status, lost.lead.stalls_at) == (LeadStatus.LOST, None)
    revived, _ = lead_commands.revive(
        lost, lead_commands.ReviveLead("lead-1", "price-fell"), cause(1)
    )
    assert revived.lead is not None
    assert (revived.lead.status, revived.lead.stage) == (LeadStatus.OPEN, LeadStage.CONTACTED)
    assert revived.lead.loss_reason is None


def test_only_a_lost_lead_is_revived_and_only_an_open_one_lost() -> None:
    with pytest.raises(Refusal, match="lead-not-lost"):
        lead_commands.revive(dossier(), lead_commands.ReviveLead("lead-1", "why"), cause())
    with pytest.raises(Refusal, match="lead-not-open"):
        lead_commands.lose(
            dossier(replace(LEAD, status=LeadStatus.LOST)),
            lead_commands.LoseLead("lead-1", LossReason.PRICE),
            cause(),
        )


def test_a_lead_with_a_claim_is_not_given_up() -> None:
    with pytest.raises(Refusal, match="lead-has-a-claim"):
        lead_commands.lose(
            dossier(replace(LEAD, stage=LeadStage.RESERVED)),
            lead_commands.LoseLead("lead-1", LossReason.PRICE),
            cause(),
        )


def test_an_unknown_lead_is_not_found() -> None:
    with pytest.raises(Refusal, match="lead-not-found"):
        lead_commands.lose(Dossier(), lead_commands.LoseLead("x", LossReason.PRICE), cause())


def test_assigning_a_lead_to_its_owner_again_says_nothing() -> None:
    command = lead_commands.AssignLead("lead-1", "advisor-7")
    once, events = lead_commands.assign(dossier(), command, cause())
    assert [event.type for event in events] == ["keyturn.lead.assigned.v1"]
    assert once.lead is not None
    again, events = lead_commands.assign(dossier(once.lead), command, cause(1))
    assert (again.lead, events) == (once.lead, [])
    assert command.reason is AssignmentReason.MANUAL


def test_a_lead_that_nobody_touched_for_three_days_has_stalled() -> None:
    after, events = lead_commands.pass_deadlines(dossier(), None, cause(3))
    assert events == [
        LeadStalled(
            customer_id="zhang",
            lead_id="lead-1",
            community_id="riverside",
            stage=LeadStage.NEW,
            idle_since=NOON,
            idle_days=3,
        )
    ]
    assert after.lead is not None
    assert after.lead.stalls_at is None


def test_a_lead_that_was_touched_meanwhile_has_not_stalled() -> None:
    touched = leads.touched(LEAD, RIVERSIDE, NOON + timedelta(days=2))
    with pytest.raises(Refusal, match="nothing-due"):
        lead_commands.pass_deadlines(dossier(touched), None, cause(3))


def test_a_touch_that_comes_late_does_not_make_a_lead_idle_earlier() -> None:
    assert leads.touched(LEAD, RIVERSIDE, NOON - timedelta(days=9)) == LEAD


def test_a_score_is_the_sum_of_the_reasons_it_gives() -> None:
    lead = replace(LEAD, channel=LeadChannel.WALK_IN, referral_code="owner-1", touches=2)
    scored, events = scoring.score(lead, ZHANG)
    assert scored.score == 65
    assert events == [
        LeadScored(
            customer_id="zhang",
            lead_id="lead-1",
            community_id="riverside",
            score=65,
            model="intake-rules",
            model_version=1,
            reasons=(
                ScoreReason(rule="came-in-person", points=30),
                ScoreReason(rule="recommended", points=25),
                ScoreReason(rule="came-twice", points=10),
            ),
        )
    ]


def test_an_unchanged_score_is_not_said_again() -> None:
    scored, _ = scoring.score(LEAD, ZHANG)
    assert scoring.score(scored, ZHANG) == (scored, [])


@given(
    st.sampled_from(LeadChannel),
    st.sampled_from(LeadStage),
    st.integers(0, 9),
    st.booleans(),
)
def test_a_score_never_leaves_its_scale_and_never_falls_with_another_touch(
    channel: LeadChannel, stage: LeadStage, touches: int, budget: bool
) -> None:
    lead = replace(
        LEAD, channel=channel, stage=stage, touches=touches, budget_named=budget, referral_code="r"
    )
    once, _ = scoring.score(lead, ZHANG)
    again, _ = scoring.score(replace(lead, touches=touches + 1), ZHANG)
    assert once.score is not None
    assert again.score is not None
    assert 0 <= once.score <= again.score <= 100


def test_the_rules_stand_with_the_weightiest_first() -> None:
    points = [rule.points for rule in scoring.RULES]
    assert points == sorted(points, reverse=True)
