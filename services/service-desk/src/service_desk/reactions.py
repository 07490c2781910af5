"""Everything that the service desk reacts to: events of other services, and its own deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from keyturn_chassis.inputs import Cause, TimerFired
from keyturn_chassis.reactions import Reactions
from keyturn_events import Event
from keyturn_events.intake import (
    CompletionMoved,
    CustomerErased,
    CustomersMerged,
    CustomersUnmerged,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.segmentation import CustomerSegmented
from service_desk.domain import cases, communities, customers, handling, handovers, satisfaction
from service_desk.domain.cases import Case, Circumstances
from service_desk.domain.files import CaseFile, HomeFile, PersonFile
from service_desk.domain.handovers import Handover
from service_desk.store.needs import CASE_DEADLINE

reactions = Reactions()


@reactions.on(PurchaseSigned)
def plan_handover(
    file: HomeFile, event: PurchaseSigned, cause: Cause
) -> tuple[HomeFile, list[Event]]:
    """A signed purchase has a handover plan, from its community's template."""
    community = communities.heard_zone(file.community, event.community_time_zone)
    handover, events = handovers.sign(
        file.handover,
        event,
        file.template,
        community.time_zone or communities.DEFAULT_ZONE,
        file.family.survivor(event.customer_id).customer_id,
        erased=file.family.erased(event.customer_id),
        at=cause.at,
    )
    return replace(file, handover=handover, community=community), events


@reactions.on(CompletionMoved)
def redate_handover(
    file: HomeFile, event: CompletionMoved, cause: Cause
) -> tuple[HomeFile, list[Event]]:
    """The home will be ready on another day: the open gates move with it."""
    owner_id = file.family.survivor(event.customer_id).customer_id
    handover, events = handovers.move_completion(file.handover, event, owner_id, cause.at)
    return replace(file, handover=handover), events


@reactions.on(PurchaseRescinded)
def cancel_handover(
    file: HomeFile, event: PurchaseRescinded, _: Cause
) -> tuple[HomeFile, list[Event]]:
    """There will be no handover of a purchase that was undone."""
    owner_id = file.family.survivor(event.customer_id).customer_id
    handover, events = handovers.rescind(file.handover, event, owner_id)
    return replace(file, handover=handover), events


@reactions.on(CustomersMerged)
def join_customers(
    file: PersonFile, event: CustomersMerged, cause: Cause
) -> tuple[PersonFile, list[Event]]:
    """Two ids are one person: what is said of either concerns the survivor."""
    merged = customers.merged(file.family.of(event.merged_customer_id), event, cause.at)
    return _forget_if_erased(replace(file, family=file.family.with_(merged)), cause)


@reactions.on(CustomersUnmerged)
def part_customers(
    file: PersonFile, event: CustomersUnmerged, _: Cause
) -> tuple[PersonFile, list[Event]]:
    """A merge was wrong: the restored person has their own cases and homes again."""
    restored = customers.unmerged(file.family.of(event.restored_customer_id), event)
    return replace(file, family=file.family.with_(restored)), []


@reactions.on(CustomerErased)
def forget_customer(
    file: PersonFile, event: CustomerErased, cause: Cause
) -> tuple[PersonFile, list[Event]]:
    """A person asked to be forgotten: their words go, the records of homes stay."""
    erased = replace(file.family.of(event.customer_id), erased=True, segments={})
    return _forget_if_erased(replace(file, family=file.family.with_(erased)), cause)


@reactions.on(CustomerSegmented)
def note_segment(
    file: PersonFile, event: CustomerSegmented, cause: Cause
) -> tuple[PersonFile, list[Event]]:
    """A customer's segment decides how soon their next case is taken up."""
    customer = customers.segmented(file.family.of(event.customer_id), event, cause.at)
    return replace(file, family=file.family.with_(customer)), []


@reactions.on_timer(CASE_DEADLINE)
def let_time_pass(file: CaseFile, timer: TimerFired, _: Cause) -> tuple[CaseFile, list[Event]]:
    """A promise falls due, or a silence ends: what happens, happens at the due time."""
    case = file.required()
    owner_id = file.family.survivor(case.customer_id).customer_id
    case, events = cases.advance(case, Circumstances(file.calendar, owner_id, timer.due_at))
    return file.with_case(case), events


def _forget_if_erased(file: PersonFile, cause: Cause) -> tuple[PersonFile, list[Event]]:
    family = file.family
    events: list[Event] = []

    def homes() -> Iterator[Handover]:
        for handover in file.handovers:
            if not family.erased(handover.customer_id):
                yield handover
                continue
            owner_id = family.survivor(handover.customer_id).customer_id
            left, said = handovers.erase(handover, owner_id)
            events.extend(said)
            yield left

    def complaints() -> Iterator[Case]:
        for case in file.cases:
            if not family.erased(case.customer_id):
                yield case
                continue
            owner_id = family.survivor(case.customer_id).customer_id
            left, said = handling.forget(case, owner_id, cause.at)
            events.extend(said)
            yield left

    responses = (
        satisfaction.forget(response) if family.erased(response.customer_id) else response
        for response in file.responses
    )
    file = replace(
        file, handovers=tuple(homes()), cases=tuple(complaints()), responses=tuple(responses)
    )
    return file, events
