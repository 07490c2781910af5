"""What the four convergence tests share: a story, its orders, and a service folded in memory.

No test of one order proves anything of another. So a story is told in its own order once, and then
in orders that Kafka may give: one topic keeps the order of one key, and nothing else is promised.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st

from keyturn_chassis.inputs import Cause, Input, TimerFired
from keyturn_chassis.reactions import Reactions
from keyturn_chassis.service import Deadline, WorkingSet
from keyturn_events import Event, Household, HouseholdMember, Message, intake, segmentation
from keyturn_events import campaigns as club
from keyturn_events import service_desk as desk
from keyturn_events.golden import golden_message
from keyturn_events.values import LotUse
from keyturn_events.vocabulary import (
    ConsentStatus,
    Gate,
    Incomes,
    MaritalStatus,
    PointsState,
    Relationship,
)

DAY_ONE = datetime(2026, 3, 2, 2, tzinfo=UTC)
"""Monday morning in Shanghai: when every story begins."""

TEN_YEARS = timedelta(days=3653)

Story = Sequence[Message[Any]]


class Fold:
    """A service in memory: its own reactions on its own working set, without database or broker.

    What has been heard already is dropped, as the inbox does. Timers are what the working set says
    they should be, as in the store, and fire when the test lets time pass.
    """

    def __init__(self, reactions: Reactions, working_set: WorkingSet) -> None:
        self.working_set: Any = working_set
        self.events: list[Event] = []
        self.fired: set[str] = set()
        self._reactions = reactions
        self._heard: set[tuple[str, str]] = set()
        self._wanted: Mapping[str, Sequence[Deadline]] = {}
        self._timers: dict[str, set[Deadline]] = {}

    def hear(self, message: Message[Any]) -> None:
        """React to an event, once, however often it is delivered."""
        envelope = message.envelope
        if (envelope.source, envelope.id) in self._heard:
            return
        self._heard.add((envelope.source, envelope.id))
        _, decide = self._reactions.events[envelope.type]
        cause = Cause(envelope.source, envelope.id, envelope.time, None, envelope.recordedtime)
        self.decide(Input(message.event, cause, decide))

    def decide(self, input: Input[Any]) -> None:
        """Make one decision, as a unit of work does."""
        state, events = input.decide(self.working_set.state_for(input), input.value, input.cause)
        self.working_set.put(state)
        self.events += events
        wanted = self.working_set.deadlines()
        for owner in self._wanted.keys() | wanted.keys():
            if list(wanted.get(owner, ())) != list(self._wanted.get(owner, ())):
                self._timers[owner] = set(wanted.get(owner, ()))
        self._wanted = {owner: list(of_owner) for owner, of_owner in wanted.items()}

    def live_through(
        self, messages: Story, *, late: bool = False, then: timedelta = TEN_YEARS
    ) -> Fold:
        """Hear all of it, and let some time pass. The clock stands at the latest fact so far.

        With `late` timers, time passes only after everything has been heard.
        """
        now = DAY_ONE
        for message in messages:
            now = max(now, message.envelope.time)
            if not late:
                self.let_time_pass(now)
            self.hear(message)
        self.let_time_pass(now + then)
        return self

    def let_time_pass(self, to: datetime) -> None:
        """Fire every timer that is due by then, in the order of their due times."""
        while due := sorted(
            (timer.due_at, owner, timer.kind, timer.key)
            for owner, timers in self._timers.items()
            for timer in timers
            if timer.due_at <= to
        ):
            due_at, owner, kind, key = due[0]
            self._timers[owner].discard(Deadline(kind, due_at, key))
            self.fired.add(kind)
            cause = Cause("timers", f"{owner}/{kind}/{key}/{due_at.isoformat()}", due_at)
            timer = TimerFired(owner, kind, key, due_at)
            self.decide(Input(timer, cause, self._reactions.timers[kind]))


class Telling:
    """The orders in which a story may be told."""

    @staticmethod
    def as_kafka_may(
        story: Story, *, repeated: bool = True
    ) -> st.SearchStrategy[list[Message[Any]]]:
        """All interleavings that keep the order of each key on each topic, with repetitions."""
        streams: dict[tuple[str, str], list[Message[Any]]] = defaultdict(list)
        for message in story:
            streams[message.event.topic, message.envelope.subject].append(message)
        turns = [stream for stream, messages in streams.items() for _ in messages]

        def told(order: Sequence[tuple[str, str]]) -> list[Message[Any]]:
            rest = {stream: iter(messages) for stream, messages in streams.items()}
            return [next(rest[stream]) for stream in order]

        interleaved = st.permutations(turns).map(told)
        return st.builds(_repeated, interleaved, _repetitions(story)) if repeated else interleaved

    @staticmethod
    def at_random(story: Story) -> st.SearchStrategy[list[Message[Any]]]:
        """All permutations, with repetitions: more than Kafka can do."""
        return st.builds(_repeated, st.permutations(list(story)), _repetitions(story))


def _repetitions(story: Story) -> st.SearchStrategy[list[tuple[int, int]]]:
    places = st.integers(0, len(story) - 1)
    return st.lists(st.tuples(places, places), max_size=8)


def _repeated(order: list[Message[Any]], repetitions: list[tuple[int, int]]) -> list[Message[Any]]:
    """`order`, where what stands at some places comes once more, so much later."""
    told = list(order)
    again = [(place + later, place) for place, later in repetitions]
    for where, place in sorted(again, reverse=True):
        told.insert(where + 1, order[place])
    return told


@pytest.fixture(scope="session")
def fold() -> Callable[[Reactions, WorkingSet], Fold]:
    """`fold(reactions, working_set)`: a service in memory."""
    return Fold


@pytest.fixture(scope="session")
def telling() -> type[Telling]:
    """The orders in which a story may be told."""
    return Telling


def _told(day: float, event_class: type[Event], customer_id: str, **facts: Any) -> Message[Any]:
    """The golden example of an event, said of somebody else on another day."""
    known = golden_message(event_class).event.model_dump()
    at = DAY_ONE + timedelta(days=day)
    said = {"customer_id": customer_id, "captured_at": at}
    event = event_class.model_validate(known | said | facts)
    name = f"{event.type} of {customer_id} on day {day}"
    return Message.of(event, id=name, source=event.topic.owner, time=at, recordedtime=at)


def _household(child_born: date | None = None) -> Household:
    members = [
        HouseholdMember(relationship=Relationship.SELF, birth_date=date(1990, 5, 1)),
        HouseholdMember(relationship=Relationship.PARTNER),
    ]
    if child_born is not None:
        members.append(HouseholdMember(relationship=Relationship.CHILD, birth_date=child_born))
    return Household(
        household_id="household-1",
        members=tuple(members),
        marital_status=MaritalStatus.MARRIED,
        incomes=Incomes.DUAL,
        relocating=False,
        homes_owned=0,
    )


LEAD = {"lead_id": "lead-1", "referral_code": None, "joined": False, "repeated": False}
PURCHASE = {
    "purchase_id": "purchase-1",
    "home_id": "home-1",
    "lead_id": "lead-1",
    "referral_code": None,
    "community_time_zone": "Asia/Urumqi",
    "cooling_off_ends": DAY_ONE + timedelta(days=14),
}
HANDOVER = {"handover_id": "handover-1", "purchase_id": "purchase-1", "home_id": "home-1"}
DEFECT = {"defect_id": "defect-1", "home_id": "home-1", "handover_id": "handover-1"}
CASE = {"case_id": "case-1", "home_id": "home-1"}
CRISIS = {"crisis_id": "crisis-1"}
MESSAGE = {"message_id": "message-1"}
REWARD = {
    "referral_id": "referral-1",
    "referred_customer_id": "cho",
    "purchase_id": "purchase-3",
}
ENTRY = {"member_id": "ann", "lot_id": "lot-1", "points": 100, "state": PointsState.ACTIVE}
SEGMENT = {"model": "pulte", "from_segment": "first-time-buyer"}
MERGED = {"merge_id": "merge-1", "merged_customer_id": "bea"}
FRIEND = {"lead_id": "lead-3", "joined": False, "repeated": False}
BOUGHT = {
    "purchase_id": "purchase-3",
    "home_id": "home-3",
    "lead_id": "lead-3",
    "referral_code": None,
    "cooling_off_ends": DAY_ONE + timedelta(days=140),
}


CodeOf = Callable[[str], str]
"""The referral code of an owner."""


def journey(code_of: CodeOf) -> Story:
    """A family's whole journey under two ids, and a friend's who came with their code.

    Everything that is said of a customer on a shared topic is said in it, but of an erasure and of
    an import that is undone.
    """
    code = code_of("ann")
    return (
        _told(0, intake.CustomerRegistered, "ann", household=_household()),
        _told(0, intake.ContactChanged, "ann"),
        _told(0, intake.ConsentChanged, "ann"),
        _told(0, intake.LeadCaptured, "ann", **LEAD),
        _told(0, intake.LeadScored, "ann", lead_id="lead-1"),
        _told(0, intake.LeadAssigned, "ann", lead_id="lead-1"),
        _told(0.5, intake.CustomerRegistered, "bea", household=Household()),
        _told(0.5, intake.LeadCaptured, "bea", **LEAD | {"lead_id": "lead-2"}),
        _told(0.5, intake.ConsentChanged, "bea", status=ConsentStatus.DENIED),
        _told(0.6, intake.LeadResponseOverdue, "ann", lead_id="lead-1"),
        _told(1, intake.LeadAdvanced, "ann", lead_id="lead-1"),
        _told(2, intake.LeadStalled, "ann", lead_id="lead-1"),
        _told(3, intake.LeadLost, "ann", lead_id="lead-1"),
        _told(3, intake.LeadReleased, "ann", lead_id="lead-1"),
        _told(4, intake.LeadRevived, "ann", lead_id="lead-1"),
        _told(5, intake.HomeReserved, "ann", **PURCHASE),
        _told(6, intake.HomeSubscribed, "ann", **PURCHASE),
        # A second touch and the signature are of one moment, and name different zones.
        _told(7, intake.LeadCaptured, "ann", **LEAD | {"repeated": True, "joined": True}),
        _told(7, intake.PurchaseSigned, "ann", **PURCHASE),
        _told(7, desk.HandoverPlanned, "ann", **HANDOVER),
        _told(7, club.MemberEnrolled, "ann", member_id="ann"),
        _told(7, club.ReferralInvited, "ann", referral_code=code),
        _told(8, intake.CustomerUpdated, "ann", household=_household(date(2025, 9, 1))),
        _told(8, segmentation.CustomerSegmented, "ann", **SEGMENT, to_segment="couple-with-infant"),
        _told(9, segmentation.CustomerValueChanged, "ann"),
        _told(20, intake.PurchasePaid, "ann", **PURCHASE),
        _told(30, intake.CompletionMoved, "ann", **PURCHASE, expected_completion="2026-09-30"),
        _told(30, desk.HandoverRescheduled, "ann", **HANDOVER, handover_on="2026-09-30"),
        _told(40, intake.PurchaseSigned, "bea", **PURCHASE | BEAS, signed_on="2026-04-11"),
        _told(41, intake.PurchaseRescinded, "bea", **PURCHASE | BEAS, rescinded_on="2026-04-12"),
        _told(41, desk.HandoverCancelled, "bea", **HANDOVER | {"handover_id": "handover-2"}),
        _told(42, desk.SurveyAnswered, "bea", response_id="response-2", touchpoint="contract"),
        _told(50, intake.CustomersMerged, "ann", **MERGED),
        _told(
            51, intake.CompletionMoved, "ann", **PURCHASE | BEAS, expected_completion="2027-01-09"
        ),
        _told(52, segmentation.CustomerSegmented, "bea", **SEGMENT, to_segment="empty-nester"),
        _told(60, desk.HandoverGateRefused, "ann", **HANDOVER, gate=Gate.RECHECK),
        _told(61, desk.HandoverGatePassed, "ann", **HANDOVER, gate=Gate.RECHECK),
        _told(62, desk.DefectReported, "ann", **DEFECT),
        _told(63, desk.DefectRectified, "ann", **DEFECT),
        _told(70, desk.HandoverCompleted, "ann", **HANDOVER),
        _told(71, desk.ComplaintRaised, "ann", **CASE),
        _told(72, desk.ComplaintAcknowledged, "ann", **CASE),
        _told(73, desk.ComplaintEscalated, "ann", **CASE),
        _told(74, desk.ComplaintResolved, "ann", **CASE),
        _told(75, desk.ComplaintReopened, "ann", **CASE),
        _told(76, desk.ComplaintResolved, "ann", **CASE),
        _told(77, desk.ComplaintClosed, "ann", **CASE),
        _told(80, desk.CrisisDeclared, "ann", **CRISIS),
        _told(81, desk.CrisisLifted, "ann", **CRISIS),
        _told(82, desk.SurveyAnswered, "ann", response_id="response-1"),
        _told(82, club.PointsEarned, "ann", **ENTRY, entry_id="entry-1"),
        _told(
            83, club.PointsSpent, "ann", member_id="ann", entry_id="entry-2", points=30, lots=USE
        ),
        _told(84, club.PointsReversed, "ann", **ENTRY | {"points": 30}, entry_id="entry-3"),
        _told(85, club.PointsExpired, "ann", **ENTRY | {"points": 10}, entry_id="entry-4"),
        _told(86, club.TierChanged, "ann", member_id="ann"),
        _told(87, club.MessageHeld, "ann", **MESSAGE),
        _told(88, club.MessageSent, "ann", **MESSAGE),
        _told(89, club.MessageSkipped, "ann", **MESSAGE),
        _told(90, club.MessageFailed, "ann", **MESSAGE),
        _told(100, intake.CustomerRegistered, "cho", household=Household()),
        _told(100, intake.LeadCaptured, "cho", **FRIEND, referral_code=code),
        _told(100, club.ReferralAccepted, "ann", **REWARD),
        _told(101, club.ReferralRefused, "ann", **REWARD | {"referral_id": "referral-2"}),
        _told(110, intake.PurchaseSigned, "cho", **BOUGHT, signed_on="2026-06-20"),
        _told(110, club.ReferralRewarded, "ann", **REWARD),
        _told(120, intake.PurchaseRescinded, "cho", **BOUGHT, rescinded_on="2026-06-30"),
        _told(120, club.ReferralClawedBack, "ann", **REWARD),
        _told(121, intake.PurchaseSigned, "cho", **BOUGHT | AGAIN, signed_on="2026-07-01"),
        _told(400, segmentation.CustomerDormant, "ann"),
        _told(401, intake.LeadCaptured, "ann", **LEAD | {"lead_id": "lead-5", "joined": True}),
        _told(401, segmentation.CustomerReactivated, "ann"),
        _told(402, intake.ContactErased, "bea"),
    )


BEAS = {"purchase_id": "purchase-2", "home_id": "home-2", "lead_id": "lead-2"}
AGAIN = {"purchase_id": "purchase-4", "home_id": "home-4"}
USE = (LotUse(lot_id="lot-1", points=30),)


def parted(code_of: CodeOf) -> Story:
    """The same, but the merge was wrong: the second id proves to be the friend's."""
    story = (
        *journey(code_of),
        _told(130, intake.CustomersUnmerged, "ann", merge_id="merge-1", restored_customer_id="bea"),
        _told(131, intake.CustomersMerged, "cho", merge_id="merge-2", merged_customer_id="bea"),
        _told(132, desk.SurveyAnswered, "bea", response_id="response-3", touchpoint="one-year"),
    )
    return sorted(story, key=lambda message: message.envelope.time)


def erased(code_of: CodeOf) -> Story:
    """The same, and at the end the family asks to be forgotten: both ids are erased."""
    return (
        *journey(code_of),
        _told(410, intake.CustomerErased, "ann"),
        _told(410, intake.CustomerErased, "bea"),
        _told(410, intake.ContactErased, "ann"),
    )


def rivals(code_of: CodeOf) -> Story:
    """A friend comes with the codes of two owners, and is taken for one of them for a while."""
    anns, eves = {"referral_code": code_of("ann")}, {"referral_code": code_of("eve")}
    wrong = {"merge_id": "merge-3"}
    return (
        _told(7, intake.PurchaseSigned, "ann", **PURCHASE),
        _told(8, intake.PurchaseSigned, "eve", **PURCHASE | {"purchase_id": "purchase-5"}),
        _told(90, desk.HandoverCompleted, "ann", **HANDOVER),
        _told(99, intake.LeadCaptured, "cho", **FRIEND, **eves),
        _told(100, intake.LeadCaptured, "cho", **FRIEND | {"repeated": True}, **anns),
        _told(110, intake.PurchaseSigned, "cho", **BOUGHT),
        _told(111, intake.PurchaseSigned, "cho", **BOUGHT | AGAIN | anns),
        _told(112, intake.CustomersMerged, "ann", **wrong, merged_customer_id="cho"),
        _told(113, desk.SurveyAnswered, "cho", response_id="response-4"),
        _told(114, intake.PurchaseSigned, "cho", **BOUGHT | {"purchase_id": "purchase-6"}),
        _told(118, intake.CustomersUnmerged, "ann", **wrong, restored_customer_id="cho"),
        _told(120, intake.PurchaseRescinded, "cho", **BOUGHT),
        _told(130, intake.CustomerErased, "eve"),
        _told(140, intake.LeadCaptured, "dan", **FRIEND | {"lead_id": "lead-7"}, **eves),
    )


IMPORTED = {"joined": False, "repeated": False, "import_id": "import-1"}
UNDONE = {"import_id": "import-1"}
NEWS = {"lead_id": "lead-9"}


def undone(code_of: CodeOf) -> Story:
    """A file brings a friend who is known and somebody whom nobody is, and is taken back.

    Each came with a code. The friend came with another owner's since, and bought with both before
    the import was undone.
    """
    anns, eves = {"referral_code": code_of("ann")}, {"referral_code": code_of("eve")}
    imported = IMPORTED | {"lead_id": "lead-8"} | eves
    return (
        _told(7, intake.PurchaseSigned, "ann", **PURCHASE),
        _told(8, intake.PurchaseSigned, "eve", **PURCHASE | {"purchase_id": "purchase-5"}),
        _told(90, desk.HandoverCompleted, "ann", **HANDOVER),
        _told(98, intake.CustomerRegistered, "cho", household=Household()),
        _told(99, intake.LeadCaptured, "cho", **imported),
        _told(99, intake.CustomerRegistered, "gus", household=_household()),
        _told(99, intake.ContactChanged, "gus"),
        _told(99, intake.ConsentChanged, "gus"),
        _told(99, intake.LeadCaptured, "gus", **IMPORTED | NEWS, **anns),
        _told(99, intake.LeadScored, "gus", **NEWS),
        _told(100, intake.LeadCaptured, "cho", **FRIEND, **anns),
        _told(101, intake.LeadAdvanced, "cho", lead_id="lead-8"),
        _told(102, segmentation.CustomerSegmented, "gus", **SEGMENT, to_segment="empty-nester"),
        _told(110, intake.PurchaseSigned, "cho", **BOUGHT | eves),
        _told(111, intake.PurchaseSigned, "cho", **BOUGHT | AGAIN | anns),
        _told(115, intake.LeadWithdrawn, "cho", lead_id="lead-8", **UNDONE),
        _told(115, intake.LeadWithdrawn, "gus", **NEWS, **UNDONE),
        _told(115, intake.CustomerWithdrawn, "gus", **UNDONE),
        _told(115, intake.ContactErased, "gus"),
    )


@pytest.fixture(scope="session")
def stories() -> Mapping[str, Callable[[CodeOf], Story]]:
    """The stories by name; each asks for the codes that owners pass on."""
    return {
        "journey": journey,
        "parted": parted,
        "erased": erased,
        "rivals": rivals,
        "undone": undone,
    }
