"""Keys and quotas of partners."""

from alembic import op

revision = "intake_0008"
down_revision = "intake_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE partner_records ADD COLUMN event_type text",
    # How many a partner had accepted today, and what became of its records day by day.
    """
    CREATE INDEX partner_records_received ON partner_records (partner_id, received_at, outcome)
    """,
    """
    CREATE INDEX partner_records_rejected ON partner_records (partner_id, position)
        WHERE outcome = 'rejected'
    """,
)
