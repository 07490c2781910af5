"""What is asked before anything is sent, in a fixed order, at the moment of sending.

Each guard is a pure function of the message, what holds for the person, and the time. The first
that objects decides, and its reason is recorded:

1. erased, stopped, expired: nothing will ever be sent
2. for each channel in order of fallback: is it there, consent, suppression, contact point;
   the first channel without an objection is taken
3. crisis, open complaint: marketing and surveys wait until it is over
4. quiet hours and frequency caps: the message waits for the first moment that both allow
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from campaigns.domain.campaign import Campaign, Step
from campaigns.domain.frequency import Cap, first_free
from campaigns.domain.people import stop_key
from campaigns.domain.policy import Policy
from campaigns.domain.quiet_hours import first_allowed, zone_named
from campaigns.domain.standing import Standing
from keyturn_events.intake import LeadWithdrawn
from keyturn_events.vocabulary import Channel, ConsentStatus, HoldReason, Purpose, SkipReason

CHANNEL_RETRY: Final = timedelta(hours=1)
"""When a message is decided on again that found every channel switched off, or no zone at all."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a channel was passed over."""

    channel: Channel
    reason: SkipReason | HoldReason


@dataclass(frozen=True, slots=True)
class Go:
    """Send now, through `channel`, to `to`."""

    channel: Channel
    to: str
    objections: tuple[Objection, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait, until a time or, when `until` is None, until an event ends the wait."""

    reason: HoldReason
    until: datetime | None
    channel: Channel
    objections: tuple[Objection, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """Do not send, ever."""

    reason: SkipReason
    channel: Channel
    objections: tuple[Objection, ...] = ()


Verdict: TypeAlias = Go | Hold | Skip


def judge(
    campaign: Campaign,
    step: Step,
    person: Standing,
    policy: Policy,
    *,
    message_id: str,
    occurrence: str,
    channels: Sequence[Channel],
    available: frozenset[Channel],
    due_at: datetime,
    at: datetime,
) -> Verdict:
    """What becomes of a message at the moment `at`.

    `channels` are those of the step that have not failed yet, `available` those that are switched
    on, `due_at` when the step first fell due.
    """
    never = _never(campaign, step, person, occurrence=occurrence, due_at=due_at, at=at)
    if never is not None:
        return Skip(never, channels[0])
    objections: list[Objection] = []
    for channel in channels:
        to = point_of(campaign, person, channel, occurrence)
        reason = _objection(campaign, person, channel, to=to, available=available, at=at)
        if reason is None and to is not None:
            held = _wait(campaign, person, policy, message_id, at)
            if held is None:
                return Go(channel, to, tuple(objections))
            return Hold(held.reason, held.until, channel, tuple(objections))
        objections.append(Objection(channel, reason or SkipReason.NO_CONTACT_POINT))
    return _none_left(objections, at)


def permits(campaign: Campaign, person: Standing, channel: Channel, at: datetime) -> bool:
    """Whether the person's consent allows this campaign on this channel at this moment.

    Marketing and surveys need a consent that is granted and has not expired. Service messages
    rest on the contract, or on the person's own act when they are transactional; a denial or a
    withdrawal for that purpose always holds.
    """
    consent = person.consent(channel, campaign.purpose)
    if consent is not None:
        expired = consent.expires_at is not None and consent.expires_at <= at
        if consent.status is ConsentStatus.GRANTED and not expired:
            return True
        if consent.status in (ConsentStatus.DENIED, ConsentStatus.WITHDRAWN):
            return False
    return campaign.purpose is Purpose.SERVICE and (campaign.transactional or person.owner)


def _never(
    campaign: Campaign,
    step: Step,
    person: Standing,
    *,
    occurrence: str,
    due_at: datetime,
    at: datetime,
) -> SkipReason | None:
    if person.erased:
        return SkipReason.ERASED
    stops = (*campaign.stop_on, LeadWithdrawn.type)
    if any(person.stopped(stop_key(event, occurrence)) for event in stops):
        return SkipReason.STOPPED
    if at >= due_at + timedelta(days=step.valid_days):
        return SkipReason.EXPIRED
    if campaign.confirms:
        return _no_longer_asked(person, occurrence, at)
    return None


def _no_longer_asked(person: Standing, occurrence: str, at: datetime) -> SkipReason | None:
    opt_in = None if person.contact is None else person.contact.opt_in(occurrence)
    if opt_in is None:
        return SkipReason.STOPPED
    return SkipReason.EXPIRED if at >= opt_in.expires_at else None


def _objection(
    campaign: Campaign,
    person: Standing,
    channel: Channel,
    *,
    to: str | None,
    available: frozenset[Channel],
    at: datetime,
) -> SkipReason | HoldReason | None:
    if not permits(campaign, person, channel, at):
        return SkipReason.NO_CONSENT
    if person.suppressed(channel):
        return SkipReason.SUPPRESSED
    if to is None:
        return SkipReason.NO_CONTACT_POINT
    if channel not in available:
        return HoldReason.CHANNEL_UNAVAILABLE
    return None


def point_of(campaign: Campaign, person: Standing, channel: Channel, occurrence: str) -> str | None:
    """Where a message goes: the preferred contact point, or the one that is to be confirmed."""
    contact = person.contact
    if contact is None or not campaign.confirms:
        return None if contact is None else contact.point(channel)
    opt_in = contact.opt_in(occurrence)
    return opt_in.to if opt_in is not None and opt_in.through is channel else None


@dataclass(frozen=True, slots=True)
class _Wait:
    reason: HoldReason
    until: datetime | None


def _wait(
    campaign: Campaign, person: Standing, policy: Policy, message_id: str, at: datetime
) -> _Wait | None:
    if campaign.purpose is not Purpose.SERVICE:
        if person.in_crisis:
            return _Wait(HoldReason.CRISIS, None)
        if person.open_complaint:
            return _Wait(HoldReason.OPEN_COMPLAINT, None)
    zone = zone_named((*person.time_zones, policy.time_zone))
    if zone is None:
        return _Wait(HoldReason.QUIET_HOURS, at + CHANNEL_RETRY)
    caps = () if campaign.transactional else _caps(policy, campaign.purpose)
    counted = person.counted(campaign.purpose, but=message_id)
    allowed = first_allowed(at, policy.window, zone)
    until = first_free(allowed, counted, caps)
    if until <= at:
        return None
    reason = HoldReason.QUIET_HOURS if allowed > at else HoldReason.FREQUENCY_CAP
    while True:
        later = first_free(first_allowed(until, policy.window, zone), counted, caps)
        if later == until:
            return _Wait(reason, until)
        until = later


def _caps(policy: Policy, purpose: Purpose) -> tuple[Cap, ...]:
    return tuple(cap for cap in policy.caps if cap.purpose is purpose)


def _none_left(objections: Sequence[Objection], at: datetime) -> Hold | Skip:
    """What to say when every channel was passed over: the first reason that can still mend."""
    for objection in objections:
        if isinstance(objection.reason, HoldReason):
            return Hold(objection.reason, at + CHANNEL_RETRY, objection.channel, tuple(objections))
    for reason in (SkipReason.SUPPRESSED, SkipReason.NO_CONSENT, SkipReason.NO_CONTACT_POINT):
        for objection in objections:
            if objection.reason is reason:
                return Skip(reason, objection.channel, tuple(objections))
    raise ValueError("a message has at least one channel")
