"""The outbox as a queue: a published row goes, and CloudEvents attributes are columns."""

from alembic import op

revision = "chassis_0002"
down_revision = "chassis_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep what is not published yet."""
    for statement in STATEMENTS:
        op.execute(statement)


STATEMENTS = (
    "DELETE FROM outbox WHERE published_at IS NOT NULL",
    """
    ALTER TABLE outbox
        ADD COLUMN time text,
        ADD COLUMN recordedtime text,
        ADD COLUMN causationid text,
        ADD COLUMN traceparent text
    """,
    """
    UPDATE outbox SET
        time = headers->>'ce_time',
        recordedtime = headers->>'ce_recordedtime',
        causationid = headers->>'ce_causationid',
        traceparent = headers->>'ce_traceparent'
    """,
    """
    ALTER TABLE outbox
        ALTER COLUMN time SET NOT NULL,
        ALTER COLUMN recordedtime SET NOT NULL,
        ALTER COLUMN causationid SET NOT NULL,
        ALTER COLUMN traceparent SET NOT NULL,
        DROP COLUMN headers,
        DROP COLUMN published_at,
        DROP CONSTRAINT outbox_pkey,
        ADD PRIMARY KEY (sequence)
    """,
)
