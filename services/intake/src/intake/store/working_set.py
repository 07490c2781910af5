"""The part of the store that a batch needs, in memory: each decision sees what the last one did."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community, unregistered
from intake.domain.consent.consent_words import ConsentWord
from intake.domain.dossier import Dossier, present
from intake.domain.leads.advisors import Desk
from intake.domain.leads.leads import Lead, LeadStep, Touch
from intake.domain.partners.partners import Building
from intake.domain.people.customers import Customer
from intake.domain.people.identity import Identifier, Identity
from intake.domain.sales.purchases import Completion, Deposit, Purchase
from intake.store.aggregates import AGGREGATE_OF
from intake.store.desks import Desks
from intake.store.matching import MatchingIndex, is_matchable
from keyturn_chassis.database import Loaded
from keyturn_chassis.inputs import Input
from keyturn_chassis.service import Deadline
from keyturn_events import Refusal

if TYPE_CHECKING:
    from intake.store.needs import Subjects

P = TypeVar("P")
V = TypeVar("V")

LeadPlace = tuple[str, str | None]
"""Customer and community: where there is one live lead at most."""


@dataclass(slots=True)
class IntakeWorkingSet:
    """Rows by key, and indexes over them that follow every `put`."""

    subjects: Subjects
    identities: Mapping[int, Identity | Refusal]
    """Who comes, by the identity of the input."""
    owners: dict[Identifier, str]
    customers: Loaded[str, Customer]
    leads: Loaded[str, Lead]
    purchases: Loaded[str, Purchase]
    documents: dict[type, Loaded[tuple[str, ...], Any]]
    """States by their type and key; see aggregates.py."""

    claimed: dict[Identifier, str] = field(default_factory=dict)
    touches: list[Touch] = field(default_factory=list)
    steps: list[LeadStep] = field(default_factory=list)
    deposits: list[Deposit] = field(default_factory=list)
    ledgers: dict[str, list[Deposit]] = field(default_factory=dict)
    """What came and went on the purchases in question, by purchase."""
    words: list[ConsentWord] = field(default_factory=list)
    _parts: dict[type, Any] = field(default_factory=dict)
    _live_leads: dict[LeadPlace, str] = field(default_factory=dict)
    _claims: dict[str, str] = field(default_factory=dict)
    _sales: dict[tuple[str, str], str] = field(default_factory=dict)
    _unled: dict[tuple[str, str], str] = field(default_factory=dict)
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
        return self.subjects.of(input.value).state(self, input)

    def version_for(self, input: Input[Any], /) -> int:
        """The version of what the command of `input` is about, as a read shows it."""
        return self.subjects.of(input.value).version(self, input)

    def put(self, state: Any, /) -> None:
        """Take what a decision handed back."""
        if isinstance(state, Dossier):
            self.put_dossier(state)
        elif (subject := self.subjects.by_state.get(type(state))) is not None:
            subject.put(self, state)
        elif state is not None:
            self.put_document(state)

    def deadlines(self) -> Mapping[str, Sequence[Deadline]]:
        """For each changed owner of timers, all the timers that it should have now."""
        deadlines: dict[str, Sequence[Deadline]] = {}
        for subject in self.subjects.all:
            deadlines |= subject.deadlines(self)
        return deadlines

    def part(self, cls: type[P]) -> P:
        """What one subject keeps for itself; empty at first."""
        part = self._parts.get(cls)
        if part is None:
            part = self._parts[cls] = cls()
        found: P = part
        return found

    def keep_part(self, part: object) -> None:
        """Keep a part that was loaded before there was a working set."""
        self._parts[type(part)] = part

    def document(self, state: type[V], *key: str) -> V | None:
        """The state of that type with this key, if there is one."""
        loaded = self.documents.get(state)
        return None if loaded is None else loaded.get(key)

    def document_version(self, state: type, *key: str) -> int:
        """The version of the state of that type with this key; 0 when there is none."""
        loaded = self.documents.get(state)
        return 0 if loaded is None else loaded.version(key)

    async def load_documents(
        self, connection: AsyncConnection, state: type, keys: Collection[tuple[str, ...]]
    ) -> None:
        """Load states of one type whose keys were not known when the batch was looked at."""
        more = await AGGREGATE_OF[state].load(connection, keys)
        self.documents.setdefault(state, Loaded({})).add(more)

    def put_document(self, state: object) -> None:
        """Keep a state of one of the kinds in aggregates.py."""
        cls = type(state)
        loaded = self.documents.setdefault(cls, Loaded({}))
        loaded.put(AGGREGATE_OF[cls].key_of(state), state)

    def community(self, community_id: str | None) -> Community:
        """The rules of a community, its own or the default ones."""
        known = None if community_id is None else self.document(Community, community_id)
        return known or unregistered(community_id)

    def completion(self, community_id: str, building: str | None) -> Completion | None:
        """When a building will be completed, by the last word of its builder."""
        known = None if building is None else self.document(Building, community_id, building)
        if known is None:
            return None
        return Completion(known.expected_completion, known.progressed_on)

    def desk(self, community_id: str | None) -> Desk:
        """The advisors of a community."""
        return self.part(Desks).of(community_id)

    def customer(self, customer_id: str) -> Customer | None:
        """A customer to whom something may be done: nobody who was erased."""
        known = self.customers.get(customer_id)
        return None if known is None or known.erased_at is not None else known

    def live_lead(self, customer_id: str, community_id: str | None) -> Lead | None:
        """The one live lead of a customer in a community."""
        lead_id = self._live_leads.get((customer_id, community_id))
        return None if lead_id is None else self.leads.get(lead_id)

    def claim(self, home_id: str) -> Purchase | None:
        """The purchase that has the live claim on a home."""
        purchase_id = self._claims.get(home_id)
        return None if purchase_id is None else self.purchases.get(purchase_id)

    def sale(self, partner_id: str, sale_reference: str) -> Purchase | None:
        """The purchase of a partner's sale."""
        purchase_id = self._sales.get((partner_id, sale_reference))
        return None if purchase_id is None else self.purchases.get(purchase_id)

    def unled(self, customer_id: str, community_id: str) -> Purchase | None:
        """The live purchase of a customer in a community that no lead led to."""
        purchase_id = self._unled.get((customer_id, community_id))
        return None if purchase_id is None else self.purchases.get(purchase_id)

    def add_leads(self, rows: Mapping[str, tuple[int, Lead]]) -> None:
        """Take leads that were loaded later; what is there already stays."""
        self.leads.add(rows)
        for lead_id in rows:
            self._index_lead(present(self.leads.get(lead_id)))

    def add_purchases(self, rows: Mapping[str, tuple[int, Purchase]]) -> None:
        """Take purchases that were loaded later; what is there already stays."""
        self.purchases.add(rows)
        for purchase_id in rows:
            self._index_purchase(present(self.purchases.get(purchase_id)))

    def in_building(self, community_id: str, building: str) -> list[Purchase]:
        """All purchases in a building."""
        purchase_ids = self._in_building.get((community_id, building), ())
        purchases = (self.purchases.get(purchase_id) for purchase_id in purchase_ids)
        return [purchase for purchase in purchases if purchase is not None]

    def put_dossier(self, dossier: Dossier) -> None:
        """Keep the parts of a dossier that are written back."""
        if dossier.customer is not None:
            known = self.customers.get(dossier.customer.customer_id)
            self.customers.put(dossier.customer.customer_id, dossier.customer)
            for identifier in dossier.claimed:
                self.owners[identifier] = dossier.customer.customer_id
                self.claimed[identifier] = dossier.customer.customer_id
            if is_matchable(dossier.customer):
                self.part(MatchingIndex).follow(self, known, dossier.customer)
        if dossier.lead is not None:
            before = self.leads.get(dossier.lead.lead_id)
            self.part(Desks).follow(before, dossier.lead, dossier.facts)
            self.leads.put(dossier.lead.lead_id, dossier.lead)
            self._index_lead(dossier.lead)
        if dossier.purchase is not None:
            self.put_purchase(dossier.purchase)
        self.touches += dossier.touches
        self.steps += dossier.steps
        self.deposits += dossier.deposits
        for entry in dossier.deposits:
            self.ledgers.setdefault(entry.purchase_id, []).append(entry)
        self.words += dossier.words
        for review in dossier.reviews:
            self.put_document(review)

    def put_purchase(self, purchase: Purchase) -> None:
        """Keep a purchase."""
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
        place_of = (purchase.customer_id, purchase.community_id)
        if purchase.live and purchase.lead_id is None:
            self._unled[place_of] = purchase.purchase_id
        elif self._unled.get(place_of) == purchase.purchase_id:
            del self._unled[place_of]
        if purchase.partner_id is not None and purchase.sale_reference is not None:
            sale = (purchase.partner_id, purchase.sale_reference)
            self._sales[sale] = purchase.purchase_id
        if purchase.building is not None:
            place = (purchase.community_id, purchase.building)
            self._in_building.setdefault(place, {})[purchase.purchase_id] = None
