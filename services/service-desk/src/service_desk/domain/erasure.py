"""Forgetting a person: their words go, the records of homes stay without them."""

from __future__ import annotations

from keyturn_events import Event
from keyturn_events.erasure import counted
from keyturn_events.intake import CustomerErased
from keyturn_events.service_desk import CasesErased
from keyturn_events.vocabulary import ErasureTreatment
from service_desk.domain import customers, defects, handling, handovers, satisfaction
from service_desk.domain.cases import Circumstances
from service_desk.domain.files import PersonFile
from service_desk.domain.occasion import Occasion


def forget(file: PersonFile, customer_id: str, cause: Occasion) -> tuple[PersonFile, list[Event]]:
    """Take every word that is kept under this id, and end what was promised to the person.

    It takes what is kept under that id alone: what goes does not depend on when a merge is heard
    of.
    """
    erased = customers.erased(file.family.of(customer_id))
    owner_id = file.family.survivor(customer_id).customer_id
    events: list[Event] = []
    plans = []
    for handover in file.handovers:
        plan, said = handovers.erase(handover, owner_id)
        plans.append(plan)
        events += said
    complaints = []
    for case, calendar in file.cases:
        left, said = handling.forget(case, Circumstances(calendar, owner_id, cause.at))
        complaints.append((left, calendar))
        events += said
    forgotten = PersonFile(
        family=file.family.with_(erased),
        handovers=tuple(plans),
        cases=tuple(complaints),
        defects=tuple(defects.forget(defect) for defect in file.defects),
        responses=tuple(satisfaction.forget(response) for response in file.responses),
    )
    return forgotten, events


def receipt(file: PersonFile, event: CustomerErased) -> CasesErased:
    """What an erasure does to a file as it stands before it."""
    gone, nameless = ErasureTreatment.ERASED, ErasureTreatment.PSEUDONYMISED
    segments = len(file.family.of(event.customer_id).segments)
    return CasesErased(
        customer_id=event.customer_id,
        erasure_id=event.erasure_id,
        counts=(
            *counted("segments", gone, segments),
            *counted("handovers", nameless, len(file.handovers), "home-records"),
            *counted("defects", nameless, len(file.defects), "defect-records"),
            *counted("cases", nameless, len(file.cases), "service-records"),
            *counted("survey-answers", nameless, len(file.responses), "satisfaction-figures"),
        ),
    )
