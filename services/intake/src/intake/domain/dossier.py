"""What a decision on a customer, a lead or a purchase looks at, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from intake.domain.communities import ANY_COMMUNITY, Community
from intake.domain.consent.consent_words import ConsentWord
from intake.domain.leads.advisors import NO_DESK, Desk
from intake.domain.leads.leads import Lead, LeadStep, Touch
from intake.domain.leads.ownership import Fact
from intake.domain.people.customers import Customer
from intake.domain.people.identity import NOBODY, Identifier, Identity
from intake.domain.people.persons import Person
from intake.domain.people.recognition import Candidate
from intake.domain.people.reviews import Review
from intake.domain.sales.homes import Home
from intake.domain.sales.purchases import Completion, Deposit, Purchase
from intake.domain.sales.releases import Release
from intake.domain.scoring.scoring import BY_RULES, Scorecard

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dossier:
    """The part of the store around one person, as it stands before or after a decision.

    Only customer, lead and purchase are written back, and what the last four fields add to the
    append-only lists.
    """

    community: Community = ANY_COMMUNITY
    identity: Identity = NOBODY
    owners: Mapping[Identifier, Customer] = field(default_factory=dict)
    """Who owns the identifiers of `identity`."""
    suppressed: Mapping[Identifier, datetime] = field(default_factory=dict)
    """The identifiers of `identity` that an erased person had and nobody owns, since when."""
    customer: Customer | None = None
    person: Person | None = None
    """The one person of whom `customer` is a record, where a decision looks at all of them."""
    leads: Mapping[str, Lead] = field(default_factory=dict)
    """The live lead in this community of each customer in question, by customer id."""
    lead: Lead | None = None
    purchase: Purchase | None = None
    claim: Purchase | None = None
    """The purchase that has the live claim on the home in question."""
    ledger: tuple[Deposit, ...] = ()
    """What came and went on `purchase` so far."""
    home: Home | None = None
    """The home in question as it is registered, if it is."""
    release: Release | None = None
    """The release with which that home comes to market."""
    unled: Mapping[str, Purchase] = field(default_factory=dict)
    """The live purchase in this community that no lead led to, by the customer's id."""
    completion: Completion | None = None
    """When the building of the home will be completed, by the last word of its builder."""
    desk: Desk = NO_DESK
    """The advisors of the community."""
    history: tuple[Fact, ...] = ()
    """Every fact of the person's ownership in the community, where a dispute is decided."""
    scorecard: Scorecard = BY_RULES
    """By what the lead is scored."""

    candidates: tuple[Candidate, ...] = ()
    """Customers whom the person of `identity` may be by what they say of themselves."""

    claimed: tuple[Identifier, ...] = ()
    """Identifiers that now belong to `customer`."""
    touches: tuple[Touch, ...] = ()
    steps: tuple[LeadStep, ...] = ()
    deposits: tuple[Deposit, ...] = ()
    words: tuple[ConsentWord, ...] = ()
    facts: tuple[Fact, ...] = ()
    reviews: tuple[Review, ...] = ()
    """Questions whether `customer` is somebody else who is known."""

    def followed(self, lead: Lead, steps: tuple[LeadStep, ...], facts: tuple[Fact, ...]) -> Dossier:
        """The dossier with the lead as it came to stand, and what was recorded on the way."""
        return replace(self, lead=lead, steps=self.steps + steps, facts=self.facts + facts)


EMPTY = Dossier()
"""A dossier of nothing."""


def present(part: T | None) -> T:
    """A part of a dossier that cannot be missing at this place. Raises LookupError if it is."""
    if part is None:
        raise LookupError("the dossier lacks what its decision needs")
    return part
