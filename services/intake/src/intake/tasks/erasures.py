"""Measures how many erasures wait for receipts, and how many for too long."""

from __future__ import annotations

import asyncio
from typing import Final

from prometheus_client import Gauge

from intake.domain.privacy.erasures import ErasureStatus
from intake.queries.erasures import unfinished
from keyturn_chassis import telemetry
from keyturn_chassis.database import is_transient
from keyturn_chassis.runtime import Runtime

EVERY_SECONDS: Final = 15.0

ERASURES: Final = Gauge(
    "keyturn_erasures", "Erasures whose receipts are not all in: open or overdue.", ["status"]
)

_log = telemetry.get_logger(__name__)


class ErasureGauge:
    """Keeps the gauge up to date; an alert on `overdue` above zero finds whom to ask."""

    name = "erasures"

    async def run(self, runtime: Runtime, /) -> None:
        """Measure now and then, until cancelled."""
        while True:
            try:
                await self.measure(runtime)
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("erasures_retry", error=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    async def measure(self, runtime: Runtime) -> None:
        """Count once."""
        async with runtime.database.transaction() as connection:
            counts = await unfinished(connection)
        for status in (ErasureStatus.OPEN, ErasureStatus.OVERDUE):
            ERASURES.labels(status).set(counts.get(status, 0))
