"""Resolves a list of records: learns from it, scores its pairs, joins what is one person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from intake.domain.people.matching import (
    LINK_PROBABILITY,
    REVIEW_PROBABILITY,
    Explanation,
    Field,
    MatchModel,
    Proposal,
    Verdict,
    probability,
    propose,
    score,
)
from intake.learning.matching.clusters import Link, clusters
from intake.learning.matching.estimation import chances, learn
from intake.learning.matching.pairs import (
    Indices,
    Pairs,
    Progress,
    Vocabulary,
    candidate_pairs,
    compared,
    random_pairs,
    vocabularies,
)
from intake.reading.comparing import findings
from intake.reading.person_records import PersonRecord

PASSES: Final = 3
"""How often it is learnt: each time with a better guess of who is one person."""
MOST_WRONG: Final = 0.008
"""The part of the links that may be expected to be wrong, for less sure ones to be made."""
LEAST_SURE: Final = 0.8
"""The probability of a single automatic link, at least; from `LINK_PROBABILITY` on all are made."""
_SURE: Final = 0.99
_WORTH_SCORING: Final = REVIEW_PROBABILITY / 10


@dataclass(frozen=True, slots=True)
class Judged:
    """Two records by their places, and how probable it is that they are one person."""

    first: int
    second: int
    probability: float


@dataclass(frozen=True, slots=True)
class Resolution:
    """Who is who."""

    model: MatchModel
    groups: list[int]
    """The group of each record, named by its first record."""
    support: list[float]
    """The probability of the strongest link that holds each record in its group; 0 when alone."""
    links: list[Judged]
    """The pairs that hold the groups together, the most probable first."""
    reviews: list[Judged]
    """The pairs of different groups that somebody should look at, the most probable first."""


def resolve(records: Sequence[PersonRecord], progress: Progress) -> Resolution:
    """Find the records that are one person. The order of the records makes no difference."""
    order = sorted(range(len(records)), key=lambda place: sorted(records[place].items()))
    found = _resolve([records[place] for place in order], progress)
    groups, support = [0] * len(records), [0.0] * len(records)
    first_of: dict[int, int] = {}
    for place, group in enumerate(found.groups):
        first_of[group] = min(first_of.get(group, order[place]), order[place])
    for place, group in enumerate(found.groups):
        groups[order[place]] = first_of[group]
        support[order[place]] = found.support[place]
    return Resolution(
        found.model, groups, support, _placed(found.links, order), _placed(found.reviews, order)
    )


def _placed(pairs: Iterable[Judged], order: Sequence[int]) -> list[Judged]:
    """Pairs by the places that the records came in."""
    placed = [
        Judged(
            min(order[pair.first], order[pair.second]),
            max(order[pair.first], order[pair.second]),
            pair.probability,
        )
        for pair in pairs
    ]
    return sorted(placed, key=lambda pair: (-pair.probability, pair.first, pair.second))


def _resolve(records: Sequence[PersonRecord], progress: Progress) -> Resolution:
    words = vocabularies(records)
    if len(records) < 2 or not words:
        return Resolution(_EMPTY, list(range(len(records))), [0.0] * len(records), [], [])
    progress("finding candidates", 0, 1)
    candidates = compared(words, *candidate_pairs(records), progress)
    at_random = compared(words, *random_pairs(len(records)), _silent)
    model, likely = _learn(words, candidates, at_random, len(records), progress)
    return _joined(records, model, _worth_scoring(candidates, likely), progress)


def learn_model(records: Sequence[PersonRecord], progress: Progress) -> MatchModel:
    """Only the model of `resolve`."""
    return _resolve(sorted(records, key=lambda record: sorted(record.items())), progress).model


def _learn(
    words: Mapping[Field, Vocabulary],
    candidates: Pairs,
    at_random: Pairs,
    records: int,
    progress: Progress,
) -> tuple[MatchModel, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    progress("learning", 0, PASSES)
    model, likely = learn(words, candidates, chances(words, at_random, None), records)
    for number in range(1, PASSES):
        progress("learning", number, PASSES)
        sure = likely >= _SURE
        people = _connected(records, candidates.first[sure], candidates.second[sure])
        model, likely = learn(words, candidates, chances(words, at_random, people), records)
    progress("learning", PASSES, PASSES)
    return model, likely


def _connected(records: int, first: Indices, second: Indices) -> Indices:
    """A rough guess of whose each record is, for the counts only."""
    parents = list(range(records))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        mine, theirs = root(one), root(other)
        parents[max(mine, theirs)] = min(mine, theirs)
    return np.array([root(place) for place in range(records)], dtype=np.int64)


def _worth_scoring(
    candidates: Pairs, likely: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> list[tuple[int, int]]:
    places = np.flatnonzero(likely >= _WORTH_SCORING)
    return list(
        zip(candidates.first[places].tolist(), candidates.second[places].tolist(), strict=True)
    )


def _joined(
    records: Sequence[PersonRecord],
    model: MatchModel,
    pairs: list[tuple[int, int]],
    progress: Progress,
) -> Resolution:
    judged: dict[tuple[int, int], Verdict] = {}

    def judge(first: int, second: int) -> Verdict:
        verdict = judged.get((first, second))
        if verdict is None:
            verdict = score(model, findings(records[first], records[second]))
            judged[first, second] = verdict
        return verdict

    possible, questions = [], []
    for number, (first, second) in enumerate(pairs):
        if number % _TELL_EACH == 0:
            progress("scoring", number, len(pairs))
        verdict = judge(first, second)
        proposal = propose(verdict, LEAST_SURE)
        if proposal is Proposal.LINK:
            possible.append(Link(first, second, verdict.bits))
        if proposal is not Proposal.APART:
            questions.append(Judged(first, second, verdict.probability))
    progress("scoring", len(pairs), len(pairs))
    links = within_budget(possible)
    groups = clusters(len(records), links, judge)
    support = [0.0] * len(records)
    held = [
        Judged(link.first, link.second, judged[link.first, link.second].probability)
        for link in links
        if groups[link.first] == groups[link.second]
    ]
    for pair in held:
        support[pair.first] = max(support[pair.first], pair.probability)
        support[pair.second] = max(support[pair.second], pair.probability)
    reviews = [pair for pair in questions if groups[pair.first] != groups[pair.second]]
    return Resolution(model, groups, support, held, reviews)


def within_budget(links: Iterable[Link]) -> list[Link]:
    """The links that can be made without asking.

    All that are sure by themselves; where hardly any pair of the file is in doubt, less sure ones
    too, as long as few of all links are expected to be wrong. Equally sure links stay together.
    """
    ranked = sorted(links, key=lambda link: (-link.bits, link.first, link.second))
    kept, wrong = 0, 0.0
    for number, link in enumerate(ranked, start=1):
        wrong += 1.0 - probability(link.bits)
        last_of_its_bits = number == len(ranked) or ranked[number].bits < link.bits
        sure = probability(link.bits) >= LINK_PROBABILITY
        if last_of_its_bits and (sure or wrong <= MOST_WRONG * number):
            kept = number
    return ranked[:kept]


def _silent(_doing: str, _done: int, _of: int) -> None:
    """Tell nothing."""


_TELL_EACH: Final = 20_000
_EMPTY: Final = MatchModel(0.5, dict.fromkeys(Explanation, 0.1), {})
