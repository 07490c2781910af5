"""Which pairs of records are compared, and how far they agree, as arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from intake.domain.people.matching import Field, Level
from intake.reading.comparing import compare, names_cross
from intake.reading.matching_keys import matching_keys
from intake.reading.person_records import PersonRecord

Indices = npt.NDArray[np.int64]
Levels = npt.NDArray[np.int8]
Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much."""

PAIRS_PER_RECORD: Final = 80
"""The pairs that are compared at most, for each record; the most telling keys come first."""
FEWEST_PAIRS: Final = 400_000
"""The pairs that may be compared in any case."""
MOST_PAIRS: Final = 8_000_000
"""The pairs that are compared in no case more, for they are held in memory."""
LARGEST_BLOCK: Final = 2_000
"""Records that share a key; a key that more share tells nobody apart."""
RANDOM_PAIRS: Final = 300_000
"""Pairs taken at random, to see how often strangers agree."""
SEED: Final = 20_260_101
"""Makes the random pairs the same in each run."""

LEVELS: Final = tuple(Level)
NOTHING: Final = -1
"""The level of a field that one of the two records lacks."""
CODE: Final = {level: code for code, level in enumerate(LEVELS)}
_SAME, _SWAPPED, _DIFFERENT = CODE[Level.SAME], CODE[Level.SWAPPED], CODE[Level.DIFFERENT]
_STEP: Final = 50_000


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of records by their places, the first before the second, and what they agree in."""

    first: Indices
    second: Indices
    levels: dict[Field, Levels]

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The values of a field: which value each record has, -1 for none."""

    values: list[str]
    codes: Indices


def vocabularies(records: Sequence[PersonRecord]) -> dict[Field, Vocabulary]:
    """The values of each field that some record fills."""
    found = {}
    for field in Field:
        values = sorted({record[field] for record in records if field in record})
        if values:
            places = {value: place for place, value in enumerate(values)}
            codes = [places[record[field]] if field in record else NOTHING for record in records]
            found[field] = Vocabulary(values, np.array(codes, dtype=np.int64))
    return found


def candidate_pairs(records: Sequence[PersonRecord]) -> tuple[Indices, Indices]:
    """The pairs that share a key, the rarest keys first, up to the limit."""
    blocks: defaultdict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        for key in matching_keys(record):
            blocks[key].append(place)
    shared = [block for block in blocks.values() if 1 < len(block) <= LARGEST_BLOCK]
    shared.sort(key=lambda block: (len(block), block))
    most = min(max(FEWEST_PAIRS, PAIRS_PER_RECORD * len(records)), MOST_PAIRS)
    total = len(records)
    known = np.empty(0, dtype=np.int64)
    waiting: list[list[int]] = []
    expected = 0
    for block in shared:
        waiting.append(block)
        expected += len(block) * (len(block) - 1) // 2
        if expected >= most:
            known, waiting = _with(known, waiting, total), []
            expected = 0
            if len(known) >= most:
                break
    known = _with(known, waiting, total)
    return known // total, known % total


def _with(known: Indices, blocks: list[list[int]], total: int) -> Indices:
    pairs = chain.from_iterable(combinations(block, 2) for block in blocks)
    codes = np.fromiter((one * total + other for one, other in pairs), dtype=np.int64)
    return np.unique(np.concatenate((known, codes)))


def random_pairs(total: int) -> tuple[Indices, Indices]:
    """Pairs of different records at random; all of them, when there are not many."""
    if total * (total - 1) // 2 <= RANDOM_PAIRS:
        first, second = np.triu_indices(total, k=1)
        return first.astype(np.int64), second.astype(np.int64)
    chance = np.random.default_rng(SEED)
    first = chance.integers(0, total, RANDOM_PAIRS)
    second = (first + chance.integers(1, total, RANDOM_PAIRS)) % total
    return np.minimum(first, second), np.maximum(first, second)


def compared(
    words: dict[Field, Vocabulary], first: Indices, second: Indices, progress: Progress
) -> Pairs:
    """Compare pairs field by field; equal pairs of values are compared once."""
    levels = {}
    for number, (field, vocabulary) in enumerate(words.items()):
        progress("comparing", number, len(words))
        levels[field] = _levels(field, vocabulary, first, second)
    if Field.GIVEN_NAME in levels and Field.FAMILY_NAME in levels:
        _mark_swapped(words, first, second, levels)
    progress("comparing", len(words), len(words))
    return Pairs(first, second, levels)


def _levels(field: Field, words: Vocabulary, first: Indices, second: Indices) -> Levels:
    mine, theirs = words.codes[first], words.codes[second]
    levels = np.full(len(first), NOTHING, dtype=np.int8)
    filled = (mine >= 0) & (theirs >= 0)
    levels[filled & (mine == theirs)] = _SAME
    unlike = np.flatnonzero(filled & (mine != theirs))
    size = len(words.values)
    low = np.minimum(mine[unlike], theirs[unlike])
    high = np.maximum(mine[unlike], theirs[unlike])
    combinations_, inverse = np.unique(low * size + high, return_inverse=True)
    values = words.values
    found = np.fromiter(
        (
            _code(field, values[code // size], values[code % size])
            for code in combinations_.tolist()
        ),
        dtype=np.int8,
        count=len(combinations_),
    )
    levels[unlike] = found[inverse]
    return levels


def _code(field: Field, one: str, other: str) -> int:
    level = compare(field, one, other)
    return NOTHING if level is None else CODE[level]


def _mark_swapped(
    words: dict[Field, Vocabulary], first: Indices, second: Indices, levels: dict[Field, Levels]
) -> None:
    given, family = words[Field.GIVEN_NAME], words[Field.FAMILY_NAME]
    differ = (levels[Field.GIVEN_NAME] == _DIFFERENT) & (levels[Field.FAMILY_NAME] == _DIFFERENT)
    places = np.flatnonzero(differ)
    crossed = _cross(given, family, first[places], second[places])
    places = places[crossed]
    crossed = _cross(given, family, second[places], first[places])
    places = places[crossed]
    levels[Field.GIVEN_NAME][places] = _SWAPPED
    levels[Field.FAMILY_NAME][places] = NOTHING


def _cross(
    given: Vocabulary, family: Vocabulary, first: Indices, second: Indices
) -> npt.NDArray[np.bool_]:
    """Whether the given name of the first is the family name of the second, or nearly."""
    size = len(family.values)
    codes, inverse = np.unique(
        given.codes[first] * size + family.codes[second], return_inverse=True
    )
    found = np.fromiter(
        (
            names_cross(given.values[code // size], family.values[code % size])
            for code in codes.tolist()
        ),
        dtype=np.bool_,
        count=len(codes),
    )
    return found[inverse]
