"""Consent 授权: what a customer allows on one channel for one purpose, and which word of it counts.

The word that counts is the largest in an order, so that it is the same whatever order the words
arrive in and however often they are repeated. What the person says outweighs what the builder
infers (implied, contract), and that outweighs a request which still waits for its confirmation.
Of the person's own words the later counts, then the stricter. What is inferred holds as long as
any ground for it does; a refusal that somebody inferred ends it.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import Final, TypeAlias

from keyturn_events.intake import ConsentChanged
from keyturn_events.scalars import LATEST
from keyturn_events.vocabulary import Channel, ConsentBasis, ConsentStatus, Purpose

INQUIRY_MONTHS: Final = 6
"""How long an inquiry implies consent (the rule of Canada's anti-spam law, CASL)."""

CONTRACT_MONTHS: Final = 24
"""How long a contract implies consent (CASL likewise)."""

NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""Later than the end of every consent that has one."""

LAST_END: Final = datetime.combine(LATEST, time(), UTC)
"""The latest end that can be told: events know no later time."""

ConsentSubject: TypeAlias = tuple[Channel, Purpose]
"""What a consent is about."""

Weight: TypeAlias = tuple[int, datetime, int, float, float, str]
"""The order of words: whose it is, when it was said or ends, how strict, and what tells them apart.
"""

_STRICTNESS: Final = {
    ConsentStatus.GRANTED: 0,
    ConsentStatus.PENDING: 1,
    ConsentStatus.EXPIRED: 2,
    ConsentStatus.DENIED: 3,
    ConsentStatus.WITHDRAWN: 4,
}

_REQUESTED, _INFERRED, _REFUSAL_INFERRED, _OWN_WORD = range(4)


@dataclass(frozen=True, slots=True)
class Consent:
    """One word on one channel for one purpose, with its evidence."""

    channel: Channel
    purpose: Purpose
    status: ConsentStatus
    """As it was said."""
    basis: ConsentBasis
    at: datetime
    """When the person said it."""
    collected_through: str
    wording: str | None = None
    expires_at: datetime | None = None
    lapsed: bool = False
    """Whether its end has come and been told of."""

    @property
    def subject(self) -> ConsentSubject:
        """What the word is about."""
        return self.channel, self.purpose

    @property
    def standing(self) -> ConsentStatus:
        """Where the consent stands by this word, as it was last told."""
        return ConsentStatus.EXPIRED if self.lapsed else self.status

    @property
    def end(self) -> datetime:
        """When it lapses; `NEVER` when it does not."""
        return self.expires_at or NEVER

    @property
    def rank(self) -> int:
        """Whose word it is: the larger outweighs the smaller, whenever they were said."""
        if self.status is ConsentStatus.PENDING:
            return _REQUESTED
        if self.basis is ConsentBasis.EXPRESS:
            return _OWN_WORD
        if self.status in (ConsentStatus.DENIED, ConsentStatus.WITHDRAWN):
            return _REFUSAL_INFERRED
        return _INFERRED

    @property
    def is_own_word(self) -> bool:
        """Whether the person said it, and no one for them."""
        return self.rank == _OWN_WORD

    @property
    def is_ground(self) -> bool:
        """Whether it is a ground on which the builder may rely until it ends."""
        return self.rank == _INFERRED

    @property
    def weight(self) -> Weight:
        """The place in the order; the largest word counts. Whether it lapsed has no weight."""
        rank = self.rank
        return (
            rank,
            self.end if self.is_ground else self.at,
            _STRICTNESS[self.status],
            -self.end.timestamp(),
            self.at.timestamp(),
            f"{self.basis}/{self.wording or ''}/{self.collected_through}",
        )

    @property
    def narrowness(self) -> tuple[int, float, Weight]:
        """The place in the order of restriction; the largest allows least."""
        return _STRICTNESS[self.standing], -self.end.timestamp(), self.weight

    def allows(self, at: datetime) -> bool:
        """Whether it allows anything at that moment."""
        return self.standing is ConsentStatus.GRANTED and at < self.end


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
    """All consents after these words, sorted, and the ones whose meaning changed."""
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
    return tuple(by_subject[subject] for subject in sorted(by_subject)), list(changed.values())


def lapse(
    current: Sequence[Consent], due_at: datetime
) -> tuple[tuple[Consent, ...], list[Consent]]:
    """All consents when that moment has come, and the ones that ended by then.

    Only the word that counts can lapse: a newer one has ended it already.
    """
    if not any(_is_over(consent, due_at) for consent in current):
        return tuple(current), []
    held = tuple(
        replace(consent, lapsed=True) if _is_over(consent, due_at) else consent
        for consent in current
    )
    return held, [after for before, after in zip(current, held, strict=True) if after is not before]


def next_end(current: Iterable[Consent]) -> datetime | None:
    """When the next of these consents ends; None when none ever does."""
    return min(
        (c.expires_at for c in current if c.expires_at is not None and _may_lapse(c)), default=None
    )


def most_restrictive(
    words_of_a: Iterable[Consent],
    words_of_b: Iterable[Consent],
    *,
    merged_at: datetime | None = None,
) -> tuple[Consent, ...]:
    """What two customers who proved to be one person allow: one word a channel and purpose.

    A consent stands as granted only if everyone who said something of it grants it, and ends when
    the first of them ends; whoever said nothing does not restrict. But a word that was said after
    `merged_at` is the one person's, and counts alone when no other word outweighs it.

    Without `merged_at` it is commutative, associative and idempotent, and never allows what one of
    the two does not allow. Sorted by channel and purpose.
    """
    words: dict[ConsentSubject, Consent] = {}
    latest: dict[ConsentSubject, Consent] = {}
    for of_one in (heard((), words_of_a)[0], heard((), words_of_b)[0]):
        for consent in of_one:
            subject = consent.subject
            known = words.get(subject, consent)
            words[subject] = max(known, consent, key=lambda word: word.narrowness)
            latest[subject] = max(latest.get(subject, consent), consent, key=lambda w: w.weight)
    if merged_at is not None:
        words |= {subject: word for subject, word in latest.items() if word.at > merged_at}
    return tuple(words[subject] for subject in sorted(words))


def differences(before: Iterable[Consent], after: Iterable[Consent]) -> list[Consent]:
    """The words of `after` that mean something else than those of `before`.

    A consent that is not known any more is told as expired, with the evidence it had.
    """
    known = {consent.subject: consent for consent in before}
    now = {consent.subject: consent for consent in after}
    changed = [
        consent
        for subject, consent in sorted(now.items())
        if subject not in known or _meaning(known[subject]) != _meaning(consent)
    ]
    gone = [
        replace(consent, lapsed=True)
        for subject, consent in sorted(known.items())
        if subject not in now and consent.standing is not ConsentStatus.EXPIRED
    ]
    return changed + gone


def consent_changed(customer_id: str, consent: Consent) -> ConsentChanged:
    """The event that tells of a consent as it now is."""
    return ConsentChanged(
        customer_id=customer_id,
        channel=consent.channel,
        purpose=consent.purpose,
        status=consent.standing,
        basis=consent.basis,
        expires_at=consent.expires_at,
        wording=consent.wording,
        collected_through=consent.collected_through,
    )


def months_after(at: datetime, months: int) -> datetime:
    """The same day of the month so many months later, or that month's last day.

    No later than `LAST_END`.
    """
    years, month = divmod(at.month - 1 + months, 12)
    year = at.year + years
    day = min(at.day, calendar.monthrange(year, month + 1)[1])
    return min(at.replace(year=year, month=month + 1, day=day), LAST_END)


def _may_lapse(consent: Consent) -> bool:
    return not consent.lapsed and consent.status in (ConsentStatus.GRANTED, ConsentStatus.PENDING)


def _is_over(consent: Consent, at: datetime) -> bool:
    return consent.end <= at and _may_lapse(consent)


def _meaning(consent: Consent) -> tuple[object, ...]:
    return consent.standing, consent.basis, consent.wording, consent.expires_at
