"""Homes of a release, and the queue for them."""

from alembic import op

revision = "intake_0007"
down_revision = "intake_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


STATEMENTS = (
    """
    CREATE TABLE homes (
        home_id text PRIMARY KEY,
        version integer NOT NULL,
        community_id text NOT NULL,
        release_id text,
        document jsonb NOT NULL
    )
    """,
    "CREATE INDEX homes_of_community ON homes (community_id, home_id)",
    "CREATE INDEX homes_of_release ON homes (release_id, home_id) WHERE release_id IS NOT NULL",
    """
    CREATE TABLE releases (
        release_id text PRIMARY KEY,
        version integer NOT NULL,
        community_id text NOT NULL,
        document jsonb NOT NULL
    )
    """,
    "CREATE INDEX releases_of_community ON releases (community_id, release_id)",
    """
    CREATE TABLE queue_numbers (
        release_id text NOT NULL REFERENCES releases,
        number integer NOT NULL,
        version integer NOT NULL,
        customer_id text NOT NULL REFERENCES customers,
        given_at timestamptz NOT NULL,
        lead_id text,
        wishes jsonb,
        claimed_at timestamptz,
        outcome text CHECK (outcome IN ('claimed', 'missed', 'sold-out', 'passed')),
        settled_at timestamptz,
        home_id text,
        purchase_id text,
        PRIMARY KEY (release_id, number),
        CHECK ((outcome IS NOT DISTINCT FROM 'claimed') = (purchase_id IS NOT NULL))
    )
    """,
    # A customer has one number at a release.
    "CREATE UNIQUE INDEX queue_numbers_once ON queue_numbers (release_id, customer_id)",
    "CREATE INDEX queue_numbers_of_customer ON queue_numbers (customer_id)",
    """
    CREATE INDEX queue_numbers_unsettled ON queue_numbers (release_id, number)
        WHERE outcome IS NULL
    """,
    "ALTER TABLE deposits ADD COLUMN kind text NOT NULL DEFAULT 'receipt'",
    "ALTER TABLE deposits ADD COLUMN reverses text",
    # Where something is due: the purchases that a list of what is overdue looks at.
    """
    CREATE INDEX purchases_with_instalments ON purchases (community_id, purchase_id)
        WHERE stage NOT IN ('paid', 'rescinded')
        AND (document #> '{instalments,0}') IS NOT NULL
    """,
)
