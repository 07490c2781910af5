"""Public records relived: a bank's leads, a county's new homes, a city's complaints, a survey.

Every service has its own clock: the desk's goes through 2014 to 2019 with the complaints, the
others stand in September 2019, when the ledger tells the year's sales.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any, Final

from keyturn_demo import records
from keyturn_demo.doors.files import import_file
from keyturn_demo.doors.forms import csv_file
from keyturn_demo.doors.http import each
from keyturn_demo.doors.partners import LEDGER, record_of
from keyturn_demo.figures import Figures
from keyturn_demo.journeys.lead_file import tally_import
from keyturn_demo.journeys.leads import MODEL
from keyturn_demo.journeys.purchases import LEDGER_DOOR
from keyturn_demo.journeys.registration import register_partners
from keyturn_demo.journeys.rejections import tally_partner_rejections
from keyturn_demo.progress import Step
from keyturn_demo.record_forms import (
    LONDON,
    answer_form,
    community_of,
    complaint_form,
    home_id_of,
    lead_rows,
    reference_of,
    sale_event,
    subscription_event,
)
from keyturn_demo.records import BankLead, HousingComplaint, NewBuildSale
from keyturn_demo.summing_up import sum_up
from keyturn_demo.tally import Noun
from keyturn_demo.world import World
from keyturn_events.intake import (
    CustomerRegistered,
    HomeSubscribed,
    LeadCaptured,
    PurchasePaid,
    PurchaseSigned,
)
from keyturn_events.partners import PartnerSaleRecorded
from keyturn_events.segmentation import CustomerSegmented
from keyturn_events.service_desk import (
    ComplaintClosed,
    ComplaintRaised,
    ComplaintResolved,
    HandoverCompleted,
    HandoverPlanned,
    SurveyAnswered,
)
from keyturn_events.vocabulary import Gate

DESK: Final = "desk API"
DESK_OPENS: Final = datetime(2014, 1, 1, 0, 0, tzinfo=records.BALTIMORE)
"""Before the first complaint, which is of 2 January 2014."""
LEDGER_TELLS: Final = datetime(2019, 9, 1, 9, 0, tzinfo=LONDON)
"""After the last deed, which is of 30 August 2019."""
BEGINNINGS: Final = {
    "service-desk": DESK_OPENS,
    "intake": LEDGER_TELLS,
    "segmentation": LEDGER_TELLS,
    "campaigns": LEDGER_TELLS,
}
"""Where the clock of each service stands when the records begin."""
KEYS_HOUR: Final = time(14, tzinfo=LONDON)
TEMPLATE: Final = "deed"
"""The registry knows of the day of the deed and of no inspection: one gate, the keys."""
NEVER_STALLS: Final = {"new": 3650, "contacted": 3650, "visited": 3650, "queued": 3650}
QUIET_CAMPAIGNS: Final = ("welcome",)
"""Campaigns that are switched off: nobody welcomes people who called years ago."""
SETTLE_SECONDS: Final = 300.0
"""How long the effects of so many leads may take to arrive."""
SLICE: Final = 1_000
"""Sales that are given to the broker at once."""


async def relive(world: World, directory: Path, began: float) -> Figures:
    """The records' journeys through the doors; what they came to."""
    leads = records.bank_leads(directory)
    sales = records.new_build_sales(directory)
    complaints = records.housing_complaints(directory)
    residents = records.residents(directory)
    takers = [lead for lead in leads if lead.subscribed]
    phases, world.seconds = world.phases, SETTLE_SECONDS
    with phases.phase("registering the ledger and the communities"):
        await _prepare(world, sales)
    with phases.phase(f"{len(leads):,} leads through the file door", len(leads)) as step:
        await _import(world, leads, sales, step)
    with phases.phase("who the leads turned out to be", len(leads)) as step:
        customers = await _recognise(world, leads, step)
    with phases.phase("complaints in their own time, sales and subscriptions") as step:
        step.expect(2 * len(complaints))
        people = [customers[taker.number] for taker in takers if taker.number in customers]
        async with asyncio.TaskGroup() as group:
            group.create_task(_complain(world, complaints, people, step))
            group.create_task(_sell(world, sales, takers))
            group.create_task(_subscribe(world, sales, takers[len(sales) :]))
    with phases.phase("the effects of it all arrive") as step:
        await world.settle(step)
    with phases.phase("keys on the day of the deed", len(sales)) as step:
        await _hand_over(world, sales, max(c.closed for c in complaints), step)
    with phases.phase("residents answer the survey", len(residents)) as step:
        await world.clocks.drive(LEDGER_TELLS, "service-desk")
        await _answer(world, residents, people, step)
    with phases.phase("the last effects arrive") as step:
        await world.settle(step)
        await _switch_campaigns(world, active=True)
    with phases.phase("the audit") as step:
        tally_partner_rejections(world)
        world.notes += _notes(leads, sales, complaints)
        return await sum_up(world, f"public records in {directory}", began, step)


async def _prepare(world: World, sales: Sequence[NewBuildSale]) -> None:
    await register_partners(world)
    desk = world.doors.service_desk
    gates = [{"gate": Gate.KEYS.value, "days_before": 0}]
    template = {"gates": gates, "completion_days": 0}
    (await desk.put(f"/handover-templates/{TEMPLATE}", template)).accepted()
    for town in sorted({sale.town for sale in sales}):
        rules = {
            "name": town.title(),
            "time_zone": LONDON.key,
            "region": "GB",
            "stalled_after_days": NEVER_STALLS,
        }
        community = community_of(town)
        (await world.doors.intake.put(f"/communities/{community}", rules)).accepted()
        settings = {"time_zone": LONDON.key, "template": TEMPLATE}
        (await desk.put(f"/communities/{community}", settings)).accepted()
    await _switch_campaigns(world, active=False)


async def _switch_campaigns(world: World, *, active: bool) -> None:
    for code in QUIET_CAMPAIGNS:
        campaign = (await world.doors.campaigns.get(f"/campaigns/{code}")).accepted()
        del campaign["code"], campaign["version"]
        change = {**campaign, "active": active}
        (await world.doors.campaigns.put(f"/campaigns/{code}", change)).accepted()


async def _import(
    world: World, leads: Sequence[BankLead], sales: Sequence[NewBuildSale], step: Step
) -> None:
    communities = sorted({community_of(sale.town) for sale in sales})
    content = csv_file(lead_rows(world.run, leads, communities))
    job = await import_file(
        world.doors.intake, content, world.key("bank-leads"), progress=step.reached
    )
    tally_import(world, job["created"], job["joined"], job["rejected_by_reason"])
    for lead in leads:
        reference = reference_of(world.run, lead)
        world.owed.expect(f"lead {reference}", LeadCaptured, source_reference=reference)


async def _recognise(world: World, leads: Sequence[BankLead], step: Step) -> dict[int, str]:
    """Customer id by number of the lead; every customer owes a registration and a segment."""

    def all_seen() -> bool:
        step.reached(len(world.log.of(LeadCaptured)))
        return len(world.log.of(LeadCaptured)) >= len(leads)

    await world.auditor.until(all_seen, world.seconds)
    customers = {}
    for lead in leads:
        reference = reference_of(world.run, lead)
        for captured in world.log.find(LeadCaptured, source_reference=reference)[:1]:
            customer_id = customers[lead.number] = captured.data["customer_id"]
            what = f"customer of {reference}"
            world.owed.expect(what, CustomerRegistered, customer_id=customer_id)
            world.owed.expect(
                what, CustomerSegmented, once=False, customer_id=customer_id, model=MODEL
            )
    return customers


async def _complain(
    world: World, complaints: Sequence[HousingComplaint], people: Sequence[str], step: Step
) -> None:
    """Raise and close each complaint at its own time: the desk's clock stands there by then.

    Those that were raised between two closings are raised together, each with its own time.
    """
    waiting: list[tuple[HousingComplaint, str]] = []

    async def raise_waiting() -> None:
        if waiting:
            await world.clocks.point("service-desk", waiting[-1][0].created)
            await each(waiting, lambda one: _raise(world, *one))
            step.advance(len(waiting))
            waiting.clear()

    moments = sorted(
        (when, what, number)
        for number, complaint in enumerate(complaints)
        for what, when in enumerate((complaint.created, complaint.closed))
    )
    for when, what, number in moments:
        if what == 0:
            waiting.append((complaints[number], people[number % len(people)]))
            continue
        await raise_waiting()
        await world.clocks.point("service-desk", when)
        await _close(world, complaints[number])
        step.advance()
    await raise_waiting()


async def _raise(world: World, complaint: HousingComplaint, customer_id: str) -> None:
    form = complaint_form(complaint, customer_id, world.run)
    key = world.key("complaint", complaint.reference)
    raised = (await world.doors.service_desk.post("/complaints", form, key)).accepted()
    world.cases[complaint.reference] = raised["complaint_id"]
    world.tally.accepted(Noun.COMPLAINT, DESK)
    world.owed.expect(
        f"complaint {complaint.reference}",
        ComplaintRaised,
        external_reference=form["source_reference"],
    )


async def _close(world: World, complaint: HousingComplaint) -> None:
    case_id = world.cases[complaint.reference]
    body: dict[str, Any] = {
        "cause": "duplicate" if complaint.duplicate else "not-recorded",
        "remedy": "closed-by-the-city",
        "verdict": "no-answer",
    }
    key = world.key("closed", complaint.reference)
    path = f"/complaints/{case_id}/resolutions"
    (await world.doors.service_desk.post(path, body, key)).accepted()
    what = f"closing of {complaint.reference}"
    world.owed.expect(what, ComplaintResolved, case_id=case_id, late=complaint.late)
    world.owed.expect(what, ComplaintClosed, case_id=case_id)


async def _sell(world: World, sales: Sequence[NewBuildSale], takers: Sequence[BankLead]) -> None:
    """The ledger tells the year's sales; each owes a contract and one handover plan."""
    told = list(zip(sales, takers, strict=False))
    at = [datetime.combine(sale.deed_date, KEYS_HOUR) for sale, _ in told]
    await _tell(world, [sale_event(world.run, sale, buyer) for sale, buyer in told], at)
    for sale, _ in told:
        reference = f"{world.run.tag}-{sale.record}"
        what = f"sale {reference}"
        world.owed.expect(what, PurchaseSigned, sale_reference=reference)
        world.owed.expect(what, PurchasePaid, sale_reference=reference)
        world.owed.expect(what, HandoverPlanned, home_id=home_id_of(world.run, sale))


async def _subscribe(
    world: World, sales: Sequence[NewBuildSale], takers: Sequence[BankLead]
) -> None:
    """Who took the bank's offer and has no home in the ledger subscribes an invented one."""
    events = [
        subscription_event(world.run, sales[taker.number % len(sales)], taker, LEDGER_TELLS.date())
        for taker in takers
    ]
    await _tell(world, events, [LEDGER_TELLS] * len(events))
    for event in events:
        world.owed.expect(
            f"subscription {event.sale_reference}",
            HomeSubscribed,
            sale_reference=event.sale_reference,
        )


async def _tell(
    world: World, events: Sequence[PartnerSaleRecorded], at: Sequence[datetime]
) -> None:
    """Publish what the ledger says, a slice at a time."""
    records = [
        record_of(event, partner=LEDGER, id=event.sale_reference, time=time)
        for event, time in zip(events, at, strict=True)
    ]
    for start in range(0, len(records), SLICE):
        await world.doors.partners.publish(records[start : start + SLICE])
    world.tally.accepted(Noun.PURCHASE, LEDGER_DOOR, len(records))


async def _hand_over(
    world: World, sales: Sequence[NewBuildSale], clock: datetime, step: Step
) -> None:
    """Every household gets its keys on the day of its deed.

    The desk's clock stands at the last complaint's closing, and does not go back for a key.
    """
    days: defaultdict[date, list[str]] = defaultdict(list)
    for sale in sales:
        for planned in world.log.find(HandoverPlanned, home_id=home_id_of(world.run, sale))[:1]:
            days[sale.deed_date].append(planned.data["handover_id"])
    for day in sorted(days):
        passed_at = datetime.combine(day, KEYS_HOUR)
        if passed_at > clock:
            await world.clocks.point("service-desk", passed_at)
        await each(days[day], partial(_keys, world))
        step.advance(len(days[day]))


async def _keys(world: World, handover_id: str) -> None:
    path = f"/handovers/{handover_id}/gates/{Gate.KEYS.value}/passes"
    key = world.key(Gate.KEYS.value, handover_id)
    (await world.doors.service_desk.post(path, {"by": "registry"}, key)).accepted()
    world.tally.accepted(Noun.HANDOVER, DESK)
    world.owed.expect(f"keys {handover_id}", HandoverCompleted, handover_id=handover_id)


async def _answer(
    world: World, residents: Sequence[records.Resident], people: Sequence[str], step: Step
) -> None:
    async def answer(numbered: tuple[int, records.Resident]) -> None:
        number, resident = numbered
        form = answer_form(resident, number, people[number % len(people)], world.run)
        key = world.key("resident", number)
        answered = await world.doors.service_desk.post("/surveys/answers", form, key)
        response_id = answered.accepted()["response_id"]
        world.tally.accepted(Noun.SURVEY, DESK)
        world.owed.expect(f"resident {number}", SurveyAnswered, response_id=response_id)
        step.advance()

    await each(enumerate(residents), answer)


def _notes(
    leads: Sequence[BankLead],
    sales: Sequence[NewBuildSale],
    complaints: Sequence[HousingComplaint],
) -> Iterator[str]:
    dated = sum(complaint.due is not None for complaint in complaints)
    late = sum(complaint.late for complaint in complaints)
    again = sum(sale.sold_before > 0 for sale in sales)
    takers = sum(lead.subscribed for lead in leads)
    yield (
        f"The records are of different people: {len(leads):,} called by a bank in Portugal"
        f" (2008–2010), {len(sales):,} buyers of new homes around Manchester (2019),"
        f" {len(complaints)} who complained about housing in Baltimore (2014–2017), and residents"
        " of Copenhagen. They are joined in a fixed order; names and e-mail addresses are"
        " invented, the addresses at example.com."
    )
    yield (
        f"{takers:,} took the bank's offer: the first {len(sales):,} are the buyers of the new"
        f" homes, the other {takers - len(sales):,} subscribe homes that are invented."
    )
    yield (
        f"{dated} of the {len(complaints)} complaints were closed against a due date of their own,"
        f" {late} of these late; {len(complaints) - dated} never had a due date."
    )
    yield "A deed says when the keys changed hands and nothing of gates before: there is one gate."
    yield (f"{again} new-build record has another's address: each record is a home of its own.")
    yield "The leads came all at once, so their latencies include the time they waited in line."
