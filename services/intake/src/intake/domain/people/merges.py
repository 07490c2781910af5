"""Merging customers who proved to be one person, and taking a merge back.

A merge is a link from one customer to another, never a move: each keeps identifiers, values,
leads and consents of its own, and what holds for the person is read from all of them together
(persons.py). So nothing is lost by a merge, what is said of either belongs to the survivor, and an
un-merge has nothing to divide.

Of two people the one who was registered first survives, whichever of them is named first. Links
therefore lead from the later to the earlier customer and can never form a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from intake.domain.occasion import Occasion
from intake.domain.people.customers import Customer, MergedInto
from keyturn_events.event import Event
from keyturn_events.intake import CustomersMerged, CustomersUnmerged
from keyturn_events.refusal import Refusal, RefusalKind

BY_REVIEW = "review"
"""The rule of a merge that a person decided."""


@dataclass(frozen=True, slots=True)
class Undone:
    """That a merge was taken back."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge, with who decided it and why; it is kept when it is undone."""

    merge_id: str
    survivor_id: str
    merged_id: str
    at: datetime
    rule: str
    by: str
    reason: str
    score: float | None = None
    undone: Undone | None = None


@dataclass(frozen=True, slots=True)
class MergeCustomers:
    """These two are one person."""

    customer_id: str
    other_customer_id: str
    by: str
    reason: str
    rule: str = BY_REVIEW
    score: float | None = None
    accept_conflicts: bool = False
    """Whether identifiers that contradict each other were looked at and explained."""


@dataclass(frozen=True, slots=True)
class UndoMerge:
    """They are two people after all."""

    merge_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class MergeFile:
    """What a decision on a merge looks at, and what it hands back."""

    customers: Mapping[str, Customer] = field(default_factory=dict)
    """Everybody linked with the two, by customer id."""
    merge: Merge | None = None
    """The merge that is to be undone; afterwards the one that was made, found or undone."""
    standing: Mapping[str, Merge] = field(default_factory=dict)
    """The merges that hold among `customers`, by merge id."""


def merge(
    file: MergeFile, command: MergeCustomers, occasion: Occasion
) -> tuple[MergeFile, list[Event]]:
    """Link two people. Nothing happens when they are linked already.

    Raises `Refusal` `customer-not-found`, `same-customer`, and `conflicting-identifiers` unless
    the conflicts are accepted.
    """
    one = _root(file.customers, command.customer_id, "/customer_id")
    other = _root(file.customers, command.other_customer_id, "/other_customer_id")
    if command.customer_id == command.other_customer_id:
        raise Refusal(
            "same-customer",
            "Name two customers; these are one and the same.",
            kind=RefusalKind.INVALID,
            pointer="/other_customer_id",
        )
    if one is other:
        return replace(file, merge=_between(file, command)), []
    if not command.accept_conflicts:
        _ensure_no_conflict(
            persons_records(file.customers, one.customer_id),
            persons_records(file.customers, other.customer_id),
        )
    survivor, merged = sorted((one, other), key=lambda known: known.seniority)
    made = Merge(
        merge_id=occasion.derive_id("merge", merged.customer_id),
        survivor_id=survivor.customer_id,
        merged_id=merged.customer_id,
        at=occasion.at,
        rule=command.rule,
        by=command.by,
        reason=command.reason,
        score=command.score,
    )
    link = MergedInto(survivor.customer_id, made.merge_id, occasion.at)
    told = CustomersMerged(
        customer_id=survivor.customer_id,
        merge_id=made.merge_id,
        merged_customer_id=merged.customer_id,
        rule=command.rule,
        score=command.score,
    )
    return _after(file, replace(merged, merged_into=link), made), [told]


def undo(file: MergeFile, command: UndoMerge, occasion: Occasion) -> tuple[MergeFile, list[Event]]:
    """Take the link away; everything is as if the merge had never been. Once is enough.

    Raises `Refusal` `merge-not-found`.
    """
    known = file.merge
    if known is None:
        raise Refusal(
            "merge-not-found", "There is no merge of this id.", kind=RefusalKind.NOT_FOUND
        )
    merged = file.customers.get(known.merged_id)
    if known.undone is not None or merged is None:
        return file, []
    undone = replace(known, undone=Undone(occasion.at, command.by, command.reason))
    told = CustomersUnmerged(
        customer_id=known.survivor_id,
        merge_id=known.merge_id,
        restored_customer_id=known.merged_id,
    )
    return _after(file, replace(merged, merged_into=None), undone), [told]


def survivor_of(customers: Mapping[str, Customer], customer_id: str) -> str:
    """Whom a customer id stands for, as far as `customers` are known."""
    while (known := customers.get(customer_id)) is not None and known.merged_into is not None:
        customer_id = known.merged_into.customer_id
    return customer_id


def persons_records(customers: Mapping[str, Customer], customer_id: str) -> list[Customer]:
    """The customers that are one person with this one, the survivor first, then by seniority."""
    survivor = survivor_of(customers, customer_id)
    return sorted(
        (known for id, known in customers.items() if survivor_of(customers, id) == survivor),
        key=lambda known: (known.customer_id != survivor, known.seniority),
    )


def conflicts(some: Iterable[Customer], others: Iterable[Customer]) -> list[str]:
    """Kinds of verified identifiers in which two people differ and agree in none.

    A national id, a WeChat OpenID, and the references of one partner are each one person's own.
    """
    held, met = dict(_verified(some)), dict(_verified(others))
    return sorted(kind for kind, values in held.items() if met.get(kind, values).isdisjoint(values))


def _verified(records: Iterable[Customer]) -> Iterator[tuple[str, set[str]]]:
    values: dict[str, set[str]] = {}
    for record in records:
        if record.wechat is not None:
            values.setdefault("wechat", set()).add(record.wechat)
        if record.national_ids:
            values.setdefault("national id", set()).update(record.national_ids)
        for reference in record.references:
            partner = reference.partition("/")[0]
            values.setdefault(f"reference at {partner}", set()).add(reference)
    yield from values.items()


def _ensure_no_conflict(some: Iterable[Customer], others: Iterable[Customer]) -> None:
    found = conflicts(some, others)
    if found:
        raise Refusal(
            "conflicting-identifiers",
            f"The two have different verified identifiers ({', '.join(found)}); look at them"
            " again, and say accept_conflicts if they are one person all the same.",
            pointer="/accept_conflicts",
        )


def _root(customers: Mapping[str, Customer], customer_id: str, pointer: str) -> Customer:
    known = customers.get(survivor_of(customers, customer_id))
    if known is None or customer_id not in customers or known.erased_at is not None:
        raise Refusal(
            "customer-not-found",
            "There is no customer of this id.",
            kind=RefusalKind.INVALID,
            pointer=pointer,
        )
    return known


def _between(file: MergeFile, command: MergeCustomers) -> Merge | None:
    """The merge that made the two one person: the last link on the way up from either."""
    for customer_id in (command.customer_id, command.other_customer_id):
        link = file.customers[customer_id].merged_into
        if link is not None and link.merge_id in file.standing:
            return file.standing[link.merge_id]
    return None


def _after(file: MergeFile, changed: Customer, made: Merge) -> MergeFile:
    customers = {**file.customers, changed.customer_id: changed}
    return replace(file, customers=customers, merge=made)
