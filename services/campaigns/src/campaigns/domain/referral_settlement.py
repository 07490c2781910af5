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
    ReferralState,
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
    member, events = membership.enrol(
        file.membership(person.customer_id), file.customer_id, cause.at
    )
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
    """Bring every referral in view to what it should have come to by now.

    Who came with a code first has the first claim on a purchase. Rewards that should not stand are
    taken back before others are given, so that a purchase never has two. A code with which nobody
    came after all, because the lead was withdrawn, earns nothing, and nothing more is said of it.
    """
    referrals = sorted(
        (referral for referral in file.referrals.values() if referral.captures),
        key=lambda referral: (referral.came_at, referral.referral_id),
    )
    outcomes = [
        (referral.referral_id, Outcome(ReferralState.NEW))
        for referral in file.referrals.values()
        if not referral.captures
    ]
    taken: set[str] = set()
    for referral in referrals:
        referred = file.standing(referral.referred_id)
        outcome = desired(referral, referred, _owner(file, referral), taken=taken)
        outcomes.append((referral.referral_id, outcome))
        if outcome.purchase_id is not None:
            taken.add(outcome.purchase_id)
    events: list[Event] = []
    for bring in (_take_back, _pronounce, _give):
        for key, outcome in outcomes:
            file, told = bring(file, file.referrals[key], outcome, cause)
            events += told
    return file, events


def _owner(file: CustomerFile, referral: Referral) -> Standing | None:
    owner_id = file.owners.get(referral.code)
    return None if owner_id is None else file.standing(owner_id)


def _pronounce(
    file: CustomerFile, referral: Referral, outcome: Outcome, _: Occasion
) -> tuple[CustomerFile, list[Event]]:
    if not referral.captures:
        return file, []
    owner, referred = _owner(file, referral), file.standing(referral.referred_id)
    if owner is not None:
        referral = replace(referral, owner_id=owner.customer_id)
    events = []
    if (outcome.state, outcome.refusal) != (referral.state, referral.refusal):
        referral = replace(referral, state=outcome.state, refusal=outcome.refusal)
        events.append(_verdict(referral, outcome, owner or referred, referred))
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


def _give(
    file: CustomerFile, referral: Referral, outcome: Outcome, cause: Occasion
) -> tuple[CustomerFile, list[Event]]:
    owner_id, owner = file.owners.get(referral.code), _owner(file, referral)
    if owner_id is None or owner is None or outcome.purchase_id is None or referral.reward:
        return file, []
    referred = file.standing(referral.referred_id)
    due_at = referred.purchases[outcome.purchase_id].cooling_off_ends
    if due_at is None:
        return file, []
    member = file.membership(owner.customer_id)
    entry = entry_id(referral, outcome.purchase_id, member.entries)
    member, earned = membership.award(
        member,
        entry_id=entry,
        points=PROGRAMME.referral_points,
        reason=PointsReason.REFERRAL,
        at=cause.at,
        active_from=due_at,
        caused_by=cause.id,
        holder=owner_id,
    )
    reward = Reward(outcome.purchase_id, entry, PROGRAMME.referral_points, due_at)
    rewarded = ReferralRewarded(
        customer_id=owner.customer_id,
        referral_code=referral.code,
        referral_id=referral.referral_id,
        referred_customer_id=referred.customer_id,
        purchase_id=reward.purchase_id,
        points=reward.points,
        entry_id=reward.entry_id,
        due_at=due_at,
    )
    file = file.with_membership(member).with_referral(replace(referral, reward=reward))
    return file, [rewarded, *earned]


def _take_back(
    file: CustomerFile, referral: Referral, outcome: Outcome, cause: Occasion
) -> tuple[CustomerFile, list[Event]]:
    owner, reward = _owner(file, referral), referral.reward
    if owner is None or reward is None or reward.purchase_id == outcome.purchase_id:
        return file, []
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
    file = file.with_membership(member).with_referral(replace(referral, reward=None))
    return file, [clawed_back, *events]
