"""Referrals 老带新: whether a person who came with a code counts, and what the owner gets for it.

What a referral has come to is a function of the facts known by now, whatever order they came in:
`desired` says it, and `referral_settlement` makes up the difference to what has been said so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import count

from campaigns.domain.identity import derive
from campaigns.domain.ledger import Entry, is_reversed
from campaigns.domain.people import Purchase
from campaigns.domain.standing import Standing
from keyturn_events.vocabulary import ClawBackReason, ReferralRefusal


class ReferralState(StrEnum):
    """What has been said of a referral so far."""

    NEW = "new"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Capture:
    """One lead that came with the code."""

    captured_at: datetime
    joined: bool
    """Whether the person was a known customer already."""


@dataclass(frozen=True, slots=True)
class Reward:
    """What was given for one purchase."""

    purchase_id: str
    entry_id: str
    points: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Referral:
    """The use of one code by one person."""

    referral_id: str
    code: str
    """As it was issued, or as it was typed when nobody has such a code."""
    referred_id: str
    owner_id: str | None = None
    captures: Mapping[str, Capture] = field(default_factory=dict)
    """By lead id."""
    state: ReferralState = ReferralState.NEW
    refusal: ReferralRefusal | None = None
    reward: Reward | None = None
    """The reward that stands; one at most."""

    @property
    def lead_id(self) -> str | None:
        """The first lead that came with the code."""
        if not self.captures:
            return None
        return min(self.captures, key=lambda lead: (self.captures[lead].captured_at, lead))

    @property
    def came_at(self) -> datetime:
        """When the person first came with the code. Raises ValueError before they did."""
        return min(capture.captured_at for capture in self.captures.values())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a referral should have come to, given what is known."""

    state: ReferralState
    refusal: ReferralRefusal | None = None
    purchase_id: str | None = None
    """The purchase for which the owner has a reward."""


def referral_id(code: str, referred_id: str) -> str:
    """The id of the referral of `referred_id` by `code`."""
    return derive("referral", code, referred_id)


def with_capture(referral: Referral, lead_id: str, capture: Capture) -> Referral:
    """Keep that a lead came with the code; a repeated touch of the same lead changes nothing."""
    known = referral.captures.get(lead_id)
    if known is not None and (known.captured_at, known.joined) <= (
        capture.captured_at,
        capture.joined,
    ):
        return referral
    return replace(referral, captures={**referral.captures, lead_id: capture})


def without_capture(referral: Referral, lead_id: str) -> Referral:
    """Forget that a lead came with the code; without any, nothing has been said of the referral."""
    rest = {key: capture for key, capture in referral.captures.items() if key != lead_id}
    if rest:
        return replace(referral, captures=rest)
    return replace(referral, owner_id=None, captures={}, state=ReferralState.NEW, refusal=None)


def desired(
    referral: Referral,
    referred: Standing,
    owner: Standing | None,
    *,
    taken: AbstractSet[str] = frozenset(),
) -> Outcome:
    """What the referral has come to; `owner` is None while nobody has the code.

    `taken` are the purchases for which an earlier referral has its reward.
    """
    if not referral.captures:
        return Outcome(ReferralState.NEW)
    refusal = _refusal(referral, referred, owner)
    if refusal is not None:
        return Outcome(ReferralState.REFUSED, refusal)
    return Outcome(ReferralState.ACCEPTED, None, _rewarded(referral, referred, taken))


def claw_back_reason(outcome: Outcome) -> ClawBackReason:
    """Why a reward that should not stand is taken back."""
    if outcome.state is ReferralState.NEW:
        return ClawBackReason.GRANTED_IN_ERROR
    if outcome.state is ReferralState.REFUSED:
        return ClawBackReason.REFUSED_LATER
    return ClawBackReason.PURCHASE_RESCINDED


def entry_id(referral: Referral, purchase_id: str, entries: Sequence[Entry]) -> str:
    """The id of the ledger entry that rewards a purchase: one that is not undone in `entries`.

    A reward that was taken back may be due after all, when a merge proves to be wrong.
    """
    return next(
        known
        for again in count()
        if not is_reversed(
            entries,
            known := derive(
                "referral-reward", referral.referral_id, purchase_id, *([str(again)] * (again > 0))
            ),
        )
    )


def _refusal(
    referral: Referral, referred: Standing, owner: Standing | None
) -> ReferralRefusal | None:
    if owner is None:
        return ReferralRefusal.UNKNOWN_CODE
    if owner.erased_at is not None and owner.erased_at <= referral.came_at:
        return ReferralRefusal.NOT_AN_OWNER
    if owner.customer_id == referred.customer_id:
        return ReferralRefusal.SELF
    if owner.households & referred.households:
        return ReferralRefusal.HOUSEHOLD
    if all(capture.joined for capture in referral.captures.values()):
        return ReferralRefusal.ALREADY_KNOWN
    return None


def _rewarded(referral: Referral, referred: Standing, taken: AbstractSet[str]) -> str | None:
    """The purchase that is rewarded: the first that stands."""
    standing = {
        purchase_id: purchase
        for purchase_id, purchase in referred.purchases.items()
        if purchase.live and purchase_id not in taken and _came_with(referral, purchase)
    }
    return min(standing, key=lambda key: (standing[key].signed_at, key), default=None)


def _came_with(referral: Referral, purchase: Purchase) -> bool:
    """Whether a purchase follows from the referral: it names the code, or the lead that did."""
    if purchase.referral_code is not None:
        return purchase.referral_code == referral.code
    return purchase.lead_id in referral.captures
