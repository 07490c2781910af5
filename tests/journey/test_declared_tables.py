"""What the code says of its tables is what the migrations make of them."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData

import campaigns.service
import intake.service
import segmentation.service
import service_desk.service
from keyturn_chassis.database import Database, chassis_metadata
from keyturn_chassis.service import Service

SERVICES = [
    intake.service.service,
    segmentation.service.service,
    service_desk.service.service,
    campaigns.service.service,
]


def differences(connection: Connection, metadata: MetaData) -> list[Any]:
    """What a migration would still have to change for the declared tables to be true."""
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
        },
    )
    return list(compare_metadata(context, metadata))


def is_of_columns(difference: Any) -> bool:
    """Indexes, references and identity settings are the migrations' own; no statement names one."""
    if isinstance(difference, list):
        return any(kind != "modify_default" for kind, *_ in difference)
    return difference[0] in {"add_table", "remove_table", "add_column", "remove_column"}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_declared_tables_are_the_migrated_ones(service: Service, databases: Any) -> None:
    url = await databases.of(service)
    database = Database(url, pool_size=1)
    async with database.transaction() as connection:
        found = [
            *await connection.run_sync(differences, service.store.metadata),
            *await connection.run_sync(differences, chassis_metadata),
        ]
    await database.close()
    await databases.drop(url)

    assert [difference for difference in found if is_of_columns(difference)] == []
