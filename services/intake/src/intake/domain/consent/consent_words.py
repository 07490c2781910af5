"""Taking down what is said of consent: every word is kept for ever, and the one that counts holds.

A word comes with its evidence: which wording was shown, where and when it was said, and who wrote
it down. No address of a machine is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from zoneinfo import ZoneInfo

from intake.domain.communities import Community
from intake.domain.consent import opt_ins
from intake.domain.consent.consents import (
    CONTRACT_MONTHS,
    LAST_END,
    Consent,
    ConsentGiven,
    ConsentSubject,
    consent_changed,
    heard,
    lapse,
    months_after,
)
from intake.domain.consent.opt_ins import (
    CONFIRM_WITHIN,
    ContactPoint,
    Reachable,
    RequestedOptIn,
    contact_points,
)
from intake.domain.occasion import Occasion
from intake.domain.people.customers import Customer
from intake.domain.people.persons import Person
from keyturn_events.event import Event
from keyturn_events.intake import PurchaseSigned
from keyturn_events.vocabulary import Channel, ConsentBasis, ConsentStatus

BY_CONTRACT = "contract"
"""Through which door a consent came that a contract implies."""


@dataclass(frozen=True, slots=True)
class ConsentWord:
    """One word as it was taken down. Words are only ever added."""

    word_id: str
    customer_id: str
    consent: Consent
    recorded_at: datetime
    recorded_by: str | None
    """Who wrote it down: a user, a client, a partner; None when nobody did."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How words came."""

    collected_through: str
    recorded_by: str | None
    said_at: datetime
    must_confirm: Collection[ConsentSubject] = ()
    """What the person has to confirm before it holds."""
    given: Collection[str] = ()
    """Contact points that came with the words: where the person is asked to confirm."""
    person: Person | None = None
    """The person, where what all their records hold counts, and not the customer's alone."""


@dataclass(frozen=True, slots=True)
class TakenDown:
    """The customer after the words, and what is to be kept and told of them."""

    customer: Customer
    words: tuple[ConsentWord, ...] = ()
    events: tuple[Event, ...] = ()
    asks: bool = False
    """Whether the requests to be confirmed changed, so that `ContactChanged` has to tell them."""


def take_down(
    customer: Customer, given: Sequence[ConsentGiven], hearing: Hearing, occasion: Occasion
) -> TakenDown:
    """Hear what a customer says; what has to be confirmed becomes a request."""
    if not given:
        return TakenDown(customer)
    said = [_said(one, hearing) for one in given]
    requests = customer.opt_ins
    for one, word in zip(given, said, strict=True):
        request = _request(customer, one, word, hearing, occasion)
        if request is not None:
            requests, _ = opt_ins.requested(requests, request)
    return _hear(customer, said, requests, hearing.recorded_by, occasion)


def hear(
    customer: Customer,
    said: Sequence[Consent],
    occasion: Occasion,
    *,
    recorded_by: str | None,
    requests: Sequence[RequestedOptIn] | None = None,
) -> TakenDown:
    """Hear words as they are; `requests` are the customer's requests where they changed."""
    known = customer.opt_ins if requests is None else tuple(requests)
    return _hear(customer, said, known, recorded_by, occasion)


def implied_by_contract(
    customer: Customer, signed: PurchaseSigned, community: Community, occasion: Occasion
) -> TakenDown:
    """Hear what a signed contract implies: what the community says, on every channel.

    It is no word of the person, so it never overrides one. It ends two years after the day of
    signing; a contract that was signed longer ago implies nothing any more. Where the buyer is
    reached so far does not matter, since contact points may be heard of before the sale or after.
    """
    zone = ZoneInfo(community.time_zone)
    signed_at = datetime.combine(signed.signed_on, time(), zone)
    expires_at = months_after(signed_at, CONTRACT_MONTHS)
    if expires_at <= occasion.at:
        return TakenDown(customer)
    said = [
        Consent(
            channel,
            purpose,
            ConsentStatus.GRANTED,
            ConsentBasis.CONTRACT,
            min(signed_at, occasion.at),
            BY_CONTRACT,
            expires_at=expires_at,
        )
        for channel in Channel
        for purpose in community.contract_allows
    ]
    return hear(customer, said, occasion, recorded_by=signed.partner_id)


def _said(given: ConsentGiven, hearing: Hearing) -> Consent:
    said = given.said(hearing.said_at, hearing.collected_through)
    demanded = (
        said.status is ConsentStatus.GRANTED
        and said.basis is ConsentBasis.EXPRESS
        and said.subject in hearing.must_confirm
    )
    if not demanded and said.status is not ConsentStatus.PENDING:
        return said
    return replace(
        said,
        status=ConsentStatus.PENDING,
        basis=ConsentBasis.EXPRESS,
        expires_at=min(said.at + CONFIRM_WITHIN, LAST_END),
    )


def _request(
    customer: Customer, given: ConsentGiven, said: Consent, hearing: Hearing, occasion: Occasion
) -> RequestedOptIn | None:
    """What the person is asked to confirm; None where nothing is to be, or cannot be."""
    if said.status is not ConsentStatus.PENDING or said.expires_at is None:
        return None
    person = hearing.person or customer
    if any(
        held.is_own_word and held.allows(occasion.at)
        for held in person.consents
        if held.subject == said.subject
    ):
        return None
    point = _where(person, said.channel, hearing.given)
    if point is None:
        return None
    return RequestedOptIn(
        opt_in_id=occasion.derive_id("opt-in", said.channel, said.purpose),
        channel=said.channel,
        purpose=said.purpose,
        contact_point=point,
        requested_at=said.at,
        expires_at=said.expires_at,
        wording=said.wording,
        granted_until=given.expires_at,
    )


def _where(person: Reachable, channel: Channel, given: Collection[str]) -> ContactPoint | None:
    points = contact_points(person, channel)
    return next((point for point in points if point.to in given), points[0] if points else None)


def _hear(
    customer: Customer,
    said: Sequence[Consent],
    requests: Sequence[RequestedOptIn],
    recorded_by: str | None,
    occasion: Occasion,
) -> TakenDown:
    held, changed = heard(customer.consents, said)
    held, over = lapse(held, occasion.at)
    ended = {consent.subject for consent in over}
    changed = [consent for consent in changed if consent.subject not in ended] + over
    asked = opt_ins.lapsed(opt_ins.answered(requests, held), occasion.at)
    words = tuple(
        ConsentWord(
            occasion.derive_id(
                "consent-word", number, word.collected_through, word.channel, word.purpose
            ),
            customer.customer_id,
            word,
            occasion.at,
            recorded_by,
        )
        for number, word in enumerate(said)
    )
    asks = asked != customer.opt_ins and _waiting(asked) != _waiting(customer.opt_ins)
    if held != customer.consents or asked != customer.opt_ins:
        customer = replace(customer, consents=held, opt_ins=asked)
    return TakenDown(
        customer,
        words,
        tuple(consent_changed(customer.customer_id, consent) for consent in changed),
        asks,
    )


def _waiting(requests: Sequence[RequestedOptIn]) -> frozenset[str]:
    return frozenset(one.opt_in_id for one in requests if one.waiting)
