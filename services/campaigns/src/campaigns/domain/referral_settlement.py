"""Says in events what has become of referrals, and gives and takes back what they earn."""

from __future__ import annotations

from dataclasses import replace

from campaigns.domain import membership
from campaigns.domain.customer_file import CustomerFile
from campaigns.domain.occasion import Occasion
from campaigns.domain.programme import PROGRAMME
from campaigns.domain.referral import (
    Outcome,
    Referral,
    Reward,
    claw_back_reason,
    desired,
    entry_id,
)
from campaigns.domain.referral_codes import choose
from campaigns.domain.standing import Standing
from keyturn_events import Event
from keyturn_events.campaigns import (
    ReferralAccepted,
    ReferralClawedBack,
    ReferralInvited,
    ReferralRefused,
    ReferralRewarded,
)
from keyturn_events.vocabulary import PointsReason


def invite(
    file: CustomerFile, cause: Occasion, *, community_id: str | None
) -> tuple[CustomerFile, list[Event]]:
    """Make the customer a member with a code to pass on; nothing of what they have already.

    Each id has a code of its own, so that who has which does not depend on when ids were merged.
    """
    person = file.customer
    member, events = membership.enrol(file.membership(person.customer_id), cause.at)
    file = file.with_membership(member)
    if file.customer_id not in file.owners.values():
        code = choose(file.customer_id, file.owners)
        file = replace(file, owners={**file.owners, code: file.customer_id})
        events.append(
            ReferralInvited(
                customer_id=person.customer_id, referral_code=code, community_id=community_id
            )
        )
    return file, events


def settle(file: CustomerFile, cause: Occasion) -> tuple[CustomerFile, list[Event]]:
    """Bring every referral in view to what it should have come to by now."""
    events: list[Event] = []
    for referral in sorted(file.referrals.values(), key=lambda r: r.referral_id):
        file, told = _settle(file, referral, cause)
        events += told
    return file, events


def _settle(
    file: CustomerFile, referral: Referral, cause: Occasion
) -> tuple[CustomerFile, list[Event]]:
    owner_id = file.owners.get(referral.code)
    owner = None if owner_id is None else file.standing(owner_id)
    referred = file.standing(referral.referred_id)
    rewarded = frozenset(
        other.reward.purchase_id
        for other in file.referrals.values()
        if other.reward is not None and other.referral_id != referral.referral_id
    )
    outcome = desired(referral, referred, owner, rewarded=rewarded)
    events: list[Event] = []
    if owner is not None:
        referral = replace(referral, owner_id=owner.customer_id)
        if referral.reward is not None and outcome.purchase_id != referral.reward.purchase_id:
            file, referral, told = _claw_back(
                file, referral, referral.reward, outcome, owner=owner, cause=cause
            )
            events += told
    if (outcome.state, outcome.refusal) != (referral.state, referral.refusal):
        referral = replace(referral, state=outcome.state, refusal=outcome.refusal)
        events.append(_verdict(referral, outcome, owner or referred, referred))
    if owner is not None and outcome.purchase_id is not None and referral.reward is None:
        file, referral, told = _reward(file, referral, outcome.purchase_id, owner, cause)
        events += told
    return file.with_referral(referral), events


def _verdict(referral: Referral, outcome: Outcome, teller: Standing, referred: Standing) -> Event:
    if outcome.refusal is None:
        return ReferralAccepted(
            customer_id=teller.customer_id,
            referral_code=referral.code,
            referral_id=referral.referral_id,
            referred_customer_id=referred.customer_id,
            lead_id=referral.lead_id,
        )
    return ReferralRefused(
        customer_id=teller.customer_id,
        referral_code=referral.code,
        referral_id=referral.referral_id,
        referred_customer_id=referred.customer_id,
        lead_id=referral.lead_id,
        reason=outcome.refusal,
    )


def _reward(
    file: CustomerFile, referral: Referral, purchase_id: str, owner: Standing, cause: Occasion
) -> tuple[CustomerFile, Referral, list[Event]]:
    purchase = file.standing(referral.referred_id).purchases[purchase_id]
    due_at = purchase.cooling_off_ends
    if due_at is None:
        return file, referral, []
    enrolled, events = membership.enrol(file.membership(owner.customer_id), cause.at)
    member, earned = membership.award(
        enrolled,
        entry_id=entry_id(referral, purchase_id),
        points=PROGRAMME.referral_points,
        reason=PointsReason.REFERRAL,
        at=cause.at,
        active_from=due_at,
        caused_by=cause.id,
    )
    if not earned:
        return file, referral, []
    reward = Reward(purchase_id, entry_id(referral, purchase_id), PROGRAMME.referral_points, due_at)
    rewarded = ReferralRewarded(
        customer_id=owner.customer_id,
        referral_code=referral.code,
        referral_id=referral.referral_id,
        referred_customer_id=file.standing(referral.referred_id).customer_id,
        purchase_id=purchase_id,
        points=reward.points,
        entry_id=reward.entry_id,
        due_at=due_at,
    )
    return (
        file.with_membership(member),
        replace(referral, reward=reward),
        [*events, rewarded, *earned],
    )


def _claw_back(
    file: CustomerFile,
    referral: Referral,
    reward: Reward,
    outcome: Outcome,
    *,
    owner: Standing,
    cause: Occasion,
) -> tuple[CustomerFile, Referral, list[Event]]:
    member, events = membership.undo(
        file.membership(owner.customer_id),
        reward.entry_id,
        reason=PointsReason.RESCISSION,
        at=cause.at,
        caused_by=cause.id,
    )
    clawed_back = ReferralClawedBack(
        customer_id=owner.customer_id,
        referral_code=referral.code,
        referral_id=referral.referral_id,
        referred_customer_id=file.standing(referral.referred_id).customer_id,
        purchase_id=reward.purchase_id,
        reason=claw_back_reason(outcome),
        entry_id=membership.reversal_id(reward.entry_id),
    )
    return file.with_membership(member), replace(referral, reward=None), [clawed_back, *events]
