"""Learns without labels what each field is worth, by expectation and maximisation.

How often strangers agree is counted: over people, not over records, so that somebody who is in the
file ten times does not make his name common. How often the records of one person agree is estimated
together with who is one person: each pair is given to the four explanations by their probability,
the shares are counted, and so on until they settle. What is usual elsewhere counts for a few pairs,
so that a small file or one with few fields does not run away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from intake.domain.people.matching import (
    SHARED,
    Explanation,
    Field,
    FieldModel,
    Level,
    MatchModel,
    Odds,
)
from intake.learning.matching.pairs import CODE, LEVELS, NOTHING, Indices, Pairs, Vocabulary

Floats = npt.NDArray[np.float64]

ROUNDS: Final = 40
SETTLED: Final = 1e-4
"""A change of all shares below this ends the estimation."""
USUAL_PAIRS: Final = 20.0
"""For how many pairs the usual shares count."""
LEAST: Final = 1e-7
"""Nothing is rarer than this among strangers: clerks copy, and people lend their numbers."""
FEWEST_RELATIVES: Final = 0.1
"""Pairs of relatives for each pair of one person, at least: a household is always possible."""
LEAST_DIFFERENT: Final = 0.01
"""How often one person's records differ in a field at least: everything changes or is mistaken."""
_SHAPE: Final = 0.5
"""How unevenly values are spread: below one, a few are common and most are rare."""
_FEWEST_PEOPLE: Final = 2.0

_USUAL: Final[Mapping[Field, Mapping[Level, float]]] = {
    Field.GIVEN_NAME: {
        Level.SAME: 0.81, Level.SWAPPED: 0.02, Level.CLOSE: 0.07, Level.SIMILAR: 0.05,
        Level.DIFFERENT: 0.05,
    },
    Field.FAMILY_NAME: {
        Level.SAME: 0.84, Level.CLOSE: 0.08, Level.SIMILAR: 0.03, Level.DIFFERENT: 0.05,
    },
    Field.BIRTH_DATE: {
        Level.SAME: 0.88, Level.CLOSE: 0.07, Level.SIMILAR: 0.03, Level.DIFFERENT: 0.02,
    },
    Field.PHONE: {Level.SAME: 0.80, Level.CLOSE: 0.06, Level.DIFFERENT: 0.14},
    Field.EMAIL: {
        Level.SAME: 0.75, Level.CLOSE: 0.09, Level.SIMILAR: 0.03, Level.DIFFERENT: 0.13,
    },
    Field.NATIONAL_ID: {
        Level.SAME: 0.90, Level.CLOSE: 0.06, Level.SIMILAR: 0.01, Level.DIFFERENT: 0.03,
    },
    Field.STREET: {
        Level.SAME: 0.65, Level.CLOSE: 0.15, Level.SIMILAR: 0.08, Level.DIFFERENT: 0.12,
    },
    Field.CITY: {
        Level.SAME: 0.81, Level.CLOSE: 0.07, Level.SIMILAR: 0.02, Level.DIFFERENT: 0.10,
    },
    Field.REGION: {
        Level.SAME: 0.90, Level.CLOSE: 0.02, Level.SIMILAR: 0.01, Level.DIFFERENT: 0.07,
    },
    Field.POSTCODE: {
        Level.SAME: 0.84, Level.CLOSE: 0.06, Level.SIMILAR: 0.03, Level.DIFFERENT: 0.07,
    },
}  # fmt: skip
"""The shares of each level among records of one person, as they usually are."""

_MOST_DIFFERENT: Final[Mapping[Field, float]] = {
    Field.GIVEN_NAME: 0.25, Field.FAMILY_NAME: 0.25, Field.BIRTH_DATE: 0.12,
    Field.NATIONAL_ID: 0.10, Field.PHONE: 0.5, Field.EMAIL: 0.5, Field.STREET: 0.6,
    Field.CITY: 0.5, Field.REGION: 0.4, Field.POSTCODE: 0.5,
}  # fmt: skip
"""How often one person's records differ in a field at most; beyond it they are not one person's."""

_FIRST_GUESS: Final[Mapping[Field, float]] = {
    Field.BIRTH_DATE: 5e-4, Field.PHONE: 1e-5, Field.EMAIL: 1e-5, Field.NATIONAL_ID: 1e-6,
    Field.STREET: 1e-3,
}  # fmt: skip
"""How often strangers agree at most, before it is known who is a stranger."""


@dataclass(frozen=True, slots=True)
class Chance:
    """How often strangers agree in a field, by level, and in each of its values."""

    levels: Floats
    values: Floats
    rare: float


def chances(
    words: Mapping[Field, Vocabulary], at_random: Pairs, people: Indices | None
) -> dict[Field, Chance]:
    """Count how often strangers agree. `people` says whose each record is, once it is guessed."""
    weights = _weights(people, len(next(iter(words.values())).codes))
    strangers = np.ones(len(at_random), dtype=np.bool_)
    if people is not None:
        strangers = people[at_random.first] != people[at_random.second]
    found = {}
    for field, vocabulary in words.items():
        filled = vocabulary.codes >= 0
        seen: Floats = np.bincount(
            vocabulary.codes[filled], weights[filled], minlength=len(vocabulary.values)
        ).astype(np.float64)
        found[field] = _chance(
            field, seen, at_random.levels[field][strangers], known=people is not None
        )
    if Field.GIVEN_NAME in found and Field.FAMILY_NAME in found:
        same = CODE[Level.SAME]
        swapped = found[Field.GIVEN_NAME].levels[same] * found[Field.FAMILY_NAME].levels[same]
        found[Field.GIVEN_NAME].levels[CODE[Level.SWAPPED]] = max(swapped, LEAST)
    return found


def _weights(people: Indices | None, records: int) -> Floats:
    """What each record counts, so that each person counts for one."""
    if people is None:
        return np.ones(records)
    sizes = np.bincount(people)
    return np.asarray(1.0 / sizes[people], dtype=np.float64)


def _chance(field: Field, seen: Floats, levels: npt.NDArray[np.int8], *, known: bool) -> Chance:
    seen = np.maximum(seen, 1.0)
    people = max(float(seen.sum()), _FEWEST_PEOPLE)
    others = max(float((seen * (seen - 1)).sum()) / people, LEAST * people)
    same = max(others / (people - 1), 0.25 / (people * people), LEAST)
    if not known:
        same = min(same, _FIRST_GUESS.get(field, 1.0))
    filled = levels[levels != NOTHING]
    counts = np.bincount(filled, minlength=len(LEVELS)).astype(np.float64)
    shares = (counts + 0.5) / (len(filled) + 1.0)
    shares[CODE[Level.SAME]] = min(same, 0.99)
    shares[CODE[Level.DIFFERENT]] = 0.0
    for level in (Level.CLOSE, Level.SIMILAR):
        shares[CODE[level]] = max(float(shares[CODE[level]]), LEAST)
    shares[CODE[Level.DIFFERENT]] = max(1.0 - float(shares.sum()), 0.005)
    # A gamma prior on how many others have a value, whose mean is what was counted.
    of_each = (_SHAPE + seen - 1.0) / ((_SHAPE / others + 1.0) * (people - 1))
    rare = _SHAPE / ((_SHAPE / others + 1.0) * (people - 1))
    if not known:
        return Chance(shares, np.full(len(seen), shares[CODE[Level.SAME]]), rare)
    rare = min(max(rare, LEAST), 0.99)
    of_each = np.clip(of_each, rare, 0.99)
    return Chance(shares, np.where(of_each > 1.01 * rare, of_each, rare), rare)


def learn(
    words: Mapping[Field, Vocabulary],
    candidates: Pairs,
    by_chance: Mapping[Field, Chance],
    records: int,
) -> tuple[MatchModel, Floats]:
    """The model, and the probability of each candidate pair that it is one person."""
    total = records * (records - 1) / 2
    usual = {field: _usual(field) for field in words}
    shares = dict(usual)
    patterns = _patterns(words, candidates, by_chance)
    one, relatives = 0.2 * records / total, 0.05 * records / total
    neighbours = _neighbours(by_chance)
    posterior = np.zeros(len(patterns.counts))
    for _ in range(ROUNDS):
        priors = (one, max(1.0 - one - relatives - neighbours, 0.01), neighbours, relatives)
        posterior, of_relatives = _expect(patterns, shares, priors)
        before = np.concatenate(list(shares.values()))
        expected = posterior * patterns.counts
        shares = {
            field: _maximise(field, usual[field], patterns.levels[field], expected)
            for field in words
        }
        one = max(float(expected.sum()), 1.0) / total
        likely = float((of_relatives * patterns.counts).sum())
        relatives = max(likely / total, FEWEST_RELATIVES * one)
        if np.abs(np.concatenate(list(shares.values())) - before).max(initial=0.0) < SETTLED:
            break
    model = MatchModel(
        same_person=one,
        priors={
            Explanation.STRANGERS: max(1.0 - one - relatives - neighbours, 0.01),
            Explanation.NEIGHBOURS: neighbours,
            Explanation.RELATIVES: relatives,
        },
        fields={
            field: _field_model(shares[field], by_chance[field], words[field]) for field in words
        },
        learnt_from=f"{records} records",
    )
    return model, posterior[patterns.of_pair]


@dataclass(frozen=True, slots=True)
class Patterns:
    """The different ways in which pairs agree, and how many pairs do so.

    Values in common are told apart by how common they are, to half a bit: millions of pairs have
    some ten thousand patterns.
    """

    levels: Mapping[Field, npt.NDArray[np.int8]]
    strangers: Mapping[Field, Floats]
    """How probable the level is between strangers."""
    counts: Floats
    of_pair: Indices


def _patterns(
    words: Mapping[Field, Vocabulary], pairs: Pairs, by_chance: Mapping[Field, Chance]
) -> Patterns:
    codes = np.zeros(len(pairs), dtype=np.int64)
    for field in words:
        levels = pairs.levels[field]
        code = levels.astype(np.int64) + 1
        same = np.flatnonzero(levels == CODE[Level.SAME])
        values = by_chance[field].values[words[field].codes[pairs.first[same]]]
        code[same] = len(LEVELS) + 1 + np.rint(-_PER_BIT * np.log2(values)).astype(np.int64)
        codes = codes * _CODES_OF_A_FIELD + code
    found, of_pair, counts = np.unique(codes, return_inverse=True, return_counts=True)
    levels_of: dict[Field, npt.NDArray[np.int8]] = {}
    strangers: dict[Field, Floats] = {}
    for field in reversed(list(words)):
        code = found % _CODES_OF_A_FIELD
        found = found // _CODES_OF_A_FIELD
        rarity = code - (len(LEVELS) + 1)
        levels_of[field] = np.where(rarity >= 0, CODE[Level.SAME], code - 1).astype(np.int8)
        strangers[field] = np.where(
            rarity >= 0,
            2.0 ** (-rarity / _PER_BIT),
            by_chance[field].levels[levels_of[field]],
        )
    return Patterns(levels_of, strangers, counts.astype(np.float64), of_pair)


_PER_BIT: Final = 2
_CODES_OF_A_FIELD: Final = 64
"""Levels, and halves of bits down to `LEAST`; ten fields fit a number of 64 bits."""


def _usual(field: Field) -> Floats:
    return np.array([_USUAL[field].get(level, 1e-4) for level in LEVELS])


def _neighbours(by_chance: Mapping[Field, Chance]) -> float:
    """How many strangers live in one place: by the finest part of an address that there is."""
    for field in (Field.POSTCODE, Field.CITY, Field.REGION):
        if field in by_chance:
            return min(float(by_chance[field].levels[CODE[Level.SAME]]), 0.3)
    return LEAST


def _expect(
    patterns: Patterns,
    shares: Mapping[Field, Floats],
    priors: tuple[float, float, float, float],
) -> tuple[Floats, Floats]:
    """The probability of each pattern that it is one person, and that it is two relatives."""
    logs = np.log(np.array(priors))[:, np.newaxis] + np.zeros((4, len(patterns.counts)))
    for field, levels in patterns.levels.items():
        filled = levels != NOTHING
        same = shares[field][levels]
        chance = patterns.strangers[field]
        logs[0, filled] += np.log(same[filled])
        for row, explanation in enumerate(Explanation, start=1):
            share = SHARED[explanation].get(field, 0.0)
            logs[row, filled] += np.log(share * same[filled] + (1.0 - share) * chance[filled])
    odds = np.exp(logs - logs.max(axis=0))
    probabilities = odds / odds.sum(axis=0)
    return probabilities[0], probabilities[3]


def _maximise(
    field: Field, usual: Floats, levels: npt.NDArray[np.int8], posterior: Floats
) -> Floats:
    filled = levels != NOTHING
    counts = np.bincount(levels[filled], posterior[filled], minlength=len(LEVELS))
    shares = counts + USUAL_PAIRS * usual
    shares = np.maximum(shares / shares.sum(), 1e-4)
    different = CODE[Level.DIFFERENT]
    shares[different] = max(shares[different], LEAST_DIFFERENT)
    most = _MOST_DIFFERENT[field]
    if shares[different] > most:
        shares *= (1.0 - most) / (shares.sum() - shares[different])
        shares[different] = most
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _field_model(shares: Floats, chance: Chance, words: Vocabulary) -> FieldModel:
    return FieldModel(
        levels={
            level: Odds(float(shares[code]), float(chance.levels[code]))
            for level, code in CODE.items()
        },
        rare=chance.rare,
        frequencies={
            value: float(frequency)
            for value, frequency in zip(words.values, chance.values, strict=True)
            if frequency > chance.rare
        },
    )
