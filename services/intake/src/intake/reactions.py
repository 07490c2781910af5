"""Everything that intake reacts to: the partner door, and its own deadlines."""

from __future__ import annotations

from collections.abc import Sequence

from intake.domain.consent import consent_commands
from intake.domain.dossier import Dossier
from intake.domain.leads import lead_commands
from intake.domain.leads.lead_deadlines import FIRST_RESPONSE, PROTECTION
from intake.domain.partners import partner_events
from intake.domain.partners.partners import PartnerFile
from intake.domain.privacy import erasures
from intake.domain.privacy.erasures import ErasureFile
from intake.domain.sales import purchase_commands, release_commands
from intake.domain.sales.release_commands import QueueFile
from intake.reading.partner_records import submitted_lead
from intake.store.subjects.consents import CONSENT_ENDS
from intake.store.subjects.erasures import ERASURE_OVERDUE, ERASURE_SWEEP
from intake.store.subjects.leads import LEAD_STALLED
from intake.store.subjects.purchases import RESERVATION_EXPIRED
from intake.store.subjects.releases import QUEUE_TURN
from keyturn_chassis.inputs import Cause, RawRecord, TimerFired
from keyturn_chassis.reactions import Reactions
from keyturn_events import Event, Topic
from keyturn_events.campaigns import MessagesErased
from keyturn_events.erasure import ErasureReceipt
from keyturn_events.segmentation import ProfileErased
from keyturn_events.service_desk import CasesErased, HandoverCompleted

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
    return lead_commands.pass_deadlines(dossier, fired, cause)


@reactions.on_timer(FIRST_RESPONSE)
def alert_unanswered_lead(
    dossier: Dossier, fired: TimerFired, cause: Cause
) -> tuple[Dossier, Sequence[Event]]:
    """Nobody contacted a new lead in time: somebody is told, and somebody else may get it."""
    return lead_commands.pass_deadlines(dossier, fired, cause)


@reactions.on_timer(PROTECTION)
def release_lead(
    dossier: Dossier, fired: TimerFired, cause: Cause
) -> tuple[Dossier, Sequence[Event]]:
    """The protection of a lead's owner has ended: it goes back to the pool, or to another."""
    return lead_commands.pass_deadlines(dossier, fired, cause)


@reactions.on_timer(QUEUE_TURN)
def serve_queue(
    file: QueueFile, fired: TimerFired, cause: Cause
) -> tuple[QueueFile, Sequence[Event]]:
    """A release opens, or the turn of a queue number has run out: the queue goes on."""
    return release_commands.serve(file, fired, cause)


@reactions.on(HandoverCompleted)
def note_handover(
    dossier: Dossier, event: HandoverCompleted, cause: Cause
) -> tuple[Dossier, Sequence[Event]]:
    """A household got its keys: the registry of homes says so."""
    return purchase_commands.note_handover(dossier, event, cause)


@reactions.on_timer(RESERVATION_EXPIRED)
def expire_reservation(
    dossier: Dossier, fired: TimerFired, cause: Cause
) -> tuple[Dossier, Sequence[Event]]:
    """A reserved home was not subscribed in time: it is free again."""
    return purchase_commands.expire(dossier, fired, cause)


@reactions.on_timer(CONSENT_ENDS)
def end_consents(
    dossier: Dossier, fired: TimerFired, cause: Cause
) -> tuple[Dossier, Sequence[Event]]:
    """A consent for a time is over, or nobody confirmed one that was asked for."""
    return consent_commands.end_consents(dossier, fired, cause)


@reactions.on(ProfileErased, CasesErased, MessagesErased)
def receive_receipt(
    file: ErasureFile, event: ErasureReceipt, cause: Cause
) -> tuple[ErasureFile, Sequence[Event]]:
    """Another service has forgotten a person: the last receipt completes the erasure."""
    return erasures.receive(file, event, cause, cause.recorded_at)


@reactions.on_timer(ERASURE_OVERDUE)
def note_overdue_erasure(
    file: ErasureFile, _: TimerFired, cause: Cause
) -> tuple[ErasureFile, Sequence[Event]]:
    """Receipts are missing: somebody has to look into it."""
    return erasures.fall_due(file, cause)


@reactions.on_timer(ERASURE_SWEEP)
def sweep_erasure(
    file: ErasureFile, _: TimerFired, __: Cause
) -> tuple[ErasureFile, Sequence[Event]]:
    """Take what was being written at the moment of the erasure."""
    return erasures.sweep(file)
