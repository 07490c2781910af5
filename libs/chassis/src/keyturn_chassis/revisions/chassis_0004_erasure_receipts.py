"""The receipts of erasures, one an id."""

from alembic import op

revision = "chassis_0004"
down_revision = "chassis_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None has been given yet."""
    op.execute(
        """
        CREATE TABLE erasure_receipts (
            customer_id text NOT NULL,
            erasure_id text NOT NULL,
            receipt json NOT NULL,
            given_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (customer_id, erasure_id)
        )
        """
    )
