"""The part of the store that a batch needs, in memory: each decision sees what the last one did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from intake.domain.capture import CaptureLead
from intake.domain.communities import Community
from intake.domain.consent_commands import RecordConsents
from intake.domain.customers import Customer
from intake.domain.dossier import EMPTY, Dossier
from intake.domain.identity import Identifier, Identity
from intake.domain.lead_commands import LeadCommand
from intake.domain.leads import Lead, LeadStatus, LeadStep, Touch
from intake.domain.partners import Building, Outcome, Partner, PartnerFile
from intake.domain.purchase_commands import PurchaseCommand, ReserveHome
from intake.domain.purchases import Completion, Deposit, Purchase
from intake.domain.registry import RegisterCommunity, RegisterPartner
from intake.store.needs import LEAD_STALLED, RESERVATION_EXPIRED, Needs
from keyturn_chassis.database import Loaded
from keyturn_chassis.inputs import Input, TimerFired
from keyturn_chassis.service import Deadline
from keyturn_events import Refusal
from keyturn_events.partners import PartnerConstructionProgressed, PartnerSaleRecorded
from keyturn_events.vocabulary import PurchaseStage

LeadPlace = tuple[str, str | None]
"""Customer and community: where there is one live lead at most."""


@dataclass(slots=True)
class IntakeWorkingSet:
    """Rows by key, and indexes over them that follow every `put`."""

    needs: Needs
    identities: Mapping[int, Identity | Refusal]
    owners: dict[Identifier, str]
    customers: Loaded[str, Customer]
    leads: Loaded[str, Lead]
    purchases: Loaded[str, Purchase]
    communities: Loaded[str, Community]
    buildings: Loaded[tuple[str, str], Building]
    partners: Loaded[str, Partner]
    accepted: dict[tuple[str, str], str]

    claimed: dict[Identifier, str] = field(default_factory=dict)
    touches: list[Touch] = field(default_factory=list)
    steps: list[LeadStep] = field(default_factory=list)
    deposits: list[Deposit] = field(default_factory=list)
    received: list[PartnerFile] = field(default_factory=list)
    _live_leads: dict[LeadPlace, str] = field(default_factory=dict)
    _claims: dict[str, str] = field(default_factory=dict)
    _sales: dict[tuple[str, str], str] = field(default_factory=dict)
    _in_building: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for lead in self.leads.values():
            self._index_lead(lead)
        for purchase in self.purchases.values():
            self._index_purchase(purchase)

    def state_for(self, input: Input[Any], /) -> Any:
        """What the decision on `input` looks at, as of now.

        Raises `Refusal` when the person of a capture cannot be identified.
        """
        state: Any
        match input.value:
            case CaptureLead() as command:
                state = self._visit(input, command.community_id)
            case LeadCommand() as command:
                state = self._around_lead(command.lead_id)
            case ReserveHome() as command:
                state = self._reservation(command)
            case PurchaseCommand() as command:
                state = self._around_purchase(self.purchases.get(command.purchase_id))
            case RecordConsents() as command:
                state = Dossier(customer=self.customers.get(command.customer_id))
            case RegisterPartner() as command:
                state = self.partners.get(command.partner.partner_id)
            case RegisterCommunity() as command:
                state = self.communities.get(str(command.community.community_id))
            case TimerFired() as timer if timer.kind == LEAD_STALLED:
                state = self._around_lead(timer.owner)
            case TimerFired() as timer:
                state = self._around_purchase(self.purchases.get(timer.owner))
            case _:
                state = self._partner_file(input)
        return state

    def put(self, state: Any, /) -> None:
        """Take what a decision handed back."""
        match state:
            case Dossier():
                self._put_dossier(state)
            case PartnerFile():
                self._put_partner_file(state)
            case Partner():
                self.partners.put(state.partner_id, state)
            case Community():
                self.communities.put(str(state.community_id), state)

    def deadlines(self) -> Mapping[str, Sequence[Deadline]]:
        """When changed leads stall and changed reservations run out."""
        deadlines: dict[str, Sequence[Deadline]] = {}
        for lead_id, _, lead in self.leads.changes():
            due = lead.stalls_at if lead.status is LeadStatus.OPEN else None
            deadlines[lead_id] = [] if due is None else [Deadline(LEAD_STALLED, due)]
        for purchase_id, _, purchase in self.purchases.changes():
            due = purchase.expires_at if purchase.stage is PurchaseStage.RESERVED else None
            deadlines[purchase_id] = [] if due is None else [Deadline(RESERVATION_EXPIRED, due)]
        return deadlines

    def _visit(self, input: Input[Any], community_id: str | None) -> Dossier:
        identity = self.identities[id(input)]
        if isinstance(identity, Refusal):
            raise identity
        owners = {}
        leads = {}
        for identifier in identity.identifiers:
            owner_id = self.owners.get(identifier)
            owner = None if owner_id is None else self.customers.get(owner_id)
            if owner is not None:
                owners[identifier] = owner
                lead = self._live_lead(owner.customer_id, community_id)
                if lead is not None:
                    leads[owner.customer_id] = lead
        return Dossier(
            community=self._community(community_id),
            identity=identity,
            owners=owners,
            leads=leads,
        )

    def _around_lead(self, lead_id: str) -> Dossier:
        lead = self.leads.get(lead_id)
        if lead is None:
            return EMPTY
        return Dossier(
            community=self._community(lead.community_id),
            customer=self.customers.get(lead.customer_id),
            lead=lead,
        )

    def _reservation(self, command: ReserveHome) -> Dossier:
        lead = (
            self.leads.get(command.lead_id)
            if command.lead_id is not None
            else self._live_lead(command.customer_id, command.community_id)
        )
        return Dossier(
            community=self._community(command.community_id),
            customer=self.customers.get(command.customer_id),
            lead=lead,
            claim=self._claim(command.home_id),
        )

    def _around_purchase(self, purchase: Purchase | None) -> Dossier:
        if purchase is None:
            return EMPTY
        newer = self._live_lead(purchase.customer_id, purchase.community_id)
        return Dossier(
            community=self._community(purchase.community_id),
            leads={} if newer is None else {purchase.customer_id: newer},
            lead=None if purchase.lead_id is None else self.leads.get(purchase.lead_id),
            purchase=purchase,
            completion=self._completion(purchase.community_id, purchase.building),
        )

    def _partner_file(self, input: Input[Any]) -> PartnerFile:
        record = self.needs.records[id(input)]
        file = PartnerFile(
            record=record,
            received_at=input.cause.at,
            partner=self.partners.get(record.partner_id),
            accepted_digest=self.accepted.get((record.partner_id, record.event_id or "")),
        )
        if record.event is None or file.partner is None:
            return file
        if isinstance(record.event, PartnerConstructionProgressed):
            return self._with_building(file, record.event)
        return self._with_visitor(file, input)

    def _with_building(
        self, file: PartnerFile, event: PartnerConstructionProgressed
    ) -> PartnerFile:
        place = (event.community_id, event.building)
        purchases = (self.purchases.get(key) for key in self._in_building.get(place, ()))
        return replace(
            file,
            dossier=Dossier(community=self._community(event.community_id)),
            building=self.buildings.get(place),
            purchases=tuple(purchase for purchase in purchases if purchase is not None),
        )

    def _with_visitor(self, file: PartnerFile, input: Input[Any]) -> PartnerFile:
        event = file.record.event
        try:
            dossier = self._visit(input, self.needs.visitors[id(input)].community_id)
        except Refusal as refusal:
            return replace(file, unidentified=refusal)
        if isinstance(event, PartnerSaleRecorded):
            dossier = self._sale(dossier, event, file.record.partner_id)
        return replace(file, dossier=dossier)

    def _sale(self, visit: Dossier, sale: PartnerSaleRecorded, partner_id: str) -> Dossier:
        known = self._sales.get((partner_id, sale.sale_reference))
        if known is not None:
            return self._around_purchase(self.purchases.get(known))
        return replace(
            visit,
            claim=self._claim(sale.home_id),
            completion=self._completion(sale.community_id, sale.building),
        )

    def _put_dossier(self, dossier: Dossier) -> None:
        if dossier.customer is not None:
            self.customers.put(dossier.customer.customer_id, dossier.customer)
            for identifier in dossier.claimed:
                self.owners[identifier] = dossier.customer.customer_id
                self.claimed[identifier] = dossier.customer.customer_id
        if dossier.lead is not None:
            self.leads.put(dossier.lead.lead_id, dossier.lead)
            self._index_lead(dossier.lead)
        if dossier.purchase is not None:
            self._put_purchase(dossier.purchase)
        self.touches += dossier.touches
        self.steps += dossier.steps
        self.deposits += dossier.deposits

    def _put_partner_file(self, file: PartnerFile) -> None:
        self.received.append(file)
        if file.outcome is not Outcome.ACCEPTED:
            return
        record = file.record
        self.accepted[record.partner_id, record.event_id or ""] = record.digest
        self._put_dossier(file.dossier)
        for purchase in file.purchases:
            self._put_purchase(purchase)
        if file.building is not None:
            self.buildings.put((file.building.community_id, file.building.building), file.building)

    def _put_purchase(self, purchase: Purchase) -> None:
        self.purchases.put(purchase.purchase_id, purchase)
        self._index_purchase(purchase)

    def _index_lead(self, lead: Lead) -> None:
        place = (lead.customer_id, lead.community_id)
        if lead.live:
            self._live_leads[place] = lead.lead_id
        elif self._live_leads.get(place) == lead.lead_id:
            del self._live_leads[place]

    def _index_purchase(self, purchase: Purchase) -> None:
        if purchase.live:
            self._claims[purchase.home_id] = purchase.purchase_id
        elif self._claims.get(purchase.home_id) == purchase.purchase_id:
            del self._claims[purchase.home_id]
        if purchase.partner_id is not None and purchase.sale_reference is not None:
            sale = (purchase.partner_id, purchase.sale_reference)
            self._sales[sale] = purchase.purchase_id
        if purchase.building is not None:
            place = (purchase.community_id, purchase.building)
            self._in_building.setdefault(place, {})[purchase.purchase_id] = None

    def _live_lead(self, customer_id: str, community_id: str | None) -> Lead | None:
        lead_id = self._live_leads.get((customer_id, community_id))
        return None if lead_id is None else self.leads.get(lead_id)

    def _claim(self, home_id: str) -> Purchase | None:
        purchase_id = self._claims.get(home_id)
        return None if purchase_id is None else self.purchases.get(purchase_id)

    def _community(self, community_id: str | None) -> Community:
        known = None if community_id is None else self.communities.get(community_id)
        return known or Community(community_id)

    def _completion(self, community_id: str, building: str | None) -> Completion | None:
        known = None if building is None else self.buildings.get((community_id, building))
        if known is None:
            return None
        return Completion(known.expected_completion, known.progressed_on)
