"""What a customer says of consent: to an advisor, in the owner's app, or by a link of their own.

A link proves that somebody has a message that was sent to the person, not that it is the person.
So by a link consent can be taken back at once, and given only by a confirmation that goes to a
contact point of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from intake.domain.consent import opt_ins
from intake.domain.consent.consent_words import (
    Hearing,
    TakenDown,
    hear,
    implied_by_contract,
    take_down,
)
from intake.domain.consent.consents import Consent, ConsentGiven, consent_changed, lapse
from intake.domain.consent.opt_ins import OptInState, Reachable, RequestedOptIn, contact_points
from intake.domain.dossier import Dossier
from intake.domain.occasion import Occasion
from intake.domain.people.customers import Customer
from intake.domain.people.persons import Person
from keyturn_events.event import Event
from keyturn_events.intake import PurchaseSigned
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.vocabulary import Channel, ConsentBasis, ConsentStatus, Purpose

BY_PREFERENCE_PAGE = "preference-page"
BY_ONE_CLICK = "one-click-unsubscribe"
BY_CONFIRMATION = "double-opt-in"
"""Through which door words come that somebody says by a link."""


@dataclass(frozen=True, slots=True)
class ConsentCommand:
    """A command about the consents of one customer."""

    customer_id: str


@dataclass(frozen=True, slots=True)
class RecordConsents(ConsentCommand):
    """A customer said what they allow, to somebody who knows them."""

    consents: tuple[ConsentGiven, ...]
    collected_through: str
    recorded_by: str | None = None
    community_id: str | None = None
    """The community whose rules say what has to be confirmed."""


@dataclass(frozen=True, slots=True)
class SetPreferences(ConsentCommand):
    """Somebody with a link to the customer's preferences chose what is allowed."""

    consents: tuple[ConsentGiven, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe(ConsentCommand):
    """Somebody with a link wants no more messages of one kind."""

    channel: Channel
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class ConfirmOptIn(ConsentCommand):
    """Somebody followed the link that was sent to the customer's contact point."""

    opt_in_id: str


def record_consents(
    dossier: Dossier, command: RecordConsents, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Take the words down; the events tell which of them changed something.

    Raises `Refusal` `customer-not-found`.
    """
    hearing = Hearing(
        command.collected_through,
        command.recorded_by,
        occasion.at,
        dossier.community.double_opt_in,
        person=dossier.person,
    )
    return _after(dossier, take_down(_customer(dossier), command.consents, hearing, occasion))


def set_preferences(
    dossier: Dossier, command: SetPreferences, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Take consent back at once; ask for the confirmation of what is given.

    What stands as it is chosen changes nothing. Raises `Refusal` `link-not-valid` and
    `cannot-be-confirmed`.
    """
    customer = _of_link(dossier)
    person = dossier.person or Person((customer,))
    said = [
        replace(given, status=ConsentStatus.PENDING)
        if given.status is ConsentStatus.GRANTED
        else given
        for place, given in enumerate(command.consents)
        if not _stands(person, given, occasion.at) and _can_be_said(person, given, place)
    ]
    hearing = Hearing(BY_PREFERENCE_PAGE, None, occasion.at, person=person)
    return _after(dossier, take_down(customer, said, hearing, occasion))


def unsubscribe(
    dossier: Dossier, command: Unsubscribe, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Take consent back for one channel and purpose (RFC 8058). Once is enough.

    Raises `Refusal` `link-not-valid`.
    """
    customer = _of_link(dossier)
    given = ConsentGiven(command.channel, command.purpose, ConsentStatus.WITHDRAWN)
    if _stands(dossier.person or Person((customer,)), given, occasion.at):
        return dossier, []
    hearing = Hearing(BY_ONE_CLICK, None, occasion.at)
    return _after(dossier, take_down(customer, (given,), hearing, occasion))


def confirm(
    dossier: Dossier, command: ConfirmOptIn, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """The person confirms a consent at their own contact point. Once more changes nothing.

    Raises `Refusal` `link-not-valid`, `confirmation-expired`, `confirmation-void` and
    `contact-point-gone`.
    """
    customer = _of_link(dossier)
    asked = opt_in_of(customer, command.opt_in_id)
    if asked.state is OptInState.CONFIRMED:
        return dossier, []
    ensure_confirmable(dossier.person or customer, asked, occasion.at)
    word = Consent(
        asked.channel,
        asked.purpose,
        ConsentStatus.GRANTED,
        ConsentBasis.EXPRESS,
        occasion.at,
        BY_CONFIRMATION,
        asked.wording,
        asked.granted_until,
    )
    requests = opt_ins.settled(customer.opt_ins, asked.opt_in_id, OptInState.CONFIRMED)
    return _after(dossier, hear(customer, (word,), occasion, recorded_by=None, requests=requests))


def end_consents(dossier: Dossier, _: object, occasion: Occasion) -> tuple[Dossier, list[Event]]:
    """Tell what has ended by now: consents for a time, and requests that nobody confirmed."""
    customer = dossier.customer
    if customer is None:
        return dossier, []
    held, over = lapse(customer.consents, occasion.at)
    requests = opt_ins.lapsed(customer.opt_ins, occasion.at)
    after = replace(customer, consents=held, opt_ins=requests)
    events: list[Event] = [consent_changed(customer.customer_id, consent) for consent in over]
    if requests != customer.opt_ins:
        events.append(after.contact_changed())
    return replace(dossier, customer=after), events


def with_contract_consents(
    dossier: Dossier, event: Event, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Take down what a purchase implies, if the event says that it was signed."""
    if not isinstance(event, PurchaseSigned) or dossier.customer is None:
        return dossier, []
    taken = implied_by_contract(dossier.customer, event, dossier.community, occasion)
    return _after(dossier, taken)


def opt_in_of(customer: Customer, opt_in_id: str) -> RequestedOptIn:
    """The customer's request of this id. Raises `Refusal` `link-not-valid`."""
    found = next((one for one in customer.opt_ins if one.opt_in_id == opt_in_id), None)
    if found is None:
        raise link_not_valid()
    return found


def ensure_confirmable(person: Reachable, asked: RequestedOptIn, at: datetime) -> None:
    """Raise `Refusal` when a request cannot be confirmed any more, with the reason."""
    if asked.state is OptInState.VOID:
        raise Refusal(
            "confirmation-void",
            "Something else was said since this was asked; choose anew on the preference page.",
        )
    if asked.state is OptInState.LAPSED or asked.expires_at <= at:
        raise Refusal(
            "confirmation-expired",
            "This link was good for seven days; ask for a new one on the preference page.",
        )
    if asked.contact_point not in contact_points(person, asked.channel):
        raise Refusal(
            "contact-point-gone",
            "This link was sent to a contact point that is not the person's any more.",
        )


def link_not_valid() -> Refusal:
    """The refusal for a link that is nobody's, or of somebody who was forgotten."""
    return Refusal(
        "link-not-valid",
        "This link is not valid; follow the one in the latest message.",
        kind=RefusalKind.NOT_FOUND,
    )


def _customer(dossier: Dossier) -> Customer:
    if dossier.customer is None:
        raise Refusal(
            "customer-not-found",
            "There is no customer of this id.",
            kind=RefusalKind.NOT_FOUND,
        )
    return dossier.customer


def _of_link(dossier: Dossier) -> Customer:
    if dossier.customer is None:
        raise link_not_valid()
    return dossier.customer


def _stands(person: Person, given: ConsentGiven, at: datetime) -> bool:
    """Whether the person's own word says that already."""
    held = next(
        (one for one in person.consents if one.subject == (given.channel, given.purpose)), None
    )
    if held is None or not held.is_own_word:
        return False
    if given.status is ConsentStatus.GRANTED:
        return held.allows(at)
    return held.status in (ConsentStatus.DENIED, ConsentStatus.WITHDRAWN)


def _can_be_said(person: Person, given: ConsentGiven, place: int) -> bool:
    """True; raises `Refusal` `cannot-be-confirmed` for a grant that no link could confirm."""
    if given.status is ConsentStatus.GRANTED and not contact_points(person, given.channel):
        raise Refusal(
            "cannot-be-confirmed",
            f"Consent to {given.channel} cannot be confirmed by a link to you; tell your advisor.",
            kind=RefusalKind.INVALID,
            pointer=f"/consents/{place}/channel",
        )
    return True


def _after(dossier: Dossier, taken: TakenDown) -> tuple[Dossier, list[Event]]:
    events: Sequence[Event] = taken.events
    if taken.asks:
        events = (taken.customer.contact_changed(), *events)
    return (
        replace(dossier, customer=taken.customer, words=(*dossier.words, *taken.words)),
        list(events),
    )
