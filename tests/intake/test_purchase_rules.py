"""The state machine of a purchase, and claims on homes, as pure decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.communities import Community
from intake.domain.dossier import Dossier
from intake.domain.leads.leads import Lead, LeadStatus
from intake.domain.people.customers import Customer
from intake.domain.sales import purchase_commands as commands
from intake.domain.sales import purchases
from intake.domain.sales.purchases import Purchase
from keyturn_chassis.inputs import Cause
from keyturn_events import Event, Money, Refusal
from keyturn_events.intake import (
    HomeReserved,
    LeadAdvanced,
    LeadLost,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.vocabulary import (
    LeadChannel,
    LeadStage,
    PurchaseStage,
    RescissionReason,
)

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
TODAY = date(2026, 3, 2)
PRICE = Money(amount=Decimal("1680000.00"), currency="CNY")
DEPOSIT = Money(amount=Decimal(20000), currency="CNY")
RIVERSIDE = Community("riverside")
ZHANG = Customer("zhang", NOON)
LEAD = Lead("lead-1", "zhang", "riverside", LeadChannel.WEB, NOON, NOON)


def cause(number: int = 0, *, days: float = 0) -> Cause:
    return Cause("test", str(number), NOON + timedelta(days=days))


def reserved(dossier: Dossier | None = None, **more: object) -> tuple[Dossier, list[Event]]:
    command = commands.ReserveHome("zhang", "home-1", "riverside", PRICE, **more)  # type: ignore[arg-type]  # by name
    return commands.reserve(
        dossier or Dossier(community=RIVERSIDE, customer=ZHANG, lead=LEAD), command, cause()
    )


def purchase_of(dossier: Dossier) -> Purchase:
    assert dossier.purchase is not None
    return dossier.purchase


def around(purchase: Purchase, lead: Lead | None = None) -> Dossier:
    return Dossier(community=RIVERSIDE, purchase=purchase, lead=lead)


def at_stage(stage: PurchaseStage) -> Purchase:
    purchase = purchase_of(reserved()[0])
    if stage is PurchaseStage.RESCINDED:
        return replace(purchase, stage=stage)
    return replace(purchase, stage=stage, signed_on=TODAY)


def test_a_reservation_keeps_the_home_and_brings_the_lead_along() -> None:
    dossier, events = reserved(deposit=DEPOSIT)
    purchase = purchase_of(dossier)
    assert (purchase.stage, purchase.home_id, purchase.lead_id) == ("reserved", "home-1", "lead-1")
    assert events == [
        HomeReserved(
            customer_id="zhang",
            purchase_id=purchase.purchase_id,
            home_id="home-1",
            community_id="riverside",
            price=PRICE,
            lead_id="lead-1",
            community_time_zone="Asia/Shanghai",
            reserved_on=TODAY,
            deposit=DEPOSIT,
        ),
        LeadAdvanced(
            customer_id="zhang",
            lead_id="lead-1",
            community_id="riverside",
            from_stage=LeadStage.NEW,
            to_stage=LeadStage.RESERVED,
            reason="home-reserved",
        ),
    ]
    assert [deposit.amount for deposit in dossier.deposits] == [DEPOSIT]


def test_a_home_with_a_live_claim_is_refused() -> None:
    claim = purchase_of(reserved()[0])
    with pytest.raises(Refusal) as refused:
        reserved(Dossier(community=RIVERSIDE, customer=ZHANG, claim=claim))
    assert (refused.value.code, refused.value.pointer) == ("home-already-claimed", "/home_id")


def test_a_rescinded_purchase_keeps_nobody_from_the_home() -> None:
    gone = at_stage(PurchaseStage.RESCINDED)
    dossier, _ = reserved(Dossier(community=RIVERSIDE, customer=ZHANG, claim=gone))
    assert purchase_of(dossier).stage is PurchaseStage.RESERVED


def test_a_reservation_needs_a_customer() -> None:
    with pytest.raises(Refusal, match="customer-not-found"):
        reserved(Dossier(community=RIVERSIDE))


def test_a_lead_of_another_customer_is_refused() -> None:
    with pytest.raises(Refusal, match="lead-of-another-customer"):
        reserved(
            Dossier(community=RIVERSIDE, customer=ZHANG, lead=replace(LEAD, customer_id="li")),
            lead_id="lead-1",
        )


def test_a_lead_follows_one_purchase_only() -> None:
    taken = replace(LEAD, stage=LeadStage.RESERVED)
    dossier, events = reserved(Dossier(community=RIVERSIDE, customer=ZHANG, lead=taken))
    assert purchase_of(dossier).lead_id is None
    assert len(events) == 1
    with pytest.raises(Refusal, match="lead-has-a-claim"):
        reserved(Dossier(community=RIVERSIDE, customer=ZHANG, lead=taken), lead_id="lead-1")


def test_the_cooling_off_ends_with_its_last_day_in_the_time_zone_of_the_community() -> None:
    dossier, events = commands.sign(
        around(at_stage(PurchaseStage.SUBSCRIBED)), commands.SignPurchase("p"), cause()
    )
    signed = events[0]
    assert isinstance(signed, PurchaseSigned)
    assert signed.signed_on == TODAY
    assert signed.cooling_off_ends == datetime(2026, 3, 9, 16, 0, tzinfo=UTC)
    assert purchase_of(dossier).cooling_off_ends == signed.cooling_off_ends


@pytest.mark.parametrize(("day", "within"), [(9, True), (10, False)])
def test_whether_a_rescission_is_within_the_cooling_off_goes_by_the_day(
    day: int, within: bool
) -> None:
    command = commands.RescindPurchase("p", date(2026, 3, day), RescissionReason.OTHER)
    dossier, events = commands.rescind(around(at_stage(PurchaseStage.SIGNED)), command, cause())
    assert isinstance(events[0], PurchaseRescinded)
    assert events[0].within_cooling_off is within
    assert events[0].stage is PurchaseStage.SIGNED
    assert not purchase_of(dossier).live


def test_the_cooling_off_is_no_reason_after_its_end() -> None:
    command = commands.RescindPurchase("p", date(2026, 3, 10), RescissionReason.COOLING_OFF)
    with pytest.raises(Refusal, match="cooling-off-over"):
        commands.rescind(around(at_stage(PurchaseStage.SIGNED)), command, cause())


def test_a_signed_purchase_wins_its_lead_and_a_rescission_sends_it_back_to_the_visit() -> None:
    dossier, _ = commands.sign(
        around(at_stage(PurchaseStage.RESERVED), LEAD), commands.SignPurchase("p"), cause()
    )
    assert dossier.lead is not None
    assert (dossier.lead.stage, dossier.lead.status) == (LeadStage.SIGNED, LeadStatus.WON)
    dossier, events = commands.rescind(
        dossier, commands.RescindPurchase("p", None, RescissionReason.OTHER), cause(1)
    )
    assert dossier.lead is not None
    assert (dossier.lead.stage, dossier.lead.status) == (LeadStage.VISITED, LeadStatus.OPEN)
    assert isinstance(events[1], LeadAdvanced)
    assert (events[1].from_stage, events[1].to_stage) == (LeadStage.SIGNED, LeadStage.VISITED)


def test_a_rescission_loses_its_lead_when_the_customer_has_a_newer_one() -> None:
    won = replace(LEAD, stage=LeadStage.SIGNED, status=LeadStatus.WON)
    dossier = replace(
        around(at_stage(PurchaseStage.SIGNED), won),
        leads={"zhang": replace(LEAD, lead_id="lead-2")},
    )
    dossier, events = commands.rescind(
        dossier, commands.RescindPurchase("p", None, RescissionReason.OTHER), cause()
    )
    assert dossier.lead is not None
    assert dossier.lead.status is LeadStatus.LOST
    assert isinstance(events[1], LeadLost)


def test_a_reservation_that_ran_out_frees_the_home() -> None:
    expiring = replace(at_stage(PurchaseStage.RESERVED), expires_at=NOON + timedelta(days=1))
    dossier, events = commands.expire(around(expiring), None, cause(days=1))
    assert isinstance(events[0], PurchaseRescinded)
    assert events[0].reason is RescissionReason.RESERVATION_EXPIRED
    assert not purchase_of(dossier).live


def test_a_reservation_that_was_subscribed_in_time_does_not_run_out() -> None:
    subscribed = replace(at_stage(PurchaseStage.SUBSCRIBED), expires_at=NOON)
    with pytest.raises(Refusal, match="reservation-not-expired"):
        commands.expire(around(subscribed), None, cause(days=1))


STEPS = {
    "subscribe": (commands.subscribe, commands.SubscribeHome("p")),
    "sign": (commands.sign, commands.SignPurchase("p")),
    "pay": (commands.pay, commands.PayPurchase("p")),
    "rescind": (commands.rescind, commands.RescindPurchase("p")),
}
ALLOWED = {
    ("reserved", "subscribe"),
    ("reserved", "sign"),
    ("subscribed", "sign"),
    ("signed", "pay"),
    ("reserved", "rescind"),
    ("subscribed", "rescind"),
    ("signed", "rescind"),
    ("paid", "rescind"),
}


@pytest.mark.parametrize("stage", PurchaseStage)
@pytest.mark.parametrize("step", STEPS)
def test_only_the_steps_of_the_machine_are_possible(stage: PurchaseStage, step: str) -> None:
    decide, command = STEPS[step]
    dossier = around(at_stage(stage))
    if (stage.value, step) in ALLOWED:
        after, events = decide(dossier, command, cause())  # type: ignore[operator]  # of one kind each
        assert purchase_of(after).stage is not stage
        assert len(events) == 1
    else:
        with pytest.raises(Refusal) as refused:
            decide(dossier, command, cause())  # type: ignore[operator]  # of one kind each
        assert refused.value.code in {"stage-not-possible", "purchase-rescinded"}


@given(st.lists(st.tuples(st.sampled_from(["reserve", "rescind"]), st.integers(0, 2))))
def test_a_home_never_has_two_live_claims(inputs: list[tuple[str, int]]) -> None:
    """Whatever is asked for in whatever order: customers 0 to 2 and one home."""
    bought: list[Purchase] = []
    for number, (what, who) in enumerate(inputs):
        claim = next((purchase for purchase in bought if purchase.live), None)
        if what == "reserve":
            dossier = Dossier(community=RIVERSIDE, customer=Customer(str(who), NOON), claim=claim)
            command = commands.ReserveHome(str(who), "home-1", "riverside", PRICE)
            if claim is None:
                after, _ = commands.reserve(dossier, command, cause(number))
                bought.append(purchase_of(after))
            else:
                with pytest.raises(Refusal, match="home-already-claimed"):
                    commands.reserve(dossier, command, cause(number))
        elif claim is not None and claim.customer_id == str(who):
            gone, _ = purchases.rescinded(claim, TODAY, RescissionReason.OTHER, RIVERSIDE)
            bought[bought.index(claim)] = gone
        assert sum(purchase.live for purchase in bought) <= 1
