from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keyturn_events import CustomerEvent, Event, Household, HouseholdMember, Money
from keyturn_events.campaigns import PointsEarned, PointsReversed, PointsSpent
from keyturn_events.intake import (
    CustomerErased,
    CustomerRegistered,
    CustomersMerged,
    CustomersUnmerged,
    CustomerUpdated,
    LeadAdvanced,
    LeadCaptured,
    LeadLost,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.segmentation import CustomerDormant, CustomerReactivated, CustomerSegmented
from keyturn_events.service_desk import HandoverCompleted, HandoverGatePassed
from keyturn_events.values import LotUse
from keyturn_events.vocabulary import (
    Gate,
    Incomes,
    LeadChannel,
    LeadStage,
    LossReason,
    MaritalStatus,
    PointsReason,
    PointsState,
    ProductLine,
    PurchaseStage,
    Relationship,
    RescissionReason,
)
from segmentation.domain import movement
from segmentation.domain.facts import Facts
from segmentation.domain.models import Models
from segmentation.domain.movement import CustomerFile, Dossier
from segmentation.domain.profile import JourneyStage, Profile, profile_of
from segmentation.domain.standing import Standing

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def _couple(child_born: date | None = None, homes_owned: int | None = 1) -> Household:
    members = [
        HouseholdMember(relationship=Relationship.SELF, birth_date=date(1990, 5, 1)),
        HouseholdMember(relationship=Relationship.PARTNER),
    ]
    if child_born is not None:
        members.append(HouseholdMember(relationship=Relationship.CHILD, birth_date=child_born))
    return Household(
        members=tuple(members),
        marital_status=MaritalStatus.MARRIED,
        incomes=Incomes.DUAL,
        relocating=False,
        homes_owned=homes_owned,
    )


def registered(customer_id: str = "ann", household: Household | None = None) -> CustomerRegistered:
    return CustomerRegistered(
        customer_id=customer_id, channel=LeadChannel.WEB, household=household or Household()
    )


def updated(household: Household, customer_id: str = "ann") -> CustomerUpdated:
    return CustomerUpdated(customer_id=customer_id, household=household)


def captured(customer_id: str = "ann", lead_id: str = "l1") -> LeadCaptured:
    return LeadCaptured(
        customer_id=customer_id,
        lead_id=lead_id,
        channel=LeadChannel.WEB,
        captured_at=AT,
        joined=False,
        repeated=False,
    )


def signed(purchase_id: str = "p1", customer_id: str = "ann") -> PurchaseSigned:
    return PurchaseSigned(
        **_purchase(purchase_id, customer_id),
        signed_on=AT.date(),
        cooling_off_ends=AT + 7 * DAY,
        expected_completion=date(2027, 1, 1),
    )


def rescinded(purchase_id: str = "p1", customer_id: str = "ann") -> PurchaseRescinded:
    return PurchaseRescinded(
        **_purchase(purchase_id, customer_id),
        stage=PurchaseStage.SIGNED,
        rescinded_on=AT.date(),
        reason=RescissionReason.COOLING_OFF,
    )


def _purchase(purchase_id: str, customer_id: str) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "purchase_id": purchase_id,
        "home_id": f"home-{purchase_id}",
        "community_id": "lakeside",
        "price": Money(amount=Decimal(2_000_000), currency="CNY"),
    }


class World:
    """All files of a service, in memory: hears events one by one, as the store would let it."""

    def __init__(self, models: Models, reason: Callable[..., Any]) -> None:
        self.models = models
        self.files: dict[str, CustomerFile] = {}
        self.events: list[Event] = []
        self.entries: dict[str, set[str]] = {}
        self._reason = reason

    def hear(self, event: CustomerEvent, at: datetime = AT, id: str | None = None) -> list[Event]:
        decide: Any = movement.hear
        ids = [event.customer_id]
        if isinstance(event, CustomersMerged):
            decide, ids = movement.regroup, [*ids, event.merged_customer_id]
        elif isinstance(event, CustomersUnmerged):
            decide, ids = movement.regroup, [*ids, event.restored_customer_id]
        elif isinstance(event, CustomerErased):
            decide = movement.forget
        return self._decide(ids, decide, event, at, id or f"{event.type}@{at.isoformat()}")

    def fire(self, kind: str, customer_id: str, due_at: datetime) -> list[Event]:
        decide = {movement.BIRTHDAY: movement.come_of_age, movement.SILENCE: movement.fall_silent}
        return self._decide([customer_id], decide[kind], customer_id, due_at, f"{kind}/{due_at}")

    def reassess(self, customer_id: str, at: datetime) -> list[Event]:
        return self._decide([customer_id], movement.reassess, customer_id, at, f"again/{at}")

    def _decide(
        self, ids: Sequence[str], decide: Any, value: object, at: datetime, id: str
    ) -> list[Event]:
        for customer_id in ids:
            self.files.setdefault(customer_id, CustomerFile(customer_id, customer_id))
        people = {self.files[customer_id].survivor_id for customer_id in ids}
        files = {c: file for c, file in self.files.items() if file.survivor_id in people}
        dossier, events = decide(Dossier(files, self.models), value, self._reason(id, at, at))
        self.files.update(dossier.files)
        self.events.extend(events)
        for entry in dossier.entries:
            self.entries.setdefault(entry.customer_id, set()).add(entry.event_id)
        return list(events)

    def facts(self, customer_id: str = "ann") -> Facts:
        files = {c: f for c, f in self.files.items() if f.survivor_id == customer_id}
        return Dossier(files, self.models).facts_of(customer_id)

    def profile(self, customer_id: str = "ann") -> Profile:
        known_as = sorted(c for c, f in self.files.items() if f.survivor_id == customer_id)
        return profile_of(customer_id, known_as, self.facts(customer_id))

    def standing(self, customer_id: str = "ann") -> Standing:
        return self.files[customer_id].standing

    def segment(self, customer_id: str = "ann") -> str:
        return self.standing(customer_id).memberships["pulte"].segment


def test_the_first_event_of_a_customer_says_where_they_stand(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    (move,) = world.hear(captured(), id="e1")
    assert isinstance(move, CustomerSegmented)
    assert (move.from_segment, move.to_segment) == (None, "unclassified")
    assert (move.model, move.model_version, move.caused_by) == ("pulte", 1, "e1")
    assert "homes_owned" in move.missing


def test_a_move_tells_from_to_rule_inputs_product_line_and_cause(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(captured())
    (move,) = world.hear(updated(_couple()), AT + DAY, id="e2")
    assert move == CustomerSegmented(
        customer_id="ann",
        model="pulte",
        model_version=1,
        from_segment="unclassified",
        to_segment="dual-income-couple",
        rule="couple-on-two-incomes",
        inputs={"minor_child": False, "couple": True, "incomes": "dual"},
        product_line=ProductLine.FIRST_MOVE_UP,
        caused_by="e2",
    )


def test_unchanged_inputs_move_nobody(models: Models, reason: Callable[..., Any]) -> None:
    world = World(models, reason)
    world.hear(registered(household=_couple()))
    since = world.standing().memberships
    assert world.hear(updated(_couple()), AT + DAY) == []
    assert world.hear(captured(), AT + 2 * DAY) == []
    assert world.reassess("ann", AT + 3 * DAY) == []
    assert world.standing().memberships == since


def test_a_birthday_moves_a_family_at_its_own_time(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(registered(household=_couple(date(2024, 6, 1))))
    assert world.segment() == "couple-with-infant"
    due = world.standing().next_change
    assert due == datetime(2027, 6, 1, tzinfo=UTC)
    (move,) = world.fire(movement.BIRTHDAY, "ann", due)
    assert isinstance(move, CustomerSegmented)
    # Three years old: no infant any more, and what the family can pay was never asked.
    assert (move.to_segment, move.missing) == (
        "unclassified",
        ("annual_income", "monthly_debts", "down_payment"),
    )
    assert world.standing().memberships["pulte"].since == due


def test_a_late_event_makes_nobody_younger(models: Models, reason: Callable[..., Any]) -> None:
    world = World(models, reason)
    world.hear(registered(household=_couple(date(2024, 6, 1))))
    world.hear(captured(), datetime(2027, 7, 1, tzinfo=UTC))
    assert world.segment() == "unclassified"
    assert world.hear(captured(lead_id="l2"), AT + DAY) == []
    assert world.segment() == "unclassified"


def test_buying_the_first_home_ends_being_a_first_time_buyer_and_rescinding_restores_it(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(registered(household=_couple(homes_owned=0)))
    assert world.segment() == "first-time-buyer"
    world.hear(signed(), AT + DAY)
    assert world.segment() == "dual-income-couple"
    world.hear(rescinded(), AT + 2 * DAY)
    assert world.segment() == "first-time-buyer"
    assert world.profile().homes == []


def test_who_is_silent_for_a_year_is_dormant_and_wakes_at_the_next_touch(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(captured())
    due = world.standing().silence_due
    assert due == AT + 365 * DAY
    assert world.fire(movement.SILENCE, "ann", due) == [
        CustomerDormant(customer_id="ann", last_active_at=AT, threshold_days=365)
    ]
    assert world.standing().silence_due is None
    back = world.hear(captured(lead_id="l2"), due + DAY, id="back")
    assert back == [CustomerReactivated(customer_id="ann", dormant_since=due, caused_by="back")]
    assert world.standing().silence_due == due + 366 * DAY


def test_silence_is_put_off_when_the_customer_was_heard_of_meanwhile(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(captured())
    world.hear(captured(lead_id="l2"), AT + 100 * DAY)
    assert world.standing().silence_due == AT + 365 * DAY
    assert world.fire(movement.SILENCE, "ann", AT + 365 * DAY) == []
    assert world.standing().silence_due == AT + 465 * DAY


def test_what_the_builder_does_wakes_nobody(models: Models, reason: Callable[..., Any]) -> None:
    world = World(models, reason)
    world.hear(captured())
    world.fire(movement.SILENCE, "ann", AT + 365 * DAY)
    lost = LeadLost(
        customer_id="ann", lead_id="l1", stage=LeadStage.NEW, reason=LossReason.UNREACHABLE
    )
    assert world.hear(lost, AT + 400 * DAY) == []
    assert world.standing().dormant_since == AT + 365 * DAY


def test_an_act_that_was_heard_of_late_ends_a_dormancy_that_never_was(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(captured())
    world.fire(movement.SILENCE, "ann", AT + 365 * DAY)
    (back,) = world.hear(captured(lead_id="l2"), AT + 200 * DAY)
    assert isinstance(back, CustomerReactivated)
    due = world.standing().silence_due
    assert due == AT + 565 * DAY
    (dormant,) = world.fire(movement.SILENCE, "ann", due)
    assert isinstance(dormant, CustomerDormant)
    assert dormant.last_active_at == AT + 200 * DAY


MERGED = CustomersMerged(customer_id="ann", merge_id="m1", merged_customer_id="bea", rule="phone")
UNMERGED = CustomersUnmerged(customer_id="ann", merge_id="m1", restored_customer_id="bea")


def test_after_a_merge_events_of_the_old_id_land_on_the_survivor(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(captured("ann"))
    world.hear(registered("bea", _couple()))
    (move,) = world.hear(MERGED, AT + DAY, id="merge")
    assert isinstance(move, CustomerSegmented)
    assert (move.customer_id, move.to_segment) == ("ann", "dual-income-couple")
    assert world.standing("bea").memberships == {}
    world.hear(signed(customer_id="bea"), AT + 2 * DAY)
    assert world.profile().homes == ["home-p1"]
    assert world.profile().known_as == ["ann", "bea"]
    (child,) = world.hear(updated(_couple(date(2026, 1, 1)), "bea"), AT + 3 * DAY)
    assert isinstance(child, CustomerSegmented)
    assert (child.customer_id, child.to_segment) == ("ann", "couple-with-infant")


def test_an_un_merge_gives_back_to_each_what_was_theirs(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(registered("ann", _couple(homes_owned=0)))
    world.hear(registered("bea", _couple(date(2026, 1, 1))), AT + DAY)
    before = world.profile("ann"), world.profile("bea")
    world.hear(MERGED, AT + 2 * DAY)
    moves = world.hear(UNMERGED, AT + 3 * DAY)
    assert [(m.customer_id, m.to_segment) for m in moves if isinstance(m, CustomerSegmented)] == [
        ("ann", "first-time-buyer"),
        ("bea", "couple-with-infant"),
    ]
    assert (world.profile("ann"), world.profile("bea")) == before


def test_erasure_leaves_nothing_and_nobody_comes_back(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(registered("ann", _couple()))
    world.hear(registered("bea", _couple()))
    world.hear(MERGED, AT + DAY)
    for customer_id in ("ann", "bea"):
        world.hear(CustomerErased(customer_id=customer_id, erasure_id="x1"), AT + 2 * DAY)
    for customer_id in ("ann", "bea"):
        assert world.hear(captured(customer_id), AT + 3 * DAY) == []
        assert set(world.files[customer_id].facts) == {"erased"}
        assert world.files[customer_id].standing == Standing()


def test_an_erasure_of_one_id_takes_nothing_from_somebody_who_was_taken_for_them(
    models: Models, reason: Callable[..., Any]
) -> None:
    erasure = CustomerErased(customer_id="ann", erasure_id="x1")
    for order in permutations([MERGED, UNMERGED, erasure]):
        world = World(models, reason)
        world.hear(registered("bea", _couple()))
        for event in order:
            world.hear(event, AT + DAY * (1 + [MERGED, UNMERGED].count(event)))
        assert set(world.files["ann"].facts) == {"erased"}
        assert world.segment("bea") == "dual-income-couple"


def test_who_is_dormant_after_an_un_merge_is_so_since_their_own_silence(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(captured("ann"))
    world.hear(captured("bea"), AT + 100 * DAY)
    world.hear(MERGED, AT + 200 * DAY)
    world.fire(movement.SILENCE, "ann", AT + 365 * DAY)
    world.fire(movement.SILENCE, "ann", AT + 465 * DAY)
    assert world.standing("ann").dormant_since == AT + 465 * DAY
    world.hear(UNMERGED, AT + 470 * DAY)
    assert world.standing("ann").dormant_since == AT + 365 * DAY


def test_a_wrong_merge_makes_nobody_older(models: Models, reason: Callable[..., Any]) -> None:
    world = World(models, reason)
    world.hear(registered("bea", _couple(date(2024, 6, 1))))
    world.hear(MERGED, AT + DAY)
    world.hear(captured("ann"), datetime(2027, 7, 1, tzinfo=UTC))
    world.hear(UNMERGED, AT + 2 * DAY)
    assert world.segment("bea") == "couple-with-infant"
    assert world.standing("bea").as_of == AT + 2 * DAY


def test_a_timer_of_somebody_merged_meanwhile_does_nothing(
    models: Models, reason: Callable[..., Any]
) -> None:
    world = World(models, reason)
    world.hear(captured("bea"))
    world.hear(MERGED, AT + DAY)
    assert world.fire(movement.SILENCE, "bea", AT + 365 * DAY) == []


def _points(type_: type[Any], n: int, **more: Any) -> Any:
    return type_(
        customer_id="ann",
        member_id="m",
        entry_id=f"entry-{n}",
        balance=0,
        pending=0,
        reason=PointsReason.PURCHASE,
        **more,
    )


JOURNEY: list[tuple[CustomerEvent, datetime]] = [
    (registered("ann", _couple(homes_owned=0)), AT),
    (captured("ann"), AT),
    (updated(_couple(date(2026, 2, 1), homes_owned=0), "ann"), AT + DAY),
    (
        LeadAdvanced(
            customer_id="ann",
            lead_id="l1",
            from_stage=LeadStage.NEW,
            to_stage=LeadStage.SIGNED,
            reason="contract",
        ),
        AT + 2 * DAY,
    ),
    (signed("p1", "ann"), AT + 3 * DAY),
    (rescinded("p1", "ann"), AT + 4 * DAY),
    (signed("p2", "bea"), AT + 5 * DAY),
    (
        HandoverGatePassed(
            customer_id="bea",
            handover_id="h1",
            purchase_id="p2",
            home_id="home-p2",
            community_id="lakeside",
            gate=Gate.RECHECK,
            due_on=AT.date(),
            passed_on=AT.date(),
            late=False,
        ),
        AT + 300 * DAY,
    ),
    (
        HandoverCompleted(
            customer_id="bea",
            handover_id="h1",
            purchase_id="p2",
            home_id="home-p2",
            community_id="lakeside",
            promised_on=AT.date(),
            completed_on=AT.date(),
            late=False,
            open_defects=0,
        ),
        AT + 330 * DAY,
    ),
    (MERGED, AT + 6 * DAY),
    (
        _points(PointsEarned, 1, lot_id="lot", points=100, state=PointsState.PENDING),
        AT + 7 * DAY,
    ),
    (_points(PointsEarned, 2, lot_id="lot", points=100, state=PointsState.ACTIVE), AT + 8 * DAY),
    (_points(PointsSpent, 3, points=30, lots=(LotUse(lot_id="lot", points=30),)), AT + 9 * DAY),
    (
        _points(
            PointsReversed,
            4,
            reverses="entry-3",
            points=30,
            state=PointsState.ACTIVE,
            was_earned=False,
        ),
        AT + 10 * DAY,
    ),
]
"""A journey of two ids that prove to be one person, with what happened when."""


@given(st.permutations(range(len(JOURNEY))), st.lists(st.integers(0, len(JOURNEY) - 1), max_size=6))
def test_any_order_and_any_repetition_give_the_same_profile_and_segment(
    models: Models, reason: Callable[..., Any], order: list[int], repeated: list[int]
) -> None:
    straight, shuffled = World(models, reason), World(models, reason)
    for n, (event, at) in enumerate(JOURNEY):
        straight.hear(event, at, id=f"e{n}")
    for n in [*order, *repeated]:
        shuffled.hear(*JOURNEY[n], id=f"e{n}")
    assert shuffled.profile() == straight.profile()
    assert shuffled.standing().as_of == straight.standing().as_of
    known, expected = shuffled.standing().memberships, straight.standing().memberships
    assert known.keys() == expected.keys() == {"pulte"}
    for field in ("segment", "rule", "inputs", "missing", "version"):
        assert getattr(known["pulte"], field) == getattr(expected["pulte"], field)
    heard = {f"e{n}" for n in range(len(JOURNEY))}
    assert heard <= shuffled.entries["ann"] | shuffled.entries["bea"]


def test_the_journey_ends_where_it_should(models: Models, reason: Callable[..., Any]) -> None:
    world = World(models, reason)
    for n, (event, at) in enumerate(JOURNEY):
        world.hear(event, at, id=f"e{n}")
    profile = world.profile()
    assert profile.stage is JourneyStage.LIVING
    assert profile.stage_labels.zh == "居住"
    assert profile.homes == ["home-p2"]
    assert [(p.purchase_id, p.stage) for p in profile.purchases] == [
        ("p1", PurchaseStage.RESCINDED),
        ("p2", PurchaseStage.SIGNED),
    ]
    assert (profile.club.points, profile.club.pending_points) == (100, 0)
    assert profile.merges == ["m1"]
    assert world.segment() == "couple-with-infant"
