from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from campaigns.domain import journey
from campaigns.domain.customer_file import CustomerFile
from campaigns.domain.referral import ReferralState
from campaigns.domain.referral_codes import candidates, choose, normalised
from campaigns.reactions import reactions
from keyturn_events import CustomerEvent, Event, Household, Money
from keyturn_events.campaigns import (
    PointsEarned,
    PointsReversed,
    ReferralAccepted,
    ReferralClawedBack,
    ReferralInvited,
    ReferralRefused,
    ReferralRewarded,
)
from keyturn_events.intake import (
    CustomerErased,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    CustomerUpdated,
    LeadCaptured,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.vocabulary import (
    ClawBackReason,
    LeadChannel,
    PurchaseStage,
    ReferralRefusal,
    RescissionReason,
)

AT = datetime(2026, 3, 4, 2, tzinfo=UTC)
DAY = timedelta(days=1)
CODE = candidates("owner")[0]
PRICE = Money.model_validate({"amount": "1000000.00", "currency": "CNY"})
ACCEPTED, REFUSED = ReferralState.ACCEPTED, ReferralState.REFUSED


def signed(customer: str, purchase: str = "", **more: Any) -> PurchaseSigned:
    return PurchaseSigned(
        customer_id=customer,
        purchase_id=purchase or f"p-{customer}",
        home_id=f"home-{purchase or customer}",
        community_id="lakeside",
        price=PRICE,
        signed_on=date(2026, 3, 4),
        cooling_off_ends=AT + 7 * DAY,
        **more,
    )


def rescinded(customer: str, purchase: str = "") -> PurchaseRescinded:
    return PurchaseRescinded(
        customer_id=customer,
        purchase_id=purchase or f"p-{customer}",
        home_id=f"home-{purchase or customer}",
        community_id="lakeside",
        price=PRICE,
        stage=PurchaseStage.SIGNED,
        rescinded_on=date(2026, 3, 6),
        reason=RescissionReason.COOLING_OFF,
    )


def lead(customer: str = "friend", *, joined: bool = False, **more: Any) -> LeadCaptured:
    values: dict[str, Any] = {"referral_code": CODE, "lead_id": "lead-1", "captured_at": AT}
    return LeadCaptured(
        customer_id=customer,
        channel=LeadChannel.REFERRAL,
        joined=joined,
        repeated=joined,
        **(values | more),
    )


def registered(customer: str, household: str | None = None) -> CustomerRegistered:
    return CustomerRegistered(
        customer_id=customer,
        channel=LeadChannel.WEB,
        household=Household(household_id=household),
    )


@pytest.fixture
def after(reason: Callable[..., Any]) -> Callable[..., tuple[CustomerFile, list[Event]]]:
    """`after(event, …)`: what has come of these events, in this order, for all of them."""

    def tell(*heard: CustomerEvent) -> tuple[CustomerFile, list[Event]]:
        file = CustomerFile("owner", {})
        events: list[Event] = []
        for number, event in enumerate(heard):
            _, decide = reactions.events[event.type]
            cause = reason(f"cause-{number}", AT + number * timedelta(minutes=1))
            file, told = decide(replace(file, customer_id=event.customer_id), event, cause)
            events += told
        return file, events

    return tell


def outcome(file: CustomerFile) -> tuple[Any, ...]:
    """What everything came to, whatever the order of things."""
    [referral] = file.referrals.values()
    member = file.membership(file.standing("owner").customer_id)
    return (
        referral.state,
        referral.refusal,
        None if referral.reward is None else referral.reward.purchase_id,
        member.balance,
        member.pending,
        file.owners,
    )


def of(kind: type[Event], events: Sequence[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


HISTORIES = {
    "a friend buys": (
        [signed("owner"), lead(), lead(joined=True), signed("friend", referral_code=CODE)],
        (ACCEPTED, None, "p-friend", 0, 10_000),
    ),
    "a friend buys, and the purchase names only the lead": (
        [signed("owner"), lead(), signed("friend", lead_id="lead-1")],
        (ACCEPTED, None, "p-friend", 0, 10_000),
    ),
    "a friend rescinds": (
        [signed("owner"), lead(), signed("friend", referral_code=CODE), rescinded("friend")],
        (ACCEPTED, None, None, 0, 0),
    ),
    "a friend buys elsewhere": (
        [signed("owner"), lead(), signed("friend", referral_code="ABCD-EFGH")],
        (ACCEPTED, None, None, 0, 0),
    ),
    "somebody who was known already": (
        [signed("owner"), lead(joined=True), signed("friend", referral_code=CODE)],
        (REFUSED, ReferralRefusal.ALREADY_KNOWN, None, 0, 0),
    ),
    "the owner themselves": (
        [signed("owner"), lead("owner"), signed("owner", "p2", referral_code=CODE)],
        (REFUSED, ReferralRefusal.SELF, None, 0, 0),
    ),
    "one of the same household": (
        [
            signed("owner"),
            lead(),
            registered("owner", "family"),
            registered("friend", "family"),
            signed("friend", referral_code=CODE),
        ],
        (REFUSED, ReferralRefusal.HOUSEHOLD, None, 0, 0),
    ),
    "the same person under another id": (
        [
            signed("owner"),
            lead(),
            CustomersMerged(
                customer_id="owner", merge_id="m1", merged_customer_id="friend", rule="phone"
            ),
            signed("friend", referral_code=CODE),
        ],
        (REFUSED, ReferralRefusal.SELF, None, 0, 0),
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_the_facts_come_to_the_same_in_every_order(
    name: str, after: Callable[..., tuple[CustomerFile, list[Event]]]
) -> None:
    heard, expected = HISTORIES[name]
    for order in permutations(heard):
        file, events = after(*order)
        assert outcome(file)[:5] == expected
        rewards = len(of(ReferralRewarded, events)) - len(of(ReferralClawedBack, events))
        assert rewards == (1 if expected[2] else 0)
        assert len(of(PointsEarned, events)) - len(of(PointsReversed, events)) == rewards


@pytest.mark.parametrize("name", HISTORIES)
def test_hearing_everything_twice_adds_nothing(
    name: str, after: Callable[..., tuple[CustomerFile, list[Event]]]
) -> None:
    heard, _ = HISTORIES[name]
    once, first = after(*heard)
    twice, events = after(*heard, *heard)
    assert outcome(once) == outcome(twice)
    assert len(first) == len(events)


def test_an_accepted_referral_is_rewarded_and_names_the_ledger_entry(
    after: Callable[..., tuple[CustomerFile, list[Event]]],
) -> None:
    _, events = after(signed("owner"), lead(), signed("friend", referral_code=CODE))
    invited = of(ReferralInvited, events)
    assert (invited[0].customer_id, invited[0].referral_code) == ("owner", CODE)
    [accepted] = of(ReferralAccepted, events)
    assert (accepted.customer_id, accepted.referred_customer_id, accepted.lead_id) == (
        "owner",
        "friend",
        "lead-1",
    )
    [rewarded] = of(ReferralRewarded, events)
    [earned] = of(PointsEarned, events)
    assert rewarded.referral_id == accepted.referral_id
    assert rewarded.entry_id == earned.entry_id
    assert rewarded.due_at == earned.active_from == AT + 7 * DAY
    assert (rewarded.points, rewarded.purchase_id) == (10_000, "p-friend")


def test_a_rescission_takes_the_reward_back_and_names_the_entry(
    after: Callable[..., tuple[CustomerFile, list[Event]]],
) -> None:
    _, events = after(
        signed("owner"), lead(), signed("friend", referral_code=CODE), rescinded("friend")
    )
    [earned] = of(PointsEarned, events)
    [reversed_] = of(PointsReversed, events)
    [clawed_back] = of(ReferralClawedBack, events)
    assert reversed_.reverses == earned.entry_id
    assert clawed_back.entry_id == reversed_.entry_id
    assert clawed_back.reason is ClawBackReason.PURCHASE_RESCINDED


def test_a_household_that_is_learned_later_takes_the_reward_back(
    after: Callable[..., tuple[CustomerFile, list[Event]]],
) -> None:
    late = CustomerUpdated(customer_id="friend", household=Household(household_id="family"))
    _, events = after(
        registered("owner", "family"),
        signed("owner"),
        lead(),
        signed("friend", referral_code=CODE),
        late,
    )
    [clawed_back] = of(ReferralClawedBack, events)
    [refused] = of(ReferralRefused, events)
    assert clawed_back.reason is ClawBackReason.REFUSED_LATER
    assert refused.reason is ReferralRefusal.HOUSEHOLD


def test_an_unknown_code_is_refused_to_the_one_who_used_it(
    after: Callable[..., tuple[CustomerFile, list[Event]]],
) -> None:
    file, events = after(lead(referral_code="FREEHOMES"))
    [refused] = of(ReferralRefused, events)
    assert (refused.customer_id, refused.reason) == ("friend", ReferralRefusal.UNKNOWN_CODE)
    assert (refused.referral_code, file.owners) == ("FREEHOMES", {})


def test_a_second_purchase_of_the_same_friend_is_rewarded_only_when_the_first_fell_through(
    after: Callable[..., tuple[CustomerFile, list[Event]]],
) -> None:
    first = signed("friend", "p1", referral_code=CODE)
    second = signed("friend", "p2", referral_code=CODE)
    _, events = after(signed("owner"), lead(), first, second)
    assert [r.purchase_id for r in of(ReferralRewarded, events)] == ["p1"]
    _, events = after(signed("owner"), lead(), first, rescinded("friend", "p1"), second)
    assert [r.purchase_id for r in of(ReferralRewarded, events)] == ["p1", "p2"]
    assert [r.purchase_id for r in of(ReferralClawedBack, events)] == ["p1"]


def test_an_un_merge_gives_the_reward_that_the_merge_had_taken(
    after: Callable[..., tuple[CustomerFile, list[Event]]],
) -> None:
    merge = CustomersMerged(
        customer_id="owner", merge_id="m1", merged_customer_id="friend", rule="phone"
    )
    undo = CustomersUnmerged(customer_id="owner", merge_id="m1", restored_customer_id="friend")
    file, _ = after(signed("owner"), lead(), merge, undo, signed("friend", referral_code=CODE))
    assert outcome(file)[:5] == (ACCEPTED, None, "p-friend", 0, 10_000)


def test_a_wrong_merge_takes_a_reward_only_until_it_is_undone(
    after: Callable[..., tuple[CustomerFile, list[Event]]],
) -> None:
    merge = CustomersMerged(
        customer_id="owner", merge_id="m1", merged_customer_id="friend", rule="phone"
    )
    undo = CustomersUnmerged(customer_id="owner", merge_id="m1", restored_customer_id="friend")
    for order in permutations(
        [signed("owner"), lead(), signed("friend", referral_code=CODE), merge, undo]
    ):
        file, events = after(*order)
        assert outcome(file)[:5] == (ACCEPTED, None, "p-friend", 0, 10_000)
        rewards = {rewarded.entry_id for rewarded in of(ReferralRewarded, events)}
        assert len(rewards) == len(of(ReferralClawedBack, events)) + 1


def test_of_two_codes_the_one_that_a_friend_came_with_first_earns_the_reward(
    after: Callable[..., tuple[CustomerFile, list[Event]]],
) -> None:
    [others, *_] = candidates("other")
    for order in permutations(
        [
            signed("owner"),
            signed("other"),
            lead(),
            lead(referral_code=others, captured_at=AT + DAY),
            signed("friend", lead_id="lead-1"),
        ]
    ):
        file, _ = after(*order)
        rewarded = {r.code: r.reward is not None for r in file.referrals.values()}
        assert rewarded == {CODE: True, others: False}
        assert [file.membership(id).pending for id in ("owner", "other")] == [10_000, 0]


def test_an_owner_who_was_forgotten_recommends_nobody_any_more(
    after: Callable[..., tuple[CustomerFile, list[Event]]],
) -> None:
    erased = CustomerErased(customer_id="owner", erasure_id="e1")
    later = lead(captured_at=AT + DAY)
    for order in permutations([signed("owner"), erased, later]):
        file, _ = after(*order)
        assert outcome(file)[:2] == (REFUSED, ReferralRefusal.NOT_AN_OWNER)


def test_whom_an_owner_recommended_before_they_were_forgotten_stays_recommended(
    after: Callable[..., tuple[CustomerFile, list[Event]]],
) -> None:
    erased = CustomerErased(customer_id="owner", erasure_id="e1")
    for order in permutations([signed("owner"), erased, lead(captured_at=AT - DAY)]):
        file, _ = after(*order)
        assert outcome(file)[:2] == (ACCEPTED, None)


def test_a_code_is_always_the_same_and_is_known_however_it_is_typed() -> None:
    assert choose("owner", {}) == CODE
    assert choose("owner", {CODE: "owner"}) == CODE
    assert choose("owner", {CODE: "stranger"}) == candidates("owner")[1]
    with pytest.raises(ValueError, match="every code"):
        choose("owner", dict.fromkeys(candidates("owner"), "stranger"))
    assert normalised(CODE.lower()) == CODE
    assert normalised(CODE.replace("-", "")) == CODE
    assert normalised("oooo-iill") == "0000-1111"
    assert normalised("HEWEI-7Q2") == "HEWEI-7Q2"


def test_every_reaction_is_a_function_of_the_journey() -> None:
    assert reactions.events["keyturn.purchase.signed.v1"][1] is journey.purchase_signed
