"""Capture: somebody shows interest. The person is recognised or registered, and a touch recorded.

A capture never takes anything away: it adds what was not known, and keeps every answer with its
touch. What is known of a customer is not told to whoever captures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from intake.domain import leads, scoring
from intake.domain.communities import Community
from intake.domain.consents import Consent, ConsentGiven, consent_changed, heard
from intake.domain.customers import (
    MOST_CONTACT_POINTS,
    NO_FACTS,
    Customer,
    Facts,
    learn,
    registered,
)
from intake.domain.dossier import Dossier
from intake.domain.identity import Identifier, IdentifierKind, Identity, recognise
from intake.domain.leads import Lead, LeadStatus, LeadStep, Touch
from intake.domain.occasion import Occasion
from keyturn_events.event import Event
from keyturn_events.intake import LeadCaptured
from keyturn_events.values import Money, Utm
from keyturn_events.vocabulary import AssignmentReason, LeadChannel, LeadStage, ProductLine


@dataclass(frozen=True, slots=True)
class PersonSaid:
    """Contact details as somebody wrote them, not normalised yet."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    wechat: str | None = None
    partner_reference: str | None = None
    """What a partner calls the person, as `<partner id>/<reference>`."""


@dataclass(frozen=True, slots=True)
class CaptureLead:
    """The command to record one touch of one person."""

    person: PersonSaid
    channel: LeadChannel
    captured_at: datetime | None = None
    """When the person came; without it, now."""
    community_id: str | None = None
    collected_through: str = "api"
    """Through which door consents came, such as api, import or partner."""
    facts: Facts = NO_FACTS
    consents: tuple[ConsentGiven, ...] = ()
    advisor_id: str | None = None
    partner_id: str | None = None
    import_id: str | None = None
    source_reference: str | None = None
    campaign: str | None = None
    referral_code: str | None = None
    utm: Utm | None = None
    budget: Money | None = None
    product_line: ProductLine | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    """The answers as they came, kept with the touch."""


@dataclass(frozen=True, slots=True)
class Met:
    """A person at the door: the customer, and whether they were known."""

    customer: Customer
    known: bool
    claimed: tuple[Identifier, ...]
    events: tuple[Event, ...]


def meet(
    dossier: Dossier,
    facts: Facts,
    consents: Sequence[ConsentGiven],
    occasion: Occasion,
    *,
    channel: LeadChannel,
    collected_through: str,
    partner_id: str | None,
    said_at: datetime | None = None,
) -> Met:
    """Recognise or register the person of `dossier.identity`, and add what they say.

    `said_at` is when they said it, if that was before it came here.
    """
    identity = dossier.identity
    known = recognise(identity, dossier.owners)
    claimed = tuple(i for i in identity.identifiers if i not in dossier.owners)
    said = [given.said(said_at or occasion.at, collected_through) for given in consents]
    held, changed = heard(() if known is None else known.consents, said)
    events: list[Event] = []
    if known is None:
        customer = _newcomer(identity, facts, held, occasion)
        events.append(registered(customer, channel=channel, partner_id=partner_id))
        events.append(customer.contact_changed())
    else:
        customer, events = learn(known, facts)
        customer = _with_contact_points(customer, identity, claimed)
        if _contact(customer) != _contact(known):
            events.append(customer.contact_changed())
        if held != customer.consents:
            customer = replace(customer, consents=held)
    events += [consent_changed(customer.customer_id, consent) for consent in changed]
    return Met(customer, known is not None, claimed, tuple(events))


def capture(
    dossier: Dossier, command: CaptureLead, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Record a touch: on the customer's live lead in the community, or on a new one."""
    captured_at = command.captured_at or occasion.at
    met = meet(
        dossier,
        command.facts,
        command.consents,
        occasion,
        channel=command.channel,
        collected_through=command.collected_through,
        partner_id=command.partner_id,
        # A source whose clock is ahead must not outdo what the person says here later.
        said_at=min(captured_at, occasion.at),
    )
    customer = met.customer
    events = list(met.events)
    steps: list[LeadStep] = []
    known_lead = dossier.leads.get(customer.customer_id)
    repeated = known_lead is not None and known_lead.status is LeadStatus.OPEN
    lead = known_lead or _new_lead(customer, command, captured_at, dossier.community, occasion)
    touch = _touch(lead, command, captured_at, occasion, joined=met.known)
    events.append(_captured(touch, command, dossier, lead, repeated=repeated))
    if known_lead is not None:
        if lead.status is LeadStatus.LOST:
            lead, step, revived = leads.revive(lead, "new-touch", dossier.community, occasion)
            steps.append(step)
            events.append(revived)
        lead = leads.touched(
            lead,
            dossier.community,
            occasion.at,
            touches=lead.touches + 1,
            campaign=lead.campaign or command.campaign,
            referral_code=lead.referral_code or command.referral_code,
            product_line=lead.product_line or command.product_line,
            budget_named=lead.budget_named or command.budget is not None,
        )
    if command.advisor_id is not None and lead.advisor_id is None:
        lead, assigned_steps, assigned = leads.assign(
            lead, command.advisor_id, AssignmentReason.CUSTOMER_PREFERENCE, occasion
        )
        steps += assigned_steps
        events += assigned
    lead, scored = scoring.score(lead, customer)
    after = Dossier(
        community=dossier.community,
        customer=customer,
        lead=lead,
        claimed=met.claimed,
        touches=(touch,),
        steps=tuple(steps),
    )
    return after, [*events, *scored]


def _newcomer(
    identity: Identity, facts: Facts, consents: tuple[Consent, ...], occasion: Occasion
) -> Customer:
    return Customer(
        customer_id=occasion.derive_id("customer"),
        registered_at=occasion.at,
        name=identity.name,
        phones=() if identity.phone is None else (identity.phone,),
        emails=() if identity.email is None else (identity.email,),
        wechat=identity.wechat,
        references=() if identity.partner_reference is None else (identity.partner_reference,),
        facts=facts,
        consents=consents,
    )


def _with_contact_points(
    customer: Customer, identity: Identity, claimed: Sequence[Identifier]
) -> Customer:
    """The customer with the name, if it was unknown, and the identifiers that nobody owned."""
    phones, emails = customer.phones, customer.emails
    wechat, references = customer.wechat, customer.references
    for identifier in claimed:
        value = identifier.value
        if identifier.kind is IdentifierKind.PHONE and len(phones) < MOST_CONTACT_POINTS:
            phones = (*phones, value)
        elif identifier.kind is IdentifierKind.EMAIL and len(emails) < MOST_CONTACT_POINTS:
            emails = (*emails, value)
        elif identifier.kind is IdentifierKind.WECHAT:
            wechat = wechat or value
        elif identifier.kind is IdentifierKind.PARTNER:
            references = (*references, value)
    if not claimed and (customer.name is not None or identity.name is None):
        return customer
    return replace(
        customer,
        name=customer.name or identity.name,
        phones=phones,
        emails=emails,
        wechat=wechat,
        references=references,
    )


def _contact(customer: Customer) -> tuple[object, ...]:
    return (
        customer.name,
        customer.phones,
        customer.emails,
        customer.wechat,
        customer.facts.language,
        customer.facts.time_zone,
    )


def _new_lead(
    customer: Customer,
    command: CaptureLead,
    captured_at: datetime,
    community: Community,
    occasion: Occasion,
) -> Lead:
    """A lead with its first touch."""
    return Lead(
        lead_id=occasion.derive_id("lead"),
        customer_id=customer.customer_id,
        community_id=command.community_id,
        channel=command.channel,
        captured_at=captured_at,
        idle_since=occasion.at,
        stalls_at=community.stalls_at(LeadStage.NEW, occasion.at),
        touches=1,
        campaign=command.campaign,
        referral_code=command.referral_code,
        product_line=command.product_line,
        budget_named=command.budget is not None,
    )


def _touch(
    lead: Lead, command: CaptureLead, captured_at: datetime, occasion: Occasion, *, joined: bool
) -> Touch:
    return Touch(
        touch_id=occasion.derive_id("touch"),
        lead_id=lead.lead_id,
        customer_id=lead.customer_id,
        channel=command.channel,
        captured_at=captured_at,
        recorded_at=occasion.at,
        joined=joined,
        partner_id=command.partner_id,
        import_id=command.import_id,
        source_reference=command.source_reference,
        campaign=command.campaign,
        referral_code=command.referral_code,
        answers=command.answers,
    )


def _captured(
    touch: Touch, command: CaptureLead, dossier: Dossier, lead: Lead, *, repeated: bool
) -> LeadCaptured:
    return LeadCaptured(
        customer_id=lead.customer_id,
        lead_id=lead.lead_id,
        community_id=lead.community_id,
        channel=command.channel,
        captured_at=touch.captured_at,
        joined=touch.joined,
        repeated=repeated,
        partner_id=command.partner_id,
        import_id=command.import_id,
        source_reference=command.source_reference,
        campaign=command.campaign,
        referral_code=command.referral_code,
        utm=command.utm,
        language=command.facts.language,
        community_time_zone=None if lead.community_id is None else dossier.community.time_zone,
        product_line=command.product_line,
        budget=command.budget,
    )
