"""Sums up a run: effects and audit from the event log, profiles and segments from segmentation."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from keyturn_demo.doors.http import each
from keyturn_demo.effect_times import TOLD_BY_METRICS, grown, read_buckets
from keyturn_demo.event_log import EventLog, homes_sold_twice
from keyturn_demo.figures import (
    Audit,
    Complaints,
    Effects,
    Figures,
    GateCount,
    MessageCount,
    Segment,
)
from keyturn_demo.journeys.leads import MODEL
from keyturn_demo.latency import Latency, measure
from keyturn_demo.progress import Step
from keyturn_demo.world import SERVICES, World
from keyturn_events import CustomerEvent
from keyturn_events.campaigns import (
    MessageFailed,
    MessageHeld,
    MessageSent,
    MessageSkipped,
    ReferralClawedBack,
    ReferralRewarded,
)
from keyturn_events.intake import (
    CustomerRegistered,
    LeadCaptured,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.segmentation import CustomerSegmented
from keyturn_events.service_desk import (
    ComplaintClosed,
    ComplaintEscalated,
    ComplaintRaised,
    ComplaintReopened,
    ComplaintResolved,
    DefectReported,
    HandoverCompleted,
    HandoverGatePassed,
    HandoverGateRefused,
    HandoverPlanned,
    SurveyAnswered,
)
from keyturn_events.vocabulary import Gate

MOST_TIMELINES: Final = 1_000
"""Timelines that are read one by one; of more customers a sample is, and the report says so."""


PAGE: Final = 200
"""Profiles of one page of the list."""


async def sum_up(world: World, source: str, began: float, step: Step) -> Figures:
    """Everything that the run came to."""
    customers = sorted({event.subject for event in world.log.of(CustomerRegistered)})
    log = world.log.about(customers)
    timelines = await _timelines(world, customers, step)
    segments = await _segments(world, log)
    if world.restarted:
        world.notes.append(f"Died during the run and started again: {', '.join(world.restarted)}.")
    signed = {event.data["purchase_id"] for event in log.of(PurchaseSigned)}
    undone = {event.data["purchase_id"] for event in log.of(PurchaseRescinded)}
    rewarded = {event.data["purchase_id"] for event in log.of(ReferralRewarded)}
    complaints = complaints_of(log)
    return Figures(
        source=source,
        seconds=time.monotonic() - began,
        tally=world.tally,
        segment_model=MODEL,
        segments=segments,
        gates=gates_of(log),
        completed=len(log.of(HandoverCompleted)),
        complaints=complaints,
        messages=messages_of(log),
        purchases=len(signed - undone),
        purchases_by_referral=len(rewarded - undone),
        effects=Effects(
            customers=len(customers),
            timelines=timelines,
            segmented=len({event.subject for event in log.of(CustomerSegmented)}),
            handovers=len(log.of(HandoverPlanned)),
            complaints=complaints.raised,
            complaints_late=complaints.late,
            messages=len(log.of(MessageSent)),
            referral_rewards=len(log.of(ReferralRewarded)),
            referral_claw_backs=len(log.of(ReferralClawedBack)),
            defects=len(log.of(DefectReported)),
            surveys=len(log.of(SurveyAnswered)),
            events=len(world.log),
        ),
        latency=await _latencies(world, log),
        audit=Audit(
            traced=world.owed.inputs,
            lost=world.owed.lost(),
            doubled=[
                *map(str, world.log.doubled),
                *map(str, homes_sold_twice(world.log)),
                *world.owed.doubled(),
                *world.faults,
            ],
            parked=await _parked(world),
            redelivered=world.log.redelivered,
        ),
        phases=world.phases.seconds,
        notes=world.notes,
    )


def complaints_of(log: EventLog) -> Complaints:
    """How the promises on complaints were kept; of a case resolved twice, the last time counts."""
    last: dict[str, Any] = {}
    for resolved in log.of(ComplaintResolved):
        known = last.get(resolved.data["case_id"])
        if known is None or known["reopenings"] <= resolved.data["reopenings"]:
            last[resolved.data["case_id"]] = resolved.data
    kept = Counter(
        "late" if said["late"] else "on time" if said.get("due_at") else "undated"
        for said in last.values()
    )
    return Complaints(
        raised=len(log.of(ComplaintRaised)),
        on_time=kept["on time"],
        late=kept["late"],
        undated=kept["undated"],
        escalated=len(log.of(ComplaintEscalated)),
        reopened=len(log.of(ComplaintReopened)),
        closed=len({event.data["case_id"] for event in log.of(ComplaintClosed)}),
    )


def gates_of(log: EventLog) -> list[GateCount]:
    """What became of each gate that anybody came to, in the order of passing."""
    passed = Counter(event.data["gate"] for event in log.of(HandoverGatePassed))
    late = Counter(event.data["gate"] for event in log.of(HandoverGatePassed) if event.data["late"])
    refused: dict[str, Counter[str]] = {gate.value: Counter() for gate in Gate}
    for event in log.of(HandoverGateRefused):
        refused[event.data["gate"]][event.data["reason"]] += 1
    return [
        GateCount(gate.value, passed[gate.value], late[gate.value], refused[gate.value])
        for gate in Gate
        if passed[gate.value] or refused[gate.value]
    ]


def messages_of(log: EventLog) -> list[MessageCount]:
    """Messages by outcome; what was sent by campaign, everything else by its reason."""
    outcomes: tuple[tuple[str, type[CustomerEvent], str], ...] = (
        ("sent", MessageSent, "campaign"),
        ("held", MessageHeld, "reason"),
        ("skipped", MessageSkipped, "reason"),
        ("failed", MessageFailed, "reason"),
    )
    return [
        MessageCount(outcome, reason, number)
        for outcome, event_class, by in outcomes
        for reason, number in sorted(
            Counter(event.data[by] for event in log.of(event_class)).items()
        )
    ]


async def _timelines(world: World, customers: Sequence[str], step: Step) -> int:
    """How many customers have a timeline; of many, a sample is read line by line."""
    if len(customers) <= MOST_TIMELINES:
        return await _check_timelines(world, customers, step)
    # Seeded: the same run looks at the same people.
    sample = Random(world.run.number).sample(customers, MOST_TIMELINES)  # noqa: S311
    known = await _check_timelines(world, sample, step)
    listed = len(await _profiles(world) & set(customers))
    world.notes.append(
        f"{listed:,} profiles were listed; the touches in {MOST_TIMELINES:,} of their timelines,"
        " drawn by lot, were counted one by one."
    )
    return listed - (MOST_TIMELINES - known)


async def _profiles(world: World) -> set[str]:
    """Every customer of whom segmentation has a profile."""
    found: set[str] = set()
    page: dict[str, Any] = {"next_cursor": ""}
    while page.get("next_cursor") is not None:
        after = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        answer = await world.doors.segmentation.get("/customers", limit=PAGE, model=MODEL, **after)
        page = answer.accepted()
        found.update(item["customer_id"] for item in page["items"])
    return found


async def _check_timelines(world: World, customers: Sequence[str], step: Step) -> int:
    """Count the customers whose profile knows every one of their touches, and name the others."""
    step.expect(len(customers))
    step.say("reading timelines")

    async def knows_all(customer_id: str) -> bool:
        touches = len(world.log.find(LeadCaptured, customer_id=customer_id))
        answer = await world.doors.segmentation.get(f"/customers/{customer_id}")
        step.advance()
        told = answer.body["touches"] if answer.ok else 0
        if told != touches:
            world.faults.append(f"timeline of {customer_id} has {told} touches, not {touches}")
        return bool(told == touches)

    return sum(await each(customers, knows_all))


async def _latencies(world: World, log: EventLog) -> dict[str, Latency]:
    """The hops that events tell of, and those that only the profiles' worker knows."""
    latencies = measure(log)
    now = await read_buckets(world.profiler)
    for hop, event_class in TOLD_BY_METRICS.items():
        latency = grown(world.measured, now, event_class)
        if latency is not None:
            latencies[hop] = latency
    return latencies


async def _segments(world: World, log: EventLog) -> list[Segment]:
    """How many customers each segment has, from whom this run segmented last."""
    counted = (await world.doors.segmentation.get("/segments", model=MODEL)).accepted()
    last = {
        event.subject: event.data["to_segment"]
        for event in log.of(CustomerSegmented)
        if event.data["model"] == MODEL
    }
    customers = Counter(last.values())
    return [
        Segment(
            segment["segment"],
            segment["labels"]["en"],
            segment["labels"]["zh"],
            customers[segment["segment"]],
        )
        for segment in counted["segments"]
    ]


async def _parked(world: World) -> int:
    """Records that any service has parked."""
    doors = world.doors
    answers = await each(
        (doors.intake, doors.segmentation, doors.service_desk, doors.campaigns),
        lambda door: door.get("/dead-letters"),
    )
    for service, answer in zip(SERVICES, answers, strict=True):
        for letter in answer.accepted()["items"]:
            world.notes.append(f"{service} parked {letter['code']}: {letter['detail']}")
    return sum(answer.accepted()["total"] for answer in answers)
