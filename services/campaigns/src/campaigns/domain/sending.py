"""One message: planned once, decided on at its moment, handed to a channel, and accounted for.

    waiting ──claim──► sending ──delivered──► sent
       ▲  ▲              │  │
       │  └──try again───┘  ├──refused for good──► failed, or waiting on the next channel
       └──held              └──outcome unknown───► failed, never sent again
    waiting ──claim──► skipped

There is one message for each campaign, step, person and occurrence; its id follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypedDict

from campaigns.domain.campaign import Campaign, Entry, Scalar
from campaigns.domain.guards import Go, Hold, Objection, Skip, judge
from campaigns.domain.identity import derive
from campaigns.domain.people import Counted, Person, with_counted, with_wait
from campaigns.domain.policy import Policy
from campaigns.domain.standing import Standing
from keyturn_events import Event
from keyturn_events.campaigns import MessageFailed, MessageHeld, MessageSent, MessageSkipped
from keyturn_events.vocabulary import Channel, FailureReason, HoldReason, Purpose, SkipReason

MOST_ATTEMPTS: Final = 5
"""How often a message is tried on one channel."""
FIRST_PAUSE: Final = timedelta(minutes=1)
"""The pause after the first failed attempt; each further one is four times as long."""


class SendState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision on a message, kept so that it can be explained."""

    at: datetime
    verdict: str
    """go, hold, skip, sent, failed or retry."""
    reason: str | None = None
    channel: Channel | None = None
    until: datetime | None = None
    objections: tuple[Objection, ...] = ()


@dataclass(frozen=True, slots=True)
class Send:
    """A message for one person."""

    message_id: str
    campaign: str
    campaign_version: int
    step: str
    customer_id: str
    occurrence: str
    purpose: Purpose
    triggered_by: str
    entered_at: datetime
    first_due_at: datetime
    due_at: datetime | None
    """When it is decided on; None while an event must end the wait."""
    channels: tuple[Channel, ...]
    """Those that have not failed, in the order in which they are tried."""
    facts: Mapping[str, Scalar]
    state: SendState = SendState.WAITING
    attempt: int = 0
    """Counts every attempt on any channel."""
    attempts_on_channel: int = 0
    leased_until: datetime | None = None
    """Wall time until which the attempt in hand may take."""
    decisions: tuple[Decided, ...] = ()
    traceparent: str | None = None
    """The trace of what led to the message, which goes on when it is sent."""


def plan(entry: Entry, customer_id: str, traceparent: str | None = None) -> list[Send]:
    """The messages of a person who goes into a campaign, in the trace of what led to it."""
    campaign = entry.campaign
    return [
        Send(
            message_id=derive("message", campaign.code, step.code, customer_id, entry.occurrence),
            campaign=campaign.code,
            campaign_version=campaign.version,
            step=step.code,
            customer_id=customer_id,
            occurrence=entry.occurrence,
            purpose=campaign.purpose,
            triggered_by=entry.caused_by,
            entered_at=entry.at,
            first_due_at=entry.at + timedelta(days=step.wait_days),
            due_at=entry.at + timedelta(days=step.wait_days),
            channels=step.channels,
            facts=entry.facts,
            traceparent=traceparent,
        )
        for step in campaign.steps
    ]


def claim(
    send: Send,
    campaign: Campaign,
    person: Standing,
    policy: Policy,
    *,
    available: frozenset[Channel],
    at: datetime,
    leased_until: datetime,
) -> tuple[Send, Person, list[Event]]:
    """Decide on a waiting message: now being sent, held or skipped.

    Also the person's own record, in which a message that counts against a cap is counted: it is
    the same transaction that counts and that sends, so no cap is ever exceeded. A message that
    is not due (somebody else was quicker) stays as it is, and so does one to a person whose
    contact points have not been told yet: they come over a topic of their own, and to have nothing
    to write to is a reason only when that is known.
    """
    if send.state is not SendState.WAITING or send.due_at is None or send.due_at > at:
        return send, person.root, []
    if not (person.contact_told or person.erased):
        return replace(send, due_at=None), with_wait(person.root), []
    step = campaign.step(send.step)
    if step is None or not campaign.active:
        return _skipped(send, person, Skip(SkipReason.STOPPED, send.channels[0]), at)
    verdict = judge(
        campaign,
        step,
        person,
        policy,
        message_id=send.message_id,
        occurrence=send.occurrence,
        channels=send.channels,
        available=available,
        due_at=send.first_due_at,
        at=at,
    )
    match verdict:
        case Go():
            taken = replace(
                send,
                state=SendState.SENDING,
                due_at=None,
                channels=send.channels[send.channels.index(verdict.channel) :],
                attempt=send.attempt + 1,
                attempts_on_channel=send.attempts_on_channel + 1,
                leased_until=leased_until,
                decisions=(
                    *send.decisions,
                    Decided(at, "go", None, verdict.channel, None, verdict.objections),
                ),
            )
            return taken, _counted(send, campaign, person.root, policy, at), []
        case Hold():
            return _held(send, person, verdict, at)
        case Skip():
            return _skipped(send, person, verdict, at)


def delivered(
    send: Send,
    *,
    attempt: int,
    template: str,
    template_version: int,
    reference: str | None,
    customer_id: str,
    at: datetime,
) -> tuple[Send, list[Event]]:
    """The channel took the message in `attempt`.

    It counts even when the attempt was given up meanwhile as one of unknown outcome: then we know
    better now.
    """
    given_up = send.state is SendState.FAILED and send.decisions[-1].reason == (
        FailureReason.OUTCOME_UNKNOWN
    )
    if send.attempt != attempt or not (send.state is SendState.SENDING or given_up):
        return send, []
    channel = send.channels[0]
    sent = replace(
        send,
        state=SendState.SENT,
        due_at=None,
        leased_until=None,
        decisions=(*send.decisions, Decided(at, "sent", None, channel)),
    )
    event = MessageSent(
        **_facts(send, customer_id, channel),
        template=template,
        template_version=template_version,
        provider_reference=reference,
    )
    return sent, [event]


def failed(
    send: Send,
    root: Person,
    *,
    attempt: int,
    reason: FailureReason,
    lasting: bool,
    customer_id: str,
    at: datetime,
) -> tuple[Send, Person, list[Event]]:
    """The channel did not take the message in `attempt`.

    One that may succeed later is tried again after a pause, up to `MOST_ATTEMPTS` times; after
    that, and after a lasting failure, the next channel has its turn.
    """
    if send.state is not SendState.SENDING or send.attempt != attempt:
        return send, root, []
    channel = send.channels[0]
    if not lasting and send.attempts_on_channel < MOST_ATTEMPTS:
        pause = FIRST_PAUSE * 4 ** (send.attempts_on_channel - 1)
        waiting = replace(
            send,
            state=SendState.WAITING,
            due_at=at + pause,
            leased_until=None,
            decisions=(*send.decisions, Decided(at, "retry", reason, channel, at + pause)),
        )
        return waiting, root, []
    final = reason if lasting else FailureReason.ATTEMPTS_EXHAUSTED
    rest = send.channels[1:]
    event = MessageFailed(
        **_facts(send, customer_id, channel),
        reason=final,
        attempts=send.attempts_on_channel,
        fallback_channel=rest[0] if rest else None,
    )
    after = replace(
        send,
        state=SendState.WAITING if rest else SendState.FAILED,
        due_at=at if rest else None,
        channels=rest or send.channels,
        attempts_on_channel=0,
        leased_until=None,
        decisions=(*send.decisions, Decided(at, "failed", final, channel)),
    )
    return after, root if rest else _uncounted(send, root), [event]


def lost_sight(
    send: Send, *, attempt: int, repeatable: bool, customer_id: str, at: datetime
) -> tuple[Send, list[Event]]:
    """Nobody knows what became of `attempt`: the process died between the send and its answer.

    A channel that knows a message again by its id (`repeatable`) is given it once more, up to
    `MOST_ATTEMPTS` times. With any other the message is never sent again: at most once, and the
    doubt is published.
    """
    if send.state is not SendState.SENDING or send.attempt != attempt:
        return send, []
    channel = send.channels[0]
    reason = FailureReason.OUTCOME_UNKNOWN
    if repeatable and send.attempts_on_channel < MOST_ATTEMPTS:
        again = replace(
            send,
            state=SendState.WAITING,
            due_at=at,
            leased_until=None,
            decisions=(*send.decisions, Decided(at, "retry", reason, channel, at)),
        )
        return again, []
    given_up = replace(
        send,
        state=SendState.FAILED,
        due_at=None,
        leased_until=None,
        decisions=(*send.decisions, Decided(at, "failed", reason, channel)),
    )
    event = MessageFailed(
        **_facts(send, customer_id, channel),
        reason=reason,
        attempts=send.attempts_on_channel,
        fallback_channel=None,
    )
    return given_up, [event]


def released(send: Send, at: datetime) -> Send:
    """A message that waited for an event is decided on again."""
    if send.state is SendState.WAITING and send.due_at is None:
        return replace(send, due_at=max(at, send.first_due_at))
    return send


def contact_told(send: Send, at: datetime) -> Send:
    """A message that waited for contact points, and for nothing else, is decided on."""
    held = bool(send.decisions) and send.decisions[-1].verdict == "hold"
    return send if held else released(send, at)


def _held(
    send: Send, person: Standing, verdict: Hold, at: datetime
) -> tuple[Send, Person, list[Event]]:
    decided = Decided(
        at, "hold", verdict.reason, verdict.channel, verdict.until, verdict.objections
    )
    before = send.decisions
    repeated = bool(
        before
        and before[-1].verdict == "hold"
        and before[-1].reason == verdict.reason
        and verdict.reason is HoldReason.CHANNEL_UNAVAILABLE
    )
    held = replace(
        send,
        due_at=verdict.until,
        decisions=(*(before[:-1] if repeated else before), decided),
    )
    event = MessageHeld(
        **_facts(send, person.customer_id, verdict.channel),
        reason=verdict.reason,
        until=verdict.until,
    )
    root = person.root if verdict.until is not None else with_wait(person.root)
    return held, root, [] if repeated else [event]


def _skipped(
    send: Send, person: Standing, verdict: Skip, at: datetime
) -> tuple[Send, Person, list[Event]]:
    decided = Decided(at, "skip", verdict.reason, verdict.channel, None, verdict.objections)
    skipped = replace(
        send, state=SendState.SKIPPED, due_at=None, decisions=(*send.decisions, decided)
    )
    event = MessageSkipped(
        **_facts(send, person.customer_id, verdict.channel), reason=verdict.reason
    )
    return skipped, _uncounted(send, person.root), [event]


class _Facts(TypedDict):
    customer_id: str
    message_id: str
    campaign: str
    campaign_version: int
    step: str
    occurrence: str
    channel: Channel
    purpose: Purpose
    triggered_by: str


def _facts(send: Send, customer_id: str, channel: Channel) -> _Facts:
    return {
        "customer_id": customer_id,
        "message_id": send.message_id,
        "campaign": send.campaign,
        "campaign_version": send.campaign_version,
        "step": send.step,
        "occurrence": send.occurrence,
        "channel": channel,
        "purpose": send.purpose,
        "triggered_by": send.triggered_by,
    }


def _counted(send: Send, campaign: Campaign, root: Person, policy: Policy, at: datetime) -> Person:
    if campaign.transactional or campaign.purpose is Purpose.SERVICE:
        return root
    return with_counted(
        root,
        send.message_id,
        Counted(campaign.purpose, at),
        forget_before=at - timedelta(days=_longest(policy)),
    )


def _longest(policy: Policy) -> int:
    """How far back any cap looks, twice: messages are not always sent in the order of time."""
    return 2 * max((cap.days for cap in policy.caps), default=0)


def _uncounted(send: Send, root: Person) -> Person:
    if send.message_id not in root.counted:
        return root
    return with_counted(root, send.message_id, None, forget_before=_earliest(root))


def _earliest(root: Person) -> datetime:
    return min(counted.at for counted in root.counted.values())
