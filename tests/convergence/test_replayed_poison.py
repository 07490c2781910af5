"""After poison is mended and replayed, the state is that of a run in which it never was poison."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from campaigns.domain.referral_codes import candidates
from campaigns.service import service as campaigns
from keyturn_chassis import consumer
from keyturn_chassis.cloudevents import decode
from keyturn_chassis.inputs import Cause
from keyturn_chassis.reactions import Reactions
from keyturn_chassis.service import Service
from keyturn_chassis.testing import Harness
from keyturn_events import Event, Message
from keyturn_events.intake import CustomerErased
from keyturn_events.refusal import Refusal
from segmentation.service import service as segmentation
from service_desk.service import service as service_desk

if TYPE_CHECKING:
    from tests.convergence.conftest import Story

LATER = datetime(2028, 1, 1, tzinfo=UTC)
BATCH = 12

HarnessFactory = Callable[..., Awaitable[Harness]]
Stories = Mapping[str, Callable[[Callable[[str], str]], "Story"]]

OWN_MOVES = f"ARRAY{[event.type for event in segmentation.publishes]}"
EVER_MERGED = (
    "ARRAY(SELECT unnest(ARRAY[customer_id, merge.value->>'into'])"
    " FROM people, jsonb_each(document->'merges') AS merge)"
)

KEPT: Mapping[str, Sequence[str]] = {
    "segmentation": (
        "SELECT customer_id, survivor_id, facts FROM customers",
        "SELECT customer_id, model, segment FROM memberships",
        # When silence is looked at next is put off only when its time has come.
        "SELECT owner, kind, due_at FROM timers WHERE kind <> 'silence'",
        f"SELECT customer_id, at, event_id FROM timeline WHERE NOT type = ANY({OWN_MOVES})",
    ),
    "service-desk": (
        "SELECT customer_id, document FROM customers",
        "SELECT handover_id, document FROM handovers",
        "SELECT community_id, document FROM communities",
    ),
    "campaigns": (
        "SELECT customer_id, root, document FROM people",
        "SELECT code, customer_id FROM referral_codes",
        "SELECT referral_id, owner_id, state, refusal, rewarded_purchase_id FROM referrals",
        "SELECT customer_id, document->'enrolled_at', document->'tier' FROM members",
        "SELECT member_id, sum(active), sum(pending) FROM ledger_entries GROUP BY member_id",
        f"SELECT message_id, document FROM sends WHERE NOT customer_id = ANY({EVER_MERGED})",
    ),
}
"""What each service keeps, but for what tells the way, as in the tests of its convergence."""


class Trouble:
    """Events that cannot be read, or that their decisions fail on, until that is mended."""

    def __init__(self) -> None:
        self.unreadable: frozenset[str] = frozenset()
        self.undecidable: frozenset[str] = frozenset()

    def afflict(self, service: Service) -> Service:
        """The service with this trouble in its decisions."""
        afflicted = Reactions()
        for event_class, decide in service.reactions.events.values():
            afflicted.on(event_class)(self._afflicted(decide))
        for kind, fire in service.reactions.timers.items():
            afflicted.on_timer(kind)(fire)
        return replace(service, reactions=afflicted)

    def _afflicted(self, decide: Callable[..., Any]) -> Callable[..., Any]:
        def troubled(state: Any, event: Event, cause: Cause) -> Any:
            if cause.id in self.undecidable:
                raise ArithmeticError("a bug that somebody will mend")
            return decide(state, event, cause)

        return troubled

    @contextmanager
    def reading(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """While this lasts, the reader has its trouble too."""

        def read(event_class: type[Event], headers: Any, value: bytes | None) -> Message[Any]:
            if dict(headers)["ce_id"].decode() in self.unreadable:
                raise Refusal("undecodable", "a field that this version does not know")
            return decode(event_class, headers, value)

        with monkeypatch.context() as patched:
            patched.setattr(consumer, "decode", read)
            yield


def told(story: Story, chance: Random) -> list[Message[Any]]:
    """An order that Kafka may give: each key of a topic keeps its own."""
    streams: dict[tuple[str, str], list[Message[Any]]] = {}
    for message in story:
        streams.setdefault((message.event.topic, message.envelope.subject), []).append(message)
    turns = [stream for stream, messages in streams.items() for _ in messages]
    chance.shuffle(turns)
    rest = {stream: iter(messages) for stream, messages in streams.items()}
    return [next(rest[stream]) for stream in turns]


async def kept(harness: Harness) -> list[list[str]]:
    """The rows of what is kept, as text."""
    async with harness.runtime.database.transaction() as connection:
        tables = [
            (await connection.execute(text(query))).all()
            for query in KEPT[harness.runtime.service.name]
        ]
    return [sorted(str(tuple(row)) for row in rows) for rows in tables]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("service", [segmentation, service_desk, campaigns], ids=lambda s: s.name)
async def test_replaying_what_was_mended_leaves_the_state_as_if_it_had_never_failed(
    service: Service,
    seed: int,
    service_harness: HarnessFactory,
    stories: Stories,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = Random(f"{service.name} {seed}")
    story = stories[["journey", "parted", "rivals" if service is campaigns else "erased"][seed]](
        lambda owner: candidates(owner)[0]
    )
    order = told([m for m in story if m.envelope.type in service.reactions.events], chance)
    trouble = Trouble()
    healthy, troubled = (
        await service_harness(service),
        await service_harness(trouble.afflict(service)),
    )
    for begin in range(0, len(order), BATCH):
        await healthy.receive(*order[begin : begin + BATCH])

    poison = [message.envelope.id for message in chance.sample(order[: len(order) // 2], 4)]
    trouble.unreadable, trouble.undecidable = frozenset(poison[:2]), frozenset(poison[2:])
    with trouble.reading(monkeypatch):
        for begin in range(0, len(order), BATCH):
            await troubled.receive(*order[begin : begin + BATCH])
            if chance.random() < 0.3:
                # Somebody replays too early, and it fails again where it failed.
                for subject in await parked(troubled):
                    await troubled.replay(subject)
    queued = await troubled.rows("SELECT code, subject FROM dead_letters")
    subjects = {message.envelope.subject for message in order if message.envelope.id in poison}
    # An erasure overtakes what is parked for the person, and discards it.
    forgotten = {m.envelope.subject for m in order if isinstance(m.event, CustomerErased)}
    assert {row.subject for row in queued} | forgotten == subjects | forgotten
    assert "behind-parked" in {row.code for row in queued}
    assert subjects <= forgotten or await kept(troubled) != await kept(healthy)

    trouble.unreadable = trouble.undecidable = frozenset()
    mended = sorted(subjects)
    chance.shuffle(mended)
    for subject in mended:
        assert (await troubled.replay(subject)).remaining == 0
    # What Kafka delivers once more changes nothing either.
    await troubled.receive(*chance.sample(order, 6))

    assert await parked(troubled) == []
    assert await kept(troubled) == await kept(healthy)
    for harness in (healthy, troubled):
        await harness.drive(LATER)
    assert await kept(troubled) == await kept(healthy)


async def parked(harness: Harness) -> list[str]:
    """The subjects of which something is parked."""
    rows = await harness.rows("SELECT DISTINCT subject FROM dead_letters ORDER BY subject")
    return [row.subject for row in rows]
