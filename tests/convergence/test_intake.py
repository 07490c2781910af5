"""Intake: one customer, one lead, one purchase, whatever order a partner's records come in.

The partner door is intake's one topic; a partner's reference of a lead, a sale or a building is the
key that keeps its order. So the stories are of one person and their home in several references.
What the first word to come decides, as intake's rules say, is left out: of two contradictory
answers the first is kept, a lead is of the channel that it first came by, and a sale follows the
lead that is known when the sale is.

The service desk tells of the handover, at any point of such a story.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.domain.leads.lead_deadlines import FIRST_RESPONSE, PROTECTION
from intake.domain.partners.partners import Building, Partner
from intake.domain.privacy.erasures import READERS
from intake.domain.sales import purchase_commands, release_commands
from intake.domain.sales.homes import Home
from intake.domain.sales.purchase_commands import ReserveHome
from intake.domain.sales.purchases import Purchase
from intake.domain.sales.release_commands import PlanRelease, TakeNumber
from intake.domain.sales.releases import Queue, Release
from intake.reactions import reactions
from intake.reading.contact_points import identify
from intake.store.needs import Needs
from intake.store.subjects import SUBJECTS
from intake.store.subjects.consents import CONSENT_ENDS
from intake.store.subjects.erasures import ERASURE_OVERDUE, ERASURE_SWEEP
from intake.store.subjects.leads import LEAD_STALLED
from intake.store.subjects.partner_door import Received, ReceivedNeeds
from intake.store.subjects.purchases import RESERVATION_EXPIRED
from intake.store.subjects.releases import QUEUE_TURN, QueueRows
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import Loaded
from keyturn_chassis.inputs import Cause, Input
from keyturn_chassis.service import Deadline
from keyturn_chassis.testing import record
from keyturn_events import Affordability, Event, Message, Money, Topic
from keyturn_events.golden import golden_message
from keyturn_events.partners import (
    PartnerConsent,
    PartnerConstructionProgressed,
    PartnerEvent,
    PartnerLeadSubmitted,
    PartnerSaleRecorded,
    Person,
)
from keyturn_events.service_desk import HandoverCompleted
from keyturn_events.vocabulary import Channel, LeadChannel, PurchaseStage, Purpose, QueueOutcome

if TYPE_CHECKING:
    from tests.convergence.conftest import Fold, Story, Telling

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
DAY = timedelta(days=1)
PRICE = Money(amount=Decimal("1680000.00"), currency="CNY")
PHONE = "13800138000"
HOME = Home("home-9", "hilltop", PRICE, release_id="spring")
TIMERS = {CONSENT_ENDS, FIRST_RESPONSE, PROTECTION, LEAD_STALLED, RESERVATION_EXPIRED, QUEUE_TURN}
TYPES = (PartnerLeadSubmitted, PartnerSaleRecorded, PartnerConstructionProgressed)


def said(partner_id: str, id: str, event: Event) -> Message[Any]:
    return Message.of(event, id=id, source=f"/partners/{partner_id}", time=NOON)


def lead(reference: str, day: int, community_id: str, **more: Any) -> PartnerLeadSubmitted:
    return PartnerLeadSubmitted(
        lead_reference=reference,
        submitted_at=NOON - (10 - day) * DAY,
        community_id=community_id,
        **({"person": Person(phone=PHONE)} | more),
    )


def sale(stage: PurchaseStage, day: int, **more: Any) -> PartnerSaleRecorded:
    fields: dict[str, Any] = {
        "sale_reference": "sale-1",
        "stage": stage,
        "recorded_on": date(2026, 3, day),
        "home_id": "home-1",
        "building": "lakeside-3",
        "community_id": "lakeside",
        "price": PRICE,
        "buyer": Person(phone=PHONE, name="张伟"),
    }
    return PartnerSaleRecorded(**(fields | more))


def progress(day: int, completion: date) -> PartnerConstructionProgressed:
    return PartnerConstructionProgressed(
        community_id="lakeside",
        building="lakeside-3",
        progressed_on=date(2026, 3, day),
        expected_completion=completion,
    )


def consent(granted: bool) -> dict[str, Any]:
    word = PartnerConsent(channel=Channel.SMS, purpose=Purpose.MARKETING, granted=granted)
    return {"consents": (word,)}


def story(*sales: PartnerEvent) -> Story:
    """A person asks at a portal and an agency, buys, and their building comes along."""
    email = {"person": Person(phone=PHONE, email="wei@example.com"), "channel": LeadChannel.AGENCY}
    income = {"affordability": Affordability(annual_income=PRICE)}
    return (
        said("portal", "1", lead("l-1", 1, "riverside", **consent(granted=True))),
        said("portal", "2", lead("l-1", 2, "riverside", **income)),
        said("agency", "1", lead("a-1", 3, "hillside", **consent(granted=False), **email)),
        # The agency's system sends the same event again, under the same id.
        said("agency", "1", lead("a-1", 3, "hillside", **consent(granted=False), **email)),
        said("builder", "1", progress(1, date(2027, 6, 30))),
        said("builder", "2", progress(7, date(2027, 9, 30))),
        *(said("ledger", str(number), event) for number, event in enumerate(sales)),
    )


STAGES = PurchaseStage
STORIES: Mapping[str, Story] = {
    "a contract that names its day between two words of the builder": story(
        sale(STAGES.RESERVED, 3),
        sale(STAGES.SIGNED, 5, expected_completion=date(2027, 8, 1)),
        sale(STAGES.PAID, 9),
    ),
    "a contract that names its day after the builder's last word": story(
        sale(STAGES.SIGNED, 8, expected_completion=date(2027, 8, 1)),
    ),
    "a contract that leaves the day to the builder": story(
        sale(STAGES.SUBSCRIBED, 3), sale(STAGES.PAID, 5)
    ),
    "a sale that is undone": story(
        sale(STAGES.SIGNED, 5), sale(STAGES.RESCINDED, 6), sale(STAGES.RESCINDED, 6)
    ),
}


class Door:
    """The working set of the whole service in memory: each input needs its own part of it."""

    def __init__(self) -> None:
        partners = (Partner(p, p, tuple(t.type for t in TYPES)) for p in PARTNERS)
        self.kept = IntakeWorkingSet(
            subjects=SUBJECTS,
            identities={},
            owners={},
            customers=Loaded({}),
            leads=Loaded({}),
            purchases=Loaded({}),
            documents={
                Partner: Loaded({(partner.partner_id,): (1, partner) for partner in partners})
            },
        )

    def state_for(self, input: Input[Any], /) -> Any:
        needs = Needs.of([input], SUBJECTS)
        self.kept.part(Received).records = needs.part(ReceivedNeeds).records
        self.kept.identities = {
            key: identify(visitor.person, "CN") for key, visitor in needs.visitors.items()
        }
        return self.kept.state_for(input)

    def put(self, state: Any, /) -> None:
        self.kept.put(state)

    def deadlines(self) -> Mapping[str, Sequence[Deadline]]:
        return self.kept.deadlines()


PARTNERS = ("portal", "agency", "ledger", "builder")


@pytest.fixture(scope="session")
def after(fold: Callable[..., Fold]) -> Callable[..., Fold]:
    """`after(messages)`: the service when the door has had all these records, and time has passed.

    The home is handed over as soon as `handed_over` records have come and its purchase is known.
    Whoever buys has reserved another home at the desk before, until the next day, and has a queue
    number at a release that opens then, where they do not appear.
    """

    def tell(messages: Story, *, late: bool = False, handed_over: int = 0) -> Fold:
        service = fold(reactions, Door())
        receive = reactions.untrusted[Topic.PARTNERS_INBOUND]
        for offset, message in enumerate(messages):
            raw = record(message, offset=offset)
            cause = Cause(raw.topic, f"{raw.topic}/0/{offset}", NOON)
            service.decide(Input(raw, cause, receive))
            if offset >= handed_over:
                hand_over(service)
        hand_over(service)
        buyer_id = buyer(service)
        reservation = ReserveHome(
            customer_id=buyer_id,
            home_id="home-2",
            community_id="hillside",
            price=PRICE,
            expires_at=NOON + DAY,
        )
        cause = Cause("desk", "reservation", NOON)
        service.decide(Input(reservation, cause, purchase_commands.reserve))
        release = PlanRelease("spring", "hilltop", "Spring", NOON + DAY, 5)
        cause = Cause("desk", "release", NOON)
        service.decide(Input(release, cause, release_commands.plan))
        # The home that is for sale then; the store would read it with the queue.
        service.working_set.kept.part(QueueRows).queues["spring"] = Queue(
            Release("spring", "hilltop", "Spring", NOON + DAY), free={"home-9": HOME}
        )
        cause = Cause("desk", "queue-number", NOON)
        number = TakeNumber("spring", buyer_id)
        service.decide(Input(number, cause, release_commands.take_number))
        if not late:
            service.let_time_pass(NOON + DAY)
        service.let_time_pass(NOON + 800 * DAY)
        return service

    return tell


def buyer(service: Fold) -> str:
    """The one customer of the stories."""
    (customer_id,) = set(service.working_set.kept.owners.values())
    return str(customer_id)


def hand_over(service: Fold) -> None:
    """The service desk hands the home over, once, if its purchase is known."""
    known = {p.home_id: p for p in service.working_set.kept.purchases.values()}
    if (purchase := known.get("home-1")) is not None:
        facts = {"customer_id": purchase.customer_id, "purchase_id": purchase.purchase_id}
        golden = golden_message(HandoverCompleted).event.model_dump()
        handover = HandoverCompleted.model_validate(golden | facts)
        service.hear(Message.of(handover, id="handover", source="service-desk", time=NOON))


def state(service: Fold) -> Any:
    """All that is kept, under the names that the partners know.

    The ids of customers and purchases come from the record that was the first to tell of them, and
    `joined` says whether a touch was; both tell the way. So does a score: it was given at the last
    touch of its lead, for what was known of the person by then.
    """
    kept: IntakeWorkingSet = service.working_set.kept
    return {
        "customers": [
            replace(customer, customer_id="", phones=tuple(sorted(customer.phones)))
            for customer in kept.customers.values()
        ],
        "who is known by": set(kept.owners),
        "leads": {
            lead.community_id: replace(lead, lead_id="", customer_id="", score=None)
            for lead in kept.leads.values()
        },
        "touches": {
            (touch.partner_id, touch.source_reference, touch.captured_at) for touch in kept.touches
        },
        "purchases": {
            purchase.home_id: _as_it_stands(purchase) for purchase in kept.purchases.values()
        },
        "claims": set(kept._claims),
        "queue numbers": [
            replace(number, customer_id="") for number in kept.part(QueueRows).numbers.values()
        ],
        "buildings": list(kept.documents[Building].values()),
        "accepted": kept.part(Received).accepted,
        "outcomes": sorted(str(file.outcome) for file in kept.part(Received).files),
    }


def _as_it_stands(purchase: Purchase) -> Purchase:
    known = replace(purchase, purchase_id="", customer_id="", lead_id=None)
    if purchase.live:
        return known
    # Nobody waits for the completion of a purchase that was undone.
    return replace(known, expected_completion=None, completion_said_on=None)


@pytest.fixture(scope="session")
def expected(after: Callable[..., Fold]) -> Callable[..., Any]:
    """`expected(name)`: the state when a story was told in its own order."""
    return cache(lambda name: state(after(STORIES[name])))


def test_the_stories_call_for_every_reaction(after: Callable[..., Fold]) -> None:
    """But for those on erasures, whose story is told in test_erasures.py."""
    services = [after(story) for story in STORIES.values()]
    told = {type(message.event) for story in STORIES.values() for message in story}
    assert told == set(TYPES)
    assert set(reactions.untrusted) == {Topic.PARTNERS_INBOUND}
    for service in services:
        assert service.fired == TIMERS
        outcomes = [str(file.outcome) for file in service.working_set.kept.part(Received).files]
        assert set(outcomes) == {"accepted", "duplicate"}
        purchases = {p.home_id: p for p in service.working_set.kept.purchases.values()}
        assert purchases["home-1"].handed_over_on == date(2027, 10, 30)
        (number,) = service.working_set.kept.part(QueueRows).numbers.values()
        assert number.outcome is QueueOutcome.PASSED
    assert set(reactions.timers) == TIMERS | {ERASURE_OVERDUE, ERASURE_SWEEP}
    receipts = {kind.type for kind in READERS}
    assert set(reactions.events) == {HandoverCompleted.type} | receipts


@pytest.mark.parametrize("name", STORIES)
@settings(derandomize=True, max_examples=25, deadline=None)
@given(data=st.data())
def test_any_order_that_kafka_may_give_leads_to_one_state(
    name: str,
    telling: type[Telling],
    after: Callable[..., Fold],
    expected: Callable[..., Any],
    data: st.DataObject,
) -> None:
    told = data.draw(telling.as_kafka_may(STORIES[name], repeated=False))
    handed_over = data.draw(st.integers(0, len(told)))
    shuffled = after(told, late=data.draw(st.booleans()), handed_over=handed_over)
    assert state(shuffled) == expected(name)


@pytest.mark.parametrize("name", STORIES)
@settings(derandomize=True, max_examples=20, deadline=None)
@given(data=st.data())
def test_records_that_come_twice_have_no_second_effect(
    name: str, telling: type[Telling], after: Callable[..., Fold], data: st.DataObject
) -> None:
    story = STORIES[name]
    told = data.draw(telling.as_kafka_may(story))
    once, twice = state(after(story)), state(after(told))
    del once["outcomes"], twice["outcomes"]
    assert twice == once
