"""Moves the whole population to a new version of a model, a chunk of customers a transaction."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import text

from keyturn_chassis import telemetry
from keyturn_chassis.database import is_conflict, is_transient
from keyturn_chassis.inputs import Cause, Input
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.unit_of_work import UnitOfWork
from keyturn_events import Event
from segmentation.domain import movement
from segmentation.domain.movement import Dossier, Reassess

CHUNK: Final = 500
"""Customers judged anew in one transaction."""

POLL_SECONDS: Final = 1.0
"""How soon a new version is noticed."""

_log = telemetry.get_logger(__name__)


class Rollout:
    """Goes through all customers after a model was published.

    Where it stands is written in the transaction of the moves, so that a crash repeats nothing.
    Customers who come meanwhile are judged by the new version at once.
    """

    name = "rollout"

    async def run(self, runtime: Runtime, /) -> None:
        """Roll out what is not rolled out yet, until cancelled."""
        while True:
            try:
                went_on = await self.step(runtime)
            except Exception as error:
                if not (is_transient(error) or is_conflict(error)):
                    raise
                _log.warning("rollout_retry", error=type(error).__name__)
                went_on = False
            if not went_on:
                await asyncio.sleep(POLL_SECONDS)

    async def step(self, runtime: Runtime) -> bool:
        """Judge the next chunk anew; False when nothing is left to do."""
        async with runtime.database.transaction() as connection:
            rows = await connection.execute(
                text(
                    "SELECT model, version, published_at, rolled_out_to FROM models"
                    " WHERE rolled_out_at IS NULL ORDER BY published_at, model, version"
                    " LIMIT 1 FOR UPDATE SKIP LOCKED"
                )
            )
            version = rows.one_or_none()
            if version is None:
                return False
            found = await connection.execute(
                text(
                    "SELECT customer_id FROM customers"
                    " WHERE customer_id > :last ORDER BY customer_id LIMIT :chunk"
                ),
                {"last": version.rolled_out_to, "chunk": CHUNK},
            )
            ids = [row.customer_id for row in found]
            source = f"{runtime.service.name}/models/{version.model}/{version.version}"
            unit = UnitOfWork(runtime.service, connection)
            inputs = [
                Input(Reassess(id), Cause(source, f"{source}/{id}", version.published_at), reassess)
                for id in ids
            ]
            await unit.load(inputs)
            for input in inputs:
                unit.decide(input)
            await unit.flush()
            await connection.execute(
                text(
                    "UPDATE models SET rolled_out_to = :last,"
                    " rolled_out_at = CASE WHEN :done THEN now() END"
                    " WHERE model = :model AND version = :version"
                ),
                {
                    "last": ids[-1] if ids else version.rolled_out_to,
                    "done": len(ids) < CHUNK,
                    "model": version.model,
                    "version": version.version,
                },
            )
        return True


def reassess(dossier: Dossier, command: Reassess, cause: Cause) -> tuple[Dossier, list[Event]]:
    """Judge one person by the models as they are now."""
    return movement.reassess(dossier, command.customer_id, cause)
