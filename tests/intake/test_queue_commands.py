"""What buyers do with their numbers, as pure decisions: purchases, leads and events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.domain.communities import Community
from intake.domain.dossier import present
from intake.domain.leads.leads import Lead, LeadStatus
from intake.domain.people.customers import Customer
from intake.domain.sales import release_commands as commands
from intake.domain.sales.homes import Home
from intake.domain.sales.purchases import Purchase
from intake.domain.sales.release_commands import ClaimHome, GiveUpNumber, QueueFile, TakeNumber
from intake.domain.sales.releases import AnyHome, Queue, QueueNumber, Release, Wishes
from keyturn_chassis.inputs import Cause
from keyturn_events import Event, Money, Refusal
from keyturn_events.intake import HomeReserved, LeadAdvanced, QueueNumberSettled
from keyturn_events.vocabulary import LeadChannel, LeadStage, LossReason, QueueOutcome

NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)
OPENS = datetime(2026, 6, 16, 1, 30, tzinfo=UTC)
TURN = timedelta(minutes=5)
RIVERSIDE = Community("riverside", reservation_days=3)
HOMES = {
    home_id: Home(home_id, "riverside", Money(amount=Decimal(100), currency="CNY"))
    for home_id in ("home-1", "home-2", "home-3")
}


@dataclass
class Showroom:
    """A release in memory, as the store keeps it between decisions."""

    queue: Queue = field(
        default_factory=lambda: Queue(
            Release("autumn", "riverside", "Autumn", OPENS), {}, HOMES, frozenset(HOMES)
        )
    )
    numbers: dict[int, QueueNumber] = field(default_factory=dict)
    leads: dict[str, Lead] = field(default_factory=dict)
    purchases: dict[str, Purchase] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    asked: int = 0

    def take(self, customer_id: str) -> int:
        held = {number.customer_id: number for number in self.numbers.values()}
        customer = Customer(customer_id, NOON)
        file = self.file(held.get(customer_id), customer)
        cause = self._cause(NOON)
        file = self._put(commands.take_number(file, TakeNumber("autumn", customer_id), cause))
        return present(file.number).number

    def claim(self, number: int, wishes: Wishes, at: datetime = OPENS) -> QueueNumber:
        command = ClaimHome("autumn", f"buyer-{number}", number, wishes)
        file = self.file(self.numbers.get(number))
        return present(self._put(commands.claim(file, command, self._cause(at))).number)

    def give_up(self, number: int, at: datetime = OPENS) -> QueueNumber:
        command = GiveUpNumber("autumn", f"buyer-{number}", number)
        file = self.file(self.numbers.get(number))
        return present(self._put(commands.give_up(file, command, self._cause(at))).number)

    def fire(self, at: datetime) -> None:
        self._put(commands.serve(self.file(None), None, self._cause(at)))

    def _cause(self, at: datetime) -> Cause:
        self.asked += 1
        return Cause("test", str(self.asked), at)

    def file(self, number: QueueNumber | None, customer: Customer | None = None) -> QueueFile:
        return QueueFile(self.queue, RIVERSIDE, number, customer, self.leads)

    def _put(self, decided: tuple[QueueFile, list[Event]]) -> QueueFile:
        file, events = decided
        self.queue = present(file.queue)
        self.numbers |= {number.number: number for number in file.numbers}
        for dossier in file.dossiers:
            if dossier.lead is not None:
                self.leads[dossier.lead.customer_id] = dossier.lead
            if dossier.purchase is not None:
                assert dossier.purchase.purchase_id not in self.purchases
                self.purchases[dossier.purchase.purchase_id] = dossier.purchase
        self.events += events
        return file


def showroom(buyers: int) -> Showroom:
    room = Showroom()
    assert [room.take(f"buyer-{n}") for n in range(1, buyers + 1)] == list(range(1, buyers + 1))
    return room


CLAIMS = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.sampled_from((("home-1",), ("home-2", "home-1"), ("home-3",), ())),
        st.booleans(),
        st.integers(0, 12),
    ).filter(lambda claim: bool(claim[1] or claim[2])),
    max_size=20,
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(claims=CLAIMS)
def test_every_number_is_told_one_outcome_and_every_home_has_one_purchase(
    claims: list[tuple[int, tuple[str, ...], bool, int]],
) -> None:
    room = showroom(6)
    for number, homes, otherwise, minute in sorted(claims, key=lambda claim: claim[3]):
        wishes = Wishes(homes, AnyHome() if otherwise else None)
        before = room.numbers[number]
        after = room.claim(number, wishes, OPENS + timedelta(minutes=minute))
        if before.outcome is not None:
            assert after == before
        heard = len(room.events)
        assert room.claim(number, wishes, OPENS + timedelta(minutes=minute)) == after
        assert len(room.events) == heard
    room.fire(OPENS + 6 * TURN + timedelta(minutes=12))
    told = [event for event in room.events if isinstance(event, QueueNumberSettled)]
    assert Counter(event.number for event in told) == Counter(range(1, 7))
    reserved = [event for event in room.events if isinstance(event, HomeReserved)]
    assert len({event.home_id for event in reserved}) == len(reserved)
    assert {event.purchase_id for event in reserved} == set(room.purchases)
    for event in told:
        known = room.numbers[event.number]
        assert (event.outcome, event.home_id) == (known.outcome, known.home_id)
        assert (known.purchase_id in room.purchases) is (known.home_id is not None)


def test_a_claimed_home_is_a_reserved_purchase_at_its_list_price() -> None:
    room = showroom(1)
    lead = Lead("lead-1", "buyer-1", "riverside", LeadChannel.WEB, NOON, NOON)
    room.leads["buyer-1"] = lead
    at = OPENS + timedelta(minutes=1)
    number = room.claim(1, Wishes(("home-2",)), at)
    (purchase,) = room.purchases.values()
    assert (number.purchase_id, purchase.home_id) == (purchase.purchase_id, "home-2")
    assert (purchase.price.amount, purchase.lead_id) == (Decimal(100), "lead-1")
    assert purchase.expires_at == at + timedelta(days=3)
    assert room.leads["buyer-1"].stage is LeadStage.RESERVED


def test_a_number_opens_a_lost_lead_again_and_leaves_one_with_a_claim_alone() -> None:
    room = Showroom()
    lost = Lead(
        "lead-1", "buyer-1", "riverside", LeadChannel.WEB, NOON, NOON,
        status=LeadStatus.LOST, loss_reason=LossReason.TIMING,
    )  # fmt: skip
    claimed = Lead(
        "lead-2", "buyer-2", "riverside", LeadChannel.WEB, NOON, NOON, stage=LeadStage.RESERVED
    )
    room.leads |= {"buyer-1": lost, "buyer-2": claimed}
    room.take("buyer-1")
    room.take("buyer-2")
    assert (room.leads["buyer-1"].stage, room.leads["buyer-1"].status) == ("queued", "open")
    assert room.leads["buyer-2"] == claimed
    assert (room.numbers[1].lead_id, room.numbers[2].lead_id) == ("lead-1", None)
    advanced = [event for event in room.events if isinstance(event, LeadAdvanced)]
    assert [(event.lead_id, event.reason) for event in advanced] == [
        ("lead-1", "queue-number-given")
    ]


def test_a_number_that_is_given_up_lets_those_behind_it_be_served() -> None:
    room = showroom(3)
    room.claim(2, Wishes(("home-1",)))
    assert room.numbers[2].outcome is None
    assert room.give_up(1).outcome is QueueOutcome.PASSED
    assert room.numbers[2].home_id == "home-1"
    assert room.give_up(1).outcome is QueueOutcome.PASSED
    told = [event.number for event in room.events if isinstance(event, QueueNumberSettled)]
    assert told == [1, 2]


def test_a_number_is_its_holders_own() -> None:
    room = showroom(2)
    with pytest.raises(Refusal, match="number-of-another-customer"):
        commands.claim(
            room.file(room.numbers[1]),
            ClaimHome("autumn", "buyer-2", 1, Wishes(("home-1",))),
            Cause("test", "x", OPENS),
        )
    with pytest.raises(Refusal, match="queue-number-not-found"):
        room.claim(3, Wishes(("home-1",)))
    with pytest.raises(Refusal, match="release-not-found"):
        commands.take_number(QueueFile(), TakeNumber("none", "buyer-1"), Cause("test", "x", NOON))
