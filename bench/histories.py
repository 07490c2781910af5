"""Invented histories: what one customer after the other leaves behind on the topics of the journey.

The mix follows the neighbourhood that `make demo` generates: some twenty events a customer, four
in ten buy, one in eight complains. Histories begin one after the other and overlap, and the
events of all are written in the order of their times, as a service finds them that was away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from random import Random
from typing import Any

from bench.narrator import Narrator, customer_id
from bench.records import Record
from keyturn_events import CustomerEvent, Message, campaigns, intake, service_desk
from keyturn_events.values import (
    Affordability,
    GateDate,
    ScoreReason,
    Utm,
)
from keyturn_events.vocabulary import (
    AssignmentReason,
    CaseChannel,
    Channel,
    ConsentBasis,
    ConsentStatus,
    Financing,
    Gate,
    LossReason,
    PointsReason,
    Priority,
    ProductLine,
    Purpose,
    Severity,
    SlaTarget,
    Tier,
    Touchpoint,
    Trade,
    Verdict,
)

BUYING, COMPLAINING, COMING_AGAIN = 0.4, 0.12, 0.25
LONGEST = timedelta(days=240)
"""From somebody's first event to their last, at most."""
SPREAD = timedelta(days=60)
"""From the first customer's first event to the last customer's."""
GATES = tuple(Gate)
LEAST_EVENTS = 10
"""Events of the shortest history."""


def histories(customers: int, *, seed: int) -> list[Record]:
    """The records of `customers` whole histories, all of the last year, by time."""
    begin = datetime.now(UTC).replace(microsecond=0) - LONGEST - SPREAD
    told: list[tuple[datetime, int, Message[Any]]] = []
    order = count()
    for number in range(customers):
        came = begin + SPREAD * number / customers
        history = History(Random(f"{seed}/{number}"), customer_id(seed, number), came)
        told.extend((message.envelope.time, next(order), message) for message in history.tell())
    return _by_time(told)


def news(customers: Sequence[str], events: int, *, seed: int) -> list[Record]:
    """So many events of each of these customers, from somewhere in their next journey, by time."""
    begin = datetime.now(UTC).replace(microsecond=0) - LONGEST - SPREAD
    told: list[tuple[datetime, int, Message[Any]]] = []
    order = count()
    for number, customer in enumerate(customers):
        random = Random(f"{seed}/{customer}")
        came = begin + SPREAD * number / len(customers)
        history = History(random, customer, came, journey=str(seed)).tell()
        first = random.randrange(LEAST_EVENTS - events)
        told.extend(
            (message.envelope.time, next(order), message)
            for message in islice(history, first, first + events)
        )
    return _by_time(told)


def _by_time(told: list[tuple[datetime, int, Message[Any]]]) -> list[Record]:
    told.sort(key=lambda entry: entry[:2])
    return [Record.of(message) for _, _, message in told]


class History(Narrator):
    """One customer's events, in the order in which they happen."""

    def tell(self) -> Iterator[Message[Any]]:
        """All of it."""
        random = self._random
        yield from self._arrival()
        if random.random() < COMING_AGAIN:
            self._pass(days=random.randrange(3, 12))
            yield from self._touch(joined=True, repeated=True)
        if random.random() < BUYING:
            yield from self._purchase()
            yield from self._handover()
        else:
            self._pass(days=14)
            yield self._say(self._about_lead(intake.LeadLost, reason=LossReason.PRICE, stage="new"))
        if random.random() < COMPLAINING:
            self._pass(days=random.randrange(2, 20))
            yield from self._complaint()

    def _arrival(self) -> Iterator[Message[Any]]:
        random = self._random
        facts = {
            "household": self._household(),
            "affordability": Affordability(annual_income=self._money()),
            "language": "zh",
            "time_zone": "Asia/Shanghai",
        }
        yield self._say(self._of(intake.CustomerRegistered, channel=self._channel, **facts))
        for channel in random.sample([Channel.SMS, Channel.EMAIL, Channel.WECHAT], k=2):
            yield self._say(
                self._of(
                    intake.ConsentChanged,
                    channel=channel,
                    purpose=Purpose.MARKETING,
                    status=ConsentStatus.GRANTED,
                    basis=ConsentBasis.EXPRESS,
                    wording="privacy-2026-03",
                    collected_through="api",
                )
            )
        yield from self._touch(joined=False, repeated=False)
        yield self._say(
            self._about_lead(
                intake.LeadAssigned,
                advisor_id=f"advisor-{random.randrange(40)}",
                reason=AssignmentReason.ROTATION,
                first_response_due=self._now + timedelta(hours=2),
            )
        )
        yield self._message("welcome", Purpose.SERVICE)
        for before, after in (("new", "contacted"), ("contacted", "visited")):
            self._pass(days=random.randrange(1, 6))
            yield self._stage(before, after)
        if random.random() < 0.3:
            down_payment = Affordability(annual_income=self._money(), down_payment=self._money())
            facts["affordability"] = down_payment
            yield self._say(self._of(intake.CustomerUpdated, changed=["affordability"], **facts))

    def _touch(self, *, joined: bool, repeated: bool) -> Iterator[Message[Any]]:
        yield self._say(
            self._about_lead(
                intake.LeadCaptured,
                channel=self._channel,
                captured_at=self._now,
                joined=joined,
                repeated=repeated,
                utm=Utm(source="search", medium="cpc", campaign="spring-opening"),
                language="zh",
                community_time_zone="Asia/Shanghai",
                product_line=ProductLine.FIRST_HOME,
                budget=self._money(),
            )
        )
        score = self._random.randrange(10, 90)
        yield self._say(
            self._about_lead(
                intake.LeadScored,
                score=score,
                model="intake-rules",
                model_version=1,
                reasons=[
                    ScoreReason(rule="browsed", points=10),
                    ScoreReason(rule="named-a-budget", points=10),
                    ScoreReason(rule="two-ways-to-reach", points=5),
                ],
            )
        )

    def _purchase(self) -> Iterator[Message[Any]]:
        purchase_id = self._id("purchase")
        price = self._money()

        def purchase(kind: type[CustomerEvent], **facts: Any) -> CustomerEvent:
            return self._of(
                kind,
                purchase_id=purchase_id,
                home_id=self._home,
                building="building-3",
                community_id=self._community,
                price=price,
                product_line=ProductLine.FIRST_HOME,
                lead_id=self._lead_id,
                community_time_zone="Asia/Shanghai",
                **facts,
            )

        self._pass(days=self._random.randrange(2, 10))
        yield self._say(
            purchase(intake.HomeReserved, reserved_on=self._today(), expires_at=self._after(days=3))
        )
        yield self._stage("visited", "reserved")
        self._pass(days=2)
        yield self._say(
            purchase(intake.HomeSubscribed, subscribed_on=self._today(), sign_by=self._today(7))
        )
        yield self._stage("reserved", "subscribed")
        self._pass(days=5)
        yield self._say(
            purchase(
                intake.PurchaseSigned,
                signed_on=self._today(),
                cooling_off_ends=self._after(days=8),
                expected_completion=self._today(110),
                financing=Financing.MORTGAGE,
            )
        )
        yield self._stage("subscribed", "signed")
        yield self._message("contract-congratulations", Purpose.SERVICE)
        yield self._say(
            self._of(campaigns.MemberEnrolled, member_id=self._id("member"), tier=Tier.BLUE)
        )
        yield self._points(PointsReason.PURCHASE, 1_000)
        self._pass(days=20)
        yield self._say(
            purchase(intake.PurchasePaid, paid_on=self._today(), financing=Financing.MORTGAGE)
        )

    def _handover(self) -> Iterator[Message[Any]]:
        random = self._random
        handover = {
            "handover_id": self._id("handover"),
            "purchase_id": self._id("purchase"),
            "home_id": self._home,
            "building": "building-3",
            "community_id": self._community,
        }
        plan = [GateDate(gate=gate, due_on=self._today(15 * n)) for n, gate in enumerate(GATES, 1)]
        yield self._say(
            self._of(
                service_desk.HandoverPlanned,
                **handover,
                handover_on=self._today(75),
                gates=plan,
                template="standard",
                template_version=1,
            )
        )
        for number, due in enumerate(plan):
            self._pass(days=15)
            if random.random() < 0.08:
                yield from self._defect(handover["handover_id"], due.gate)
            following = GATES[number + 1] if number + 1 < len(GATES) else None
            yield self._say(
                self._of(
                    service_desk.HandoverGatePassed,
                    **handover,
                    gate=due.gate,
                    due_on=due.due_on,
                    passed_on=self._today(),
                    late=False,
                    next_gate=following,
                )
            )
        yield self._say(
            self._of(
                service_desk.HandoverCompleted,
                **handover,
                promised_on=self._today(),
                completed_on=self._today(),
                late=False,
                open_defects=0,
            )
        )
        code = self._id("code")[:8].upper()
        yield self._say(
            self._of(campaigns.ReferralInvited, referral_code=code, community_id=self._community)
        )
        yield self._message("referral-invitation", Purpose.MARKETING)
        if random.random() < 0.5:
            self._pass(days=10)
            yield self._survey(Touchpoint.HANDOVER)
            yield self._points(PointsReason.SURVEY, 50)

    def _defect(self, handover_id: str, gate: Gate) -> Iterator[Message[Any]]:
        defect = {
            "defect_id": self._id(f"defect-{gate}"),
            "home_id": self._home,
            "community_id": self._community,
            "handover_id": handover_id,
            "location": "kitchen",
            "component": "window-seal",
            "severity": Severity.MINOR,
            "responsible_trade": Trade.DOORS_WINDOWS,
        }
        yield self._say(self._of(service_desk.DefectReported, **defect, gate=gate))
        self._pass(days=3)
        yield self._say(self._of(service_desk.DefectRectified, **defect, late=False))

    def _complaint(self) -> Iterator[Message[Any]]:
        due = self._after(days=4)
        case = {
            "case_id": self._id("case"),
            "category": "quality.leak",
            "severity": Severity.MAJOR,
            "community_id": self._community,
            "home_id": self._home,
        }
        yield self._say(
            self._of(
                service_desk.ComplaintRaised,
                **case,
                channel=CaseChannel.WECHAT,
                priority=Priority.HIGH,
                first_response_due=self._after(hours=4),
                resolution_due=due,
                calendar="china",
                calendar_version=1,
            )
        )
        self._pass(hours=3)
        yield self._say(
            self._of(
                service_desk.ComplaintAcknowledged,
                **case,
                agent_id="agent-3",
                due_at=due,
                late=False,
            )
        )
        if self._random.random() < 0.4:
            self._pass(days=4)
            yield self._say(
                self._of(
                    service_desk.ComplaintEscalated,
                    **case,
                    level=1,
                    target=SlaTarget.RESOLUTION,
                    due_at=due,
                    escalated_to="team-lead",
                )
            )
        self._pass(days=1)
        yield self._say(
            self._of(
                service_desk.ComplaintResolved,
                **case,
                due_at=due,
                late=False,
                cause="window-seal",
                remedy="replaced",
            )
        )
        yield self._message("complaint-survey", Purpose.SURVEY)
        yield self._survey(Touchpoint.COMPLAINT)
        yield self._say(
            self._of(service_desk.ComplaintClosed, **case, verdict=Verdict.ACCEPTED, late=False)
        )
