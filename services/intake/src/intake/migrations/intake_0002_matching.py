"""Merges, the review queue, and the keys by which candidates are found."""

from alembic import op

revision = "intake_0002"
down_revision = "intake_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE customers ADD COLUMN merged_into text REFERENCES customers",
    """
    CREATE INDEX customers_merged_into ON customers (merged_into)
        WHERE merged_into IS NOT NULL
    """,
    """
    CREATE TABLE merges (
        merge_id text PRIMARY KEY,
        version integer NOT NULL,
        survivor_id text NOT NULL REFERENCES customers,
        merged_id text NOT NULL REFERENCES customers,
        standing boolean NOT NULL,
        document jsonb NOT NULL
    )
    """,
    # A customer is merged into one other at most.
    "CREATE UNIQUE INDEX merges_one_standing ON merges (merged_id) WHERE standing",
    "CREATE INDEX merges_survivor_id ON merges (survivor_id)",
    "CREATE INDEX merges_merged_id ON merges (merged_id)",
    """
    CREATE TABLE reviews (
        review_id text PRIMARY KEY,
        version integer NOT NULL,
        customer_id text NOT NULL REFERENCES customers,
        other_customer_id text NOT NULL REFERENCES customers,
        is_open boolean NOT NULL,
        opened_at timestamptz NOT NULL,
        document jsonb NOT NULL
    )
    """,
    "CREATE INDEX reviews_open ON reviews (opened_at, review_id) WHERE is_open",
    "CREATE INDEX reviews_all ON reviews (opened_at, review_id)",
    "CREATE INDEX reviews_customer_id ON reviews (customer_id)",
    "CREATE INDEX reviews_other_customer_id ON reviews (other_customer_id)",
    """
    CREATE TABLE matching_keys (
        key bigint NOT NULL,
        customer_id text NOT NULL REFERENCES customers,
        PRIMARY KEY (key, customer_id)
    )
    """,
    "CREATE INDEX matching_keys_customer_id ON matching_keys (customer_id)",
    """
    CREATE TABLE matching_gates (
        gate text PRIMARY KEY,
        version integer NOT NULL,
        document jsonb NOT NULL
    )
    """,
    """
    CREATE TABLE match_models (
        version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        learnt_at timestamptz NOT NULL DEFAULT now(),
        document jsonb NOT NULL
    )
    """,
    # Why a known customer was taken for whoever came.
    "ALTER TABLE touches ADD COLUMN recognition jsonb",
)
