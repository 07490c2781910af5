"""Everything that the service desk reacts to: events of other services, and its own deadlines."""

from __future__ import annotations

from dataclasses import replace

from keyturn_chassis.inputs import Cause, TimerFired
from keyturn_chassis.reactions import Reactions
from keyturn_events import Event
from keyturn_events.intake import (
    CompletionMoved,
    CustomerErased,
    CustomersMerged,
    CustomersUnmerged,
    CustomerWithdrawn,
    PurchaseRescinded,
    PurchaseSigned,
)
from keyturn_events.segmentation import CustomerSegmented
from service_desk.domain import cases, communities, customers, erasure, handovers
from service_desk.domain.cases import Circumstances
from service_desk.domain.files import CaseFile, HomeFile, PersonFile
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
        # Not what other purchases told of the community: they may be heard of later.
        community.zone or event.community_time_zone or communities.DEFAULT_ZONE,
        file.family.survivor(event.customer_id).customer_id,
        erased=file.family.of(event.customer_id).erased,
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
    return replace(file, family=file.family.with_(merged)), []


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
    """A person asked to be forgotten: their words go, the records of homes stay.

    It is told of every id that the person has, and answered with a receipt each time.
    """
    forgotten, events = erasure.forget(file, event.customer_id, cause)
    return forgotten, [*events, erasure.receipt(file, event)]


@reactions.on(CustomerWithdrawn)
def forget_withdrawn_customer(
    file: PersonFile, event: CustomerWithdrawn, cause: Cause
) -> tuple[PersonFile, list[Event]]:
    """There is no such person: as on an erasure, but nobody waits for a receipt."""
    return erasure.forget(file, event.customer_id, cause)


@reactions.on(CustomerSegmented)
def note_segment(
    file: PersonFile, event: CustomerSegmented, cause: Cause
) -> tuple[PersonFile, list[Event]]:
    """A customer's segment decides how soon their next case is taken up."""
    customer = file.family.of(event.customer_id)
    customer = customers.segmented(customer, event, cause.at, cause.recorded_at)
    return replace(file, family=file.family.with_(customer)), []


@reactions.on_timer(CASE_DEADLINE)
def let_time_pass(file: CaseFile, timer: TimerFired, _: Cause) -> tuple[CaseFile, list[Event]]:
    """A promise falls due, or a silence ends: what happens, happens at the due time."""
    case = file.required()
    owner_id = file.family.survivor(case.customer_id).customer_id
    case, events = cases.advance(case, Circumstances(file.calendar, owner_id, timer.due_at))
    return file.with_case(case), events
