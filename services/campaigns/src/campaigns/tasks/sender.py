"""The sender: takes messages that are due, decides on them, hands them over, and writes it down.

    1. one transaction: due messages are locked, decided on by the guards, and marked `sending`
       with the attempt and a lease
    2. no transaction: the channel is given the message
    3. one transaction: what became of it

A crash between 1 and 3 leaves messages `sending` whose lease runs out. A channel that knows a
message again by its id (file) is given it once more; with any other (SMTP) the message may have
gone or not, so it is never sent again and published as failed with `outcome-unknown`. So no
message is received twice: at most once by SMTP, effectively once through a file.

The due time is an indexed column, looked at with the business clock: a message that waits needs
no timer of its own, and is decided on where it is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.channels.port import ChannelPort, Outcome, Outgoing, Refused, Taken, Unknown
from campaigns.domain import dispatch
from campaigns.domain.dispatch import SendFile
from campaigns.domain.guards import point_of
from campaigns.domain.links import Links
from campaigns.domain.sending import SendState
from campaigns.domain.template import language_of
from campaigns.rendering import UnfitTemplate, render
from campaigns.store.documents import SEND
from campaigns.store.store import WORK
from keyturn_chassis import telemetry
from keyturn_chassis.clock import wall_now
from keyturn_chassis.database import is_conflict, is_transient
from keyturn_chassis.inputs import Cause, Decision, Input
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.settle import settle
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_chassis.wakeup import Wakeup, listening
from keyturn_events.vocabulary import Channel, FailureReason

BATCH: Final = 100
"""How many messages are decided on in one transaction, at most."""
AT_ONCE: Final = 20
"""How many messages are handed over at the same time, at most."""
POLL_SECONDS: Final = 0.25
"""How late a message that falls due by the clock may be noticed; a new one is noticed at once."""
RECOVER_SECONDS: Final = 1.0
"""How often attempts are looked for whose lease has run out."""
LEASE: Final = timedelta(minutes=5)
"""How long an attempt may take; several times what the slowest channel waits."""

_log = telemetry.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Errand:
    """One decision that the sender asks for, with the business time at which it is made."""

    command: dispatch.Claim | dispatch.Delivered | dispatch.Failed | dispatch.Lost
    decide: Decision[SendFile, Any]
    at: datetime
    attempt: int
    traceparent: str | None


class Sender:
    """A loop of the worker; several workers may run it at once."""

    name = "sender"

    def __init__(
        self,
        channels_of: Callable[[Any], Mapping[Channel, ChannelPort]],
        links_of: Callable[[Any], Links],
    ) -> None:
        self._channels_of = channels_of
        self._links_of = links_of

    async def run(self, runtime: Runtime, /) -> None:
        """Send until cancelled; a batch in hand is finished first."""
        settings = runtime.settings
        shift = Shift(runtime, self._channels_of(settings), self._links_of(settings))
        async with listening(runtime.database, WORK) as wakeup:
            await self._work(shift, wakeup)

    async def _work(self, shift: Shift, wakeup: Wakeup) -> None:
        while True:
            step = asyncio.ensure_future(shift.work())
            try:
                sent = await asyncio.shield(step)
            except asyncio.CancelledError:
                await asyncio.gather(step, return_exceptions=True)
                raise
            except Exception as error:
                if not (is_transient(error) or is_conflict(error)):
                    raise
                _log.warning("sender_retry", error=type(error).__name__)
                sent = 0
            if sent == 0:
                await wakeup.wait(POLL_SECONDS)


class Shift:
    """The work of one sender."""

    def __init__(
        self, runtime: Runtime, channels: Mapping[Channel, ChannelPort], links: Links
    ) -> None:
        self._runtime = runtime
        self._channels = channels
        self._links = links
        self._recover_at = monotonic()

    async def work(self) -> int:
        """One batch: what is due, after what was lost; how many messages were decided on."""
        recovered = 0
        if monotonic() >= self._recover_at:
            recovered = await self.recover()
            self._recover_at = monotonic() + RECOVER_SECONDS
        files = await self.claim()
        taken = [file for file in files if file.send.state is SendState.SENDING]
        if taken:
            limit = asyncio.Semaphore(AT_ONCE)
            errands = await asyncio.gather(*(self._deliver(file, limit) for file in taken))
            await self._record(errands)
        return recovered + len(files)

    async def claim(self) -> list[SendFile]:
        """Decide on messages that are due; what has become of each.

        The rows stay locked until the commit, and other senders pass over locked rows, so nobody
        waits and nobody works in vain.
        """
        claimed: list[SendFile] = []

        async def transact(_: Sequence[None]) -> None:
            claimed.clear()
            async with self._runtime.database.transaction() as connection:
                now = await self._runtime.clock.now(connection)
                rows = await _due(connection, now)
                leased_until = wall_now() + LEASE
                claimed.extend(
                    await self._decide(
                        connection,
                        [
                            Errand(
                                dispatch.Claim(
                                    row.message_id, frozenset(self._channels), leased_until
                                ),
                                dispatch.claim,
                                self._moment(now, row.due_at),
                                row.version,
                                row.traceparent,
                            )
                            for row in rows
                        ],
                    )
                )

        await settle([None], transact, _raise)
        return claimed

    async def recover(self) -> int:
        """Decide on attempts whose lease has run out; how many there were."""
        async with self._runtime.database.transaction() as connection:
            now = await self._runtime.clock.now(connection)
            rows = await _expired(connection)
            errands = []
            for row in rows:
                send = SEND.validate_python(row.document)
                channel = self._channels.get(send.channels[0])
                repeatable = channel is not None and channel.repeatable
                errands.append(
                    Errand(
                        dispatch.Lost(send.message_id, send.attempt, repeatable),
                        dispatch.lost,
                        self._moment(now, send.decisions[-1].at),
                        send.attempt,
                        send.traceparent,
                    )
                )
            await self._decide(connection, errands)
        return len(errands)

    async def _deliver(self, file: SendFile, limit: asyncio.Semaphore) -> Errand:
        """Hand a message over; the decision that its outcome asks for."""
        send = file.send
        at = send.decisions[-1].at
        step = file.campaign.step(send.step)
        template = None if step is None else file.templates.get(step.template)
        outgoing = None if template is None else self._outgoing(file, template.code)
        if template is None or outgoing is None:
            failed = dispatch.Failed(
                send.message_id, send.attempt, FailureReason.TEMPLATE_ERROR, lasting=True
            )
            return Errand(failed, dispatch.failed, at, send.attempt, send.traceparent)
        async with limit:
            with telemetry.span(f"send {outgoing.channel}", send.traceparent):
                outcome = await _handed_over(self._channels[outgoing.channel], outgoing)
        match outcome:
            case Taken():
                delivered = dispatch.Delivered(
                    send.message_id,
                    send.attempt,
                    template.code,
                    template.version,
                    outcome.reference,
                )
                return Errand(delivered, dispatch.delivered, at, send.attempt, send.traceparent)
            case Refused():
                failed = dispatch.Failed(
                    send.message_id, send.attempt, outcome.reason, outcome.lasting
                )
                return Errand(failed, dispatch.failed, at, send.attempt, send.traceparent)
            case Unknown():
                lost = dispatch.Lost(
                    send.message_id, send.attempt, self._channels[outgoing.channel].repeatable
                )
                return Errand(lost, dispatch.lost, at, send.attempt, send.traceparent)

    def _outgoing(self, file: SendFile, template: str) -> Outgoing | None:
        """The message as it goes out; None when its template cannot be rendered."""
        contact = file.person.contact
        channel, occurrence = file.send.channels[0], file.send.occurrence
        to = point_of(file.campaign, file.person, channel, occurrence)
        if contact is None or to is None:
            return None
        language = language_of(file.person.language, file.policy.language)
        try:
            rendered = render(
                file.templates[template].content[language],
                {
                    "name": contact.name or "",
                    "referral_code": file.referral_code or "",
                    "event": dict(file.send.facts),
                    "links": self._links.shown(contact, file.campaign, channel, occurrence),
                },
            )
        except UnfitTemplate as error:
            _log.warning("template_unfit", template=template, error=str(error))
            return None
        return Outgoing(
            file.send.message_id,
            channel,
            to,
            contact.name,
            language,
            rendered.subject,
            rendered.body,
            self._links.unsubscribe(contact, file.campaign, channel),
        )

    async def _record(self, errands: Sequence[Errand]) -> None:
        """Write down what became of the messages, each at the time at which it was taken."""

        async def transact(part: Sequence[Errand]) -> None:
            async with self._runtime.database.transaction() as connection:
                now = await self._runtime.clock.now(connection)
                await self._decide(
                    connection,
                    [replace(errand, at=self._moment(now, errand.at)) for errand in part],
                )

        await settle(errands, transact, _raise)

    async def _decide(
        self, connection: AsyncConnection, errands: Sequence[Errand]
    ) -> list[SendFile]:
        if not errands:
            return []
        inputs = [
            Input(
                errand.command,
                Cause(
                    f"{self._runtime.service.name}/sender",
                    f"{errand.command.message_id}/{type(errand.command).__name__}/{errand.attempt}",
                    errand.at,
                    errand.traceparent,
                ),
                errand.decide,
            )
            for errand in errands
        ]
        unit = UnitOfWork(self._runtime.service, connection)
        await unit.load(inputs)
        decided = []
        for input in inputs:
            try:
                decided.append(unit.decide(input)[0])
            except Exception:  # noqa: BLE001 - a bug leaves its message waiting and stops no other
                _log.exception("send_undecided", message_id=input.value.message_id)
        await unit.flush()
        return decided

    def _moment(self, now: datetime, due_at: datetime) -> datetime:
        """The business time of a decision: now, or in a replay, when it fell due.

        A driven clock jumps; a message that fell due on the way was sent then, not after it.
        """
        return due_at if self._runtime.clock.driven else now


async def _handed_over(channel: ChannelPort, outgoing: Outgoing) -> Outcome:
    """What the channel says; a channel that breaks its promise not to raise leaves us in doubt."""
    try:
        return await channel.deliver(outgoing)
    except Exception:  # noqa: BLE001 - whatever it is, we are in doubt
        _log.exception("channel_failed", channel=outgoing.channel)
        return Unknown()


async def _due(connection: AsyncConnection, now: datetime) -> Sequence[Row[Any]]:
    rows = await connection.execute(
        text(
            "SELECT message_id, due_at, version, document->>'traceparent' AS traceparent FROM sends"
            " WHERE state = 'waiting' AND due_at <= :now"
            " ORDER BY due_at, message_id LIMIT :batch FOR UPDATE SKIP LOCKED"
        ),
        {"now": now, "batch": BATCH},
    )
    return rows.all()


async def _expired(connection: AsyncConnection) -> Sequence[Row[Any]]:
    rows = await connection.execute(
        text(
            "SELECT document FROM sends"
            " WHERE state = 'sending' AND leased_until <= :now"
            " ORDER BY leased_until LIMIT :batch FOR UPDATE SKIP LOCKED"
        ),
        {"now": wall_now(), "batch": BATCH},
    )
    return rows.all()


async def _raise(_: Any, error: Exception) -> None:
    raise error
