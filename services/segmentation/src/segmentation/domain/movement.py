"""The decisions of this service: what an event, the passing of time or a new model changes.

All of them look at a dossier, the files of everybody whom the input concerns, and give back the
dossier as it is now with the events that tell of every move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from typing import Final

from keyturn_events import CustomerEvent, Event
from keyturn_events.erasure import counted
from keyturn_events.intake import (
    CustomerErased,
    CustomersMerged,
    CustomersUnmerged,
    CustomerWithdrawn,
)
from keyturn_events.segmentation import ProfileErased
from keyturn_events.vocabulary import ErasureTreatment
from segmentation.domain.facts import (
    ERASED,
    HEARD,
    Facts,
    Json,
    erased,
    heard_until,
    join,
    learn,
    stamp,
)
from segmentation.domain.models import Models
from segmentation.domain.occasion import Occasion
from segmentation.domain.people import survivors
from segmentation.domain.standing import (
    DECISIVE,
    UNKNOWN,
    Standing,
    fallen_silent,
    heard_of,
    resorted,
)
from segmentation.domain.telling import told_by

BIRTHDAY: Final = "birthday"
"""The kind of timer that fires when a birthday may move somebody to another segment."""

SILENCE: Final = "silence"
"""The kind of timer that fires when somebody may have been silent for too long."""


@dataclass(frozen=True, slots=True)
class Reassess:
    """The command to judge one person anew by the models as they are."""

    customer_id: str


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """What is held under one customer id: its own facts, and whom it means.

    The standing is kept with the survivor, for the whole person.
    """

    customer_id: str
    survivor_id: str
    facts: Facts = field(default_factory=dict)
    standing: Standing = UNKNOWN

    @property
    def erased(self) -> bool:
        """Whether this person asked to be forgotten."""
        return ERASED in self.facts


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a customer's timeline."""

    customer_id: str
    at: datetime
    event_id: str
    event: Event


@dataclass(frozen=True, slots=True)
class Dossier:
    """The files of all whom an input concerns, and the models to judge them by.

    It holds every file of each person in it, so that a person can be seen whole. `entries` are the
    timeline lines that a decision adds.
    """

    files: Mapping[str, CustomerFile]
    models: Models
    entries: tuple[Entry, ...] = field(default=())
    lines: int = 0
    """How many lines the timeline of who is to be forgotten has."""

    def facts_of(self, survivor_id: str) -> Facts:
        """What is known of a person under all their ids."""
        if len(self.files) == 1:
            return self.files[survivor_id].facts
        return reduce(
            join, (file.facts for file in self.files.values() if file.survivor_id == survivor_id)
        )

    def with_file(self, file: CustomerFile, entry: Entry) -> Dossier:
        """The dossier with another version of a file, and a line more."""
        files = {**self.files, file.customer_id: file}
        return Dossier(files, self.models, (*self.entries, entry))

    def with_standing(
        self, file: CustomerFile, standing: Standing, entries: tuple[Entry, ...]
    ) -> Dossier:
        """The dossier with another standing of a person, and the lines that tell of it."""
        if standing is file.standing:
            return self
        judged = CustomerFile(file.customer_id, file.survivor_id, file.facts, standing)
        files = {**self.files, file.customer_id: judged}
        return Dossier(files, self.models, (*self.entries, *entries))


def hear(dossier: Dossier, event: CustomerEvent, cause: Occasion) -> tuple[Dossier, list[Event]]:
    """Take in what an event tells, put it on the timeline, and see whom it moves."""
    file = dossier.files[event.customer_id]
    if file.erased:
        return dossier, []
    told = told_by(event)
    heard = dossier.with_file(_learnt(file, told, cause), _entry(event, cause))
    decisive = any(name.startswith(DECISIVE) for name in told)
    return _settled(heard, [file.survivor_id], cause, afresh=decisive)


def regroup(
    dossier: Dossier, event: CustomersMerged | CustomersUnmerged, cause: Occasion
) -> tuple[Dossier, list[Event]]:
    """Take in that two ids mean one person, or no longer do; both are judged by what is theirs."""
    other = dossier.files[
        event.merged_customer_id
        if isinstance(event, CustomersMerged)
        else event.restored_customer_id
    ]
    file = dossier.files[event.customer_id]
    files = {
        **dossier.files,
        other.customer_id: _learnt(other, {}, cause),
        file.customer_id: _learnt(file, told_by(event), cause),
    }
    return _regrouped(Dossier(files, dossier.models, (_entry(event, cause),)), cause)


def forget(dossier: Dossier, event: CustomerErased, cause: Occasion) -> tuple[Dossier, list[Event]]:
    """Erase what is held under an id; that it happened is all that stays, for late events.

    An erasure is told of every id that a person has, so that nobody depends on when merges are
    heard of. Who was one person with the id is judged by what is theirs. The receipt counts what
    was there.
    """
    after, events = _forgotten(dossier, event.customer_id, cause)
    file = dossier.files[event.customer_id]
    return after, [*events, _receipt(event, file, dossier.lines)]


def withdraw(
    dossier: Dossier, event: CustomerWithdrawn, cause: Occasion
) -> tuple[Dossier, list[Event]]:
    """Forget who was recorded by mistake, as on an erasure; nobody waits for a receipt."""
    return _forgotten(dossier, event.customer_id, cause)


def _forgotten(dossier: Dossier, customer_id: str, cause: Occasion) -> tuple[Dossier, list[Event]]:
    mark = stamp(cause.at, cause.recorded_at, cause.id)
    gone = CustomerFile(customer_id, customer_id, erased(dossier.files[customer_id].facts, mark))
    files = {**dossier.files, customer_id: gone}
    return _regrouped(Dossier(files, dossier.models), cause)


def _receipt(event: CustomerErased, file: CustomerFile, lines: int) -> ProfileErased:
    gone = ErasureTreatment.ERASED
    return ProfileErased(
        customer_id=event.customer_id,
        erasure_id=event.erasure_id,
        counts=(
            *counted("facts", gone, len(file.facts.keys() - {ERASED})),
            *counted("timeline", gone, lines),
            *counted("segments", gone, len(file.standing.memberships)),
        ),
    )


def _regrouped(dossier: Dossier, cause: Occasion) -> tuple[Dossier, list[Event]]:
    """The dossier by who is whom as it is told now; everybody is judged anew.

    Until when a person has been judged follows from what was heard of them: nobody takes it along
    from a merge that was wrong.
    """
    people = survivors({id: file.facts for id, file in dossier.files.items()})
    whole = Dossier(
        {id: replace(file, survivor_id=people[id]) for id, file in dossier.files.items()},
        dossier.models,
        dossier.entries,
    )
    files = {}
    for id, file in whole.files.items():
        standing = UNKNOWN
        if people[id] == id and not file.erased:
            standing = replace(file.standing, as_of=heard_until(whole.facts_of(id)))
        files[id] = replace(file, standing=standing)
    survive = sorted(set(people.values()))
    return _settled(replace(whole, files=files), survive, cause, afresh=True)


def _learnt(file: CustomerFile, told: Mapping[str, Json], cause: Occasion) -> CustomerFile:
    facts = learn(file.facts, {**told, HEARD: None}, stamp(cause.at, cause.recorded_at, cause.id))
    if facts is file.facts:
        return file
    return CustomerFile(file.customer_id, file.survivor_id, facts, file.standing)


def _entry(event: CustomerEvent, cause: Occasion) -> Entry:
    return Entry(event.customer_id, cause.at, cause.id, event)


def come_of_age(dossier: Dossier, customer_id: str, cause: Occasion) -> tuple[Dossier, list[Event]]:
    """See whether a birthday has moved a person."""
    return _of_whole_person(dossier, customer_id, cause, _settled_once)


def fall_silent(dossier: Dossier, customer_id: str, cause: Occasion) -> tuple[Dossier, list[Event]]:
    """See whether a person has been silent for too long."""

    def silent(
        dossier: Dossier, file: CustomerFile, cause: Occasion
    ) -> tuple[Standing, list[Event]]:
        facts = dossier.facts_of(file.customer_id)
        return fallen_silent(
            file.customer_id, facts, file.standing, dossier.models.silence, cause.at
        )

    return _of_whole_person(dossier, customer_id, cause, silent)


def reassess(dossier: Dossier, customer_id: str, cause: Occasion) -> tuple[Dossier, list[Event]]:
    """Judge a person anew by the models as they are now, such as after a new version."""
    return _of_whole_person(dossier, customer_id, cause, _settled_afresh)


Judgement = Callable[[Dossier, CustomerFile, Occasion], tuple[Standing, list[Event]]]


def _of_whole_person(
    dossier: Dossier, customer_id: str, cause: Occasion, judge: Judgement
) -> tuple[Dossier, list[Event]]:
    file = dossier.files[customer_id]
    if file.erased or file.survivor_id != customer_id:
        return dossier, []
    standing, events = judge(dossier, file, cause)
    return dossier.with_standing(file, standing, _own_entries(events, cause)), events


def _settled_once(
    dossier: Dossier, file: CustomerFile, cause: Occasion
) -> tuple[Standing, list[Event]]:
    return _judged(dossier, file, cause, afresh=False)


def _settled_afresh(
    dossier: Dossier, file: CustomerFile, cause: Occasion
) -> tuple[Standing, list[Event]]:
    return _judged(dossier, file, cause, afresh=True)


def _settled(
    dossier: Dossier, survivor_ids: Sequence[str], cause: Occasion, *, afresh: bool
) -> tuple[Dossier, list[Event]]:
    events: list[Event] = []
    for survivor_id in survivor_ids:
        file = dossier.files[survivor_id]
        if file.erased:
            continue
        standing, moves = _judged(dossier, file, cause, afresh=afresh)
        entries = _own_entries(moves, cause, first=len(events))
        dossier = dossier.with_standing(file, standing, entries)
        events.extend(moves)
    return dossier, events


def _judged(
    dossier: Dossier, file: CustomerFile, cause: Occasion, *, afresh: bool
) -> tuple[Standing, list[Event]]:
    facts = dossier.facts_of(file.customer_id)
    standing, moves = resorted(
        file.customer_id,
        facts,
        file.standing,
        dossier.models,
        at=cause.at,
        caused_by=cause.id,
        afresh=afresh,
    )
    standing, returns = heard_of(
        file.customer_id, facts, standing, dossier.models.silence, cause.id
    )
    return standing, [*moves, *returns]


def _own_entries(events: Sequence[Event], cause: Occasion, first: int = 0) -> tuple[Entry, ...]:
    """The lines that our own events add, under the ids with which they will be published.

    `first` is the number of the first of them among all events of the decision.
    """
    if not events:
        return ()
    return tuple(
        Entry(event.subject, cause.at, cause.derive_id(event.type, number), event)
        for number, event in enumerate(events, first)
    )
