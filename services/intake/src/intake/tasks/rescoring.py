"""Scores the open leads anew when a model was loaded or dropped, some leads a transaction.

Killed at any moment, it goes on after the last lead that was committed; a version that comes
meanwhile begins at the first lead again. Only scores that become another one are told.
"""

from __future__ import annotations

import asyncio
from typing import Final

from intake.domain.leads.lead_commands import RescoreLead, rescore
from intake.store import scorecards
from keyturn_chassis import telemetry
from keyturn_chassis.clock import wall_now
from keyturn_chassis.database import is_conflict, is_transient
from keyturn_chassis.inputs import Cause, Input
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.unit_of_work import UnitOfWork

BATCH: Final = 500
"""Leads of one transaction."""
POLL_SECONDS: Final = 2.0
"""How long a new version may wait when there was nothing to do."""
BREATH: Final = 50
"""Leads after which the other loops of the worker get their turn."""

_log = telemetry.get_logger(__name__)


class RescoringTask:
    """The worker's loop over leads that the version in use has not scored yet."""

    name = "rescoring"

    async def run(self, runtime: Runtime, /) -> None:
        """Rescore until cancelled."""
        while True:
            try:
                worked = await self.work(runtime)
            except Exception as error:
                if not (is_transient(error) or is_conflict(error)):
                    raise
                _log.warning("rescoring_retry", error=type(error).__name__)
                worked = False
            if not worked:
                await asyncio.sleep(POLL_SECONDS)

    async def work(self, runtime: Runtime) -> bool:
        """Rescore the next leads; whether there may be more."""
        async with runtime.database.transaction() as connection:
            version = await scorecards.to_rescore(connection)
            if version is None:
                return False
            lead_ids = await scorecards.next_open_leads(connection, version, BATCH)
            if not lead_ids:
                await scorecards.rescored_all(connection, version, wall_now())
                _log.info("rescoring_done", version=version)
                return True
            now = await runtime.clock.now(connection)
            unit = UnitOfWork(runtime.service, connection)
            inputs = [
                Input(RescoreLead(lead_id), Cause(f"/scoring/{version}", lead_id, now), rescore)
                for lead_id in lead_ids
            ]
            await unit.load(inputs)
            changed = 0
            for count, input in enumerate(inputs, 1):
                _, events = unit.decide(input)
                changed += bool(events)
                if count % BREATH == 0:
                    await asyncio.sleep(0)
            await unit.flush()
            await scorecards.rescored(connection, version, lead_ids, changed)
        return True
