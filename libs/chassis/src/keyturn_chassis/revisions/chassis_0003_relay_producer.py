"""Under which Kafka producer id, and at which epoch, the service's relay publishes."""

from alembic import op

revision = "chassis_0003"
down_revision = "chassis_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """There is none yet: the first relay asks the broker for one."""
    op.execute(
        """
        CREATE TABLE relay_producer (
            cluster text PRIMARY KEY,
            producer_id bigint NOT NULL,
            epoch integer NOT NULL
        )
        """
    )
