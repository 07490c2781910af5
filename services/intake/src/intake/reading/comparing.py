"""How far two normalised values agree: the levels that `intake.domain.people.matching` weighs.

Every comparison is symmetric. A field that one of the two lacks says nothing, and neither does a
name in Chinese characters beside one in Latin letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.fuzz import token_sort_ratio

from intake.domain.people.matching import Field, Finding, Level
from intake.reading.person_records import PersonRecord, is_han

Compare = Callable[[str, str], Level | None]

_CLOSE_NAME: Final = 0.93
_SIMILAR_NAME: Final = 0.85
_SIMILAR_LOCAL_PART: Final = 0.9
_CLOSE_STREET: Final = 88
_SIMILAR_STREET: Final = 65
_DIGITS_OF_A_DATE: Final = 8

_digits_only = str.maketrans("", "", "".join(chr(c) for c in range(128) if not chr(c).isdigit()))


def findings(one: PersonRecord, other: PersonRecord) -> Iterator[Finding]:
    """What two records have in common, field by field."""
    given = _level(Field.GIVEN_NAME, one, other)
    family = _level(Field.FAMILY_NAME, one, other)
    if given is Level.DIFFERENT and family is Level.DIFFERENT and _swapped(one, other):
        yield Finding(Field.GIVEN_NAME, Level.SWAPPED)
    else:
        if given is not None:
            yield _finding(Field.GIVEN_NAME, given, one)
        if family is not None:
            yield _finding(Field.FAMILY_NAME, family, one)
    for field in _OTHERS:
        level = _level(field, one, other)
        if level is not None:
            yield _finding(field, level, one)


def _finding(field: Field, level: Level, one: PersonRecord) -> Finding:
    return Finding(field, level, one[field] if level is Level.SAME else None)


def _level(field: Field, one: PersonRecord, other: PersonRecord) -> Level | None:
    mine, theirs = one.get(field), other.get(field)
    return None if mine is None or theirs is None else compare(field, mine, theirs)


def _swapped(one: PersonRecord, other: PersonRecord) -> bool:
    return names_cross(one[Field.GIVEN_NAME], other[Field.FAMILY_NAME]) and names_cross(
        one[Field.FAMILY_NAME], other[Field.GIVEN_NAME]
    )


def names_cross(given: str, family: str) -> bool:
    """Whether a given name is somebody's family name, or nearly."""
    return compare(Field.GIVEN_NAME, given, family) in {Level.SAME, Level.CLOSE}


def compare(field: Field, one: str, other: str) -> Level | None:
    """How far two values of a field agree; None when they cannot be held against each other."""
    if one == other:
        return Level.SAME
    # In one order, so that it is symmetric whatever the measure is.
    return _COMPARE[field](one, other) if one < other else _COMPARE[field](other, one)


@lru_cache(maxsize=500_000)
def _names(one: str, other: str) -> Level | None:  # noqa: PLR0911 - a list of rules
    if is_han(one) or is_han(other):
        return _chinese_names(one, other) if is_han(one) and is_han(other) else None
    mine, theirs = one.split(), other.split()
    if one.replace(" ", "") == other.replace(" ", "") or sorted(mine) == sorted(theirs):
        return Level.CLOSE
    if len(mine) != len(theirs) and (set(mine) <= set(theirs) or set(theirs) <= set(mine)):
        return Level.CLOSE
    shorter, longer = (one, other) if len(one) <= len(other) else (other, one)
    if len(shorter) == 1:
        return Level.SIMILAR if longer[0] == shorter else Level.DIFFERENT
    if len(shorter) >= 4 and OSA.distance(one, other, score_cutoff=1) <= 1:
        return Level.CLOSE
    alike = JaroWinkler.similarity(one, other)
    if alike >= _CLOSE_NAME and len(shorter) >= 4:
        return Level.CLOSE
    if alike >= _SIMILAR_NAME or (len(shorter) >= 3 and longer.startswith(shorter)):
        return Level.SIMILAR
    edits = OSA.distance(one, other, score_cutoff=2)
    if edits == 1 or (edits == 2 and len(shorter) >= 6):
        return Level.SIMILAR
    return Level.DIFFERENT


def _chinese_names(one: str, other: str) -> Level:
    if len(one) > 1 and sorted(one) == sorted(other):
        return Level.CLOSE
    if len(one) + len(other) > 2 and set(one) & set(other):
        edits = OSA.distance(one, other)
        return Level.CLOSE if edits == 1 and len(one) + len(other) >= 6 else Level.SIMILAR
    return Level.DIFFERENT


@lru_cache(maxsize=500_000)
def _birth_dates(one: str, other: str) -> Level:
    shorter, longer = (one, other) if len(one) <= len(other) else (other, one)
    if len(shorter) < _DIGITS_OF_A_DATE:
        if len(shorter) >= 4 and longer.startswith(shorter):
            return Level.SIMILAR
        return Level.CLOSE if OSA.distance(one, other, score_cutoff=1) <= 1 else Level.DIFFERENT
    if one[:4] == other[:4] and one[4:6] == other[6:] and one[6:] == other[4:6]:
        return Level.CLOSE
    edits = OSA.distance(one, other, score_cutoff=2)
    if edits <= 1:
        return Level.CLOSE
    parts = (one[:4] == other[:4], one[4:6] == other[4:6], one[6:] == other[6:])
    return Level.SIMILAR if edits == 2 or sum(parts) >= 2 else Level.DIFFERENT


@lru_cache(maxsize=200_000)
def _phones(one: str, other: str) -> Level:
    shorter, longer = (one, other) if len(one) <= len(other) else (other, one)
    if len(shorter) >= 7 and longer.endswith(shorter):
        return Level.CLOSE
    return Level.CLOSE if OSA.distance(one, other, score_cutoff=1) <= 1 else Level.DIFFERENT


@lru_cache(maxsize=200_000)
def _emails(one: str, other: str) -> Level:
    mine, theirs = one.partition("@")[0], other.partition("@")[0]
    shorter = min(len(mine), len(theirs))
    if mine == theirs and shorter >= 5:
        return Level.CLOSE
    if OSA.distance(one, other, score_cutoff=2) <= (2 if shorter >= 6 else 1):
        return Level.CLOSE
    if JaroWinkler.similarity(mine, theirs) >= _SIMILAR_LOCAL_PART and shorter >= 4:
        return Level.SIMILAR
    return Level.DIFFERENT


@lru_cache(maxsize=200_000)
def _identifiers(one: str, other: str) -> Level:
    edits = OSA.distance(one, other, score_cutoff=2)
    if edits <= 1:
        return Level.CLOSE
    return Level.SIMILAR if edits == 2 and len(one) + len(other) >= 14 else Level.DIFFERENT


@lru_cache(maxsize=500_000)
def _streets(one: str, other: str) -> Level:
    mine, theirs = sorted(one.split()), sorted(other.split())
    if mine == theirs:
        return Level.CLOSE
    alike = token_sort_ratio(one, other)
    if alike < _SIMILAR_STREET:
        return Level.DIFFERENT
    numbers = _numbers(mine) == _numbers(theirs)
    if numbers and (alike >= _CLOSE_STREET or set(mine) <= set(theirs) or set(theirs) <= set(mine)):
        return Level.CLOSE
    return Level.SIMILAR


def _numbers(words: list[str]) -> list[str]:
    return [digits for word in words if (digits := word.translate(_digits_only))]


@lru_cache(maxsize=200_000)
def _places(one: str, other: str) -> Level:
    shorter = min(len(one), len(other))
    if set(one.split()) & set(other.split()) and (one in other or other in one):
        return Level.CLOSE
    if shorter >= 4:
        alike = JaroWinkler.similarity(one, other)
        if alike >= _CLOSE_NAME or OSA.distance(one, other, score_cutoff=1) <= 1:
            return Level.CLOSE
        if alike >= _SIMILAR_NAME:
            return Level.SIMILAR
    return Level.DIFFERENT


@lru_cache(maxsize=200_000)
def _postcodes(one: str, other: str) -> Level:
    if OSA.distance(one, other, score_cutoff=1) <= 1:
        return Level.CLOSE
    if len(one) == len(other) and sorted(one) == sorted(other):
        return Level.SIMILAR
    if min(len(one), len(other)) >= 5 and one[:3] == other[:3]:
        return Level.SIMILAR
    return Level.DIFFERENT


_COMPARE: Final[Mapping[Field, Compare]] = {
    Field.GIVEN_NAME: _names,
    Field.FAMILY_NAME: _names,
    Field.BIRTH_DATE: _birth_dates,
    Field.PHONE: _phones,
    Field.EMAIL: _emails,
    Field.NATIONAL_ID: _identifiers,
    Field.STREET: _streets,
    Field.CITY: _places,
    Field.REGION: _places,
    Field.POSTCODE: _postcodes,
}
_OTHERS: Final = tuple(
    field for field in Field if field not in {Field.GIVEN_NAME, Field.FAMILY_NAME}
)
