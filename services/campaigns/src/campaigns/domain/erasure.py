"""Forgetting a person: nobody can be written to any more; ledger, referrals and sends stay.

What stays says what was given, owed and sent under an id, which the ledger needs and which nobody
can read a person from.
"""

from __future__ import annotations

from dataclasses import astuple, replace
from datetime import datetime

from campaigns.domain import people
from campaigns.domain.customer_file import CustomerFile
from campaigns.domain.people import Person
from keyturn_events.campaigns import MessagesErased
from keyturn_events.erasure import counted
from keyturn_events.intake import CustomerErased
from keyturn_events.vocabulary import ErasureTreatment


def forgotten(file: CustomerFile, customer_id: str, at: datetime) -> CustomerFile:
    """The file without anything personal under this id."""
    sends = {
        key: replace(send, facts={}) if send.customer_id == customer_id else send
        for key, send in file.sends.items()
    }
    person = people.erased(file.record(customer_id), at)
    return replace(file.with_person(person), sends=sends)


def receipt(file: CustomerFile, event: CustomerErased) -> MessagesErased:
    """What an erasure does to a file as it stands before it."""
    gone, nameless = ErasureTreatment.ERASED, ErasureTreatment.PSEUDONYMISED
    kept = ErasureTreatment.KEPT
    id = event.customer_id
    person = file.record(id)
    own = file.memberships.get(id)
    return MessagesErased(
        customer_id=id,
        erasure_id=event.erasure_id,
        counts=(
            *counted("contact-points", gone, _contact_points(person)),
            *counted("facts", gone, _facts(person)),
            *counted("consents", gone, len(person.consents)),
            *counted("suppressed-channels", gone, len(person.suppressed)),
            *counted(
                "messages",
                nameless,
                sum(send.customer_id == id for send in file.sends.values()),
                "record-of-sends",
            ),
            *counted("purchases", kept, len(person.purchases), "referral-rewards"),
            *counted(
                "referrals",
                kept,
                sum(
                    id in (referral.referred_id, file.owners.get(referral.code))
                    for referral in file.referrals.values()
                ),
                "referral-rewards",
            ),
            *counted("ledger-entries", kept, 0 if own is None else len(own.entries), "ledger"),
        ),
    )


def _contact_points(person: Person) -> int:
    return 0 if person.contact is None else _known(*astuple(person.contact))


def _facts(person: Person) -> int:
    return _known(person.household_id, person.language, person.time_zone)


def _known(*values: object) -> int:
    return sum(bool(value) for value in values)
