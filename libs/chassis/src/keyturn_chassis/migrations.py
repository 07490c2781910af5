"""Brings a service's database to the schema that its code expects.

Two branches of Alembic revisions meet in every database: the chassis' own tables, and the
service's. Expand, migrate, contract: a revision only adds; what is no longer used is removed one
release later, so that old and new code run side by side.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_chassis.database import Database
from keyturn_chassis.service import Service

CHASSIS_REVISIONS = Path(__file__).parent / "revisions"


class SchemaBehind(Exception):
    """The database lacks revisions that this code needs; `migrate` applies them."""


def scripts(service: Service) -> ScriptDirectory:
    """The revisions of chassis and service."""
    return ScriptDirectory(
        str(CHASSIS_REVISIONS),
        version_locations=[str(CHASSIS_REVISIONS), str(service.migrations)],
    )


async def migrate(service: Service, database: Database) -> list[str]:
    """Apply what is missing, in one transaction; the ids of the revisions applied.

    Several processes may call it at once: one works, the others wait and find nothing to do.
    """
    async with database.transaction() as connection:
        await connection.execute(text("SET LOCAL lock_timeout = 0"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('migrate'))"))
        return await connection.run_sync(_upgrade, scripts(service))


def _upgrade(connection: Connection, script: ScriptDirectory) -> list[str]:
    applied: list[str] = []

    def steps(heads: Any, _: MigrationContext) -> Any:
        plan = script._upgrade_revs("heads", heads)  # noqa: SLF001 - what alembic's own upgrade calls
        applied.extend(step.revision.revision for step in plan)
        return plan

    context = MigrationContext.configure(connection, opts={"fn": steps, "script": script})
    with Operations.context(context):
        context.run_migrations()
    return applied


async def assert_current(connection: AsyncConnection, service: Service) -> None:
    """Raise `SchemaBehind` unless the database has every revision that this code knows.

    A database that is ahead is fine: that is what it looks like to old code while a new version
    rolls out.
    """
    script = scripts(service)
    heads = await connection.run_sync(
        lambda sync: MigrationContext.configure(sync).get_current_heads()
    )
    known = {revision.revision for revision in script.walk_revisions()}
    applied = {
        revision.revision
        for head in heads
        if head in known
        for revision in script.iterate_revisions(head, "base")
    }
    ahead = any(head not in known for head in heads)
    missing = known - applied
    if missing and not ahead:
        raise SchemaBehind(f"revisions not applied: {', '.join(sorted(missing))}")
