"""Accepted inputs against their effects, in the events and in the state: pure counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from keyturn_demo.event_log import EventLog, homes_sold_twice
from keyturn_demo.expectations import Expectations
from keyturn_events import Event, campaigns, intake, segmentation, service_desk
from tests.faults.kill_and_count.canonical import Row, Snapshot

PASSING: Final[tuple[type[Event], ...]] = (
    segmentation.CustomerSegmented,
    campaigns.ReferralAccepted,
    campaigns.ReferralRefused,
)
"""Verdicts that a fact revises which comes later over another topic, such as the household after
the lead. The last verdict is state and is compared; how many there were on the way to it depends
on an order that Kafka does not promise."""


OF_ATTEMPTS: Final[tuple[type[Event], ...]] = (
    campaigns.MessageSent,
    campaigns.MessageHeld,
    campaigns.MessageSkipped,
    campaigns.MessageFailed,
)
"""Events whose ids name the attempt that led to them: another attempt tells the same otherwise."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the effect that an event tells of is kept: one row of its owner's table."""

    service: str
    table: str
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    """The event's fields that say which row, in the order of the columns."""


KEPT: Final[Mapping[type[Event], Kept]] = {
    intake.CustomerRegistered: Kept("intake", "customers", ("customer_id",), ("customer_id",)),
    intake.LeadCaptured: Kept("intake", "touches", ("source_reference",), ("source_reference",)),
    intake.HomeReserved: Kept("intake", "purchases", ("purchase_id",), ("purchase_id",)),
    intake.PurchaseSigned: Kept("intake", "purchases", ("purchase_id",), ("purchase_id",)),
    intake.PartnerEventRejected: Kept(
        "intake", "partner_records", ("partition", "offset"), ("partition", "offset")
    ),
    service_desk.HandoverPlanned: Kept(
        "service-desk", "handovers", ("purchase_id",), ("purchase_id",)
    ),
    service_desk.DefectReported: Kept("service-desk", "defects", ("defect_id",), ("defect_id",)),
    service_desk.ComplaintRaised: Kept("service-desk", "cases", ("case_id",), ("case_id",)),
    service_desk.SurveyAnswered: Kept(
        "service-desk", "responses", ("response_id",), ("response_id",)
    ),
    campaigns.MemberEnrolled: Kept("campaigns", "members", ("customer_id",), ("customer_id",)),
    campaigns.PointsEarned: Kept("campaigns", "ledger_entries", ("entry_id",), ("entry_id",)),
    campaigns.MessageSent: Kept("campaigns", "sends", ("message_id",), ("message_id",)),
    campaigns.ReferralAccepted: Kept("campaigns", "referrals", ("referral_id",), ("referral_id",)),
    campaigns.ReferralRewarded: Kept("campaigns", "referrals", ("referral_id",), ("referral_id",)),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """What a run came to."""

    accepted: int
    """Inputs that were accepted and owe an effect."""
    lost: Sequence[str]
    """One line for each effect that is missing, in the events or in the state."""
    doubled: Sequence[str]
    """One line for each effect that is there twice."""
    redelivered: int
    """Records that came again unchanged, as at-least-once delivery may; none had an effect."""
    events: int
    """Different events that were published."""

    @property
    def effects(self) -> int:
        """Accepted inputs less the effects that are not there exactly once."""
        return self.accepted - min(self.accepted, len(self.lost) + len(self.doubled))


def count(
    owed: Expectations,
    log: EventLog,
    snapshot: Snapshot,
    strangers: frozenset[str],
    *,
    faults: Iterable[str] = (),
    messages: Iterable[str] = (),
) -> Counted:
    """Count a finished run.

    Args:
        owed: what the accepted inputs owe.
        log: every event that was seen.
        snapshot: the state of all services.
        strangers: customers of whom only poison told, whose owners know nothing of them.
        faults: doubled effects that the load itself saw.
        messages: the id of every message that a receiver got.
    """
    missing, twice = in_state(log, snapshot, strangers)
    received = Counter(messages)
    return Counted(
        accepted=owed.inputs,
        lost=[*owed.lost(), *missing],
        doubled=[
            *map(str, log.doubled),
            *map(str, homes_sold_twice(log)),
            *owed.doubled(),
            *twice,
            *faults,
            *(f"message {id} was received {n} times" for id, n in received.items() if n > 1),
        ],
        redelivered=log.redelivered,
        events=len(log),
    )


def passing_ids(log: EventLog) -> frozenset[str]:
    """The ids of the events that may be others in another run of the same inputs."""
    return frozenset(event.id for kind in PASSING for event in log.of(kind))


def names_of(log: EventLog) -> dict[str, str]:
    """For events whose ids tell of attempts, names that another run gives them too, by id."""
    names: dict[str, str] = {}
    for kind in OF_ATTEMPTS:
        told: Counter[str] = Counter()
        for event in log.of(kind):
            message = event.data["message_id"]
            told[message] += 1
            names[event.id] = f"{kind.type}/{message}/{told[message]}"
    return names


def in_state(
    log: EventLog, snapshot: Snapshot, strangers: frozenset[str]
) -> tuple[list[str], list[str]]:
    """Effects that were told of and are missing in their owner's state, or are there twice."""
    missing: list[str] = []
    twice: list[str] = []
    for event_class, kept in KEPT.items():
        rows = Counter(_values(row, kept.columns) for row in _rows(snapshot, kept))
        told = {
            _values(event.data, kept.fields)
            for event in log.of(event_class)
            if event.subject not in strangers
        }
        for values in sorted(told, key=str):
            found = rows[values]
            what = f"{event_class.type} {'/'.join(values)} in {kept.service}.{kept.table}"
            if found == 0:
                missing.append(what)
            elif found > 1:
                twice.append(f"{what} {found} times")
    return missing, twice


def _rows(snapshot: Snapshot, kept: Kept) -> Sequence[Row]:
    return snapshot[kept.service][kept.table].rows


def _values(of: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(of.get(name)) for name in names)
