"""Construction and handover: years pass, gates are passed in their order, and defects found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, Final

from keyturn_demo.doors.http import each
from keyturn_demo.doors.partners import CONSTRUCTION, record_of
from keyturn_demo.journeys.purchases import Buyer
from keyturn_demo.neighbourhood import Snag
from keyturn_demo.progress import Step
from keyturn_demo.tally import Noun
from keyturn_demo.world import ZONE, World
from keyturn_events.intake import CompletionMoved
from keyturn_events.partners import PartnerConstructionProgressed
from keyturn_events.service_desk import (
    DefectRectified,
    DefectReported,
    HandoverCompleted,
    HandoverGatePassed,
    HandoverGateRefused,
    HandoverPlanned,
    HandoverRescheduled,
)
from keyturn_events.vocabulary import Gate, Severity

DESK: Final = "desk API"
GATE_HOUR: Final = time(10, tzinfo=ZONE)
MENDED_AFTER: Final = timedelta(days=6)
SLIP: Final = timedelta(days=14)
"""How much later one building will be completed."""


@dataclass(frozen=True, slots=True)
class Home:
    """A home on its way to its household."""

    home_id: str
    handover_id: str
    building: str
    snag: Snag | None


async def hand_over(world: World, buyers: Sequence[Buyer], step: Step) -> None:
    """Until every household has its keys; one building slips on the way."""
    homes = [home for buyer in buyers for home in _home(world, buyer)]
    await _slip(world, buyers, step)
    opened = _due_dates(world, homes)
    step.expect(len(homes) * len(Gate))
    done = 0
    for day in sorted(opened):
        await world.sleep_until(datetime.combine(day, GATE_HOUR))
        for gate in (gate for gate in Gate if opened[day][gate]):
            step.say(f"{day}: {gate.value}")
            passing = opened[day][gate]
            await each(passing, partial(_pass, world, gate))
            done += len(passing)
            step.reached(done)
        await _mend(world, [home for gate in opened[day] for home in opened[day][gate]])
    for home in homes:
        world.owed.expect(
            f"keys of {home.home_id}", HandoverCompleted, handover_id=home.handover_id
        )
    await world.settle(step)


def _home(world: World, buyer: Buyer) -> list[Home]:
    """The home of a buyer, if its plan has been seen; the audit names those that have none."""
    planned = world.log.find(HandoverPlanned, home_id=buyer.sale.home_id)
    return [
        Home(
            buyer.sale.home_id,
            event.data["handover_id"],
            buyer.sale.building,
            buyer.family.snag,
        )
        for event in planned[:1]
    ]


async def _slip(world: World, buyers: Sequence[Buyer], step: Step) -> None:
    """Construction management says that one building will be completed later."""
    if not buyers:
        return
    building = buyers[0].sale.building
    planned = world.log.find(HandoverPlanned, home_id=buyers[0].sale.home_id)
    if not planned:
        return
    later = date.fromisoformat(planned[0].data["handover_on"]) + SLIP
    progressed = PartnerConstructionProgressed(
        community_id=buyers[0].sale.community_id,
        building=building,
        progressed_on=world.now.date(),
        milestone="facade",
        percent_complete=60,
        expected_completion=later,
    )
    await world.days_pass(7)
    record = record_of(
        progressed, partner=CONSTRUCTION, id=world.key("slip", building), time=world.now
    )
    await world.doors.partners.publish([record])
    world.tally.accepted(Noun.HANDOVER, "construction events")
    for buyer in buyers:
        if buyer.sale.building == building:
            what = f"later completion of {buyer.sale.home_id}"
            world.owed.expect(what, CompletionMoved, home_id=buyer.sale.home_id)
            world.owed.expect(what, HandoverRescheduled, home_id=buyer.sale.home_id)
    await world.settle(step)


def _due_dates(world: World, homes: Sequence[Home]) -> dict[date, defaultdict[Gate, list[Home]]]:
    """Which homes pass which gate on which day, by their plans as they now are."""
    days: dict[date, defaultdict[Gate, list[Home]]] = {}
    for home in homes:
        plans = [
            *world.log.find(HandoverPlanned, handover_id=home.handover_id),
            *world.log.find(HandoverRescheduled, handover_id=home.handover_id),
        ]
        for gate in plans[-1].data["gates"]:
            day = days.setdefault(date.fromisoformat(gate["due_on"]), defaultdict(list))
            day[Gate(gate["gate"])].append(home)
    return days


async def _pass(world: World, gate: Gate, home: Home) -> None:
    """Pass a gate; at the first one the home is inspected, and a critical defect closes it."""
    first = gate is Gate.RISK_INSPECTION
    if first and home.snag is not None:
        await _report(world, home, home.snag)
    if first and home.snag is not None and home.snag.severity is Severity.CRITICAL:
        answer = await _try(world, home, gate, "before")
        if answer.ok:
            world.faults.append(f"{home.home_id}: {gate.value} opened despite a critical defect")
        else:
            world.tally.rejected(Noun.HANDOVER, DESK, answer.body["reason"])
            world.owed.expect(
                f"refused gate of {home.home_id}",
                HandoverGateRefused,
                handover_id=home.handover_id,
            )
        return
    await _open(world, home, gate)


async def _mend(world: World, homes: Sequence[Home]) -> None:
    """Mend what the first gate found; homes that it kept closed pass it now."""
    waiting = [home for home in homes if home.home_id in world.open_defects]
    if not waiting:
        return
    await world.sleep_until(world.now + MENDED_AFTER)

    async def mend(home: Home) -> None:
        defect_id = world.open_defects.pop(home.home_id)
        body = {"proofs": [f"media/{world.run.tag}/{home.home_id}.jpg"], "by": "foreman-3"}
        key = world.key("mended", defect_id)
        path = f"/defects/{defect_id}/rectifications"
        (await world.doors.service_desk.post(path, body, key)).accepted()
        world.tally.accepted(Noun.HANDOVER, DESK)
        world.owed.expect(f"mended {home.home_id}", DefectRectified, defect_id=defect_id)
        if home.snag is not None and home.snag.severity is Severity.CRITICAL:
            await _open(world, home, Gate.RISK_INSPECTION)

    await each(waiting, mend)


async def _report(world: World, home: Home, snag: Snag) -> None:
    body = {
        "location": snag.location,
        "component": snag.component,
        "severity": snag.severity.value,
        "responsible_trade": "finishes",
    }
    path = f"/homes/{home.home_id}/defects"
    answer = await world.doors.service_desk.post(path, body, world.key("defect", home.home_id))
    defect_id = world.open_defects[home.home_id] = answer.accepted()["defect_id"]
    world.tally.accepted(Noun.HANDOVER, DESK)
    world.owed.expect(f"defect of {home.home_id}", DefectReported, defect_id=defect_id)


async def _open(world: World, home: Home, gate: Gate) -> None:
    (await _try(world, home, gate, "open")).accepted()
    world.tally.accepted(Noun.HANDOVER, DESK)
    world.owed.expect(
        f"gate {gate.value} of {home.home_id}",
        HandoverGatePassed,
        handover_id=home.handover_id,
        gate=gate.value,
    )


async def _try(world: World, home: Home, gate: Gate, which: str) -> Any:
    path = f"/handovers/{home.handover_id}/gates/{gate.value}/passes"
    key = world.key(gate.value, home.home_id, which)
    return await world.doors.service_desk.post(path, {"by": "inspector-7"}, key)
