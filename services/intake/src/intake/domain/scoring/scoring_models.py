"""Which trained model scores the leads: each one that is loaded is a version, and so is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Final

from intake.domain.occasion import Occasion
from intake.domain.scoring.lead_signals import SIGNALS
from intake.domain.scoring.scoring_model import Estimate, ScoringModel
from keyturn_events.event import Event
from keyturn_events.refusal import Refusal, RefusalKind
from keyturn_events.values import ScoreReason

POINTS: Final = 100
"""Points of a reason for one of log-odds."""
MOST_REASONS: Final = 8
"""Reasons that the event of one score tells, the weightiest first; the API tells all."""
MOST_VERSIONS: Final = 1_000_000
REMEMBERED_JUDGEMENTS: Final = 4_096


class LoadedModel:
    """A model in use; it remembers its latest judgements, since many leads show the same."""

    __slots__ = ("_judged", "fields", "model", "version")

    def __init__(self, model: ScoringModel, version: int) -> None:
        self.model = model
        self.version = version
        self.fields = tuple(model.terms)
        self._judged: dict[tuple[str, ...], tuple[int, tuple[ScoreReason, ...]]] = {}

    def judge(self, signals: Mapping[str, str]) -> tuple[int, tuple[ScoreReason, ...]]:
        """The score of a lead, 0 to 100, and what moved it from that of the average lead."""
        cells = tuple(signals.get(name, "") for name in self.fields)
        judged = self._judged.get(cells)
        if judged is None:
            if len(self._judged) >= REMEMBERED_JUDGEMENTS:
                self._judged.clear()
            judged = self._judged[cells] = self._judge(self.model.estimate(signals))
        return judged

    def _judge(self, estimate: Estimate) -> tuple[int, tuple[ScoreReason, ...]]:
        reasons = tuple(
            _reason(name, points)
            for name, given in islice(self.model.weightiest(estimate), MOST_REASONS)
            if (points := round(given * POINTS))
        )
        return round(100 * estimate.probability), reasons


@lru_cache(REMEMBERED_JUDGEMENTS)
def _reason(name: str, points: int) -> ScoreReason:
    """A reason; to make one takes longer than to find it."""
    return ScoreReason(rule=name, points=points)


@dataclass(frozen=True, slots=True)
class LoadModel:
    """The command to score by a trained model from now on."""

    model: ScoringModel
    document: str
    """The model's file as it is kept, JSON."""
    digest: str
    """SHA-256 of `document`."""
    by: str
    accept_leaks: bool = False


@dataclass(frozen=True, slots=True)
class DropModel:
    """The command to score by the rules again."""

    by: str


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """What leads are scored by from one moment to the next."""

    version: int
    name: str | None
    """None where the rules score."""
    digest: str
    document: str | None
    loaded_at: datetime
    loaded_by: str
    leaks_accepted: bool = False


@dataclass(frozen=True, slots=True)
class ModelRegister:
    """The version in use, and one that a decision has added."""

    in_use: ModelVersion | None = None
    added: ModelVersion | None = None


def load_model(
    register: ModelRegister, command: LoadModel, occasion: Occasion
) -> tuple[ModelRegister, list[Event]]:
    """Score by this model; nothing changes when it is in use already.

    Raises `Refusal` `unknown-model-field` for a field that no lead has, `model-leaks` for fields
    that look as if they were known only after the outcome, and `too-many-models`.
    """
    ensure_live(command.model)
    if command.model.leaks and not command.accept_leaks:
        raise Refusal(
            "model-leaks",
            f"{', '.join(command.model.leaks)}: known only after the outcome, by the look of it."
            " Fit again without, or load it with accept_leaks if you know better.",
            pointer="/leaks",
        )
    if register.in_use is not None and register.in_use.digest == command.digest:
        return register, []
    added = ModelVersion(
        version=_next(register),
        name=command.model.name,
        digest=command.digest,
        document=command.document,
        loaded_at=occasion.at,
        loaded_by=command.by,
        leaks_accepted=bool(command.model.leaks),
    )
    return replace(register, in_use=added, added=added), []


def ensure_live(model: ScoringModel) -> None:
    """Raises `Refusal` `unknown-model-field` when the model asks for what no live lead has."""
    unknown = [name for name in model.terms if name not in SIGNALS]
    if unknown:
        named = ", ".join(unknown[:20]) + (", …" if unknown[20:] else "")
        raise Refusal(
            "unknown-model-field",
            f"The model asks for {named}, which a live lead does not have. Fit it to a table from"
            " `scoring export`, or drop these columns; a lead has: " + ", ".join(SIGNALS) + ".",
            kind=RefusalKind.INVALID,
            pointer="/fields",
        )


def drop_model(
    register: ModelRegister, command: DropModel, occasion: Occasion
) -> tuple[ModelRegister, list[Event]]:
    """Score by the rules again; nothing changes when they score already."""
    if register.in_use is None or register.in_use.name is None:
        return register, []
    added = ModelVersion(
        version=_next(register),
        name=None,
        digest="",
        document=None,
        loaded_at=occasion.at,
        loaded_by=command.by,
    )
    return replace(register, in_use=added, added=added), []


def _next(register: ModelRegister) -> int:
    version = 1 if register.in_use is None else register.in_use.version + 1
    if version > MOST_VERSIONS:
        raise Refusal("too-many-models", f"{MOST_VERSIONS} models were loaded already.")
    return version
