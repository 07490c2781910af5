"""The worker process: consumer, relay, timers and the service's own tasks, side by side."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from keyturn_chassis import dead_letters, telemetry
from keyturn_chassis.consumer import Consumer
from keyturn_chassis.database import is_transient
from keyturn_chassis.garbage import tune_collector
from keyturn_chassis.health import worker_app
from keyturn_chassis.readiness import worker_checks
from keyturn_chassis.relay import Relay
from keyturn_chassis.retention import Retention
from keyturn_chassis.runtime import Runtime
from keyturn_chassis.timer_loop import TimerLoop

GAUGE_SECONDS = 5.0
"""How often the number of parked events is counted."""
BATCH_SECONDS = 15.0
"""How long a stopping worker may take for the batch in hand."""
CANCEL_SECONDS = 8.0
"""How long its loops may take to end after that; with `BATCH_SECONDS`, less than Kubernetes' 30."""

_log = telemetry.get_logger(__name__)


async def run_worker(runtime: Runtime) -> None:
    """Work until SIGTERM or SIGINT; then finish the batch in hand, commit, and leave the group.

    A loop that fails for a reason that no retry can help ends the whole process with that error,
    so that its supervisor sees it.
    """
    tune_collector()
    async with runtime:
        consumer = Consumer(runtime)
        health = _health_server(runtime)
        serving = asyncio.create_task(health.serve(), name="health")
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        consuming = asyncio.create_task(consumer.run(), name="consumer")
        loops = [
            consuming,
            asyncio.create_task(Relay(runtime).run(), name="relay"),
            asyncio.create_task(TimerLoop(runtime).run(), name="timers"),
            asyncio.create_task(Retention(runtime).run(), name="retention"),
            asyncio.create_task(_measure(runtime), name="gauges"),
            serving,
            *(
                asyncio.create_task(task.run(runtime), name=task.name)
                for task in runtime.service.tasks
            ),
        ]
        stopped = asyncio.create_task(stopping.wait(), name="signal")
        done, _ = await asyncio.wait([stopped, *loops], return_when=asyncio.FIRST_COMPLETED)
        consumer.stop()
        await asyncio.wait([consuming], timeout=BATCH_SECONDS)
        health.should_exit = True
        await asyncio.wait([serving], timeout=1)
        for task in (*loops, stopped):
            task.cancel()
        _, late = await asyncio.wait([*loops, stopped], timeout=CANCEL_SECONDS)
        if late:
            # Whatever they wait for is in the database or with the broker, not in this process.
            _log.error("stopped_by_force", loops=sorted(task.get_name() for task in late))
            os._exit(1)
        for task in done - {stopped}:
            task.result()


async def _measure(runtime: Runtime) -> None:
    while True:
        try:
            async with runtime.database.transaction() as connection:
                telemetry.PARKED.set(await dead_letters.count(connection, runtime.service.name))
        except Exception as error:
            if not is_transient(error):
                raise
        await asyncio.sleep(GAUGE_SECONDS)


class _HealthServer(uvicorn.Server):
    """Leaves the signals to the worker, which has a batch to finish first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _health_server(runtime: Runtime) -> _HealthServer:
    return _HealthServer(
        uvicorn.Config(
            worker_app(worker_checks(runtime)),
            host=runtime.settings.host,
            port=runtime.settings.worker_port,
            log_config=None,
            access_log=False,
        )
    )
