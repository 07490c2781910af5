"""A match model as a file: by what `intake.domain.people.matching` weighs, as readable JSON."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic import Field as Limited

from intake.domain.people.matching import Explanation, Field, FieldModel, Level, MatchModel, Odds

DEFAULT_MODEL: Final = "match_model.json"
"""The model in this package that is used until one is learnt from the service's own customers."""
FREQUENT_VALUES: Final = 2_000
"""Values of a field whose frequency a file keeps, the commonest first."""
TELLING: Final = frozenset(
    {Field.GIVEN_NAME, Field.FAMILY_NAME, Field.CITY, Field.REGION, Field.POSTCODE}
)
"""Fields whose values tell nobody by themselves."""
COMMON: Final = 0.001
"""Of other fields a file keeps values that are as common as this: defaults, not people's own."""

Probability = Annotated[float, Limited(gt=0, le=1)]


class LevelOdds(BaseModel):
    """How common a level is among pairs of one person, and of two."""

    model_config = ConfigDict(extra="forbid")

    one_person: Probability
    two_people: Probability


class FieldOdds(BaseModel):
    """What a field is worth."""

    model_config = ConfigDict(extra="forbid")

    levels: dict[Level, LevelOdds]
    rare: Annotated[float, Limited(ge=0, le=1)] = 0.0
    frequencies: dict[str, Probability] = {}

    @model_validator(mode="after")
    def _complete(self) -> FieldOdds:
        missing = set(Level) - self.levels.keys()
        if missing:
            raise ValueError(f"the levels {', '.join(sorted(missing))} are missing")
        return self


class MatchModelFile(BaseModel):
    """A whole model."""

    model_config = ConfigDict(extra="forbid")

    learnt_from: str = ""
    same_person: Probability
    priors: dict[Explanation, Probability]
    fields: dict[Field, FieldOdds]

    @model_validator(mode="after")
    def _complete(self) -> MatchModelFile:
        missing = set(Explanation) - self.priors.keys()
        if missing:
            raise ValueError(f"the priors {', '.join(sorted(missing))} are missing")
        return self

    @classmethod
    def of(cls, model: MatchModel) -> MatchModelFile:
        """The file of a model."""
        return cls(
            learnt_from=model.learnt_from,
            same_person=model.same_person,
            priors=dict(model.priors),
            fields={
                field: FieldOdds(
                    levels={
                        level: LevelOdds(one_person=odds.one_person, two_people=odds.two_people)
                        for level, odds in known.levels.items()
                    },
                    rare=known.rare,
                    frequencies=_commonest(field, known),
                )
                for field, known in model.fields.items()
            },
        )

    def model(self) -> MatchModel:
        """The model of the file."""
        return MatchModel(
            same_person=self.same_person,
            priors=self.priors,
            fields={
                field: FieldModel(
                    levels={
                        level: Odds(odds.one_person, odds.two_people)
                        for level, odds in known.levels.items()
                    },
                    rare=known.rare,
                    frequencies=known.frequencies,
                )
                for field, known in self.fields.items()
            },
            learnt_from=self.learnt_from,
        )


@cache
def default_model() -> MatchModel:
    """The model that this package brings."""
    text = files("intake.reading").joinpath(DEFAULT_MODEL).read_text(encoding="utf-8")
    return MatchModelFile.model_validate(json.loads(text)).model()


def _commonest(field: Field, known: FieldModel) -> dict[str, float]:
    least = 0.0 if field in TELLING else COMMON
    kept = [item for item in known.frequencies.items() if item[1] >= least]
    ranked = sorted(kept, key=lambda item: (-item[1], item[0]))
    return dict(ranked[:FREQUENT_VALUES])
