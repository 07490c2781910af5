"""What a decision on a customer, a lead or a purchase looks at, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from intake.domain.communities import ANY_COMMUNITY, Community
from intake.domain.customers import Customer
from intake.domain.identity import NOBODY, Identifier, Identity
from intake.domain.leads import Lead, LeadStep, Touch
from intake.domain.purchases import Completion, Deposit, Purchase

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
    customer: Customer | None = None
    leads: Mapping[str, Lead] = field(default_factory=dict)
    """The live lead in this community of each customer in question, by customer id."""
    lead: Lead | None = None
    purchase: Purchase | None = None
    claim: Purchase | None = None
    """The purchase that has the live claim on the home in question."""
    completion: Completion | None = None
    """When the building of the home will be completed, by the last word of its builder."""

    claimed: tuple[Identifier, ...] = ()
    """Identifiers that now belong to `customer`."""
    touches: tuple[Touch, ...] = ()
    steps: tuple[LeadStep, ...] = ()
    deposits: tuple[Deposit, ...] = ()


EMPTY = Dossier()
"""A dossier of nothing."""


def present(part: T | None) -> T:
    """A part of a dossier that cannot be missing at this place. Raises LookupError if it is."""
    if part is None:
        raise LookupError("the dossier lacks what its decision needs")
    return part
