"""Lead ownership 判客: whose customer this is, by what was recorded and nothing else.

The first valid registration by an advisor or an agency protects a lead for a time that depends on
the kind of contact. The owner's further contacts prolong it, nobody else's do; when it ends, the
next to register or to be given the lead has it. A claim on a home settles the matter until the
purchase is rescinded.

Facts are only ever added. Each carries the days of protection that it earned by the rules of its
day, so that a verdict does not change when the rules do. What a lead keeps of its owner is the
fold of its own facts by `judge`; `verdict` folds again from the first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final


class PartyKind(StrEnum):
    """Who can own a lead."""

    ADVISOR = "advisor"
    AGENCY = "agency"
    """A partner who brings customers."""


@dataclass(frozen=True, slots=True)
class Party:
    """An advisor, or an agency by its partner id."""

    kind: PartyKind
    id: str


class ContactKind(StrEnum):
    """How somebody was in contact with a customer."""

    PHONE = "phone"
    VISIT = "visit"
    FOLLOW_UP = "follow-up"
    """Followed up after an earlier contact."""
    MESSAGE = "message"


class FactKind(StrEnum):
    """What was recorded of a lead's ownership."""

    REGISTERED = "registered"
    """An agency brought the customer, or the customer asked for an advisor."""
    CONTACTED = "contacted"
    GIVEN = "given"
    """Given to an advisor by a rule or a manager; without a party, taken from its advisor."""
    UNASSIGNED = "unassigned"
    """Nobody fitted when the rule looked for an advisor."""
    RELEASED = "released"
    """The end of protection was noted. That it ended follows from the clock, not from the note."""
    SETTLED = "settled"
    """The customer has a claim on a home."""
    REOPENED = "reopened"
    """That claim was rescinded."""
    DISPUTED = "disputed"
    AWARDED = "awarded"
    """The verdict of a dispute said otherwise than the lead."""


class Effect(StrEnum):
    """What a fact did to the ownership."""

    PROTECTED = "protected"
    """Nobody owned the lead: the party owns it from here."""
    PROLONGED = "prolonged"
    HANDED_OVER = "handed-over"
    """By a rule or a manager the lead went from one advisor to another."""
    TAKEN = "taken"
    """By a rule or a manager the lead was taken from its advisor."""
    SETTLED = "settled"
    REOPENED = "reopened"
    PROTECTED_FOR_ANOTHER = "protected-for-another"
    """Somebody else owned the lead: recorded, without effect."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was recorded of a lead, in the order of its numbers."""

    lead_id: str
    number: int
    """From 1, without gaps within the lead."""
    at: datetime
    """When it was recorded; never before the fact with the number before."""
    kind: FactKind
    party: Party | None = None
    contact: ContactKind | None = None
    days: int = 0
    """Of protection that it earns, by the rules of its day; 0 earns none."""
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What explains it, such as which advisors were compared."""
    community_id: str | None = None

    @property
    def place(self) -> tuple[datetime, str, int]:
        """Its place among the facts of several leads."""
        return self.at, self.lead_id, self.number


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns a lead; nobody without an owner, for good without an end."""

    owner: Party | None = None
    until: datetime | None = None
    through: str | None = None
    """The lead on which the owner was in contact last."""

    def at(self, at: datetime) -> Ownership:
        """What is left of it then."""
        ended = self.owner is not None and self.until is not None and self.until <= at
        return NOBODYS if ended else self


NOBODYS: Final = Ownership()


def judge(held: Ownership, fact: Fact) -> tuple[Ownership, Effect]:
    """The ownership after one more fact, and what the fact did to it."""
    held = held.at(fact.at)
    match fact.kind:
        case FactKind.REGISTERED | FactKind.CONTACTED:
            return _registered(held, fact)
        case FactKind.GIVEN:
            return _given(held, fact)
        case FactKind.AWARDED if fact.party is not None and held.owner != fact.party:
            settled = held.owner is not None and held.until is None
            until = None if settled else _end(fact)
            return Ownership(fact.party, until, fact.lead_id), Effect.HANDED_OVER
        case FactKind.SETTLED if held.owner is not None and held.until is not None:
            return replace(held, until=None), Effect.SETTLED
        case FactKind.REOPENED if held.owner is not None and held.until is None:
            return replace(held, until=_end(fact)), Effect.REOPENED
    return held, Effect.NONE


def _registered(held: Ownership, fact: Fact) -> tuple[Ownership, Effect]:
    if fact.party is None or fact.days == 0:
        return held, Effect.NONE
    if held.owner is None:
        return Ownership(fact.party, _end(fact), fact.lead_id), Effect.PROTECTED
    if held.owner != fact.party:
        return held, Effect.PROTECTED_FOR_ANOTHER
    if held.until is None or held.until >= _end(fact):
        return replace(held, through=fact.lead_id), Effect.NONE
    return replace(held, until=_end(fact), through=fact.lead_id), Effect.PROLONGED


def _given(held: Ownership, fact: Fact) -> tuple[Ownership, Effect]:
    owner = held.owner
    if owner is not None and owner.kind is PartyKind.AGENCY:
        # An advisor looks after the agency's customer; that makes him no owner.
        return held, Effect.NONE
    if fact.party is None:
        if owner is None or held.through != fact.lead_id:
            return held, Effect.NONE
        return NOBODYS, Effect.TAKEN
    if owner is None or owner == fact.party or held.through != fact.lead_id:
        return _registered(held, fact)
    until = None if held.until is None else _end(fact)
    return Ownership(fact.party, until, fact.lead_id), Effect.HANDED_OVER


def _end(fact: Fact) -> datetime:
    return fact.at + timedelta(days=fact.days)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whose customer it is at a time, with everything that was recorded until then."""

    owner: Party | None
    protected_until: datetime | None
    """None when nobody owns it, and when a claim on a home has settled it."""
    settled: bool
    owned_since: datetime | None
    """When the owner came to own it without a break."""
    history: tuple[tuple[Fact, Effect], ...]
    """Every fact in order, with what it did."""

    @property
    def deciding(self) -> tuple[tuple[Fact, Effect], ...]:
        """The facts that made it so: from the one by which the owner came to own it."""
        return tuple(
            (fact, effect)
            for fact, effect in self.history
            if self.owned_since is not None
            and fact.at >= self.owned_since
            and effect not in (Effect.NONE, Effect.PROTECTED_FOR_ANOTHER)
        )


def verdict(history: Iterable[Fact], at: datetime) -> Verdict:
    """Whose customer it is at that time: a function of the facts until then.

    The order in which the facts are given does not matter, nor how often one is repeated. Facts of
    several leads of one person in one community are judged together: who registered the person
    first owns them, whichever of the leads it was.
    """
    known = {(fact.lead_id, fact.number): fact for fact in history if fact.at <= at}
    held = NOBODYS
    since: datetime | None = None
    told = []
    for fact in sorted(known.values(), key=lambda fact: fact.place):
        before = held.at(fact.at)
        held, effect = judge(held, fact)
        if held.owner != before.owner or before.owner is None:
            since = fact.at
        told.append((fact, effect))
    held = held.at(at)
    return Verdict(
        owner=held.owner,
        protected_until=held.until,
        settled=held.owner is not None and held.until is None,
        owned_since=None if held.owner is None else since,
        history=tuple(told),
    )
