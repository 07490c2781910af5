"""Which rows a batch of inputs looks at, told from the inputs alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import singledispatch
from typing import Any

from keyturn_chassis.inputs import Input, TimerFired
from keyturn_events.intake import (
    CustomerErased,
    CustomersMerged,
    CustomersUnmerged,
    CustomerWithdrawn,
    PurchaseEvent,
)
from keyturn_events.segmentation import CustomerSegmented
from service_desk.domain.communities import SetCalendar, SetCommunity, SetTemplate
from service_desk.domain.crises import DeclareCrisis, LiftCrisis
from service_desk.domain.defects import RectifyDefect, ReportDefect
from service_desk.domain.gates import LiftVeto, PassGate, SetVeto
from service_desk.domain.handling import CaseCommand
from service_desk.domain.handovers import handover_id_of
from service_desk.domain.raising import DOUBLED_WITHIN, RaiseComplaint
from service_desk.domain.satisfaction import ActOnResponse, AnswerSurvey

CASE_OWNER = "case/"
"""What the owner of a case's timers begins with; the case id follows."""

CASE_DEADLINE = "case-deadline"
"""The timer kind of everything that time does to a case; its key is the target."""


@dataclass(slots=True)
class Needs:
    """Keys of what has to be loaded."""

    customers: set[str] = field(default_factory=set)
    persons: set[str] = field(default_factory=set)
    """Customers of whom everything is wanted."""
    handovers: set[str] = field(default_factory=set)
    homes: set[str] = field(default_factory=set)
    defects: set[str] = field(default_factory=set)
    cases: set[str] = field(default_factory=set)
    references: set[str] = field(default_factory=set)
    """References of complaints that may be known already."""
    raised_since: datetime | None = None
    """Cases without a reference may be doubled by ones received since then."""
    communities: set[str] = field(default_factory=set)
    calendars: set[str] = field(default_factory=set)
    templates: set[str] = field(default_factory=set)
    responses: set[str] = field(default_factory=set)
    references_of_answers: set[str] = field(default_factory=set)
    """References of survey answers that may be known already."""
    crises: set[str] = field(default_factory=set)
    places: list[tuple[DeclareCrisis, datetime]] = field(default_factory=list)


def needs_of(inputs: Sequence[Input[Any]]) -> Needs:
    """What all of `inputs` look at."""
    needs = Needs()
    for input in inputs:
        _add(input.value, needs, input.cause.at)
    needs.customers |= needs.persons
    return needs


@singledispatch
def _add(value: object, needs: Needs, at: datetime) -> None:  # noqa: ARG001 - for those registered
    raise TypeError(f"the desk keeps no state for {type(value).__name__}")


@_add.register
def _(value: PurchaseEvent, needs: Needs, _: datetime) -> None:
    needs.handovers.add(handover_id_of(value.purchase_id))
    needs.customers.add(value.customer_id)
    needs.communities.add(value.community_id)


@_add.register
def _(value: CustomersMerged, needs: Needs, _: datetime) -> None:
    needs.customers |= {value.customer_id, value.merged_customer_id}


@_add.register
def _(value: CustomersUnmerged, needs: Needs, _: datetime) -> None:
    needs.customers |= {value.customer_id, value.restored_customer_id}


@_add.register(CustomerErased)
@_add.register(CustomerWithdrawn)
def _(value: CustomerErased | CustomerWithdrawn, needs: Needs, _: datetime) -> None:
    needs.persons.add(value.customer_id)


@_add.register
def _(value: CustomerSegmented, needs: Needs, _: datetime) -> None:
    needs.customers.add(value.customer_id)


@_add.register
def _(value: TimerFired, needs: Needs, _: datetime) -> None:
    needs.cases.add(value.owner.removeprefix(CASE_OWNER))


@_add.register(PassGate)
@_add.register(SetVeto)
@_add.register(LiftVeto)
def _(value: PassGate | SetVeto | LiftVeto, needs: Needs, _: datetime) -> None:
    needs.handovers.add(value.handover_id)


@_add.register
def _(value: ReportDefect, needs: Needs, _: datetime) -> None:
    needs.homes.add(value.home_id)


@_add.register
def _(value: RectifyDefect, needs: Needs, _: datetime) -> None:
    needs.defects.add(value.defect_id)


@_add.register
def _(value: RaiseComplaint, needs: Needs, at: datetime) -> None:
    needs.customers.add(value.customer_id)
    if value.home_id is not None:
        needs.homes.add(value.home_id)
    if value.community_id is not None:
        needs.communities.add(value.community_id)
    if value.source_reference is not None:
        needs.references.add(value.source_reference)
    else:
        since = (value.received_at or at) - DOUBLED_WITHIN
        needs.raised_since = min(needs.raised_since or since, since)


@_add.register
def _(value: CaseCommand, needs: Needs, _: datetime) -> None:
    needs.cases.add(value.case_id)


@_add.register
def _(value: AnswerSurvey, needs: Needs, _: datetime) -> None:
    needs.customers.add(value.customer_id)
    if value.community_id is not None:
        needs.communities.add(value.community_id)
    if value.response_reference is not None:
        needs.references_of_answers.add(value.response_reference)


@_add.register
def _(value: ActOnResponse, needs: Needs, _: datetime) -> None:
    needs.responses.add(value.response_id)


@_add.register
def _(value: DeclareCrisis, needs: Needs, at: datetime) -> None:
    needs.places.append((value, at))


@_add.register
def _(value: LiftCrisis, needs: Needs, _: datetime) -> None:
    needs.crises.add(value.crisis_id)


@_add.register
def _(value: SetCommunity, needs: Needs, _: datetime) -> None:
    needs.communities.add(value.community_id)
    needs.calendars.add(value.calendar)
    needs.templates.add(value.template)


@_add.register
def _(value: SetCalendar, needs: Needs, _: datetime) -> None:
    needs.calendars.add(value.code)


@_add.register
def _(value: SetTemplate, needs: Needs, _: datetime) -> None:
    needs.templates.add(value.code)
