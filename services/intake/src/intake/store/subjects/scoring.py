"""A scoring model is loaded or dropped; and by what everybody else's leads are scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.scoring.scoring_models import DropModel, LoadModel, ModelRegister, ModelVersion
from intake.store import tables
from intake.store.needs import Needs
from intake.store.scorecards import Scorecards, model_in_use, touches_of, version_in_use
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import insert_rows
from keyturn_chassis.inputs import Input


@dataclass(slots=True)
class RegisterNeeds:
    """Whether a model is to be loaded or dropped."""

    wanted: bool = False


@dataclass(slots=True)
class Registered:
    """The model in use, and the versions that the batch has added."""

    in_use: ModelVersion | None = None
    added: list[ModelVersion] = field(default_factory=list)


class Scoring(Subject):
    """The register of models."""

    inputs = (LoadModel, DropModel)
    states = (ModelRegister,)

    def need(self, needs: Needs, input: Input[Any]) -> None:  # noqa: ARG002 - any of them
        """What is in use."""
        needs.part(RegisterNeeds).wanted = True

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """The model in use wherever a lead may be scored; with one, what leads have said."""
        if needs.part(RegisterNeeds).wanted:
            rows.part(Registered).in_use = await version_in_use(connection)
        if not (needs.visitors or needs.leads):
            return
        cards = rows.part(Scorecards)
        cards.model = await model_in_use(connection)
        if cards.model is not None:
            leads = [lead.lead_id for lead in rows.leads.values()]
            cards.touches = await touches_of(connection, leads)

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> ModelRegister:  # noqa: ARG002
        """What is in use, as of now."""
        return ModelRegister(rows.part(Registered).in_use)

    def put(self, rows: IntakeWorkingSet, state: Any) -> None:
        """Take the version that a decision added."""
        register: ModelRegister = state
        if register.added is not None:
            known = rows.part(Registered)
            known.in_use = register.added
            known.added.append(register.added)

    async def save(self, connection: AsyncConnection, rows: IntakeWorkingSet) -> None:
        """Write the versions; two of one number are a conflict, and decided again."""
        await insert_rows(
            connection,
            tables.scoring_models,
            [
                {
                    "version": added.version,
                    "name": added.name,
                    "digest": added.digest,
                    "document": added.document,
                    "loaded_at": added.loaded_at,
                    "loaded_by": added.loaded_by,
                    "leaks_accepted": added.leaks_accepted,
                }
                for added in rows.part(Registered).added
            ],
        )
