"""A running process of a service: its settings, database, clock and group commit."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from keyturn_chassis.auth import Authenticator
from keyturn_chassis.clock import Clock, DrivenClock, SystemClock
from keyturn_chassis.database import Database
from keyturn_chassis.group_commit import GroupCommit
from keyturn_chassis.service import Service
from keyturn_chassis.settings import Settings


class Runtime:
    """What the parts of one process share. An asynchronous context manager."""

    def __init__(self, service: Service, settings: Settings | None = None) -> None:
        self.service = service
        self.settings = service.settings() if settings is None else settings
        self.database = Database(
            str(self.settings.database_url),
            pool_size=self.settings.database_pool_size,
            application_name=service.name,
        )
        self.clock: Clock = DrivenClock() if self.settings.clock == "driven" else SystemClock()
        self.authenticator = Authenticator(self.settings)
        # Its own connection, so that readers who exhaust the pool cannot keep it from committing.
        self._committing_database = Database(
            str(self.settings.database_url), pool_size=1, application_name=f"{service.name}-commit"
        )
        self.commands = GroupCommit(service, self._committing_database, self.clock)
        self._committing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._committing = asyncio.create_task(self.commands.run(), name="group-commit")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._committing is not None:
            self._committing.cancel()
            await asyncio.gather(self._committing, return_exceptions=True)
        await self._committing_database.close()
        await self.database.close()
