"""A customer: one person, what is known of them, and how new answers are reconciled with old ones.

The first answer to a question is kept; a later one fills what was unknown. Every answer stays with
the touch that brought it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from intake.domain.consents import Consent
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
class Customer:
    """One person."""

    customer_id: str
    registered_at: datetime
    name: str | None = None
    phones: tuple[str, ...] = ()
    """E.164, the preferred one first."""
    emails: tuple[str, ...] = ()
    wechat: str | None = None
    references: tuple[str, ...] = ()
    """What partners call the person, each written `<partner id>/<reference>`."""
    facts: Facts = NO_FACTS
    consents: tuple[Consent, ...] = ()

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
    merged = Facts(
        household=_filled(known.household, facts.household),
        affordability=_filled(known.affordability, facts.affordability),
        language=known.language or facts.language,
        time_zone=known.time_zone or facts.time_zone,
    )
    if merged == known:
        return customer, []
    changed = tuple(
        name
        for name in ("household", "affordability", "language", "time_zone")
        if getattr(merged, name) != getattr(known, name)
    )
    updated = CustomerUpdated(
        customer_id=customer.customer_id,
        household=merged.household,
        affordability=merged.affordability,
        language=merged.language,
        time_zone=merged.time_zone,
        changed=changed,
    )
    return replace(customer, facts=merged), [updated]


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
