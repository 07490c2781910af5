"""Campaigns as data: what starts one for a person, and which messages it then has for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from keyturn_events import Event
from keyturn_events.intake import ContactChanged
from keyturn_events.values import OptIn
from keyturn_events.vocabulary import Channel, Purpose

Scalar: TypeAlias = str | int | float | bool
"""A plain value of an event, as a trigger compares it and a template shows it."""

MOST_STEPS: Final = 20
LONGEST_WAIT_DAYS: Final = 3_650


class Reentry(StrEnum):
    """When a person may go through a campaign once more."""

    ONCE = "once"
    """Never again, whatever happens."""
    PER_OCCURRENCE = "per-occurrence"
    """For every new occurrence: another purchase, another complaint."""
    AFTER_DAYS = "after-days"
    """For a new occurrence, when the last entry is long enough ago."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """An event that starts a campaign, as far as `where` matches it."""

    event: str
    """A wire type such as keyturn.purchase.signed.v1."""
    where: Mapping[str, tuple[Scalar, ...]]
    """Per field of the event the values that match; every field has to match."""
    occurrence: str | None = None
    """The field that tells occurrences apart, such as purchase_id; the event's id when None."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a campaign."""

    code: str
    template: str
    channels: tuple[Channel, ...]
    """In the order in which they are tried."""
    wait_days: int = 0
    """Days after the entry at which the step falls due."""
    valid_days: int = 30
    """Days after it fell due, at which it is too late to send it."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign. Each change of it counts `version` up."""

    code: str
    version: int
    name: Mapping[str, str]
    """By language, en and zh."""
    trigger: Trigger
    purpose: Purpose
    transactional: bool
    """Whether the message belongs to something that the person did: then no frequency cap holds
    it, and for the purpose `service` no contract is needed."""
    reentry: Reentry
    reentry_days: int | None
    steps: tuple[Step, ...]
    stop_on: tuple[str, ...] = ()
    """Types of events about the same occurrence after which nothing more is sent."""
    active: bool = True

    @property
    def confirms(self) -> bool:
        """Whether it asks to confirm consents, each request for one being an occurrence."""
        return self.trigger.event == ContactChanged.type

    def step(self, code: str) -> Step | None:
        """The step of this code, if the campaign still has one."""
        return next((step for step in self.steps if step.code == code), None)


@dataclass(frozen=True, slots=True)
class Entered:
    """That a person went into a campaign before."""

    campaign: str
    occurrence: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A person goes into a campaign now."""

    campaign: Campaign
    occurrence: str
    at: datetime
    facts: Mapping[str, Scalar]
    caused_by: str


ONLY_OCCURRENCE: Final = "once"
"""The occurrence of a campaign that everybody goes through once at most."""


def matches(trigger: Trigger, event: Event) -> bool:
    """Whether `event` starts a campaign with this trigger."""
    return trigger.event == event.type and all(
        getattr(event, name, None) in values for name, values in trigger.where.items()
    )


def entries(
    campaigns: Iterable[Campaign],
    event: Event,
    *,
    event_id: str,
    at: datetime,
    entered: Sequence[Entered],
) -> list[Entry]:
    """The campaigns into which `event` brings its customer, given those entered before."""
    found = []
    for campaign in campaigns:
        if not campaign.active or not matches(campaign.trigger, event):
            continue
        occurrence = _occurrence(campaign, event, event_id)
        before = [known for known in entered if known.campaign == campaign.code]
        if _may_enter(campaign, occurrence, at, before):
            found.append(Entry(campaign, occurrence, at, facts_of(event), event_id))
    return found


def confirmations(
    campaigns: Iterable[Campaign],
    event: ContactChanged,
    *,
    event_id: str,
    at: datetime,
    entered: Sequence[Entered],
) -> list[Entry]:
    """The campaigns that ask the customer to confirm what waits for it, each request once.

    Token and contact point are not among the facts: they are looked up when the message goes out.
    """
    return [
        Entry(
            replace(campaign, steps=tuple(_through(step, opt_in) for step in campaign.steps)),
            opt_in.opt_in_id,
            at,
            {"channel": opt_in.channel, "purpose": opt_in.purpose},
            event_id,
        )
        for campaign in campaigns
        if campaign.active and campaign.confirms
        for opt_in in event.opt_ins
        if not any(
            known.campaign == campaign.code and known.occurrence == opt_in.opt_in_id
            for known in entered
        )
    ]


def _through(step: Step, opt_in: OptIn) -> Step:
    return replace(step, channels=(opt_in.through,))


def facts_of(event: Event) -> Mapping[str, Scalar]:
    """The plain values of an event, which templates may show; events hold nothing personal."""
    return {
        name: value
        for name, value in event.model_dump(mode="json", exclude_none=True).items()
        if isinstance(value, (str, int, float, bool))
    }


def _occurrence(campaign: Campaign, event: Event, event_id: str) -> str:
    if campaign.reentry is Reentry.ONCE:
        return ONLY_OCCURRENCE
    if campaign.trigger.occurrence is None:
        return event_id
    return str(getattr(event, campaign.trigger.occurrence, None) or event_id)


def _may_enter(
    campaign: Campaign, occurrence: str, at: datetime, before: Sequence[Entered]
) -> bool:
    if any(known.occurrence == occurrence for known in before):
        return False
    if campaign.reentry is Reentry.AFTER_DAYS:
        apart = timedelta(days=campaign.reentry_days or 0)
        return all(abs(at - known.at) >= apart for known in before)
    return True
