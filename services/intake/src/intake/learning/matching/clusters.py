"""Joins records into people, so that one doubtful link cannot chain two people together.

Links are taken by their strength. Two groups are joined when their records, each held against each,
speak for one person on the whole, and few pairs of them contradict it outright.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from intake.domain.people.matching import Verdict, conflict

Judge = Callable[[int, int], Verdict]
"""The verdict on two records by their places."""

MOST_HEARD: Final = 12
"""Records of each of two groups that are held against each other."""
LOUDEST: Final = 20.0
"""Bits at which one pair's voice for or against ends."""
MOST_CONTRADICTED: Final = 1 / 3
"""The part of the pairs that may contradict one person outright."""


@dataclass(frozen=True, slots=True)
class Link:
    """Two records that are one person, and how sure that is, in bits."""

    first: int
    second: int
    bits: float


def clusters(records: int, links: Iterable[Link], judge: Judge) -> list[int]:
    """The group of each record, named by its first record."""
    group = list(range(records))
    members: dict[int, list[int]] = {}
    for link in sorted(links, key=lambda link: (-link.bits, link.first, link.second)):
        one, other = sorted((group[link.first], group[link.second]))
        if one == other:
            continue
        mine, theirs = members.get(one, [one]), members.get(other, [other])
        if len(mine) + len(theirs) > 2 and not _one_person(mine, theirs, judge):
            continue
        for place in theirs:
            group[place] = one
        members[one] = mine + theirs
        members.pop(other, None)
    return group


def _one_person(mine: list[int], theirs: list[int], judge: Judge) -> bool:
    verdicts = [
        judge(min(one, other), max(one, other))
        for one in mine[:MOST_HEARD]
        for other in theirs[:MOST_HEARD]
    ]
    voices = sum(max(-LOUDEST, min(LOUDEST, verdict.bits)) for verdict in verdicts)
    contradicted = sum(conflict(verdict) for verdict in verdicts)
    return voices > 0 and contradicted <= MOST_CONTRADICTED * len(verdicts)
