"""Between the domain's states and the rows of the tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from keyturn_events.vocabulary import SlaTarget
from service_desk.domain import cases
from service_desk.domain.calendar import BusinessCalendar
from service_desk.domain.cases import Case
from service_desk.domain.communities import Community
from service_desk.domain.crises import Crisis
from service_desk.domain.customers import Customer
from service_desk.domain.defects import Defect
from service_desk.domain.handovers import Handover
from service_desk.domain.satisfaction import Response
from service_desk.domain.templates import HandoverTemplate

CUSTOMER: Final = TypeAdapter(Customer)
COMMUNITY: Final = TypeAdapter(Community)
CALENDAR: Final = TypeAdapter(BusinessCalendar)
TEMPLATE: Final = TypeAdapter(HandoverTemplate)
HANDOVER: Final = TypeAdapter(Handover)
DEFECT: Final = TypeAdapter(Defect)
CASE: Final = TypeAdapter(Case)
RESPONSE: Final = TypeAdapter(Response)
CRISIS: Final = TypeAdapter(Crisis)

Row = Mapping[str, Any]


def customer_row(version: int, customer: Customer) -> Row:
    """A row of `customers`."""
    return {
        "customer_id": customer.customer_id,
        "version": version,
        "merged_into": customer.merged_into,
        "document": CUSTOMER.dump_python(customer, mode="json"),
    }


def community_row(version: int, community: Community) -> Row:
    """A row of `communities`."""
    return {
        "community_id": community.community_id,
        "version": version,
        "document": COMMUNITY.dump_python(community, mode="json"),
    }


def handover_row(version: int, handover: Handover) -> Row:
    """A row of `handovers`."""
    following = handover.next_gate
    return {
        "handover_id": handover.handover_id,
        "version": version,
        "purchase_id": handover.purchase_id,
        "customer_id": handover.customer_id,
        "home_id": handover.home_id,
        "community_id": handover.community_id,
        "building": handover.building,
        "state": handover.state.value,
        "next_gate": following.gate.value if following else None,
        "next_gate_due_on": following.due_on if following else None,
        "signed_on": handover.signed_on,
        "handover_on": handover.handover_on,
        "critical_defects": len(handover.critical_defects),
        "document": HANDOVER.dump_python(handover, mode="json"),
    }


def defect_row(version: int, defect: Defect) -> Row:
    """A row of `defects`."""
    return {
        "defect_id": defect.defect_id,
        "version": version,
        "customer_id": defect.customer_id,
        "handover_id": defect.handover_id,
        "home_id": defect.home_id,
        "community_id": defect.community_id,
        "building": defect.building,
        "component": defect.component,
        "severity": defect.severity.value,
        "reported_at": defect.reported_at,
        "due_at": defect.due_at,
        "rectified_at": defect.rectified_at,
        "document": DEFECT.dump_python(defect, mode="json"),
    }


def case_row(version: int, case: Case, calendar: BusinessCalendar) -> Row:
    """A row of `cases`. `overdue_from` is when the first of its running promises is broken."""
    dues = [cases.due_at(case, target, calendar) for target in SlaTarget if case.promised(target)]
    resolution = case.resolution
    return {
        "case_id": case.case_id,
        "version": version,
        "customer_id": case.customer_id,
        "source_reference": case.source_reference,
        "category": case.category,
        "severity": case.severity.value,
        "priority": case.priority.value,
        "state": case.state.value,
        "community_id": case.community_id,
        "building": case.building,
        "home_id": case.home_id,
        "received_at": case.received_at,
        "overdue_from": min((due for due in dues if due is not None), default=None),
        "resolution_due_at": (
            cases.due_at(case, SlaTarget.RESOLUTION, calendar)
            if case.running
            else resolution.due_at
            if resolution
            else None
        ),
        "resolved_at": None if case.running or resolution is None else resolution.at,
        "closed_at": case.closed_at,
        "late": not case.running and resolution is not None and resolution.late,
        "document": CASE.dump_python(case, mode="json"),
    }


def response_row(version: int, response: Response) -> Row:
    """A row of `responses`."""
    return {
        "response_id": response.response_id,
        "version": version,
        "customer_id": response.customer_id,
        "survey": response.said.survey,
        "response_reference": response.said.response_reference,
        "touchpoint": response.said.touchpoint.value,
        "community_id": response.said.community_id,
        "answered_at": response.answered_at,
        "act_by": response.act_by,
        "acted_at": response.acted_at,
        "document": RESPONSE.dump_python(response, mode="json"),
    }


def crisis_row(version: int, crisis: Crisis) -> Row:
    """A row of `crises`."""
    return {
        "crisis_id": crisis.crisis_id,
        "version": version,
        "community_id": crisis.community_id,
        "building": crisis.building,
        "category": crisis.category,
        "declared_at": crisis.declared_at,
        "lifted_at": crisis.lifted_at,
        "document": CRISIS.dump_python(crisis, mode="json"),
    }


def calendar_row(calendar: BusinessCalendar) -> Row:
    """A row of `calendars`."""
    return {
        "code": calendar.code,
        "number": calendar.version,
        "document": CALENDAR.dump_python(calendar, mode="json"),
    }


def template_row(template: HandoverTemplate) -> Row:
    """A row of `handover_templates`."""
    return {
        "code": template.code,
        "number": template.version,
        "document": TEMPLATE.dump_python(template, mode="json"),
    }
