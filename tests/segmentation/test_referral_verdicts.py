"""A verdict on a referral may be revised: the profile shows the latest, whatever came before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from keyturn_events import CustomerEvent
from keyturn_events.campaigns import ReferralAccepted, ReferralRefused
from keyturn_events.vocabulary import ReferralRefusal
from segmentation.domain.facts import Facts, learn, stamp
from segmentation.domain.telling import told_by

NOON = datetime(2028, 1, 24, 4, tzinfo=UTC)
ACCEPTED = ReferralAccepted(
    customer_id="owner", referral_code="M455-XSPD", referral_id="r1", referred_customer_id="friend"
)
REFUSED = ReferralRefused(
    customer_id="owner",
    referral_code="M455-XSPD",
    referral_id="r1",
    referred_customer_id="friend",
    reason=ReferralRefusal.HOUSEHOLD,
)


def values(*told: tuple[CustomerEvent, int]) -> dict[str, object]:
    """What is known after these events of one business time, by when each was written down."""
    facts: Facts = {}
    for event, recorded in told:
        mark = stamp(NOON, NOON + timedelta(seconds=recorded), f"e{recorded}")
        facts = learn(facts, told_by(event), mark)
    return {name: fact[1] for name, fact in facts.items()}


@pytest.mark.parametrize("order", list(permutations([(ACCEPTED, 1), (REFUSED, 2)])))
def test_the_verdict_that_was_written_down_last_holds_in_either_order(
    order: tuple[tuple[CustomerEvent, int], ...],
) -> None:
    assert values(*order)["referral/r1/verdict"] == ["refused", "friend"]


def test_a_verdict_that_was_revised_leaves_no_trace() -> None:
    assert values((ACCEPTED, 1), (REFUSED, 2)) == values((REFUSED, 2))
    assert values((REFUSED, 1), (ACCEPTED, 2)) == values((ACCEPTED, 2))
