"""Segment models: rules as data, in versions. A model is judged here before it may decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.vocabulary import ProductLine
from segmentation.domain.affordability import LendingTerms
from segmentation.domain.answers import ABILITY, FLAGS, INPUTS, NUMBERS, Answer

UNCLASSIFIED: Final = "unclassified"
"""Where a customer stands in a model until the answers that its rules need are there."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What people read, in English and Chinese."""

    en: str
    zh: str


LARGEST_NUMBER: Final = 150
"""The largest number that a condition may name; nobody is older or has more homes."""

_KINDS: Final = {bool: "true or false", int: "a whole number", str: "a word"}

UNCLASSIFIED_LABELS: Final = Labels("Not classified yet", "尚未分类")


class Comparison(StrEnum):
    """How an input is held against a value."""

    EQUALS = "equals"
    NOT_EQUALS = "not-equals"
    AT_LEAST = "at-least"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Condition:
    """One input held against one value."""

    input: str
    compare: Comparison
    value: Answer

    def holds(self, found: Answer) -> bool:
        """Whether an answered input meets the condition."""
        if self.compare is Comparison.EQUALS:
            return found == self.value
        if self.compare is Comparison.NOT_EQUALS:
            return found != self.value
        if not (isinstance(found, int) and isinstance(self.value, int)):
            return False
        return found >= self.value if self.compare is Comparison.AT_LEAST else found < self.value


@dataclass(frozen=True, slots=True)
class Rule:
    """Who meets all conditions of `when` belongs to `segment`, unless an earlier rule decides."""

    rule: str
    segment: str
    when: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """One group of customers, and the product line that suits it.

    `ability_rank` is its place among the segments by rising ability to pay, where one is published.
    """

    segment: str
    labels: Labels
    product_line: ProductLine | None = None
    ability_rank: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SegmentModel:
    """One version of a way to sort customers: its segments, and its rules in order.

    The first rule that holds decides, so the order of rules is part of the model. A version is
    read once and never changes, so that two are compared by identity.
    """

    model: str
    version: int
    labels: Labels
    segments: tuple[Segment, ...]
    rules: tuple[Rule, ...]
    affordability: LendingTerms | None = None

    def segment(self, code: str) -> Segment:
        """The segment of this code; a plain one for `unclassified` and for what is no more."""
        for segment in self.segments:
            if segment.segment == code:
                return segment
        labels = UNCLASSIFIED_LABELS if code == UNCLASSIFIED else Labels(code, code)
        return Segment(code, labels)


@dataclass(frozen=True, slots=True)
class SilenceModel:
    """One version of when a customer counts as dormant: how many days after their last doing."""

    model: str
    version: int
    labels: Labels
    dormant_after_days: int


@dataclass(frozen=True, slots=True)
class Models:
    """The models that decide now: the latest version of each."""

    segments: tuple[SegmentModel, ...]
    silence: SilenceModel


def checked(model: SegmentModel) -> SegmentModel:
    """`model`, if it can decide; raises `Refusal` that points to what has to be mended."""
    for detail, pointer in _faults(model):
        raise Refusal("model-unsound", detail, kind=RefusalKind.INVALID, pointer=pointer)
    return model


def _faults(model: SegmentModel) -> Iterator[tuple[str, str]]:
    codes = [segment.segment for segment in model.segments]
    for code, count in Counter(codes).items():
        if count > 1 or code == UNCLASSIFIED:
            yield f"Segment {code} is there twice, or is the reserved one; rename it.", "/segments"
    for name, count in Counter(rule.rule for rule in model.rules).items():
        if count > 1:
            yield f"{count} rules are called {name}; give each its own name.", "/rules"
    for number, rule in enumerate(model.rules):
        if rule.segment not in codes:
            detail = f"Rule {rule.rule} leads to {rule.segment}, which is none of the segments."
            yield detail, f"/rules/{number}/segment"
        for position, condition in enumerate(rule.when):
            for detail in _condition_faults(condition, model.affordability):
                yield detail, f"/rules/{number}/when/{position}"
    if model.affordability is not None:
        yield from _terms_faults(model.affordability)


def _condition_faults(condition: Condition, terms: LendingTerms | None) -> Iterator[str]:
    if condition.input not in INPUTS:
        yield f"There is no input {condition.input}; choose from {', '.join(INPUTS)}."
    kind = bool if condition.input in FLAGS else int if condition.input in NUMBERS else str
    if type(condition.value) is not kind:
        yield f"{condition.input} is held against {_KINDS[kind]}."
    elif kind is int and not 0 <= int(condition.value) <= LARGEST_NUMBER:
        yield f"Give {condition.input} a number from 0 to {LARGEST_NUMBER}."
    if kind is not int and condition.compare in (Comparison.AT_LEAST, Comparison.BELOW):
        yield f"{condition.compare} is for numbers; use equals or not-equals."
    if condition.input == ABILITY:
        if terms is None:
            yield "Ability to pay needs the model's affordability: ratios, rate, term and bands."
        elif condition.value not in terms.bands:
            yield f"{condition.value} is none of the bands {', '.join(terms.bands)}."


def _terms_faults(terms: LendingTerms) -> Iterator[tuple[str, str]]:
    needed = len(terms.bands) - 1
    for currency, prices in terms.markets.items():
        if len(prices) != needed or list(prices) != sorted(set(prices)):
            detail = f"{currency} needs {needed} rising prices, one between each two bands."
            yield detail, f"/affordability/markets/{currency}"
