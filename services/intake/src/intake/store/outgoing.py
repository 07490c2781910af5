"""What every event of a kind carries when it leaves, whichever decision made it."""

from __future__ import annotations

from collections.abc import Sequence

from intake.domain.dossier import Dossier
from intake.domain.partners.partners import PartnerFile
from intake.domain.people.customers import Customer
from intake.reading.link_tokens import with_links
from intake.store.working_set import IntakeWorkingSet
from keyturn_events import Event
from keyturn_events.intake import ContactChanged


def outgoing(rows: IntakeWorkingSet, state: object, events: Sequence[Event]) -> Sequence[Event]:
    """The events of a decision that handed `state` back, as they leave."""
    # Not `isinstance`, which takes pydantic's classes ten times as long for every other event.
    return [
        with_links(event, _record(rows, _customer_of(state), event.customer_id))
        if type(event) is ContactChanged
        else event
        for event in events
    ]


def _record(rows: IntakeWorkingSet, decided: Customer | None, customer_id: str) -> Customer | None:
    if decided is not None and decided.customer_id == customer_id:
        return decided
    return rows.customers.get(customer_id)


def _customer_of(state: object) -> Customer | None:
    match state:
        case Dossier():
            return state.customer
        case PartnerFile():
            return state.dossier.customer
        case _:
            return None
