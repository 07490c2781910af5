"""The models that leads are scored by, and how far each has been applied to those there were."""

from alembic import op

revision = "intake_0003"
down_revision = "intake_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


STATEMENTS: tuple[str, ...] = (
    # Append-only but for the four last columns; the highest version is in use.
    """
    CREATE TABLE scoring_models (
        version integer PRIMARY KEY,
        name text,
        digest text NOT NULL,
        document text,
        loaded_at timestamptz NOT NULL,
        loaded_by text NOT NULL,
        leaks_accepted boolean NOT NULL,
        rescored_to text,
        rescored integer NOT NULL DEFAULT 0,
        changed integer NOT NULL DEFAULT 0,
        rescored_at timestamptz
    )
    """,
)
