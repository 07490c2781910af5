"""Leads: through three doors in three waves, some of them twice, some of them wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from keyturn_demo.doors.forms import api_form, partner_lead
from keyturn_demo.doors.http import each
from keyturn_demo.doors.partners import PORTAL, record_of
from keyturn_demo.journeys.lead_file import send_file
from keyturn_demo.journeys.timing import came_at
from keyturn_demo.mischief import wrong_leads, wrong_records, wrong_rows
from keyturn_demo.neighbourhood import LEAD_DAYS, Door, Neighbourhood, Touch
from keyturn_demo.progress import Step
from keyturn_demo.tally import Noun
from keyturn_demo.world import World
from keyturn_events.intake import LeadCaptured, PartnerEventRejected
from keyturn_events.segmentation import CustomerSegmented

API, BATCH, PARTNER = "API", "API batch", "partner events"
WAVES: Final = 3
BATCH_ROWS: Final = 500
MODEL: Final = "pulte"
"""The segment model that every customer must have a place in."""


async def bring_leads(world: World, hood: Neighbourhood, step: Step) -> None:
    """Everybody comes, in waves, and each wave's effects arrive before the next."""
    opening = world.now
    days_a_wave = LEAD_DAYS // WAVES + 1
    for wave in range(WAVES):
        days = range(wave * days_a_wave, (wave + 1) * days_a_wave)
        touches = [touch for touch in hood.touches if touch.day in days]
        await world.sleep_until(opening + timedelta(days=days.stop - 1, hours=9))
        await send(world, touches, opening, step, wrong=wave == 1)
        await world.settle(step)
    note_people(world, hood.touches)
    tally_partner(world, hood.touches)


async def send(
    world: World, touches: Sequence[Touch], opening: datetime, step: Step, *, wrong: bool
) -> None:
    """Send touches through their doors, all doors at once; with `wrong`, faulty inputs as well."""
    by_door = {door: [touch for touch in touches if touch.door is door] for door in Door}
    step.say(f"sending {len(touches):,} leads")
    async with asyncio.TaskGroup() as group:
        group.create_task(_through_api(world, by_door[Door.API], opening, wrong=wrong))
        group.create_task(_through_batches(world, by_door[Door.BATCH], opening, wrong=wrong))
        group.create_task(_through_partner(world, by_door[Door.PARTNER], opening, wrong=wrong))
        group.create_task(send_file(world, by_door[Door.FILE], opening, wrong=wrong))
    for touch in touches:
        world.owed.expect(
            f"lead {touch.reference} ({touch.door.value})",
            LeadCaptured,
            source_reference=touch.reference,
        )


def note_people(world: World, touches: Sequence[Touch]) -> None:
    """Take down who each touch turned out to be; one person must be one customer.

    Every customer then owes a place in the segment model.
    """
    for touch in touches:
        for captured in world.log.find(LeadCaptured, source_reference=touch.reference)[:1]:
            customer_id = captured.data["customer_id"]
            known = world.customers.setdefault(touch.person.reference, customer_id)
            if known != customer_id:
                world.faults.append(f"person {touch.person.reference} is two customers")
            elif not captured.data["joined"]:
                world.owed.expect(
                    f"customer {customer_id}",
                    CustomerSegmented,
                    once=False,
                    customer_id=customer_id,
                    model=MODEL,
                )


async def _through_api(
    world: World, touches: Sequence[Touch], opening: datetime, *, wrong: bool
) -> None:
    intake, tally = world.doors.intake, world.tally

    async def capture(touch: Touch) -> None:
        form = api_form(touch, came_at(touch, opening))
        captured = (await intake.post("/leads", form, world.key(touch.reference))).accepted()
        if captured["outcome"] == "joined":
            tally.joined(Noun.LEAD, API)
        else:
            tally.accepted(Noun.LEAD, API)

    await each(touches, capture)
    if not wrong:
        return
    for request in wrong_leads():
        answer = await intake.send(
            "POST",
            "/leads",
            request.body,
            {
                "Content-Type": "application/json",
                "Idempotency-Key": world.key("wrong", request.what.replace(" ", "-")),
            },
        )
        _tally_refusal(world, API, request.what, answer.reason, accepted=answer.ok)
    for what, token in world.wrong_tokens.items():
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        answer = await intake.send("POST", "/leads", b'{"phone": "13800138000"}', headers)
        _tally_refusal(world, API, what, answer.reason, accepted=answer.ok)
    for touch in touches[:2]:
        form = api_form(touch, came_at(touch, opening))
        again = await intake.post("/leads", form, world.key(touch.reference))
        again.accepted()
        tally.repeated(Noun.LEAD, API)
        other = await intake.post("/leads", {**form, "name": "别人"}, world.key(touch.reference))
        _tally_refusal(world, API, "a key used again", other.reason, accepted=other.ok)


def _tally_refusal(world: World, door: str, what: str, reason: str, *, accepted: bool) -> None:
    if accepted:
        world.faults.append(f"{door} accepted {what}")
        return
    world.tally.rejected(Noun.LEAD, door, reason)


async def _through_batches(
    world: World, touches: Sequence[Touch], opening: datetime, *, wrong: bool
) -> None:
    rows = [api_form(touch, came_at(touch, opening)) for touch in touches]
    if wrong:
        rows = [*rows, *wrong_rows()]
    for start in range(0, len(rows), BATCH_ROWS):
        part = rows[start : start + BATCH_ROWS]
        key = world.key("batch", opening.date(), touches[0].reference if touches else "", start)
        answer = (await world.doors.intake.post("/leads/batch", {"leads": part}, key)).accepted()
        world.tally.accepted(Noun.LEAD, BATCH, answer["created"])
        world.tally.joined(Noun.LEAD, BATCH, answer["joined"])
        for row in answer["rows"]:
            if row["outcome"] == "rejected":
                world.tally.rejected(Noun.LEAD, BATCH, row["code"])


async def _through_partner(
    world: World, touches: Sequence[Touch], opening: datetime, *, wrong: bool
) -> None:
    records = [
        record_of(
            partner_lead(touch, came_at(touch, opening)),
            partner=PORTAL,
            id=touch.reference,
            time=came_at(touch, opening),
        )
        for touch in touches
    ]
    await world.doors.partners.publish(records)
    if not wrong:
        return
    await world.doors.partners.publish(records[:3])
    world.tally.repeated(Noun.LEAD, PARTNER, len(records[:3]))
    tag = f"{world.run.tag}"
    faulty = list(wrong_records(tag, opening))
    if touches:
        other = partner_lead(touches[0], came_at(touches[0], opening) + timedelta(minutes=1))
        record = record_of(other, partner=PORTAL, id=touches[0].reference, time=opening)
        faulty.append(("an id used again", record))
    places = await world.doors.partners.publish([record for _, record in faulty])
    for (what, _), (partition, offset) in zip(faulty, places, strict=True):
        world.owed.expect(
            f"partner record with {what}",
            PartnerEventRejected,
            partition=partition,
            offset=offset,
        )


def tally_partner(world: World, touches: Sequence[Touch]) -> None:
    """Count what became of the partner's leads, now that it has been seen."""
    for touch in touches:
        if touch.door is not Door.PARTNER:
            continue
        for captured in world.log.find(LeadCaptured, source_reference=touch.reference)[:1]:
            if captured.data["joined"]:
                world.tally.joined(Noun.LEAD, PARTNER)
            else:
                world.tally.accepted(Noun.LEAD, PARTNER)
