"""What a customer says of consent to an advisor or in the owner's app."""

from __future__ import annotations

from dataclasses import dataclass, replace

from intake.domain.consents import ConsentGiven, consent_changed, heard
from intake.domain.dossier import Dossier
from intake.domain.occasion import Occasion
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind


@dataclass(frozen=True, slots=True)
class RecordConsents:
    """A customer said what they allow."""

    customer_id: str
    consents: tuple[ConsentGiven, ...]
    collected_through: str


def record_consents(
    dossier: Dossier, command: RecordConsents, occasion: Occasion
) -> tuple[Dossier, list[Event]]:
    """Take the words down; the events tell which of them changed something.

    Raises `Refusal` `customer-not-found`.
    """
    customer = dossier.customer
    if customer is None:
        raise Refusal(
            "customer-not-found",
            "There is no customer of this id.",
            kind=RefusalKind.NOT_FOUND,
        )
    said = [given.said(occasion.at, command.collected_through) for given in command.consents]
    held, changed = heard(customer.consents, said)
    return (
        replace(dossier, customer=replace(customer, consents=held)),
        [consent_changed(customer.customer_id, consent) for consent in changed],
    )
