"""The rules of a community."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community
from intake.queries.statements import one
from intake.store.documents import COMMUNITY


async def community(connection: AsyncConnection, community_id: str) -> tuple[Community, int] | None:
    """A registered community, and the version of its rules."""
    row = await one(
        connection,
        "SELECT version, CAST(document AS text) AS document FROM communities"
        " WHERE community_id = :id",
        community_id,
    )
    return None if row is None else (COMMUNITY.validate_json(row.document), row.version)
