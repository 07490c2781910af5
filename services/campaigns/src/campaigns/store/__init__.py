"""The store of campaigns: tables; load many, save many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.store import loading, saving, tables
from campaigns.store.working_set import CampaignsWorkingSet
from keyturn_chassis.inputs import Input


class CampaignsStore:
    """Loads and saves what decisions look at."""

    metadata = tables.metadata

    async def load(
        self, connection: AsyncConnection, inputs: Sequence[Input[Any]], /
    ) -> CampaignsWorkingSet:
        """The working set that covers all of `inputs`."""
        return await loading.load(connection, inputs)

    async def save(self, connection: AsyncConnection, working_set: CampaignsWorkingSet, /) -> None:
        """Write what changed."""
        await saving.save(connection, working_set)
