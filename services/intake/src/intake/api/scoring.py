"""By what leads are scored, and one lead's score with its reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, Field

from intake.domain.scoring import scoring
from intake.domain.scoring.lead_signals import SIGNALS, Label, signals_of
from intake.domain.scoring.scoring_models import (
    DropModel,
    LoadModel,
    ModelRegister,
    ModelVersion,
    drop_model,
    load_model,
)
from intake.reading.scoring_model_file import ModelFile, OutcomePart, TrainedPart
from intake.store import scorecards
from keyturn_chassis import commands
from keyturn_chassis.auth import Principal, principal
from keyturn_events import Event, Refusal, RefusalKind
from keyturn_events.scalars import LeadId

router = APIRouter(tags=["scoring"])

Writer = Annotated[commands.Caller, Security(commands.caller, scopes=["scoring:write"])]
Reader = Annotated[Principal, Security(principal, scopes=["scoring:read"])]

_EXAMPLE: Final = {
    "format": "keyturn-scoring-model",
    "format_version": 1,
    "name": "showroom-2026",
    "outcome": {"field": "outcome", "value": "won"},
    "base": -2.1,
    "fields": {
        "channel": {
            "kind": "category",
            "levels": {"walk-in": 0.9, "web": -0.4},
            "other": 0.0,
        },
        "budget": {
            "kind": "number",
            "points": [[800000, -0.5], [3000000, 0.6]],
            "missing": -0.3,
        },
    },
}


class Labelled(BaseModel):
    """What people call it."""

    en: str
    zh: str

    @classmethod
    def of(cls, label: Label) -> Labelled:
        """The label as it is shown."""
        return cls(en=label.en, zh=label.zh)


class FieldOfModel(BaseModel):
    """A field that the model asks for."""

    field: str
    kind: Literal["number", "category", "date"]
    label: Labelled


class RuleOfScore(BaseModel):
    """A rule that counts, or may count."""

    rule: str
    points: int
    label: Labelled


class Rescoring(BaseModel):
    """How far the leads that were there before are scored anew; the worker does it in steps."""

    done: bool
    leads: int = Field(description="Open leads that were looked at.")
    changed: int = Field(description="Those of them whose score became another one.")


class ModelInUse(BaseModel):
    """By what leads are scored."""

    scored_by: Literal["model", "rules"]
    name: str
    version: int = Field(description="As the event `lead.scored` tells it.")
    loaded_at: datetime | None
    loaded_by: str | None
    outcome: OutcomePart | None = Field(description="What the model gives the chance of.")
    trained: TrainedPart | None
    fields: list[FieldOfModel]
    rules: list[RuleOfScore]
    leaks_accepted: list[str] = Field(
        description="Fields that look known only after the outcome, and were loaded all the same."
    )
    rescoring: Rescoring | None = None

    @classmethod
    def of(cls, register: ModelRegister, _: Sequence[Event]) -> ModelInUse:
        """What is in use after a decision."""
        return cls.shown(register.in_use)

    @classmethod
    def shown(
        cls, version: ModelVersion | None, progress: scorecards.Progress | None = None
    ) -> ModelInUse:
        """A version as it is shown."""
        rescoring = (
            None
            if progress is None
            else Rescoring(done=progress.done, leads=progress.leads, changed=progress.changed)
        )
        if version is None or version.document is None:
            return cls(
                scored_by="rules",
                name=scoring.MODEL,
                version=scoring.VERSION,
                loaded_at=None if version is None else version.loaded_at,
                loaded_by=None if version is None else version.loaded_by,
                outcome=None,
                trained=None,
                fields=[],
                rules=[_rule(rule.code, rule.points) for rule in scoring.RULES],
                leaks_accepted=[],
                rescoring=rescoring,
            )
        file = ModelFile.model_validate_json(version.document)
        return cls(
            scored_by="model",
            name=file.name,
            version=version.version,
            loaded_at=version.loaded_at,
            loaded_by=version.loaded_by,
            outcome=file.outcome,
            trained=file.trained,
            fields=[
                FieldOfModel(field=name, kind=part.kind, label=Labelled.of(SIGNALS[name]))
                for name, part in file.fields.items()
            ],
            rules=[],
            leaks_accepted=list(file.leaks) if version.leaks_accepted else [],
            rescoring=rescoring,
        )


class Contribution(BaseModel):
    """What one field adds to the log-odds of the average lead."""

    field: str
    value: str | None = Field(description="What the lead said; null when it said nothing.")
    contribution: float
    label: Labelled


class LeadScore(BaseModel):
    """A lead's score by what is in use now, and what it is made of."""

    lead_id: str
    score: int = Field(description="0 to 100; a model's is its probability in per cent.")
    told_score: int | None = Field(description="What the latest event told.")
    scored_by: Literal["model", "rules"]
    model: str
    model_version: int
    probability: float | None = Field(description="Null where rules score, and so are the next.")
    log_odds: float | None = Field(description="base and all contributions, added up.")
    base: float | None = Field(description="The log-odds of the average lead.")
    contributions: list[Contribution] = Field(description="The weightiest first.")
    rules: list[RuleOfScore] = Field(description="The rules that held, where rules score.")


@router.get("/scoring/model", summary="By what leads are scored", response_model=ModelInUse)
async def show_model(_: Reader, connection: commands.Reading) -> ModelInUse:
    """The model in use with its fields, or the rules; and how far older leads are rescored."""
    version = await scorecards.version_in_use(connection)
    return ModelInUse.shown(version, await scorecards.progress(connection))


@router.put(
    "/scoring/model",
    summary="Score by a trained model",
    response_model=ModelInUse,
    openapi_extra={"requestBody": {"content": {"application/json": {"example": _EXAMPLE}}}},
)
async def put_model(
    body: ModelFile,
    caller: Writer,
    accept_leaks: Annotated[
        bool, Query(description="Load it although fields look known only after the outcome.")
    ] = False,
) -> Response:
    """Load the file that `scoring fit` wrote; leads are scored by it from the next touch on.

    It may ask only for what a live lead has. Open leads that are there already are scored anew by
    the worker, in steps. The same model again changes nothing.
    """
    document = body.model_dump_json()
    command = LoadModel(
        body.model(),
        document,
        hashlib.sha256(document.encode()).hexdigest(),
        caller.principal.subject,
        accept_leaks=accept_leaks,
    )
    return await caller.execute(load_model, command, ModelInUse.of)


@router.delete("/scoring/model", summary="Score by the rules again", response_model=ModelInUse)
async def delete_model(caller: Writer) -> Response:
    """The model is not used any more; what it told stays told."""
    return await caller.execute(drop_model, DropModel(caller.principal.subject), ModelInUse.of)


@router.get("/leads/{lead_id}/score", summary="A lead's score", response_model=LeadScore)
async def show_score(lead_id: LeadId, _: Reader, connection: commands.Reading) -> LeadScore:
    """The score with the reasons that add up to it."""
    found = await scorecards.scored_lead(connection, lead_id)
    if found is None:
        raise Refusal(
            "lead-not-found",
            "There is no lead of this id; take it from the answer to its capture.",
            kind=RefusalKind.NOT_FOUND,
        )
    lead, customer, touches = found
    model = await scorecards.model_in_use(connection)
    if model is None:
        points, reasons = scoring.judge(scoring.rule_signals(lead, customer))
        return LeadScore(
            lead_id=lead_id,
            score=points,
            told_score=lead.score,
            scored_by="rules",
            model=scoring.MODEL,
            model_version=scoring.VERSION,
            probability=None,
            log_odds=None,
            base=None,
            contributions=[],
            rules=[_rule(reason.rule, reason.points) for reason in reasons],
        )
    signals = signals_of(lead.community_id, touches)
    estimate = model.model.estimate(signals)
    return LeadScore(
        lead_id=lead_id,
        score=model.judge(signals)[0],
        told_score=lead.score,
        scored_by="model",
        model=model.model.name,
        model_version=model.version,
        probability=estimate.probability,
        log_odds=estimate.log_odds,
        base=estimate.base,
        contributions=_contributions(estimate.contributions, signals),
        rules=[],
    )


def _contributions(given: Mapping[str, float], signals: Mapping[str, str]) -> list[Contribution]:
    weightiest = sorted(given.items(), key=lambda field: (-abs(field[1]), field[0]))
    return [
        Contribution(
            field=name,
            value=signals.get(name),
            contribution=contribution,
            label=Labelled.of(SIGNALS[name]),
        )
        for name, contribution in weightiest
    ]


def _rule(code: str, points: int) -> RuleOfScore:
    return RuleOfScore(rule=code, points=points, label=Labelled.of(scoring.RULE_LABELS[code]))
