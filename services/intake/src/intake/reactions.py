"""Everything that intake reacts to: the partner door, and its own deadlines."""

from __future__ import annotations

from collections.abc import Sequence

from intake.domain import lead_commands, partner_events, purchase_commands
from intake.domain.dossier import Dossier
from intake.domain.partners import PartnerFile
from intake.reading.partner_records import submitted_lead
from intake.store.subjects.leads import LEAD_STALLED
from intake.store.subjects.purchases import RESERVATION_EXPIRED
from keyturn_chassis.inputs import Cause, RawRecord, TimerFired
from keyturn_chassis.reactions import Reactions
from keyturn_events import Event, Topic

reactions = Reactions()


@reactions.on_untrusted(Topic.PARTNERS_INBOUND)
def receive_partner_record(
    file: PartnerFile, _: RawRecord, cause: Cause
) -> tuple[PartnerFile, Sequence[Event]]:
    """A partner said something: accept it, recognise a repetition, or send it back."""
    return partner_events.receive(file, submitted_lead(file.record), cause)


@reactions.on_timer(LEAD_STALLED)
def stall_lead(
    dossier: Dossier, fired: TimerFired, cause: Cause
) -> tuple[Dossier, Sequence[Event]]:
    """Nothing happened on an open lead for longer than its stage allows."""
    return lead_commands.stall(dossier, fired, cause)


@reactions.on_timer(RESERVATION_EXPIRED)
def expire_reservation(
    dossier: Dossier, fired: TimerFired, cause: Cause
) -> tuple[Dossier, Sequence[Event]]:
    """A reserved home was not subscribed in time: it is free again."""
    return purchase_commands.expire(dossier, fired, cause)
