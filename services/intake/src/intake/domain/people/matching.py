"""Are two records one person? A Fellegi-Sunter score that can be taken apart field by field.

Two records that agree in a field speak for one person as much as that agreement is commoner among
records of one person (`same_person`) than among records of two. Who the two would be makes a
difference, so three other explanations are weighed: two *strangers*, two *neighbours*, who share a
place, and two *relatives*, who share home, telephone and often a family name. The score is held
against the explanation that is hardest to rule out. This is what keeps a household's members apart
without a rule of its own.

All figures are data: a model is learnt without labels from the records themselves
(`intake.learning.matching`), and this scorer reads it, at the door as in a file.
I. P. Fellegi and A. B. Sunter, A Theory for Record Linkage (JASA 1969); the frequencies of values
after W. E. Winkler (1989).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

LINK_PROBABILITY: Final = 0.97
"""From here on two records are one person without being asked about."""
REVIEW_PROBABILITY: Final = 0.1
"""From here on somebody is asked."""


class Field(StrEnum):
    """What is compared between two records."""

    GIVEN_NAME = "given_name"
    FAMILY_NAME = "family_name"
    BIRTH_DATE = "birth_date"
    PHONE = "phone"
    EMAIL = "email"
    NATIONAL_ID = "national_id"
    STREET = "street"
    CITY = "city"
    REGION = "region"
    POSTCODE = "postcode"


class Level(StrEnum):
    """How far two values agree, the most first."""

    SAME = "same"
    SWAPPED = "swapped"
    """Given and family name stand in each other's place; said of the given name for both."""
    CLOSE = "close"
    """As one value and a slip of the pen."""
    SIMILAR = "similar"
    DIFFERENT = "different"


class Explanation(StrEnum):
    """Who the two records would be, were they not one person."""

    STRANGERS = "strangers"
    NEIGHBOURS = "neighbours"
    RELATIVES = "relatives"


SHARED: Final[Mapping[Explanation, Mapping[Field, float]]] = {
    Explanation.STRANGERS: {},
    Explanation.NEIGHBOURS: {Field.CITY: 1.0, Field.REGION: 1.0, Field.POSTCODE: 1.0},
    Explanation.RELATIVES: {
        Field.GIVEN_NAME: 0.01,
        Field.BIRTH_DATE: 0.01,
        Field.FAMILY_NAME: 0.7,
        Field.EMAIL: 0.3,
        Field.PHONE: 1.0,
        Field.STREET: 1.0,
        Field.CITY: 1.0,
        Field.REGION: 1.0,
        Field.POSTCODE: 1.0,
    },
}
"""The part of such pairs that has a field in common as one person has it with himself; the others
agree by chance. Fathers and sons may share a name, twins a birthday; spouses in China keep theirs.
"""

PERSONAL: Final = frozenset({Field.GIVEN_NAME, Field.BIRTH_DATE, Field.NATIONAL_ID, Field.EMAIL})
"""What tells the members of a household apart: no link rests on the other fields alone."""


class Finding(NamedTuple):
    """How far two records agree in one field that both fill."""

    field: Field
    level: Level
    value: str | None = None
    """The value in which they agree, when they are the same: a rare one says more."""


class Odds(NamedTuple):
    """How common a level is among pairs of records that fill the field."""

    one_person: float
    two_people: float


@dataclass(frozen=True, slots=True)
class FieldModel:
    """What a field is worth."""

    levels: Mapping[Level, Odds]
    rare: float = 0.0
    """How common a value is that `frequencies` does not list; 0 when values are not told apart."""
    frequencies: Mapping[str, float] = field(default_factory=dict)
    """The share of other people who have a value."""


@dataclass(frozen=True, slots=True)
class MatchModel:
    """A model as learnt, with what it was learnt from."""

    same_person: float
    """The probability that two records taken at random are one person."""
    priors: Mapping[Explanation, float]
    """Likewise that they are each of the other things."""
    fields: Mapping[Field, FieldModel]
    learnt_from: str = ""

    def two_people(self, finding: Finding) -> float:
        """How probable a finding is between strangers; the value's own frequency, when known."""
        known = self.fields[finding.field]
        if finding.level is Level.SAME and finding.value is not None and known.rare:
            return known.frequencies.get(finding.value, known.rare)
        return known.levels[finding.level].two_people


@dataclass(frozen=True, slots=True)
class Weight:
    """What one field adds to the score, in bits: +1 doubles the odds of one person."""

    field: Field
    level: Level
    bits: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score and what it is made of: `prior` and the bits of `weights` add up to `bits`."""

    bits: float
    """The logarithm to base 2 of the odds of one person against `against`."""
    against: Explanation
    """The other explanation that is hardest to rule out."""
    prior: float
    """What is known before any field is looked at, in bits."""
    weights: tuple[Weight, ...]

    @property
    def probability(self) -> float:
        """The probability of one person."""
        return probability(self.bits)


def probability(bits: float) -> float:
    """The probability whose odds have this logarithm to base 2."""
    if bits >= 0:
        return 1.0 / (1.0 + math.exp2(-bits))
    odds = math.exp2(bits)
    return odds / (1.0 + odds)


def score(model: MatchModel, findings: Iterable[Finding]) -> Verdict:
    """Weigh what two records have in common. Fields that the model does not know say nothing."""
    known = [finding for finding in findings if finding.field in model.fields]
    verdicts = (_against(model, known, explanation) for explanation in Explanation)
    return min(verdicts, key=lambda verdict: verdict.bits)


def _against(model: MatchModel, findings: Iterable[Finding], explanation: Explanation) -> Verdict:
    shared = SHARED[explanation]
    prior = math.log2(model.same_person / model.priors[explanation])
    weights = []
    for finding in findings:
        same = model.fields[finding.field].levels[finding.level].one_person
        share = shared.get(finding.field, 0.0)
        other = share * same + (1.0 - share) * model.two_people(finding)
        weights.append(Weight(finding.field, finding.level, math.log2(same / other)))
    bits = math.fsum((prior, *(weight.bits for weight in weights)))
    return Verdict(bits, explanation, prior, tuple(weights))


class Proposal(StrEnum):
    """What follows from a comparison."""

    LINK = "link"
    REVIEW = "review"
    APART = "apart"


def propose(verdict: Verdict, link_probability: float = LINK_PROBABILITY) -> Proposal:
    """What a score is good for.

    Nobody is linked on what families share: without a personal field that speaks for it, a link
    becomes a question.
    """
    if verdict.probability < REVIEW_PROBABILITY:
        return Proposal.APART
    personal = any(weight.bits > 0 and weight.field in PERSONAL for weight in verdict.weights)
    if verdict.probability >= link_probability and personal and not conflict(verdict):
        return Proposal.LINK
    return Proposal.REVIEW


def conflict(verdict: Verdict) -> bool:
    """Whether two of national id, given name and birth date contradict one person outright."""
    return (
        sum(
            weight.level is Level.DIFFERENT and weight.field in _CONTRADICTING
            for weight in verdict.weights
        )
        >= 2
    )


_CONTRADICTING: Final = frozenset({Field.NATIONAL_ID, Field.GIVEN_NAME, Field.BIRTH_DATE})
