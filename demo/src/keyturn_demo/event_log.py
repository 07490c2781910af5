"""Every event that was seen, so that effects can be counted and traced back to their cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keyturn_events import Event, campaigns, intake, segmentation, service_desk

ONCE: Final[Mapping[type[Event], tuple[str, ...]]] = {
    intake.CustomerRegistered: ("customer_id",),
    intake.CustomersMerged: ("merge_id",),
    intake.HomeReserved: ("purchase_id",),
    intake.HomeSubscribed: ("purchase_id",),
    intake.PurchaseSigned: ("purchase_id",),
    intake.PurchasePaid: ("purchase_id",),
    intake.PurchaseRescinded: ("purchase_id",),
    intake.PartnerEventRejected: ("partition", "offset"),
    segmentation.CustomerSegmented: ("customer_id", "model", "model_version", "caused_by"),
    service_desk.HandoverPlanned: ("purchase_id",),
    service_desk.HandoverGatePassed: ("handover_id", "gate"),
    service_desk.HandoverCompleted: ("handover_id",),
    service_desk.HandoverCancelled: ("handover_id",),
    service_desk.DefectReported: ("defect_id",),
    service_desk.DefectRectified: ("defect_id",),
    service_desk.ComplaintRaised: ("case_id",),
    service_desk.ComplaintAcknowledged: ("case_id",),
    service_desk.ComplaintEscalated: ("case_id", "target", "level", "due_at"),
    service_desk.ComplaintResolved: ("case_id", "reopenings"),
    service_desk.ComplaintReopened: ("case_id", "reopenings"),
    service_desk.ComplaintClosed: ("case_id", "reopenings"),
    service_desk.SurveyAnswered: ("response_id",),
    campaigns.MessageSent: ("campaign", "step", "customer_id", "occurrence"),
    campaigns.MessageSkipped: ("message_id",),
    campaigns.ReferralInvited: ("referral_code",),
    campaigns.ReferralAccepted: ("referral_id",),
    campaigns.ReferralRefused: ("referral_id",),
    campaigns.ReferralRewarded: ("referral_id",),
    campaigns.ReferralClawedBack: ("referral_id",),
    campaigns.MemberEnrolled: ("member_id",),
    campaigns.PointsEarned: ("entry_id",),
    campaigns.PointsSpent: ("entry_id",),
    campaigns.PointsExpired: ("entry_id",),
    campaigns.PointsReversed: ("entry_id",),
}
"""What may happen once only: two events that agree in these fields tell one effect twice."""

LEAN: Final[Mapping[str, tuple[str, ...]]] = {
    intake.CustomerRegistered.type: ("customer_id",),
    intake.ConsentChanged.type: (),
    intake.LeadScored.type: (),
    intake.LeadCaptured.type: ("customer_id", "lead_id", "source_reference", "joined"),
    segmentation.CustomerSegmented.type: (
        "customer_id",
        "model",
        "model_version",
        "to_segment",
        "caused_by",
    ),
}
"""All that is kept of the events that are most of a large import."""

NOT_KEPT: Final = frozenset(
    {"household", "affordability", "inputs", "reasons", "original", "problems", "utm"}
)
"""Fields that no audit looks at, and that would fill the memory."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as it was seen on its topic."""

    id: str
    type: str
    subject: str
    recorded: float
    """When its service wrote it down, in seconds since 1970."""
    cause: str | None
    """The id of the event, request or timer that led to it."""
    data: Mapping[str, Any]
    digest: int
    """Tells contents apart."""


@dataclass(frozen=True, slots=True)
class Doubled:
    """An effect that was told twice."""

    type: str
    why: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.type} ({self.why}): {self.first}, {self.second}"


class EventLog:
    """The events of a run, found by what they say."""

    def __init__(self) -> None:
        self._by_id: dict[str, Seen] = {}
        self._by_type: defaultdict[str, list[Seen]] = defaultdict(list)
        self._by_cause: defaultdict[str, list[Seen]] = defaultdict(list)
        self._indexes: dict[tuple[str, tuple[str, ...]], dict[tuple[Any, ...], list[Seen]]] = {}
        self._fields: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
        self.redelivered = 0
        """Records that came again unchanged, which at-least-once delivery may do."""
        self.doubled: list[Doubled] = []
        for event_class, fields in ONCE.items():
            self._index(event_class.type, fields)

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, event: Seen) -> None:
        """Take an event; the same one again counts as redelivered, or as doubled if it differs."""
        known = self._by_id.get(event.id)
        if known is not None:
            if known.digest == event.digest:
                self.redelivered += 1
            else:
                self.doubled.append(Doubled(event.type, "one id, two contents", event.id, event.id))
            return
        self._by_id[event.id] = event
        self._by_type[event.type].append(event)
        if event.cause is not None:
            self._by_cause[event.cause].append(event)
        for fields in self._fields[event.type]:
            entries = self._indexes[event.type, fields].setdefault(_values(event, fields), [])
            entries.append(event)
            if len(entries) > 1 and _once.get(event.type) == fields:
                why = f"the same {', '.join(fields)}"
                self.doubled.append(Doubled(event.type, why, entries[0].id, event.id))

    def of(self, event_class: type[Event]) -> list[Seen]:
        """All events of a type, as they came."""
        return self._by_type.get(event_class.type, [])

    def find(self, event_class: type[Event], **match: Any) -> list[Seen]:
        """The events of a type whose fields have these values."""
        fields = tuple(sorted(match))
        return self.having(event_class, fields, tuple(match[name] for name in fields))

    def having(
        self, event_class: type[Event], fields: tuple[str, ...], values: tuple[Any, ...]
    ) -> list[Seen]:
        """As `find`, for fields in the order of their names."""
        return self._index(event_class.type, fields).get(values, [])

    def about(self, customers: Collection[str]) -> EventLog:
        """The events of these customers alone: a stack may know people of earlier runs."""
        wanted = frozenset(customers)
        log = EventLog()
        for event in self._by_id.values():
            if event.subject in wanted:
                log.add(event)
        return log

    def by_id(self, id: str | None) -> Seen | None:
        """The event of this id, if it was seen."""
        return None if id is None else self._by_id.get(id)

    def caused_by(self, id: str) -> list[Seen]:
        """The events that one input led to directly."""
        return self._by_cause.get(id, [])

    def ancestors(self, event: Seen) -> Iterator[Seen]:
        """The events that led to this one, the nearest first.

        With each ancestor come the others that were written down with it, at the same instant for
        the same cause, since they are of the same decision.
        """
        passed = {event.id}
        while (parent := self._parent(event)) is not None and parent.id not in passed:
            passed.add(parent.id)
            yield parent
            if parent.cause is not None:
                yield from (
                    other
                    for other in self.caused_by(parent.cause)
                    if other is not parent and other.recorded == parent.recorded
                )
            event = parent

    def _parent(self, event: Seen) -> Seen | None:
        """What led to an event: its cause or, for a message that waited, what planned it."""
        return self.by_id(event.cause) or self.by_id(event.data.get("triggered_by"))

    def _index(self, type: str, fields: tuple[str, ...]) -> dict[tuple[Any, ...], list[Seen]]:
        index = self._indexes.get((type, fields))
        if index is None:
            index = self._indexes[type, fields] = {}
            self._fields[type].append(fields)
            for event in self._by_type.get(type, ()):
                index.setdefault(_values(event, fields), []).append(event)
        return index


def kept(type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an event's data that an audit may look at."""
    fields = LEAN.get(type)
    if fields is not None:
        return {name: data[name] for name in fields if name in data}
    return {name: value for name, value in data.items() if name not in NOT_KEPT}


def homes_sold_twice(log: EventLog) -> list[Doubled]:
    """Homes that two signed purchases hold at the same time."""
    rescinded = {event.data["purchase_id"] for event in log.of(intake.PurchaseRescinded)}
    live: dict[str, Seen] = {}
    found = []
    for event in _standing(log.of(intake.PurchaseSigned), rescinded):
        holder = live.setdefault(event.data["home_id"], event)
        if holder is not event:
            found.append(Doubled(event.type, "two buyers of one home", holder.id, event.id))
    return found


def _standing(signed: Iterable[Seen], rescinded: set[str]) -> Iterator[Seen]:
    return (event for event in signed if event.data["purchase_id"] not in rescinded)


def _values(event: Seen, fields: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(event.data.get(name) for name in fields)


_once: Final = {event_class.type: fields for event_class, fields in ONCE.items()}
