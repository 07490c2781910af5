"""Double opt-in 双重确认: a consent that holds only once the person has confirmed it.

    waiting ──confirmed──► confirmed
       ├──nobody confirmed in time──► lapsed
       └──the person said something else──► void

A request is not the person's word: anybody may type somebody else's address. So it takes nothing
away that is allowed and allows nothing by itself; the confirmation is the word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from intake.domain.consent.consents import Consent, ConsentSubject
from keyturn_events.vocabulary import Channel, Purpose

CONFIRM_WITHIN: Final = timedelta(days=7)
"""How long a request waits for its confirmation."""


class OptInState(StrEnum):
    """What became of a request."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    LAPSED = "lapsed"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """Where a person is asked: a channel, and their number, address or OpenID on it."""

    through: Channel
    to: str


@dataclass(frozen=True, slots=True)
class RequestedOptIn:
    """A consent that somebody asked for in a person's name."""

    opt_in_id: str
    channel: Channel
    purpose: Purpose
    contact_point: ContactPoint
    """Where the link is sent; it is worth nothing once the person is not reached there any more."""
    requested_at: datetime
    expires_at: datetime
    wording: str | None = None
    granted_until: datetime | None = None
    """When the consent itself ends, if it was asked for a time."""
    state: OptInState = OptInState.WAITING

    @property
    def subject(self) -> ConsentSubject:
        """What the consent is about."""
        return self.channel, self.purpose

    @property
    def waiting(self) -> bool:
        """Whether it can still be confirmed, as far as the timer has told."""
        return self.state is OptInState.WAITING


class Reachable(Protocol):
    """Somebody with contact points, the preferred ones first."""

    @property
    def phones(self) -> tuple[str, ...]:
        """E.164."""
        ...

    @property
    def emails(self) -> tuple[str, ...]:
        """Addresses."""
        ...

    @property
    def wechat(self) -> str | None:
        """The WeChat OpenID."""
        ...


def contact_points(person: Reachable, channel: Channel) -> tuple[ContactPoint, ...]:
    """Where a consent on `channel` can be confirmed, the preferred place first.

    Telephone calls are confirmed by SMS. A letter cannot be answered by a link, so consent to post
    is nothing that a link could confirm.
    """
    match channel:
        case Channel.EMAIL:
            return tuple(ContactPoint(Channel.EMAIL, email) for email in person.emails)
        case Channel.SMS | Channel.PHONE:
            return tuple(ContactPoint(Channel.SMS, phone) for phone in person.phones)
        case Channel.WECHAT:
            openid = person.wechat
            return () if openid is None else (ContactPoint(Channel.WECHAT, openid),)
        case Channel.POST:
            return ()


def requested(
    known: Sequence[RequestedOptIn], asked: RequestedOptIn
) -> tuple[tuple[RequestedOptIn, ...], bool]:
    """The requests with one more, and whether it is a new one.

    A request that waits at the same contact point stands: nobody is asked twice for the same, and
    a stranger's form cannot be used to flood somebody with messages.
    """
    before = next((one for one in known if one.subject == asked.subject), None)
    if before is not None and (
        (before.waiting and before.contact_point == asked.contact_point)
        or before.requested_at >= asked.requested_at
    ):
        return tuple(known), False
    rest = tuple(one for one in known if one.subject != asked.subject)
    return (*rest, asked), True


def answered(
    known: Sequence[RequestedOptIn], words: Iterable[Consent]
) -> tuple[RequestedOptIn, ...]:
    """The requests after the person's own words: a request is void that an answer came after."""
    if not known:
        return ()
    latest: dict[ConsentSubject, datetime] = {}
    for word in words:
        if word.is_own_word:
            latest[word.subject] = max(latest.get(word.subject, word.at), word.at)
    return tuple(
        replace(one, state=OptInState.VOID)
        if one.waiting and one.subject in latest and latest[one.subject] >= one.requested_at
        else one
        for one in known
    )


def lapsed(known: Sequence[RequestedOptIn], due_at: datetime) -> tuple[RequestedOptIn, ...]:
    """The requests when that moment has come: whoever did not confirm in time, never did."""
    return tuple(
        replace(one, state=OptInState.LAPSED) if one.waiting and one.expires_at <= due_at else one
        for one in known
    )


def settled(
    known: Sequence[RequestedOptIn], opt_in_id: str, state: OptInState
) -> tuple[RequestedOptIn, ...]:
    """The requests with one of them settled."""
    return tuple(replace(one, state=state) if one.opt_in_id == opt_in_id else one for one in known)


def next_lapse(known: Iterable[RequestedOptIn]) -> datetime | None:
    """When the next request lapses; None when none waits."""
    return min((one.expires_at for one in known if one.waiting), default=None)
