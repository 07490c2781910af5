"""A customer: one person, what is known of them, and how new answers are reconciled with old ones.

The first answer to a question is kept; a later one fills what was unknown. Every answer stays with
the touch that brought it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar

from intake.domain.consent.consents import Consent
from intake.domain.consent.opt_ins import RequestedOptIn
from keyturn_events.event import Event
from keyturn_events.intake import ContactChanged, CustomerRegistered, CustomerUpdated
from keyturn_events.values import Affordability, Household
from keyturn_events.vocabulary import LeadChannel

MOST_CONTACT_POINTS = 10
"""Phones, and e-mail addresses, of one customer; more are the sign of a shared identifier."""

NO_HOUSEHOLD = Household()
NO_AFFORDABILITY = Affordability()

V = TypeVar("V", Household, Affordability)


@dataclass(frozen=True, slots=True)
class Facts:
    """What may be known of a customer beside name and contact points."""

    household: Household = NO_HOUSEHOLD
    affordability: Affordability = NO_AFFORDABILITY
    language: str | None = None
    time_zone: str | None = None


NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class Address:
    """Where somebody lives, as they say it."""

    street: str | None = None
    city: str | None = None
    region: str | None = None
    postcode: str | None = None


class MergedInto(NamedTuple):
    """That a customer proved to be the same person as another, who survives."""

    customer_id: str
    merge_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Customer:
    """One person, or, once merged, one of the records of a person (see merges.py)."""

    customer_id: str
    registered_at: datetime
    name: str | None = None
    phones: tuple[str, ...] = ()
    """E.164, the preferred one first."""
    emails: tuple[str, ...] = ()
    wechat: str | None = None
    references: tuple[str, ...] = ()
    """What partners call the person, each written `<partner id>/<reference>`."""
    birth_date: date | None = None
    address: Address | None = None
    national_ids: tuple[str, ...] = ()
    """Keyed hashes of the national id, one a key of the keyring; the id itself is not kept."""
    facts: Facts = NO_FACTS
    consents: tuple[Consent, ...] = ()
    opt_ins: tuple[RequestedOptIn, ...] = ()
    """The latest request of each channel and purpose that was to be confirmed."""
    merged_into: MergedInto | None = None
    withdrawn_at: datetime | None = None
    """When it was found that there is no such person; nothing else is kept (see undoing.py)."""

    erased_at: datetime | None = None
    """When the person was forgotten; then nothing else is kept (see erasures.py)."""

    @property
    def is_nobody(self) -> bool:
        """Whether the person was forgotten, or never was: only the id is left."""
        return self.withdrawn_at is not None or self.erased_at is not None

    @property
    def seniority(self) -> tuple[datetime, str]:
        """The place among customers in the order of their registration."""
        return self.registered_at, self.customer_id

    def contact_changed(self) -> ContactChanged:
        """The event that tells how the customer is named and reached, as it now is."""
        return ContactChanged(
            customer_id=self.customer_id,
            name=self.name,
            phones=self.phones,
            emails=self.emails,
            wechat=self.wechat,
            language=self.facts.language,
            time_zone=self.facts.time_zone,
        )


def registered(
    customer: Customer, *, channel: LeadChannel, partner_id: str | None
) -> CustomerRegistered:
    """The event that tells of a new customer."""
    facts = customer.facts
    return CustomerRegistered(
        customer_id=customer.customer_id,
        household=facts.household,
        affordability=facts.affordability,
        language=facts.language,
        time_zone=facts.time_zone,
        channel=channel,
        partner_id=partner_id,
    )


def learn(customer: Customer, facts: Facts) -> tuple[Customer, list[Event]]:
    """Fill what was unknown of a customer; the events say what is new."""
    known = customer.facts
    if facts == NO_FACTS:
        return customer, []
    merged = filled(known, facts)
    if merged == known:
        return customer, []
    learnt = replace(customer, facts=merged)
    return learnt, [updated(customer, learnt)]


def updated(before: Customer, customer: Customer) -> CustomerUpdated:
    """The event that tells what is known of a customer, and which of it is new."""
    facts = customer.facts
    changed = tuple(
        name
        for name in ("household", "affordability", "language", "time_zone")
        if getattr(facts, name) != getattr(before.facts, name)
    )
    return CustomerUpdated(
        customer_id=customer.customer_id,
        household=facts.household,
        affordability=facts.affordability,
        language=facts.language,
        time_zone=facts.time_zone,
        changed=changed,
    )


def filled(known: Facts, answers: Facts) -> Facts:
    """`known` with the answers that it lacks."""
    return Facts(
        household=_filled(known.household, answers.household),
        affordability=_filled(known.affordability, answers.affordability),
        language=known.language or answers.language,
        time_zone=known.time_zone or answers.time_zone,
    )


def _filled(known: V, answer: V) -> V:
    """`known` with the answers that it lacks."""
    if answer is known or answer == known:
        return known
    missing: Mapping[str, Any] = {
        name: getattr(answer, name)
        for name in answer.model_fields_set
        if getattr(known, name) in (None, ())
    }
    return known.model_copy(update=dict(missing)) if missing else known
