"""Consent 授权: what a customer allows on one channel for one purpose, and which word of it counts.

The word that counts is the largest in an order: the person's own word (express) over what the
builder infers (implied, contract), then the later over the earlier, then the stricter over the
laxer. It is the same whatever order the words arrive in and however often they are repeated.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from keyturn_events.intake import ConsentChanged
from keyturn_events.vocabulary import Channel, ConsentBasis, ConsentStatus, Purpose

INQUIRY_MONTHS = 6
"""How long an inquiry implies consent (the rule of Canada's anti-spam law, CASL)."""

_STRICTNESS = {
    ConsentStatus.GRANTED: 0,
    ConsentStatus.PENDING: 1,
    ConsentStatus.EXPIRED: 2,
    ConsentStatus.DENIED: 3,
    ConsentStatus.WITHDRAWN: 4,
}


@dataclass(frozen=True, slots=True)
class Consent:
    """One word on one channel for one purpose, with its evidence."""

    channel: Channel
    purpose: Purpose
    status: ConsentStatus
    basis: ConsentBasis
    at: datetime
    """When the person said it."""
    collected_through: str
    wording: str | None = None
    expires_at: datetime | None = None

    @property
    def subject(self) -> tuple[Channel, Purpose]:
        """What the word is about."""
        return self.channel, self.purpose

    @property
    def weight(self) -> tuple[bool, datetime, int, str]:
        """The place in the order; the largest word counts."""
        return (
            self.basis is ConsentBasis.EXPRESS,
            self.at,
            _STRICTNESS[self.status],
            f"{self.basis}/{self.wording or ''}/{self.collected_through}",
        )


@dataclass(frozen=True, slots=True)
class ConsentGiven:
    """What somebody said, before it is known when and where."""

    channel: Channel
    purpose: Purpose
    status: ConsentStatus = ConsentStatus.GRANTED
    basis: ConsentBasis = ConsentBasis.EXPRESS
    wording: str | None = None
    expires_at: datetime | None = None

    def said(self, at: datetime, collected_through: str) -> Consent:
        """The consent that this makes; an implied one without an end lasts as an inquiry does."""
        expires_at = self.expires_at
        if expires_at is None and self.basis is ConsentBasis.IMPLIED:
            expires_at = months_after(at, INQUIRY_MONTHS)
        return Consent(
            self.channel,
            self.purpose,
            self.status,
            self.basis,
            at,
            collected_through,
            self.wording,
            expires_at,
        )


def heard(
    current: Sequence[Consent], said: Iterable[Consent]
) -> tuple[tuple[Consent, ...], list[Consent]]:
    """All consents after these words, and the ones whose meaning changed."""
    by_subject = {consent.subject: consent for consent in current}
    changed = {}
    for consent in said:
        known = by_subject.get(consent.subject)
        if known is None or consent.weight > known.weight:
            by_subject[consent.subject] = consent
            if known is None or _meaning(known) != _meaning(consent):
                changed[consent.subject] = consent
    if not changed and all(by_subject[consent.subject] is consent for consent in current):
        return tuple(current), []
    return tuple(by_subject.values()), list(changed.values())


def consent_changed(customer_id: str, consent: Consent) -> ConsentChanged:
    """The event that tells of a consent as it now is."""
    return ConsentChanged(
        customer_id=customer_id,
        channel=consent.channel,
        purpose=consent.purpose,
        status=consent.status,
        basis=consent.basis,
        expires_at=consent.expires_at,
        wording=consent.wording,
        collected_through=consent.collected_through,
    )


def months_after(at: datetime, months: int) -> datetime:
    """The same day of the month so many months later, or that month's last day."""
    years, month = divmod(at.month - 1 + months, 12)
    year = at.year + years
    day = min(at.day, calendar.monthrange(year, month + 1)[1])
    return at.replace(year=year, month=month + 1, day=day)


def _meaning(consent: Consent) -> tuple[object, ...]:
    return consent.status, consent.basis, consent.wording, consent.expires_at
