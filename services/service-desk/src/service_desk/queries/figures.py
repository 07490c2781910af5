"""The figures of the desk's reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from keyturn_events.vocabulary import Touchpoint
from service_desk.domain.satisfaction import Gap

_FIGURES = (
    " count(*) AS raised,"
    " count(*) FILTER (WHERE state IN ('open', 'waiting')) AS open,"
    " count(*) FILTER (WHERE state = 'closed') AS closed,"
    " count(*) FILTER (WHERE NOT late AND resolution_due_at IS NOT NULL"
    "  AND state IN ('resolved', 'closed')) AS on_time,"
    " count(*) FILTER (WHERE late) AS late,"
    " count(*) FILTER (WHERE resolution_due_at IS NULL"
    "  AND state IN ('resolved', 'closed')) AS without_due,"
    " count(*) FILTER (WHERE CAST(document->>'reopenings' AS integer) > 0) AS reopened,"
    " percentile_cont(0.5) WITHIN GROUP (ORDER BY"
    "  extract(epoch FROM resolved_at - received_at) / 86400.0)"
    "  FILTER (WHERE resolved_at IS NOT NULL) AS median_days"
    " FROM cases WHERE (CAST(:since AS timestamptz) IS NULL OR received_at >= :since)"
    " AND (CAST(:until AS timestamptz) IS NULL OR received_at < :until)"
    " AND (CAST(:community_id AS text) IS NULL OR community_id = :community_id)"
)


async def complaint_figures(
    connection: AsyncConnection,
    since: datetime | None,
    until: datetime | None,
    community_id: str | None,
) -> tuple[Row[Any], Sequence[Row[Any]]]:
    """Counts and median days of the complaints received in a time: of all, and by category."""
    bounds = {"since": since, "until": until, "community_id": community_id}
    whole = await connection.execute(text(f"SELECT{_FIGURES}"), bounds)
    by_category = await connection.execute(
        text(f"SELECT category,{_FIGURES} GROUP BY category ORDER BY count(*) DESC, category"),
        bounds,
    )
    return whole.one(), by_category.all()


_ANSWERED = (
    " FROM responses WHERE (CAST(:touchpoint AS text) IS NULL OR touchpoint = :touchpoint)"
    " AND (CAST(:community_id AS text) IS NULL OR community_id = :community_id)"
)


async def satisfaction(
    connection: AsyncConnection, touchpoint: Touchpoint | None, community_id: str | None
) -> tuple[Row[Any], tuple[Gap, ...]]:
    """Counts, means and the net promoter score of survey answers, and the gap by dimension."""
    wanted = {"touchpoint": touchpoint and touchpoint.value, "community_id": community_id}
    recommend = "CAST(document->'said'->>'recommend' AS float)"
    figures = await connection.execute(
        text(
            "SELECT count(*) AS answers, count(act_by) AS low,"
            " avg(CAST(document->'said'->>'satisfaction' AS float)) AS satisfaction,"
            f" 100 * avg(CASE WHEN {recommend} >= 9 THEN 1.0 WHEN {recommend} <= 6 THEN -1.0"
            f" WHEN {recommend} IS NOT NULL THEN 0.0 END) AS net_promoter_score{_ANSWERED}"
        ),
        wanted,
    )
    means = await connection.execute(
        text(
            "SELECT a->>'dimension' AS dimension,"  # noqa: S608 - constants of this module
            " avg(CAST(a->>'experience' AS float)) AS experience,"
            " avg(CAST(a->>'expectation' AS float)) AS expectation,"
            " avg(CAST(a->>'importance' AS float)) AS importance"
            f" FROM (SELECT jsonb_array_elements(document->'said'->'answers') AS a{_ANSWERED})"
            " AS said GROUP BY 1 ORDER BY 1"
        ),
        wanted,
    )
    gaps = tuple(
        Gap(row.dimension, row.experience, row.expectation, row.importance)
        for row in means
        if row.experience is not None
    )
    return figures.one(), gaps
