from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from keyturn_events import Message, Money
from keyturn_events.campaigns import (
    MemberEnrolled,
    PointsEarned,
    PointsExpired,
    PointsReversed,
    PointsSpent,
    ReferralClawedBack,
    ReferralInvited,
    ReferralRewarded,
    TierChanged,
)
from keyturn_events.intake import (
    CustomersMerged,
    CustomersUnmerged,
    LeadCaptured,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.service_desk import SurveyAnswered
from keyturn_events.vocabulary import PointsState, Tier

Say = Callable[..., Message[Any]]

AT = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def signed(customer: str, purchase: str = "", **more: Any) -> PurchaseSigned:
    return PurchaseSigned(
        customer_id=customer,
        purchase_id=purchase or f"p-{customer}",
        home_id=f"home-{customer}",
        community_id="lakeside",
        price=Money.model_validate({"amount": "1000000.00", "currency": "CNY"}),
        signed_on=date(2026, 3, 4),
        cooling_off_ends=AT + 7 * DAY,
        **more,
    )


def rescinded(purchase: PurchaseSigned) -> PurchaseRescinded:
    return PurchaseRescinded.model_validate(
        purchase.model_dump()
        | {"stage": "signed", "rescinded_on": date(2026, 3, 5), "reason": "cooling-off"}
    )


def lead(customer: str, code: str) -> LeadCaptured:
    return LeadCaptured.model_validate(
        {
            "customer_id": customer,
            "lead_id": f"lead-{customer}",
            "channel": "referral",
            "captured_at": AT,
            "joined": False,
            "repeated": False,
            "referral_code": code,
        }
    )


def answered(customer: str) -> SurveyAnswered:
    return SurveyAnswered.model_validate(
        {
            "customer_id": customer,
            "response_id": "r1",
            "survey": "visit",
            "survey_version": 1,
            "touchpoint": "visit",
            "low": False,
        }
    )


class Club:
    """What an app does with members."""

    def __init__(self, desk: Any, said: Say) -> None:
        self.harness = desk.harness
        self.said = said

    async def get(self, path: str, scope: str = "members:read") -> Any:
        answer = await self.harness.client.get(path, headers=self.harness.headers(scope))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: dict[str, Any], key: str | None = None) -> Any:
        headers = self.harness.headers("members:write")
        if key is not None:
            headers["idempotency-key"] = key
        return await self.harness.client.post(path, headers=headers, json=body)

    async def balance(self, member: str = "ann") -> tuple[int, int]:
        body = await self.get(f"/members/{member}")
        return body["balance"], body["pending"]

    async def tier(self, member: str) -> str:
        tier: str = (await self.get(f"/members/{member}"))["tier"]
        return tier

    async def code(self, customer: str = "ann") -> str:
        body = await self.get(f"/customers/{customer}/referral-code", "referrals:read")
        code: str = body["referral_code"]
        return code


@pytest.fixture
def club(desk: Any, said: Say) -> Club:
    return Club(desk, said)


async def test_a_signature_makes_a_member_with_a_code_once(club: Club) -> None:
    await club.harness.receive(club.said(signed("ann")), club.said(signed("ann", "p2")))
    await club.harness.receive(club.said(signed("ann", "p3")))
    [enrolled] = await club.harness.published(MemberEnrolled)
    [invited] = await club.harness.published(ReferralInvited)
    assert (enrolled.member_id, invited.customer_id) == ("ann", "ann")
    assert invited.referral_code == await club.code()
    assert await club.get("/members/ann") == {
        "member_id": "ann",
        "tier": "blue",
        "enrolled_at": "2026-03-04T02:00:00Z",
        "balance": 0,
        "pending": 0,
    }


async def test_a_friends_purchase_earns_points_that_may_be_spent_after_the_cooling_off(
    club: Club,
) -> None:
    await club.harness.drive(AT)
    await club.harness.receive(club.said(signed("ann")))
    code = await club.code()
    await club.harness.receive(club.said(signed("bob", referral_code=code)))
    await club.harness.receive(club.said(lead("bob", code.lower())))
    assert await club.balance() == (0, 10_000)
    await club.harness.drive(AT + 7 * DAY)
    assert await club.balance() == (10_000, 0)
    earned = await club.harness.messages(PointsEarned)
    assert [m.event.state for m in earned] == [PointsState.PENDING, PointsState.ACTIVE]
    assert earned[1].envelope.time == AT + 7 * DAY
    report = await club.get("/reports/referrals", "referrals:read")
    assert (report["purchases"], report["by_referral"], report["share"]) == (2, 1, 0.5)
    assert report["referrals"] == {"accepted": 1}


async def test_a_rescission_takes_the_points_back_and_the_share_with_them(club: Club) -> None:
    await club.harness.drive(AT)
    await club.harness.receive(club.said(signed("ann")))
    code = await club.code()
    purchase = signed("bob", referral_code=code)
    await club.harness.receive(club.said(lead("bob", code)), club.said(purchase))
    await club.harness.receive(club.said(rescinded(purchase), AT + DAY))
    assert await club.balance() == (0, 0)
    assert await club.harness.rows("SELECT * FROM timers WHERE kind = 'points-activate'") == []
    [clawed_back] = await club.harness.published(ReferralClawedBack)
    [reversed_] = await club.harness.published(PointsReversed)
    assert clawed_back.entry_id == reversed_.entry_id
    report = await club.get("/reports/referrals", "referrals:read")
    assert (report["purchases"], report["by_referral"]) == (1, 0)


async def test_one_purchase_is_rewarded_once_by_constraint_whatever_is_redelivered(
    club: Club,
) -> None:
    await club.harness.receive(club.said(signed("ann")))
    code = await club.code()
    purchase = signed("bob", referral_code=code)
    for number in range(3):
        await club.harness.receive(
            club.said(lead("bob", code), id=f"l{number}"),
            club.said(purchase, id=f"s{number}"),
        )
    assert len(await club.harness.published(ReferralRewarded)) == 1
    with pytest.raises(Exception, match="one_reward"):
        await club.harness.rows(
            "INSERT INTO referrals (referral_id, code, referred_id, state,"
            " rewarded_purchase_id, version, document)"
            " VALUES ('x', 'X', 'x', 'accepted', 'p-bob', 1, '{}') RETURNING 1"
        )


async def test_points_are_given_spent_and_taken_back_and_the_balance_is_their_sum(
    club: Club,
) -> None:
    await club.harness.receive(club.said(signed("ann")))
    given = await club.post("/members/ann/awards", {"points": 500, "reason": "survey"})
    assert (given.status_code, given.json()["balance"]) == (201, 500)
    spent = await club.post("/members/ann/redemptions", {"points": 200, "reason": "gift"})
    assert spent.json()["balance"] == 300
    undo = {"entry_id": spent.json()["entry_id"]}
    assert (await club.post("/members/ann/reversals", undo)).json()["balance"] == 500
    again = (await club.post("/members/ann/reversals", undo)).json()
    assert (again["balance"], again["entry_id"]) == (500, None)
    page = await club.get("/members/ann/entries?limit=2")
    assert [(e["kind"], e["points"]) for e in page["items"]] == [("reverse", 200), ("spend", -200)]
    last = await club.get(f"/members/ann/entries?cursor={page['next_cursor']}")
    assert [(e["kind"], e["points"]) for e in last["items"]] == [("earn", 500)]
    assert last["next_cursor"] is None
    assert [e.points for e in await club.harness.published(PointsSpent)] == [200]


async def test_more_points_than_there_are_cannot_be_spent_even_at_once(club: Club) -> None:
    await club.harness.receive(club.said(signed("ann")))
    await club.post("/members/ann/awards", {"points": 100, "reason": "promotion"})
    answers = await asyncio.gather(
        *(club.post("/members/ann/redemptions", {"points": 30}) for _ in range(8))
    )
    assert sorted(a.status_code for a in answers) == [201] * 3 + [409] * 5
    refused = next(a.json() for a in answers if a.status_code == 409)
    assert refused["type"].endswith("/balance-too-small")
    assert await club.balance() == (10, 0)


async def test_the_same_request_again_spends_nothing_more(club: Club) -> None:
    await club.harness.receive(club.said(signed("ann")))
    await club.post("/members/ann/awards", {"points": 100, "reason": "promotion"})
    first = await club.post("/members/ann/redemptions", {"points": 30}, key="k1")
    second = await club.post("/members/ann/redemptions", {"points": 30}, key="k1")
    other = await club.post("/members/ann/redemptions", {"points": 31}, key="k1")
    assert first.json() == second.json()
    assert other.status_code == 422
    assert await club.balance() == (70, 0)


async def test_points_expire_by_timer_with_the_lot_they_came_in(club: Club) -> None:
    await club.harness.drive(AT)
    await club.harness.receive(club.said(signed("ann")))
    await club.post("/members/ann/awards", {"points": 100, "reason": "birthday"})
    await club.harness.drive(AT + 400 * DAY)
    await club.post("/members/ann/awards", {"points": 50, "reason": "birthday"})
    await club.post("/members/ann/redemptions", {"points": 70})
    await club.harness.drive(AT + 740 * DAY)
    [expired] = await club.harness.published(PointsExpired)
    assert (expired.points, expired.expired_on) == (30, date(2028, 3, 4))
    assert await club.balance() == (50, 0)


async def test_after_a_merge_the_points_are_one_balance_and_after_an_un_merge_two(
    club: Club,
) -> None:
    await club.harness.receive(club.said(signed("ann")), club.said(signed("bob")))
    await club.post("/members/ann/awards", {"points": 100, "reason": "promotion"})
    await club.post("/members/bob/awards", {"points": 40, "reason": "promotion"})
    merge = CustomersMerged(
        customer_id="ann", merge_id="m1", merged_customer_id="bob", rule="phone"
    )
    await club.harness.receive(club.said(merge))
    assert await club.balance("ann") == await club.balance("bob") == (140, 0)
    spent = await club.post("/members/bob/redemptions", {"points": 120})
    assert spent.json()["member_id"] == "ann"
    assert await club.balance("bob") == (20, 0)
    undo = CustomersUnmerged(customer_id="ann", merge_id="m1", restored_customer_id="bob")
    await club.harness.receive(club.said(undo))
    assert sum([(await club.balance("ann"))[0], (await club.balance("bob"))[0]]) == 20


async def test_points_earned_under_a_merged_id_go_with_it_when_the_merge_was_wrong(
    club: Club,
) -> None:
    await club.harness.receive(club.said(signed("ann")), club.said(signed("bob")))
    merge = CustomersMerged(
        customer_id="ann", merge_id="m1", merged_customer_id="bob", rule="phone"
    )
    await club.harness.receive(club.said(merge))
    await club.harness.receive(club.said(answered("bob")))
    assert await club.balance("ann") == await club.balance("bob") == (100, 0)
    undo = CustomersUnmerged(customer_id="ann", merge_id="m1", restored_customer_id="bob")
    await club.harness.receive(club.said(undo))
    assert (await club.balance("ann"), await club.balance("bob")) == ((0, 0), (100, 0))
    owners = await club.harness.rows("SELECT owner FROM timers")
    assert [timer.owner for timer in owners] == ["member/bob"]


async def test_two_members_who_are_one_person_have_the_tier_of_all_their_points(
    club: Club,
) -> None:
    await club.harness.receive(club.said(signed("ann")), club.said(signed("bob")))
    for member in ("ann", "bob"):
        await club.post(f"/members/{member}/awards", {"points": 3_000, "reason": "promotion"})
    merge = CustomersMerged(
        customer_id="ann", merge_id="m1", merged_customer_id="bob", rule="phone"
    )
    await club.harness.receive(club.said(merge))
    [rose] = await club.harness.published(TierChanged)
    assert (rose.customer_id, rose.to_tier) == ("ann", Tier.SILVER)
    assert [await club.tier(id) for id in ("ann", "bob")] == [
        "silver",
        "silver",
    ]
    undo = CustomersUnmerged(customer_id="ann", merge_id="m1", restored_customer_id="bob")
    await club.harness.receive(club.said(undo))
    assert [await club.tier(id) for id in ("ann", "bob")] == ["blue", "blue"]


async def test_a_wrong_request_is_refused_and_says_why(club: Club) -> None:
    await club.harness.receive(club.said(signed("ann")))
    gift = {"points": 5, "reason": "survey"}
    for path, body, status, code in (
        ("/members/nobody/awards", gift, 404, "no-such-member"),
        ("/members/ann/awards", gift | {"points": 0}, 422, ""),
        ("/members/ann/awards", gift | {"points": 10**10}, 422, ""),
        ("/members/ann/awards", gift | {"points": "5"}, 422, ""),
        ("/members/ann/awards", gift | {"reason": "bribe"}, 422, ""),
        ("/members/ann/awards", gift | {"x": 1}, 422, ""),
        ("/members/ann/reversals", {"entry_id": "no-such"}, 422, "no-such-entry"),
        ("/members/a%00b/awards", gift, 422, ""),
    ):
        answer = await club.post(path, body)
        assert answer.status_code == status, (path, body)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"].endswith(code)
    assert await club.harness.rows("SELECT * FROM ledger_entries") == []


async def test_an_answered_survey_earns_points_once_even_before_the_contract(club: Club) -> None:
    answer = answered("ann")
    await club.harness.receive(club.said(answer), club.said(answer, id="again"))
    refused = await club.post("/members/ann/redemptions", {"points": 10})
    assert refused.status_code == 404
    await club.harness.receive(club.said(signed("ann")))
    assert await club.balance() == (100, 0)
    [earned] = await club.harness.published(PointsEarned)
    assert (earned.points, earned.reason) == (100, "survey")
