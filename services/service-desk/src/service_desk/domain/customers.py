"""What the desk knows of a customer: who they turned out to be, their segments, whether erased.

Facts come in any order, so each keeps what decides between it and the others: the time it was
said, and the id of what said it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from keyturn_events import Refusal
from keyturn_events.intake import CustomersMerged, CustomersUnmerged
from keyturn_events.segmentation import CustomerSegmented


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge of this customer into another."""

    into: str
    at: datetime


Standing: TypeAlias = tuple[datetime, str, str]
"""A merge that is not undone: when, its id, and into whom. Of several the largest holds."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The segment of one model that a customer is in since a time."""

    segment: str
    since: datetime
    recorded_at: datetime | None = None
    """When the move was written down: puts moves of the same business time in their order."""

    @property
    def standing(self) -> tuple[datetime, datetime, str]:
        """What decides between two memberships of one model: the greater one was told later."""
        return self.since, self.recorded_at or self.since, self.segment


@dataclass(frozen=True, slots=True)
class Customer:
    """What the desk knows of one customer id."""

    customer_id: str
    merges: Mapping[str, Merge] = field(default_factory=dict)
    unmerged: frozenset[str] = frozenset()
    """Ids of merges that were undone, known or not yet known."""
    segments: Mapping[str, Membership] = field(default_factory=dict)
    erased: bool = False
    cases_raised: int = 0
    """Counts up with every case, so that two cases of one person are never decided unseen."""

    @property
    def merge(self) -> Standing | None:
        """The merge of this customer that holds."""
        standing = (
            (merge.at, merge_id, merge.into)
            for merge_id, merge in self.merges.items()
            if merge_id not in self.unmerged
        )
        return max(standing, default=None)

    @property
    def merged_into(self) -> str | None:
        """The customer id that this one stands for now, if it is not itself."""
        return None if self.merge is None else self.merge[2]


@dataclass(frozen=True, slots=True)
class Family:
    """The customer ids that are, or may prove to be, one person."""

    members: Mapping[str, Customer] = field(default_factory=dict)

    def of(self, customer_id: str) -> Customer:
        """What is known of an id; a new customer when nothing is."""
        return self.members.get(customer_id) or Customer(customer_id)

    def survivor(self, customer_id: str) -> Customer:
        """Whom an id stands for after all merges.

        Merges that go round in a circle leave the survivor of the latest of them.
        """
        passed: dict[str, Standing] = {}
        while (merge := self.of(customer_id).merge) is not None:
            if customer_id in passed:
                circle = list(passed)[list(passed).index(customer_id) :]
                return self.of(max(passed[known] for known in circle)[2])
            passed[customer_id] = merge
            customer_id = merge[2]
        return self.of(customer_id)

    def ids_of(self, customer_id: str) -> frozenset[str]:
        """Every id that stands for the same person."""
        survivor = self.survivor(customer_id).customer_id
        same = {known for known in self.members if self.survivor(known).customer_id == survivor}
        return frozenset(same | {customer_id, survivor})

    def erased(self, customer_id: str) -> bool:
        """Whether this person asked to be forgotten, under whichever id."""
        return any(self.of(known).erased for known in self.ids_of(customer_id))

    def segments(self, customer_id: str) -> frozenset[tuple[str, str]]:
        """Model and segment of every model, by whichever id was segmented last."""
        latest: dict[str, Membership] = {}
        for known in sorted(self.ids_of(customer_id)):
            for model, membership in self.of(known).segments.items():
                if model not in latest or latest[model].standing < membership.standing:
                    latest[model] = membership
        return frozenset((model, membership.segment) for model, membership in latest.items())

    def with_(self, customer: Customer) -> Family:
        """The family with what is now known of one of its members."""
        return Family({**self.members, customer.customer_id: customer})

    def require_present(self, customer_id: str) -> None:
        """Raise `Refusal` when this person asked to be forgotten."""
        if self.erased(customer_id):
            raise Refusal(
                "customer-erased",
                "This customer asked to be forgotten; register the person anew at intake first.",
                pointer="/customer_id",
            )


def merged(customer: Customer, event: CustomersMerged, at: datetime) -> Customer:
    """`customer` after it was merged into the event's survivor."""
    return replace(
        customer, merges={**customer.merges, event.merge_id: Merge(event.customer_id, at)}
    )


def unmerged(customer: Customer, event: CustomersUnmerged) -> Customer:
    """`customer` after a merge of it was undone; the merge itself may still be to come."""
    return replace(customer, unmerged=customer.unmerged | {event.merge_id})


def segmented(
    customer: Customer, event: CustomerSegmented, at: datetime, recorded_at: datetime | None
) -> Customer:
    """`customer` in a segment; a move that is older than the one known changes nothing.

    Neither does one of somebody who asked to be forgotten.
    """
    if customer.erased:
        return customer
    moved = Membership(event.to_segment, at, recorded_at)
    known = customer.segments.get(event.model)
    if known is not None and known.standing >= moved.standing:
        return customer
    return replace(customer, segments={**customer.segments, event.model: moved})


def erased(customer: Customer) -> Customer:
    """`customer` after they asked to be forgotten."""
    return replace(customer, erased=True, segments={})
