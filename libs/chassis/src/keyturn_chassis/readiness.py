"""When a process is ready to take work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiokafka.admin import AIOKafkaAdminClient

from keyturn_chassis import migrations
from keyturn_chassis.kafka import client_options
from keyturn_chassis.runtime import Runtime

Check = Callable[[], Awaitable[None]]


def api_checks(runtime: Runtime) -> Mapping[str, Check]:
    """The API needs its database, with the schema that the code expects; not the broker."""

    async def schema() -> None:
        async with runtime.database.transaction() as connection:
            await migrations.assert_current(connection, runtime.service)

    return {"schema": schema}


def worker_checks(runtime: Runtime) -> Mapping[str, Check]:
    """The worker needs the broker too."""

    async def broker() -> None:
        admin = AIOKafkaAdminClient(**client_options(runtime.settings), request_timeout_ms=3000)
        await admin.start()
        await admin.close()

    return {**api_checks(runtime), "broker": broker}
