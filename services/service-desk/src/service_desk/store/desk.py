"""The rows of one batch in memory, and what is found among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from keyturn_chassis.database import Loaded
from service_desk.domain.calendar import BusinessCalendar
from service_desk.domain.cases import Case
from service_desk.domain.communities import STANDARD, Community
from service_desk.domain.crises import Crisis, DeclareCrisis, Rate
from service_desk.domain.customers import Customer, Family
from service_desk.domain.defects import Defect
from service_desk.domain.handovers import Handover, HandoverState
from service_desk.domain.satisfaction import Response
from service_desk.domain.templates import HandoverTemplate

T = TypeVar("T")

OWNED = (HandoverState.PLANNED, HandoverState.COMPLETED)
"""States of a handover in which the home has an owner."""


@dataclass(slots=True)
class Desk:
    """The part of the desk's store that a batch looks at."""

    customers: Loaded[str, Customer]
    communities: Loaded[str, Community]
    handovers: Loaded[str, Handover]
    defects: Loaded[str, Defect]
    cases: Loaded[str, Case]
    responses: Loaded[str, Response]
    crises: Loaded[str, Crisis]
    calendars: dict[tuple[str, int], BusinessCalendar]
    templates: dict[tuple[str, int], HandoverTemplate]
    rates: Mapping[DeclareCrisis, Rate]
    owners: Mapping[DeclareCrisis, tuple[str, ...]]
    new_calendars: list[BusinessCalendar] = field(default_factory=list)
    new_templates: list[HandoverTemplate] = field(default_factory=list)

    def calendar_of(self, case: Case) -> BusinessCalendar:
        """The version of the calendar by which a case was opened, in its zone."""
        ref = case.calendar
        return self.calendars[ref.code, ref.version].in_zone(ref.zone)

    def calendar_in(self, community_id: str | None) -> BusinessCalendar:
        """The newest calendar of a community, in its zone; the standard one without any."""
        community = self.community(community_id)
        calendar = latest(self.calendars, community.calendar) or self.calendars[STANDARD, 1]
        return calendar.in_zone(community.time_zone)

    def template_in(self, community_id: str | None) -> HandoverTemplate:
        """The newest handover template of a community; the standard one without any."""
        template = latest(self.templates, self.community(community_id).template)
        return template or self.templates[STANDARD, 1]

    def newest_calendar(self, code: str) -> BusinessCalendar | None:
        """The newest version of a calendar."""
        return latest(self.calendars, code)

    def newest_template(self, code: str) -> HandoverTemplate | None:
        """The newest version of a handover template."""
        return latest(self.templates, code)

    def put_calendar(self, calendar: BusinessCalendar) -> None:
        """Keep a version of a calendar; versions are only ever added."""
        if (calendar.code, calendar.version) not in self.calendars:
            self.calendars[calendar.code, calendar.version] = calendar
            self.new_calendars.append(calendar)

    def put_template(self, template: HandoverTemplate) -> None:
        """Keep a version of a handover template; versions are only ever added."""
        if (template.code, template.version) not in self.templates:
            self.templates[template.code, template.version] = template
            self.new_templates.append(template)

    def community(self, community_id: str | None) -> Community:
        """What is set for a community; all standard when nothing is."""
        known = None if community_id is None else self.communities.get(community_id)
        return known or Community(community_id or "")

    def put_community(self, community: Community) -> None:
        """Keep what is set for a community, unless it is nothing."""
        known = self.communities.get(community.community_id)
        if known is not None or community != Community(community.community_id):
            self.communities.put(community.community_id, community)

    def family(self, *customer_ids: str) -> Family:
        """These customers, and all with whom any of them was ever merged."""
        linked: dict[str, set[str]] = {}
        for customer in self.customers.values():
            for merge in customer.merges.values():
                linked.setdefault(customer.customer_id, set()).add(merge.into)
                linked.setdefault(merge.into, set()).add(customer.customer_id)
        wanted, found = list(customer_ids), dict[str, Customer]()
        while wanted:
            customer_id = wanted.pop()
            if customer_id not in found:
                found[customer_id] = self.customers.get(customer_id) or Customer(customer_id)
                wanted.extend(linked.get(customer_id, ()))
        return Family(found)

    def put_family(self, family: Family) -> None:
        """Keep what is known of customers, unless it is nothing."""
        for customer_id, customer in family.members.items():
            if self.customers.get(customer_id) is not None or customer != Customer(customer_id):
                self.customers.put(customer_id, customer)

    def owned(self, home_id: str | None) -> Handover | None:
        """The handover by which a home has its present owner."""
        owned = [
            (handover.signed_on, handover.handover_id)
            for handover in self.handovers.values()
            if handover.home_id == home_id
            and handover.state in OWNED
            and handover.signed_on is not None
        ]
        return self.handovers.get(max(owned)[1]) if owned else None


def latest(versions: Mapping[tuple[str, int], T], code: str) -> T | None:
    """The newest version of what has this code."""
    numbers = [number for known, number in versions if known == code]
    return versions[code, max(numbers)] if numbers else None
