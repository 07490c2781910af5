"""The campaign that asks people to confirm a consent (double opt-in)."""

from importlib.resources import files

from alembic import op
from sqlalchemy import text

revision = "campaigns_0002"
down_revision = "campaigns_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the campaign and its template, unless somebody made one of that name already."""
    seeds = (files("campaigns") / "migrations" / "campaigns_0002_seeds.json").read_text("utf-8")
    for statement in SEEDING:
        op.execute(text(statement).bindparams(seeds=seeds))


SEEDING = (
    """
    INSERT INTO templates (code, version, document) SELECT seed->>'code', 1, seed
    FROM jsonb_array_elements(CAST(:seeds AS jsonb) -> 'templates') AS seed
    ON CONFLICT (code) DO NOTHING
    """,
    """
    INSERT INTO campaigns (code, version, document) SELECT seed->>'code', 1, seed
    FROM jsonb_array_elements(CAST(:seeds AS jsonb) -> 'campaigns') AS seed
    ON CONFLICT (code) DO NOTHING
    """,
)
