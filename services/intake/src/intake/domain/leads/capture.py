"""Capture: somebody shows interest. The person is recognised or registered, and a touch recorded.

A capture never takes anything away: it adds what was not known, and keeps every answer with its
touch. What is known of a customer is not told to whoever captures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from intake.domain.communities import Community
from intake.domain.consent.consent_words import ConsentWord, Hearing, take_down
from intake.domain.consent.consents import ConsentGiven
from intake.domain.dossier import Dossier
from intake.domain.leads import leads, pipeline
from intake.domain.leads.lead_deadlines import catch_up
from intake.domain.leads.lead_ownership import CAPTURED, Course, Situation, contact_of, received
from intake.domain.leads.leads import Lead, LeadStatus, Touch
from intake.domain.occasion import Occasion
from intake.domain.people.customers import (
    MOST_CONTACT_POINTS,
    NO_FACTS,
    Address,
    Customer,
    Facts,
    learn,
    registered,
)
from intake.domain.people.identity import Identifier, IdentifierKind, Identity, recognise
from intake.domain.people.recognition import UNRECOGNISED, Recognised, by_score, explained
from intake.domain.people.reviews import questions
from intake.domain.privacy.suppression import Coming, admitted
from intake.domain.scoring import scoring
from keyturn_events.event import Event
from keyturn_events.intake import LeadCaptured
from keyturn_events.values import Money, Utm
from keyturn_events.vocabulary import LeadChannel, LeadStage, ProductLine


@dataclass(frozen=True, slots=True)
class PersonSaid:
    """Contact details as somebody wrote them, not normalised yet."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    wechat: str | None = None
    partner_reference: str | None = None
    """What a partner calls the person, as `<partner id>/<reference>`."""
    national_id: str | None = None
    birth_date: date | None = None
    address: Address | None = None


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
    recorded_by: str | None = None
    """Who wrote them down, where it was no partner."""
    facts: Facts = NO_FACTS
    consents: tuple[ConsentGiven, ...] = ()
    advisor_id: str | None = None
    """The advisor whom the person asked for."""
    agency_id: str | None = None
    """The partner who brought the person as an agency, and is protected if nobody was before."""
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
    words: tuple[ConsentWord, ...] = ()
    """What they said of consent."""
    recognised: Recognised = UNRECOGNISED
    """What the scores said, where no identifier decided."""


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
    recorded_by: str | None = None,
) -> Met:
    """Recognise or register the person of `dossier.identity`, and add what they say.

    `said_at` is when they said it, if that was before it came here; `recorded_by` wrote it down.
    """
    known = recognise(dossier.identity, dossier.owners)
    identity = dossier.identity
    if dossier.suppressed:
        coming = Coming(channel, collected_through, said_at or occasion.at, consents)
        identity = admitted(identity, dossier.suppressed, coming, known=known is not None)
    recognised = UNRECOGNISED
    if known is None and dossier.candidates:
        recognised = by_score(dossier.identity, dossier.candidates)
        known = None if recognised.known is None else recognised.known.customer
    claimed = tuple(i for i in identity.identifiers if i not in dossier.owners)
    events: list[Event] = []
    if known is None:
        customer = _newcomer(identity, facts, occasion)
        events.append(registered(customer, channel=channel, partner_id=partner_id))
    else:
        customer, events = learn(known, facts)
        customer = _with_contact_points(customer, identity, claimed)
    hearing = Hearing(
        collected_through,
        recorded_by or partner_id,
        said_at or occasion.at,
        dossier.community.double_opt_in,
        identity.contact_points,
    )
    taken = take_down(customer, consents, hearing, occasion)
    if known is None or taken.asks or _contact(customer) != _contact(known):
        events.append(taken.customer.contact_changed())
    events += taken.events
    return Met(taken.customer, known is not None, claimed, tuple(events), taken.words, recognised)


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
        recorded_by=command.recorded_by,
    )
    customer = met.customer
    known_lead = dossier.leads.get(customer.customer_id)
    situation = Situation.of(dossier.community, dossier.desk, customer)
    if known_lead is None:
        begun = Course(_new_lead(customer, command, captured_at, dossier.community, occasion))
    else:
        begun = catch_up(known_lead, situation, occasion)
    repeated = known_lead is not None and begun.lead.status is LeadStatus.OPEN
    touch = _touch(begun.lead, command, captured_at, occasion, met)
    captured = _captured(touch, command, dossier, begun.lead, repeated=repeated)
    events = [*met.events, *begun.events, captured]
    course = Course(begun.lead, begun.steps, begun.facts)
    if known_lead is not None:
        course = course.then(_come_again(begun.lead, command, dossier.community, occasion))
    course = course.then(
        received(
            course.lead,
            situation,
            occasion,
            cause=CAPTURED,
            contact=contact_of(command.channel),
            agency_id=command.agency_id,
            asked_for=command.advisor_id,
        )
    )
    lead, scored = scoring.score(course.lead, customer, dossier.scorecard, touch)
    after = Dossier(
        community=dossier.community,
        customer=customer,
        lead=lead,
        claimed=met.claimed,
        touches=(touch,),
        words=met.words,
        steps=course.steps,
        facts=course.facts,
        reviews=tuple(questions(customer, met.recognised, occasion)),
        unled=dossier.unled,
    )
    after, led_on = pipeline.led(after, lead, captured_at, occasion)
    return after, [*events, *course.events, *scored, *led_on]


def _come_again(
    lead: Lead, command: CaptureLead, community: Community, occasion: Occasion
) -> Course:
    """The customer's live lead with one more touch, which opens a lost one again."""
    course = Course(lead)
    if lead.status is LeadStatus.LOST:
        lead, step, revived = leads.revive(lead, leads.NEW_TOUCH, community, occasion)
        lead = replace(lead, response_due=community.response_due(occasion.at))
        course = Course(lead, (step,), (), (revived,))
    lead = leads.touched(
        lead,
        community,
        occasion.at,
        touches=lead.touches + 1,
        campaign=lead.campaign or command.campaign,
        referral_code=lead.referral_code or command.referral_code,
        product_line=lead.product_line or command.product_line,
        budget_named=lead.budget_named or command.budget is not None,
    )
    return replace(course, lead=lead)


def _newcomer(identity: Identity, facts: Facts, occasion: Occasion) -> Customer:
    return Customer(
        customer_id=occasion.derive_id("customer"),
        registered_at=occasion.at,
        name=identity.name,
        phones=() if identity.phone is None else (identity.phone,),
        emails=() if identity.email is None else (identity.email,),
        wechat=identity.wechat,
        references=() if identity.partner_reference is None else (identity.partner_reference,),
        birth_date=identity.birth_date,
        address=identity.address,
        national_ids=identity.national_ids,
        facts=facts,
    )


def _with_contact_points(
    customer: Customer, identity: Identity, claimed: Sequence[Identifier]
) -> Customer:
    """The customer with what was unknown of them, and the identifiers that nobody owned."""
    phones, emails = customer.phones, customer.emails
    wechat, references = customer.wechat, customer.references
    national_ids = customer.national_ids
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
        elif identifier.kind is IdentifierKind.NATIONAL_ID:
            national_ids = (*national_ids, value)
    if not claimed and not _adds(identity, customer):
        return customer
    return replace(
        customer,
        name=customer.name or identity.name,
        phones=phones,
        emails=emails,
        wechat=wechat,
        references=references,
        national_ids=national_ids,
        birth_date=customer.birth_date or identity.birth_date,
        address=customer.address or identity.address,
    )


def _adds(identity: Identity, customer: Customer) -> bool:
    """Whether somebody says of themselves what was unknown."""
    return (
        (customer.name is None and identity.name is not None)
        or (customer.birth_date is None and identity.birth_date is not None)
        or (customer.address is None and identity.address is not None)
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
        response_due=community.response_due(occasion.at),
        touches=1,
        campaign=command.campaign,
        referral_code=command.referral_code,
        product_line=command.product_line,
        budget_named=command.budget is not None,
    )


def _touch(
    lead: Lead, command: CaptureLead, captured_at: datetime, occasion: Occasion, met: Met
) -> Touch:
    recognised = met.recognised.known
    return Touch(
        touch_id=occasion.derive_id("touch"),
        lead_id=lead.lead_id,
        customer_id=lead.customer_id,
        channel=command.channel,
        captured_at=captured_at,
        recorded_at=occasion.at,
        joined=met.known,
        partner_id=command.partner_id,
        import_id=command.import_id,
        source_reference=command.source_reference,
        campaign=command.campaign,
        referral_code=command.referral_code,
        answers=command.answers,
        recognition=None if recognised is None else explained(recognised),
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
