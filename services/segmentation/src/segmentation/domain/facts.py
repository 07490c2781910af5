"""Facts: what has been told of a customer, in a form that no order and no repetition can change.

The facts of one customer are a map from a name to the latest thing told under that name. *Latest*
is decided by a stamp that the event itself carries, never by the order of arrival. Joining two
such maps is commutative, associative and idempotent, so a profile built from them is the same
whichever way its events came, and two customers who prove to be one person need only be joined.
A name that holds what never changes, such as the signature of one purchase, makes a set of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final, TypeAlias

from keyturn_events.refusal import Refusal, RefusalKind

Json: TypeAlias = Any
"""What JSON can hold: text, whole numbers, booleans, null, lists and objects of these."""

Stamp: TypeAlias = str
"""When something was said: business time, time of recording, event id. Sorts as text."""

Fact: TypeAlias = Sequence[Json]
"""A stamp, and what was told: a pair, in whichever form of sequence it was read."""

Facts: TypeAlias = Mapping[str, Fact]
"""By name, the latest that was told, with its stamp. Never changed in place."""

ERASED: Final = "erased"
"""The name of the one fact that remains of a person who asked to be forgotten."""

HEARD: Final = "heard"
"""Told by every event: its stamp is that of the latest one that was heard of the customer."""

MOST_FACTS: Final = 5_000
"""Facts of one customer, at most: a thousand times what a family's journey leaves behind."""

_MOMENT: Final = 27


def moment_text(at: datetime) -> str:
    """A time in UTC with microseconds, 27 characters, which sorts as text."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat("T", "microseconds")[: _MOMENT - 1] + "Z"


def stamp(at: datetime, recorded_at: datetime | None, event_id: str) -> Stamp:
    """The stamp of an event.

    Events of the same business time, as a driven clock makes them, are told apart by when their
    producer recorded them, and at last by their ids.
    """
    moment = moment_text(at)
    recorded = moment if recorded_at is None else moment_text(recorded_at)
    return f"{moment} {recorded} {event_id}"


def stamped_at(stamp: Stamp) -> datetime:
    """The business time of a stamp."""
    return datetime.fromisoformat(stamp[:_MOMENT])


def heard_until(facts: Facts) -> datetime | None:
    """The business time of the latest event that told of these facts, or None of no facts."""
    fact = facts.get(HEARD)
    return None if fact is None else stamped_at(fact[0])


def learn(facts: Facts, told: Mapping[str, Json], stamp: Stamp) -> Facts:
    """`facts` with what was `told` at `stamp`; the same object when it tells nothing new.

    An erased customer learns nothing. Raises `Refusal` beyond `MOST_FACTS` facts.
    """
    if ERASED in facts:
        return facts
    news = {
        name: (stamp, value)
        for name, value in told.items()
        if (known := facts.get(name)) is None or known[0] < stamp
    }
    if not news:
        return facts
    learnt = {**facts, **news}
    if len(learnt) > MOST_FACTS:
        raise Refusal(
            "too-many-facts",
            f"The customer has more than {MOST_FACTS} facts. Something sends ever new ids for"
            " one customer; mend the sender, then discard or replay the event.",
            kind=RefusalKind.INVALID,
        )
    return learnt


def join(left: Facts, right: Facts) -> Facts:
    """What is known of a person from both. An erasure on either side leaves only itself."""
    if ERASED in left or ERASED in right:
        marks = (facts[ERASED] for facts in (left, right) if ERASED in facts)
        return {ERASED: max(marks, key=itemgetter(0))}
    joined = dict(left)
    for name, fact in right.items():
        known = joined.get(name)
        if known is None or known[0] < fact[0]:
            joined[name] = fact
    return joined


def erased(facts: Facts, stamp: Stamp) -> Facts:
    """What remains of `facts` after an erasure: that there was one."""
    return join(facts, {ERASED: (stamp, None)})
