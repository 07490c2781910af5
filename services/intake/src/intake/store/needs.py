"""Which rows a batch of inputs looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from intake.domain.capture import CaptureLead, PersonSaid
from intake.domain.consent_commands import RecordConsents
from intake.domain.lead_commands import LeadCommand
from intake.domain.partners import PartnerRecord
from intake.domain.purchase_commands import PurchaseCommand, ReserveHome
from intake.domain.registry import RegisterCommunity, RegisterPartner
from intake.reading.partner_records import person_said, read_partner_record
from keyturn_chassis.inputs import Input, RawRecord, TimerFired
from keyturn_events.partners import (
    PartnerConstructionProgressed,
    PartnerLeadSubmitted,
    PartnerSaleRecorded,
)

LEAD_STALLED = "lead-stalled"
"""The timer of an open lead; its owner is the lead."""
RESERVATION_EXPIRED = "reservation-expired"
"""The timer of a reserved home; its owner is the purchase."""


@dataclass(slots=True)
class Visitor:
    """Somebody who comes with an input and is to be identified."""

    person: PersonSaid
    community_id: str | None


@dataclass(slots=True)
class Needs:
    """The keys of the rows to load, and the people to identify, by the identity of the input."""

    leads: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)
    purchases: set[str] = field(default_factory=set)
    homes: set[str] = field(default_factory=set)
    sales: set[tuple[str, str]] = field(default_factory=set)
    communities: set[str] = field(default_factory=set)
    buildings: set[tuple[str, str]] = field(default_factory=set)
    neighbours: set[tuple[str, str]] = field(default_factory=set)
    """Buildings of which every purchase is needed."""
    partners: set[str] = field(default_factory=set)
    partner_events: set[tuple[str, str]] = field(default_factory=set)
    visitors: dict[int, Visitor] = field(default_factory=dict)
    records: dict[int, PartnerRecord] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: Sequence[Input[Any]]) -> Needs:
        """What these inputs need."""
        needs = cls()
        for input in inputs:
            needs._add(input)
        return needs

    def _add(self, input: Input[Any]) -> None:
        match input.value:
            case CaptureLead() as command:
                self.visitors[id(input)] = Visitor(command.person, command.community_id)
            case LeadCommand() as command:
                self.leads.add(command.lead_id)
            case ReserveHome() as command:
                self.customers.add(command.customer_id)
                self.homes.add(command.home_id)
                self.communities.add(command.community_id)
                if command.lead_id is not None:
                    self.leads.add(command.lead_id)
            case PurchaseCommand() as command:
                self.purchases.add(command.purchase_id)
            case RecordConsents() as command:
                self.customers.add(command.customer_id)
            case TimerFired() as timer:
                owners = self.leads if timer.kind == LEAD_STALLED else self.purchases
                owners.add(timer.owner)
            case RawRecord() as raw:
                self._add_record(input, read_partner_record(raw))
            case registration:
                self._add_registration(registration)

    def _add_registration(self, registration: RegisterPartner | RegisterCommunity) -> None:
        if isinstance(registration, RegisterPartner):
            self.partners.add(registration.partner.partner_id)
        else:
            self.communities.add(str(registration.community.community_id))

    def _add_record(self, input: Input[Any], record: PartnerRecord) -> None:
        self.records[id(input)] = record
        self.partners.add(record.partner_id)
        if record.event_id is not None:
            self.partner_events.add((record.partner_id, record.event_id))
        match record.event:
            case PartnerLeadSubmitted() as event:
                person = person_said(event.person, record.partner_id)
                self.visitors[id(input)] = Visitor(person, event.community_id)
            case PartnerSaleRecorded() as event:
                person = person_said(event.buyer, record.partner_id)
                self.visitors[id(input)] = Visitor(person, event.community_id)
                self.sales.add((record.partner_id, event.sale_reference))
                self.homes.add(event.home_id)
                if event.building is not None:
                    self.buildings.add((event.community_id, event.building))
            case PartnerConstructionProgressed() as event:
                self.communities.add(event.community_id)
                self.buildings.add((event.community_id, event.building))
                self.neighbours.add((event.community_id, event.building))
