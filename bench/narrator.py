"""The means to tell a customer's history: a clock, ids that do not change, facts in envelopes."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from bench.people import BUDGETS, CHANNEL_WEIGHTS, CHANNELS, COMMUNITIES
from keyturn_events import CustomerEvent, Message, campaigns, intake, service_desk
from keyturn_events.values import Household, HouseholdMember, Money, SurveyAnswer
from keyturn_events.vocabulary import (
    Channel,
    Incomes,
    LeadChannel,
    LeadStage,
    MaritalStatus,
    PointsReason,
    PointsState,
    Purpose,
    Relationship,
    Touchpoint,
)


def customer_id(seed: int, number: int) -> str:
    """The id of a customer: the same for the same seed and number."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-9{digest[17:20]}-{digest[20:32]}"


class Narrator:
    """Tells what happens to one customer, event by event; its clock goes forward with them.

    `journey` sets one journey of a customer apart from another.
    """

    def __init__(
        self, random: Random, customer_id: str, came: datetime, *, journey: str = ""
    ) -> None:
        self._random = random
        self._customer_id = customer_id
        self._journey = journey
        self._now = came
        self._numbers = count()
        self._community = random.choice(COMMUNITIES)
        self._lead_id = self._id("lead")
        self._home = f"{self._community}-{random.randrange(1, 5000)}"
        self._channel = LeadChannel(random.choices(CHANNELS, CHANNEL_WEIGHTS)[0])

    def _stage(self, before: str, after: str) -> Message[Any]:
        return self._say(
            self._about_lead(
                intake.LeadAdvanced,
                from_stage=LeadStage(before),
                to_stage=LeadStage(after),
                reason=f"came-to-{after}",
                advisor_id="advisor-7",
            )
        )

    def _survey(self, touchpoint: Touchpoint) -> Message[Any]:
        random = self._random
        return self._say(
            self._of(
                service_desk.SurveyAnswered,
                response_id=self._id(f"response-{touchpoint}"),
                survey=f"{touchpoint}-survey",
                survey_version=1,
                touchpoint=touchpoint,
                community_id=self._community,
                satisfaction=random.randrange(4, 11),
                recommend=random.randrange(4, 11),
                rebuy=random.randrange(4, 11),
                answers=[
                    SurveyAnswer(dimension=name, experience=random.randrange(4, 11))
                    for name in ("quality", "price", "service")
                ],
                low=False,
            )
        )

    def _points(self, reason: PointsReason, points: int) -> Message[Any]:
        return self._say(
            self._of(
                campaigns.PointsEarned,
                member_id=self._id("member"),
                entry_id=self._id(f"entry-{reason}"),
                lot_id=self._id(f"lot-{reason}"),
                balance=points,
                pending=0,
                points=points,
                state=PointsState.ACTIVE,
                reason=reason,
                expires_on=self._today(730),
            )
        )

    def _message(self, campaign: str, purpose: Purpose) -> Message[Any]:
        return self._say(
            self._of(
                campaigns.MessageSent,
                message_id=self._id(f"message-{campaign}"),
                campaign=campaign,
                campaign_version=1,
                step="first",
                occurrence=self._lead_id,
                channel=Channel.SMS,
                purpose=purpose,
                template=campaign,
                template_version=1,
            )
        )

    def _household(self) -> Household:
        random = self._random
        children = random.choice([0, 0, 1, 2])
        members = [HouseholdMember(relationship=Relationship.SELF, birth_date=self._born(25, 60))]
        members += [
            HouseholdMember(relationship=Relationship.CHILD, birth_date=self._born(0, 18))
            for _ in range(children)
        ]
        return Household(
            household_id=self._id("household"),
            members=tuple(members),
            marital_status=random.choice([MaritalStatus.SINGLE, MaritalStatus.MARRIED]),
            incomes=random.choice([Incomes.SINGLE, Incomes.DUAL]),
            homes_owned=random.choice([0, 0, 1, 2]),
        )

    def _born(self, youngest: int, oldest: int) -> date:
        days = self._random.randrange(youngest * 365, oldest * 365)
        return (self._now - timedelta(days=days)).date()

    def _money(self) -> Money:
        return Money.model_validate({"amount": self._random.choice(BUDGETS), "currency": "CNY"})

    def _about_lead(self, kind: type[CustomerEvent], **facts: Any) -> CustomerEvent:
        return self._of(kind, lead_id=self._lead_id, community_id=self._community, **facts)

    def _of(self, kind: type[CustomerEvent], **facts: Any) -> CustomerEvent:
        return kind(customer_id=self._customer_id, **facts)

    def _say(self, event: CustomerEvent) -> Message[Any]:
        self._pass(seconds=1)
        number = next(self._numbers)
        trace = hashlib.md5(f"{self._customer_id}/{number}".encode(), usedforsecurity=False)
        return Message.of(
            event,
            id=self._id(str(number)),
            source=event.topic.owner,
            time=self._now,
            recordedtime=self._now + timedelta(milliseconds=40),
            causationid=self._id(f"cause-{number}"),
            traceparent=f"00-{trace.hexdigest()}-{trace.hexdigest()[:16]}-01",
        )

    def _id(self, name: str) -> str:
        return customer_id(0, hash_of(f"{self._customer_id}/{self._journey}/{name}"))

    def _pass(self, **time: float) -> None:
        self._now += timedelta(**time)

    def _after(self, **time: float) -> datetime:
        return self._now + timedelta(**time)

    def _today(self, days: int = 0) -> date:
        return (self._now + timedelta(days=days)).date()


def hash_of(name: str) -> int:
    """A number that stands for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
