"""Which advisor a lead goes to, and why this one: a pure function that explains itself.

The customer's own preference comes first. Then those on duty, with room left, by language and
skill, and among equals whoever was given the fewest leads lately for their capacity. Language and
skill narrow the choice where anybody has them; they leave nobody without an advisor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from intake.domain.communities import Community
from intake.domain.leads.advisors import IDLE, Advisor, Desk, Workload
from keyturn_events.vocabulary import AssignmentReason

MOST_EXPLAINED: Final = 50
"""Advisors whose part in a choice is kept, at most: who was chosen, then those who came nearest."""


class Standing(StrEnum):
    """What became of an advisor in a choice."""

    CHOSEN = "chosen"
    DREW_LATER = "drew-later"
    """As good a choice as who was chosen; the lot decided."""
    MORE_GIVEN = "more-given-lately"
    OTHER_SKILL = "other-skill"
    OTHER_LANGUAGE = "other-language"
    QUOTA_REACHED = "quota-reached"
    AT_CAPACITY = "at-capacity"
    OFF_DUTY = "off-duty"
    HAD_IT = "had-it-before"
    """The lead is to go to somebody else."""
    HAS_LEFT = "has-left"
    NOT_OF_COMMUNITY = "not-of-this-community"
    """Asked for, but not registered here."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a lead asks of an advisor."""

    lead_id: str
    language: str | None = None
    skill: str | None = None
    """The product line, when it is known."""
    asked_for: str | None = None
    """The advisor whom the customer asked for."""
    known_to: tuple[str, ...] = ()
    """The advisors of the customer's other leads and purchases, the latest first."""
    not_to: str | None = None
    """Who had the lead and is not to have it again."""


@dataclass(frozen=True, slots=True)
class Considered:
    """An advisor in a choice, with the numbers that counted."""

    advisor_id: str
    standing: Standing
    workload: Workload
    capacity: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Who was chosen, if anybody, and what became of everybody who was considered."""

    advisor_id: str | None
    reason: AssignmentReason | None
    considered: tuple[Considered, ...]


def choose(wanted: Wanted, desk: Desk, community: Community, at: datetime) -> Choice:
    """The advisor for a lead at that time; nobody when nobody is on duty with room left."""
    left_out: dict[str, Standing] = {}
    with_room = _with_room(wanted, desk, left_out)
    preferred = _preferred(wanted, desk, with_room)
    if preferred is not None:
        return _choice(wanted, desk, preferred, AssignmentReason.CUSTOMER_PREFERENCE, left_out)
    there = _narrowed(
        with_room, lambda each: each.on_duty(community, at), Standing.OFF_DUTY, left_out
    )
    there = _narrowed(
        there,
        lambda each: each.daily_quota is None or _load(desk, each).today < each.daily_quota,
        Standing.QUOTA_REACHED,
        left_out,
    )
    if not there:
        return _choice(wanted, desk, None, None, left_out)
    full = any(standing in _FULL for standing in left_out.values())
    fitting = there
    if wanted.language is not None:
        language = wanted.language
        fitting = _preferring(
            fitting, lambda each: each.speaks(language), Standing.OTHER_LANGUAGE, left_out
        )
    if wanted.skill is not None:
        skill = wanted.skill
        fitting = _preferring(
            fitting, lambda each: skill in each.skills, Standing.OTHER_SKILL, left_out
        )
    shares = [_share(desk, each) for each in fitting]
    fewest = min(shares)
    drawing = []
    for each, share in zip(fitting, shares, strict=True):
        if share == fewest:
            drawing.append(each)
            left_out[each.advisor_id] = Standing.DREW_LATER
        else:
            left_out[each.advisor_id] = Standing.MORE_GIVEN
    chosen = min(drawing, key=lambda each: _lot(wanted.lead_id, each.advisor_id))
    if len(fitting) < len(there):
        reason = AssignmentReason.SKILL
    else:
        reason = AssignmentReason.CAPACITY if full else AssignmentReason.ROTATION
    return _choice(wanted, desk, chosen, reason, left_out)


_FULL: Final = (Standing.AT_CAPACITY, Standing.QUOTA_REACHED)


def _with_room(wanted: Wanted, desk: Desk, left_out: dict[str, Standing]) -> list[Advisor]:
    with_room = []
    for each in desk.advisors:
        if each.left_on is not None:
            left_out[each.advisor_id] = Standing.HAS_LEFT
        elif each.advisor_id == wanted.not_to:
            left_out[each.advisor_id] = Standing.HAD_IT
        elif _load(desk, each).open >= each.capacity:
            left_out[each.advisor_id] = Standing.AT_CAPACITY
        else:
            with_room.append(each)
    return with_room


def _preferred(wanted: Wanted, desk: Desk, with_room: Sequence[Advisor]) -> Advisor | None:
    """Whom the customer wants, on duty or not: they may well wait for that advisor."""
    for advisor_id in (wanted.asked_for, *wanted.known_to):
        known = None if advisor_id is None else desk.find(advisor_id)
        if known is not None and known in with_room:
            return known
    return None


def _narrowed(
    advisors: Sequence[Advisor],
    fits: Callable[[Advisor], bool],
    otherwise: Standing,
    left_out: dict[str, Standing],
) -> list[Advisor]:
    kept = []
    for each in advisors:
        if fits(each):
            kept.append(each)
        else:
            left_out[each.advisor_id] = otherwise
    return kept


def _preferring(
    advisors: list[Advisor],
    fits: Callable[[Advisor], bool],
    otherwise: Standing,
    left_out: dict[str, Standing],
) -> list[Advisor]:
    """Those who fit, or all of them when nobody does."""
    if not any(map(fits, advisors)):
        return advisors
    return _narrowed(advisors, fits, otherwise, left_out)


def _load(desk: Desk, advisor: Advisor) -> Workload:
    return desk.workloads.get(advisor.advisor_id, IDLE)


def _share(desk: Desk, advisor: Advisor) -> float:
    """What the advisor's share would be with this lead. Equal fractions give equal floats."""
    return (_load(desk, advisor).lately + 1) / advisor.capacity


def _lot(lead_id: str, advisor_id: str) -> bytes:
    """A lot that nobody can foresee and everybody can draw again."""
    return blake2b(f"{lead_id} {advisor_id}".encode(), digest_size=8).digest()


def _choice(
    wanted: Wanted,
    desk: Desk,
    chosen: Advisor | None,
    reason: AssignmentReason | None,
    left_out: dict[str, Standing],
) -> Choice:
    if chosen is not None:
        left_out[chosen.advisor_id] = Standing.CHOSEN
    considered = [
        Considered(each.advisor_id, standing, _load(desk, each), each.capacity)
        for each in desk.advisors
        if (standing := left_out.get(each.advisor_id)) is not None
    ]
    if wanted.asked_for is not None and desk.find(wanted.asked_for) is None:
        considered.append(Considered(wanted.asked_for, Standing.NOT_OF_COMMUNITY, IDLE, 0))
    considered.sort(key=lambda each: (_NEARNESS[each.standing], each.advisor_id))
    return Choice(
        None if chosen is None else chosen.advisor_id, reason, tuple(considered[:MOST_EXPLAINED])
    )


_NEARNESS: Final = {standing: place for place, standing in enumerate(Standing)}
