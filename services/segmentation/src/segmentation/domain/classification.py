"""Which segment a customer belongs to, why, and when that may change by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from segmentation.domain.answers import (
    ADULT_AGE,
    Answer,
    Circumstances,
    Unanswered,
    answer,
    birthday,
    births_behind,
    circumstances,
    shown,
)
from segmentation.domain.models import UNCLASSIFIED, Comparison, Condition, Rule, SegmentModel

MISSING_ANSWERS: Final = "missing-answers"
"""The rule that is named when a rule cannot be decided for lack of answers."""

NO_RULE: Final = "no-rule"
"""The rule that is named when every answer is there and no rule holds."""


@dataclass(frozen=True, slots=True)
class Classification:
    """A segment, the rule that decided, what it looked at, and what could not be answered."""

    segment: str
    rule: str
    inputs: Mapping[str, Answer]
    missing: tuple[str, ...]


def classify(model: SegmentModel, given: Circumstances) -> Classification:
    """The one segment of `model` that `given` belong to, or `unclassified` with what is missing.

    The first rule that holds decides. A rule that cannot be decided stops the search, because it
    might have come first, except where the next rule that holds leads to the same segment anyway.
    """
    missing: dict[str, None] = {}
    undecided: set[str] = set()
    found: dict[str, Answer | Unanswered] = {}
    for rule in model.rules:
        outcome = _hold(rule, given, found)
        if isinstance(outcome, Unanswered):
            undecided.add(rule.segment)
            missing.update(dict.fromkeys(outcome.questions))
        elif outcome:
            if undecided <= {rule.segment}:
                return Classification(rule.segment, rule.rule, _looked_at(rule, given), ())
            break
    seen = {name: known for name, known in found.items() if not isinstance(known, Unanswered)}
    rule_name = MISSING_ANSWERS if undecided else NO_RULE
    return Classification(UNCLASSIFIED, rule_name, seen, tuple(missing))


@lru_cache(maxsize=64)
def stranger(model: SegmentModel) -> Classification:
    """What `model` says of somebody of whom nothing is known, as everybody is at first."""
    return classify(model, circumstances({}, date.max, model.affordability))


def next_change(model: SegmentModel, given: Circumstances) -> date | None:
    """The first day after `given.on` on which time alone may move the customer."""
    if not given.household.members:
        return None
    days = (
        birthday(born, age)
        for name, ages in _turning_ages(model).items()
        for born in births_behind(name, given)
        for age in ages
    )
    return min((day for day in days if day > given.on), default=None)


@lru_cache(maxsize=64)
def _turning_ages(model: SegmentModel) -> dict[str, set[int]]:
    """By input, the ages at which some condition of `model` may turn."""
    turning: dict[str, set[int]] = {}
    for rule in model.rules:
        for condition in rule.when:
            turning.setdefault(condition.input, set()).update(_ages(condition))
    return turning


def _ages(condition: Condition) -> tuple[int, ...]:
    """The ages at which a condition may turn; equality turns again a year later."""
    if isinstance(condition.value, bool):
        return (ADULT_AGE,)
    if not isinstance(condition.value, int):
        return ()
    if condition.compare in (Comparison.AT_LEAST, Comparison.BELOW):
        return (condition.value,)
    return (condition.value, condition.value + 1)


def _hold(
    rule: Rule, given: Circumstances, found: dict[str, Answer | Unanswered]
) -> bool | Unanswered:
    """Whether all conditions hold. One that fails decides, even where others are unanswered.

    `found` keeps the inputs that have been read, so that each is read once.
    """
    questions: list[str] = []
    for condition in rule.when:
        name = condition.input
        known = found.get(name)
        if known is None:
            known = found[name] = answer(name, given)
        if isinstance(known, Unanswered):
            questions.extend(known.questions)
        elif not condition.holds(known):
            return False
    return Unanswered(tuple(questions)) if questions else True


def _looked_at(rule: Rule, given: Circumstances) -> dict[str, Answer]:
    looked: dict[str, Answer] = {}
    for condition in rule.when:
        looked.update(shown(condition.input, given))
    return looked
