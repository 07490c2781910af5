"""What campaigns makes of what it hears: facts kept, referrals settled, campaigns entered.

Every function takes the customer's file, the event and its cause, and gives the new file with the
events that follow. The facts may come in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from campaigns.domain import erasure, membership, people
from campaigns.domain.campaign import ONLY_OCCURRENCE, Entry, Reentry, confirmations, entries
from campaigns.domain.customer_file import CustomerFile, root_of
from campaigns.domain.identity import derive
from campaigns.domain.occasion import Occasion
from campaigns.domain.people import Consent, Contact, Open, OptIn
from campaigns.domain.programme import PROGRAMME
from campaigns.domain.referral import (
    Capture,
    Referral,
    referral_id,
    with_capture,
    without_capture,
)
from campaigns.domain.referral_codes import normalised
from campaigns.domain.referral_settlement import invite, settle
from campaigns.domain.sending import Send, contact_told, plan, released
from keyturn_events import CustomerEvent, Event, intake, service_desk
from keyturn_events.vocabulary import PointsReason

Heard = tuple[CustomerFile, list[Event]]


def customer_facts(file: CustomerFile, event: intake.CustomerFacts, cause: Occasion) -> Heard:
    """Household, language and time zone, as they now are."""
    person = people.with_facts(
        file.record(event.customer_id),
        household_id=event.household.household_id,
        language=event.language,
        time_zone=event.time_zone,
        at=cause.at,
    )
    return follow(file.with_person(person), event, cause)


def contact_changed(file: CustomerFile, event: intake.ContactChanged, cause: Occasion) -> Heard:
    """A copy of the preferred contact points; whoever is to confirm a consent is asked to."""
    contact = Contact(
        name=event.name,
        phone=event.phones[0] if event.phones else None,
        email=event.emails[0] if event.emails else None,
        wechat=event.wechat,
        address=event.address,
        language=event.language,
        time_zone=event.time_zone,
        preference_token=event.preference_token,
        opt_ins=tuple(OptIn(**one.model_dump()) for one in event.opt_ins),
    )
    person = people.with_contact(file.record(event.customer_id), contact, cause.at)
    file = _reachable(file.with_person(person), cause)
    if person.contact != contact:
        return file, []
    asked = confirmations(
        file.campaigns, event, event_id=cause.id, at=cause.at, entered=file.entered
    )
    return file.with_sends(*_planned(file, asked, cause)), []


def contact_erased(file: CustomerFile, event: intake.ContactErased, cause: Occasion) -> Heard:
    """A tombstone: the copy goes."""
    person = people.with_contact(file.record(event.customer_id), None, cause.at)
    return _reachable(file.with_person(person), cause), []


def customer_erased(file: CustomerFile, event: intake.CustomerErased, cause: Occasion) -> Heard:
    """Nothing personal stays with this id; ledger and referrals stay, under ids.

    It is told of every id that the person has: what goes does not depend on when a merge is heard
    of. Until the last is told, nobody writes to the person any more. The receipt counts what was
    there.
    """
    receipt = erasure.receipt(file, event)
    file = erasure.forgotten(file, event.customer_id, cause.at)
    file, events = settle(_reachable(file, cause), cause)
    return file, [*events, receipt]


def customer_withdrawn(
    file: CustomerFile, event: intake.CustomerWithdrawn, cause: Occasion
) -> Heard:
    """There is no such person: as on an erasure, but nobody waits for a receipt."""
    file = erasure.forgotten(file, event.customer_id, cause.at)
    return settle(_reachable(file, cause), cause)


def customers_merged(file: CustomerFile, event: intake.CustomersMerged, cause: Occasion) -> Heard:
    """Two ids are one person from now on."""
    merged = people.merged(
        file.record(event.merged_customer_id), event.customer_id, event.merge_id, cause.at
    )
    return _regrouped(file, _reachable(file.with_person(merged), cause), cause)


def customers_unmerged(
    file: CustomerFile, event: intake.CustomersUnmerged, cause: Occasion
) -> Heard:
    """They are two again."""
    restored = people.unmerged(file.record(event.restored_customer_id), event.merge_id)
    return _regrouped(file, file.with_person(restored), cause)


def consent_changed(file: CustomerFile, event: intake.ConsentChanged, cause: Occasion) -> Heard:
    """What the person allows on one channel for one purpose."""
    person = people.with_consent(
        file.record(event.customer_id),
        people.consent_key(event.channel, event.purpose),
        Consent(event.status, cause.at, event.expires_at),
    )
    return file.with_person(person), []


def lead_captured(file: CustomerFile, event: intake.LeadCaptured, cause: Occasion) -> Heard:
    """A person came, perhaps with an owner's code; a lead that was withdrawn does not count."""
    file = _in_community(file, event, event.community_time_zone, cause)
    if event.referral_code is not None:
        code = normalised(event.referral_code)
        known = referral_id(code, event.customer_id)
        referral = file.referrals.get(known) or Referral(known, code, event.customer_id)
        withdrawn = people.stop_key(intake.LeadWithdrawn.type, event.lead_id)
        if withdrawn not in file.record(event.customer_id).stops:
            capture = Capture(event.captured_at, event.joined)
            referral = with_capture(referral, event.lead_id, capture)
        file = file.with_referral(referral)
    return follow(file, event, cause)


def lead_withdrawn(file: CustomerFile, event: intake.LeadWithdrawn, cause: Occasion) -> Heard:
    """The lead was recorded by mistake: nothing is sent for it, and no referral rests on it."""
    for referral in file.referrals.values():
        if event.lead_id in referral.captures:
            file = file.with_referral(without_capture(referral, event.lead_id))
    stop = people.stop_key(event.type, event.lead_id)
    person = people.with_stop(file.record(file.customer_id), stop, cause.at)
    return follow(file.with_person(person), event, cause)


def purchase_signed(file: CustomerFile, event: intake.PurchaseSigned, cause: Occasion) -> Heard:
    """The customer is an owner: a member with a code; whoever recommended them is rewarded."""
    file = _in_community(file, event, event.community_time_zone, cause)
    person = people.with_signature(
        file.record(event.customer_id),
        event.purchase_id,
        signed_at=cause.at,
        cooling_off_ends=event.cooling_off_ends,
        referral_code=None if event.referral_code is None else normalised(event.referral_code),
        lead_id=event.lead_id,
    )
    file, invited = invite(file.with_person(person), cause, community_id=event.community_id)
    file, events = follow(file, event, cause)
    return file, [*invited, *events]


def purchase_rescinded(
    file: CustomerFile, event: intake.PurchaseRescinded, cause: Occasion
) -> Heard:
    """The purchase is undone, and with it what was given for it."""
    person = people.with_rescission(file.record(event.customer_id), event.purchase_id)
    return follow(file.with_person(person), event, cause)


def handover_completed(
    file: CustomerFile, event: service_desk.HandoverCompleted, cause: Occasion
) -> Heard:
    """The household has its keys, and a code to pass on if it had none."""
    file, invited = invite(file, cause, community_id=event.community_id)
    file, events = follow(file, event, cause)
    return file, [*invited, *events]


def complaint_opened(
    file: CustomerFile,
    event: service_desk.ComplaintEvent,
    cause: Occasion,
) -> Heard:
    """While a complaint is open, marketing waits."""
    person = people.with_complaint(
        file.record(event.customer_id), event.case_id, Open(open=True, at=cause.at)
    )
    return follow(file.with_person(person), event, cause)


def complaint_over(
    file: CustomerFile,
    event: service_desk.ComplaintEvent,
    cause: Occasion,
) -> Heard:
    """What waited for the complaint is decided on again."""
    person = people.with_complaint(
        file.record(event.customer_id), event.case_id, Open(open=False, at=cause.at)
    )
    return follow(_released(file.with_person(person), cause), event, cause)


def crisis_declared(
    file: CustomerFile, event: service_desk.CrisisDeclared, cause: Occasion
) -> Heard:
    """While a crisis touches the owner, marketing waits."""
    return _crisis(file, event, cause, touched=True)


def crisis_lifted(file: CustomerFile, event: service_desk.CrisisLifted, cause: Occasion) -> Heard:
    """What waited for the crisis is decided on again."""
    file, events = _crisis(file, event, cause, touched=False)
    return _released(file, cause), events


def survey_answered(
    file: CustomerFile, event: service_desk.SurveyAnswered, cause: Occasion
) -> Heard:
    """An answer earns points, once; those of somebody who is no member yet wait for them."""
    member, earned = membership.award(
        file.membership(file.customer.customer_id),
        entry_id=derive("survey-answer", event.response_id),
        points=PROGRAMME.survey_points,
        reason=PointsReason.SURVEY,
        at=cause.at,
        caused_by=cause.id,
        holder=event.customer_id,
    )
    file, events = follow(file.with_membership(member), event, cause)
    return file, [*earned, *events]


def follow(file: CustomerFile, event: CustomerEvent, cause: Occasion) -> Heard:
    """What follows from any event: campaigns stopped, referrals settled, campaigns entered."""
    file, events = settle(_stopped(file, event, cause), cause)
    found = entries(file.campaigns, event, event_id=cause.id, at=cause.at, entered=file.entered)
    planned = _planned(file, found, cause)
    if file.record(event.customer_id).erased_at is not None:
        planned = [replace(send, facts={}) for send in planned]
    return file.with_sends(*planned), events


def _planned(file: CustomerFile, found: Sequence[Entry], cause: Occasion) -> list[Send]:
    return [
        send
        for entry in found
        for send in plan(entry, file.customer.customer_id, cause.traceparent)
    ]


def _regrouped(before: CustomerFile, after: CustomerFile, cause: Occasion) -> Heard:
    """Who is whom has changed: the tiers of those concerned, then their referrals."""
    tiers: list[Event] = []
    for root in sorted({root_of(after.people, key) for key in after.people}):
        tiers += membership.tier_moved(before.membership(root), after.membership(root))
    file, events = settle(after, cause)
    return file, [*tiers, *events]


def _stopped(file: CustomerFile, event: Event, cause: Occasion) -> CustomerFile:
    person = file.record(file.customer_id)
    for campaign in file.campaigns:
        if event.type not in campaign.stop_on:
            continue
        about = campaign.trigger.occurrence
        occurrence = (
            ONLY_OCCURRENCE
            if campaign.reentry is Reentry.ONCE or about is None
            else str(getattr(event, about, ""))
        )
        person = people.with_stop(person, people.stop_key(event.type, occurrence), cause.at)
    return file.with_person(person)


def _released(file: CustomerFile, cause: Occasion) -> CustomerFile:
    return replace(file, sends={key: released(send, cause.at) for key, send in file.sends.items()})


def _reachable(file: CustomerFile, cause: Occasion) -> CustomerFile:
    """Whoever is written to is known now, or known to be nobody: what waited for that goes on."""
    sends = {key: contact_told(send, cause.at) for key, send in file.sends.items()}
    return replace(file, sends=sends)


def _in_community(
    file: CustomerFile, event: CustomerEvent, time_zone: str | None, cause: Occasion
) -> CustomerFile:
    record = file.record(event.customer_id)
    return file.with_person(people.with_community_zone(record, time_zone, cause.at))


def _crisis(
    file: CustomerFile,
    event: service_desk.CrisisDeclared | service_desk.CrisisLifted,
    cause: Occasion,
    *,
    touched: bool,
) -> Heard:
    person = people.with_crisis(
        file.record(event.customer_id), event.crisis_id, Open(open=touched, at=cause.at)
    )
    return follow(file.with_person(person), event, cause)
